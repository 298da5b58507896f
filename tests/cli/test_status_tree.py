"""status show: a tree on a terminal, JSON everywhere else."""

from __future__ import annotations

import json
import os
from datetime import datetime, timezone
from typing import Any

import pytest

from lbclient.cli.output import screen, tree
from lbclient.cli.output.cells import width_of
from running import lbclient
from terminal import Terminal

NOW = datetime(2026, 1, 31, 12, 0, 30, tzinfo=timezone.utc)
STATES = {"provisioning_status": "ACTIVE", "operating_status": "ONLINE"}


def answer(**member: Any) -> dict[str, Any]:
    """An answer of …/status, with the reasons that a server may give."""
    members = [
        {"id": "m1", "name": "one", "address": "10.0.0.4", "protocol_port": 80, **STATES, **member},
        {"id": "m2", "name": "", "address": "2001:db8::4", "protocol_port": 80, **STATES},
    ]
    monitor = {"id": "h", "name": "", "type": "HTTP", **STATES}
    pool = {"id": "p", "name": "shop", **STATES, "health_monitor": monitor, "members": members}
    listener = {"id": "l", "name": "http", **STATES, "pools": [pool]}
    return {"id": "b", "name": "web", **STATES, "listeners": [listener]}


def drawn(found: dict[str, Any], room: int = 0, *, is_coloured: bool = False) -> list[str]:
    return list(tree.drawn(tree.tree(found, now=NOW), tree.LINES, is_coloured, room))


def test_the_tree_has_everything_in_its_place() -> None:
    assert drawn(answer(operating_status="ERROR")) == [
        "load balancer web                 ACTIVE  ONLINE",
        "└─ listener http                  ACTIVE  ONLINE",
        "   └─ pool shop                   ACTIVE  ONLINE",
        "      ├─ health monitor HTTP      ACTIVE  ONLINE",
        "      ├─ member one 10.0.0.4:80   ACTIVE  ERROR",
        "      └─ member [2001:db8::4]:80  ACTIVE  ONLINE",
    ]


def test_what_a_server_tells_beside_the_states_is_shown_below() -> None:
    lines = drawn(
        answer(
            operating_status_reason="Layer 4 check failed: connection refused",
            last_check={"at": "2026-01-31T12:00:18", "status": "L4CON", "reason": "Connection refused"},
            check={"code": 503, "duration_ms": 4, "description": None},
            nothing=None,
        )
    )
    assert lines[5:8] == [
        "      │     Layer 4 check failed: connection refused",
        "      │     last check: Connection refused (L4CON), for 12 s",
        "      │     check: code 503, duration ms 4",
    ]


@pytest.mark.parametrize("room", [40, 60, 80])
def test_no_line_is_longer_than_the_terminal(room: int) -> None:
    found = answer(name="名" * 40, operating_status_reason="why " * 40)
    assert all(width_of(line) <= room for line in drawn(found, room))
    assert all(line.count("ACTIVE") == 1 for line in drawn(found, room) if "why" not in line)
    assert sum(line.count("why") for line in drawn(found, room)) == 40


def test_nothing_in_a_name_steers_the_terminal() -> None:
    lines = drawn(answer(name="\x1b[2J\r\n\u202ebad\x9b", operating_status_reason="\x1b]0;title\x07"))
    assert all(char.isprintable() for line in lines for char in line)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("2026-01-31T12:00:29", "1 s ago"),
        ("2026-01-31T11:00:00Z", "1 h ago"),
        ("2026-01-29 12:00:00+00:00", "2 d ago"),
        ("2026-01-31T13:00:00", "0 s ago"),
        ("2026", "2026"),
        ("refused", "refused"),
    ],
)
def test_a_time_is_told_as_an_age(text: str, words: str) -> None:
    assert tree.age(text, NOW) == words


def test_states_have_colours() -> None:
    lines = drawn(answer(operating_status="ERROR"), is_coloured=True)
    assert f"{screen.PAINTS['red']}ERROR" in lines[4]
    assert f"{screen.PAINTS['green']}ONLINE" in lines[0]


def test_in_a_pipe_it_is_the_answer_of_the_api(run, pool, loadbalancer) -> None:
    for options in ((), ("-f", "json"), ("--format", "json")):
        result = run("loadbalancer", "status", "show", loadbalancer, *options)
        assert result.json["loadbalancer"]["name"] == loadbalancer
        assert result.out == json.dumps(result.json, indent=4) + "\n"


def test_a_tree_in_a_pipe_has_no_colours(run, pool, loadbalancer) -> None:
    result = run("loadbalancer", "status", "show", loadbalancer, "-f", "tree")
    assert result.lines[2].startswith("   └─ pool ")
    assert "\x1b" not in result.out
    assert "\x1b[32m" in run("loadbalancer", "status", "show", loadbalancer, "-f", "tree", "--color", "always").out


@pytest.mark.parametrize(("more", "is_coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_on_a_terminal_it_is_a_tree(cloud, run, pool, loadbalancer, more, is_coloured) -> None:
    command = ["env", *(f"{name}={value}" for name, value in more.items()), *lbclient()]
    with Terminal([*command, "loadbalancer", "status", "show", loadbalancer], cloud.environment()) as terminal:
        assert terminal.finish() == 0
        lines = terminal.text.splitlines()
        assert lines[0].startswith(f"load balancer {loadbalancer} ")
        assert [line.split()[0] for line in lines[1:3]] == ["└─", "└─"]
        assert (b"\x1b[32m" in terminal.raw) == is_coloured


def test_json_can_be_asked_for_on_a_terminal(cloud, run, loadbalancer) -> None:
    command = lbclient("loadbalancer", "status", "show", loadbalancer, "-f", "json")
    with Terminal(command, cloud.environment(), columns=200) as terminal:
        assert terminal.finish() == 0
        assert json.loads(terminal.raw)["loadbalancer"]["name"] == loadbalancer


def test_without_unicode_the_lines_are_ascii(cloud, run, pool, loadbalancer) -> None:
    environment = {**cloud.environment(), "LANG": "C", "LC_ALL": "C", "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    with Terminal(lbclient("loadbalancer", "status", "show", loadbalancer), {**os.environ, **environment}) as terminal:
        assert terminal.finish() == 0
        assert "`- listener" in terminal.text
