"""The commands of the testing API, against a server that has it and one that has not."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import requests

from running import RunningServer, end_server, start_server, wait_until

if TYPE_CHECKING:
    from conftest import Run


@pytest.fixture(scope="module")
def testing_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    running = start_server(tmp_path_factory.mktemp("testing") / "state", "--testing", "--default-provider=noop_driver")
    try:
        yield running
    finally:
        end_server(running)


@pytest.fixture
def run_testing(run_main: Run, testing_server: RunningServer, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run `lbclient` as user demo of a server with the testing API, as it was at its start."""
    for name in os.environ:
        if name.startswith(("OS_", "CLIFF_")):
            monkeypatch.delenv(name)
    for name, value in testing_server.environment.items():
        if name.startswith("OS_"):
            monkeypatch.setenv(name, value)
    assert run_main("testing", "reset").status == 0
    return run_main


CREATE = ("loadbalancer", "create", "--name", "lb1", "--vip-subnet-id", "private-subnet")


def test_a_fault_fails_a_command_as_often_as_it_says(run_testing: Run) -> None:
    fault = run_testing(
        *("testing", "fault", "create", "--resource", "loadbalancer", "--operation", "create"),
        *("--status", "503", "--message", "out of order", "--times", "1", "-f", "json"),
    ).json
    refused = run_testing(*CREATE)
    assert refused.status != 0
    assert "out of order" in refused.err
    assert run_testing(*CREATE).status == 0
    [shown] = run_testing("testing", "fault", "list", "-f", "json").json
    assert (shown["id"], shown["hits"]) == (fault["id"], 1)
    [request] = run_testing("testing", "request", "list", "--status", "503", "--long", "-f", "json").json
    assert request["fault"] == fault["id"]
    assert run_testing("testing", "fault", "delete", fault["id"]).status == 0
    assert run_testing("testing", "fault", "show", fault["id"]).status != 0


def test_a_fault_takes_the_name_of_a_project(run_testing: Run) -> None:
    fault = ("testing", "fault", "create", "--status", "503", "--project")
    made = run_testing(*fault, "demo", "-f", "json").json
    assert run_testing(*CREATE).status != 0
    assert run_testing(*fault, made["project"], "-f", "json").json["project"] == made["project"] != "demo"
    refused = run_testing(*fault, "00000000000000000000000000000000")
    assert refused.status != 0
    assert "project" in refused.err
    assert len(run_testing("testing", "fault", "list", "-f", "json").json) == 2


def test_a_pace_holds_a_load_balancer_until_it_is_released(run_testing: Run) -> None:
    assert run_testing("testing", "pace", "create", "--operation", "create", "--manual").status == 0
    assert run_testing(*CREATE).status == 0

    def status() -> str:
        return run_testing("loadbalancer", "show", "lb1", "-f", "value", "-c", "provisioning_status").out.strip()

    assert status() == "PENDING_CREATE"
    assert run_testing("testing", "pace", "release", "lb1").status == 0
    wait_until(lambda: status() == "ACTIVE")


def test_a_pace_takes_the_name_of_a_load_balancer(run_testing: Run) -> None:
    made = run_testing(*CREATE, "-f", "json").json
    pace = run_testing("testing", "pace", "create", "--loadbalancer", "lb1", "--seconds", "1", "-f", "json").json
    assert pace["loadbalancer_id"] == made["id"]


def test_a_preset_lists_its_paces(run_testing: Run) -> None:
    made = run_testing("testing", "pace", "preset", "octavia", "--scale", "0.5", "-f", "json").json
    assert [each["seconds"] for each in made] == [31.5, 1.5, 2.0]
    assert run_testing("testing", "pace", "list", "-f", "json").json == made


def test_a_snapshot_is_saved_and_brought_back(run_testing: Run) -> None:
    assert run_testing("testing", "snapshot", "save", "empty").status == 0
    assert run_testing(*CREATE).status == 0
    assert run_testing("testing", "snapshot", "restore", "empty").status == 0
    assert run_testing("loadbalancer", "list", "-f", "json").json == []
    assert {"name": "empty"} in run_testing("testing", "snapshot", "list", "-f", "json").json
    assert run_testing("testing", "snapshot", "delete", "empty").status == 0
    assert run_testing("testing", "snapshot", "save", "a.json").status == 0
    assert {"name": "a.json"} in run_testing("testing", "snapshot", "list", "-f", "json").json
    assert run_testing("testing", "snapshot", "delete", "a.json").status == 0


def test_a_member_reports_what_it_is_told_to(run_testing: Run) -> None:
    assert run_testing(*CREATE).status == 0
    pool = ("loadbalancer", "pool", "create", "--name", "pool1", "--protocol", "TCP", "--lb-algorithm", "ROUND_ROBIN")
    assert run_testing(*pool, "--loadbalancer", "lb1").status == 0
    member = ("loadbalancer", "member", "create", "--name", "m1", "--address", "192.0.2.1", "--protocol-port", "80")
    assert run_testing(*member, "pool1").status == 0
    for words, expected in ((("ERROR",), "ERROR"), (("--recover",), "NO_MONITOR")):
        assert run_testing("testing", "member", "set", "pool1", "m1", *words).status == 0
        shown = run_testing("loadbalancer", "member", "show", "pool1", "m1", "-f", "json").json
        assert shown["operating_status"] == expected


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("fault", "create", "--status", "503", "--probability", "2"), "2.0 is not from 0 to 1"),
        (("fault", "create", "--status", "503", "--resource", "balancer"), "loadbalancer"),
        (("fault", "create", "--delay", "soon"), "'soon' is not a number"),
        (("pace", "create", "--operation", "delete"), "a pace needs seconds, polls, manual"),
        (("snapshot", "restore", "nothing"), "there are: initial"),
        (("fault", "create", "--status", "503", "--probability", "nan"), "'nan' is not a number"),
        (("fault", "create", "--status", "503", "--seed", "-1"), "--seed: -1 is not 0 or more"),
        (("fault", "create", "--status", "503", "--path", ""), "path. Value: ''. Value should be a path"),
        (("pace", "preset", "fast", "--scale", "nan"), "'nan' is not a number above 0, up to 100"),
        (
            ("pace", "create", "--loadbalancer", "nothing", "--seconds", "1"),
            "No load balancer has the name or ID 'noth",
        ),
        *(((*words, "../x"), "1 to 64 letters") for words in (("snapshot", "save"), ("reset", "--snapshot"))),
        (("snapshot", "delete", "x#y"), "1 to 64 letters"),
        (("snapshot", "save", ""), "1 to 64 letters"),
        (("amphora", "kill", "nothing"), "Amphora nothing not found"),
    ],
)
def test_mistakes_are_told_in_a_sentence(run_testing: Run, words: tuple[str, ...], told: str) -> None:
    refused = run_testing("testing", *words)
    assert refused.status != 0
    assert told in refused.err


def test_a_server_without_the_testing_api_says_how_to_get_it(run: Run) -> None:
    refused = run("testing", "fault", "list")
    assert refused.status != 0
    assert "lbclient server --testing" in refused.err


PAGE = (Path(__file__).parents[2] / "doc" / "source" / "testing.rst").read_text(encoding="utf-8")


def test_the_page_about_testing_has_commands_that_work(run_testing: Run, testing_server: RunningServer) -> None:
    """Those in its blocks, and those that provoke the twenty failures; faults are removed after each."""
    pool = ("loadbalancer", "pool", "create", "--name", "pool1", "--protocol", "HTTP", "--lb-algorithm", "ROUND_ROBIN")
    member = ("loadbalancer", "member", "create", "pool1", "--name", "member1", "--address", "192.0.2.1")
    for words in (CREATE, (*pool, "--loadbalancer", "lb1"), (*member, "--protocol-port", "80")):
        assert run_testing(*words).status == 0
    blocks = re.findall(r"^    lbclient testing (.*)$", PAGE, re.MULTILINE)
    provoking = re.findall(r"^     - ``((?:fault|pace|member) .*)``$", PAGE, re.MULTILINE)
    assert len(provoking) == 19  # and the amphora, which a no-op provider has not
    for line in [each for each in (*blocks, *provoking) if not each.startswith("amphora")]:
        done = run_testing("testing", *shlex.split(line))
        assert done.status == 0, f"{line}: {done.err}"
        for kind in ("faults", "paces"):
            requests.delete(f"{testing_server.url}/testing/v1/{kind}", timeout=10).raise_for_status()
