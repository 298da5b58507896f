"""topology: pictures of a load balancer."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

from lbclient.cli.output import screen
from lbclient.cli.output.cells import width_of
from lbclient.cli.output.drawing import diagram, languages, svg, text
from running import lbclient
from terminal import Terminal

ODD_NAMES = ['a "b" <c> & \\d', "'", "名前", "--x", "[x](y);", "<script>alert(1)</script>", "%%{init}%%", "\x1b[2J"]
SVG = "{http://www.w3.org/2000/svg}"


def whole(name: str = "web", **more: Any) -> dict[str, Any]:
    """A load balancer with its parts, as it is read from a server."""
    states = {"provisioning_status": "ACTIVE", "operating_status": "ONLINE", "admin_state_up": True}
    member = {"id": "m", "name": name, "address": "10.0.0.4", "protocol_port": 80, "weight": 2, **states}
    pool = {"protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN", "session_persistence": None, **states}
    monitor = {"type": "HTTP", "http_method": "GET", "url_path": "/up", "delay": 5}
    rule = {"type": "HEADER", "key": name, "compare_type": "EQUAL_TO", "value": name, "invert": True}
    policies = [
        {"name": name, "action": "REDIRECT_TO_POOL", "redirect_pool_id": "p2", "rules": [rule]},
        {"name": "", "action": "REJECT", "redirect_pool_id": None, "rules": []},
        {"name": "", "action": "REDIRECT_TO_URL", "redirect_url": "http://a.example/", "rules": [rule]},
    ]
    listener = {"id": "l", "name": name, "protocol": "HTTP", "protocol_port": 80, "default_pool_id": "p1", **states}
    return {
        "id": "b",
        "name": name,
        "vip_address": "10.0.0.9",
        "additional_vips": [],
        **states,
        "listeners": [{**listener, "l7policies": policies}],
        "pools": [
            {
                "id": "p1",
                "name": name,
                **pool,
                "members": [{**member, "operating_status": "ERROR"}],
                "healthmonitor": monitor,
            },
            {"id": "p2", "name": "", **pool, "members": [], "healthmonitor": None},
            {"id": "p3", "name": "unused", **pool, "members": [member], "healthmonitor": None},
        ],
        **more,
    }


@pytest.fixture
def made(run, name, tmp_path) -> Iterator[str]:
    path = tmp_path / "lb.yaml"
    members = [{"address": "127.0.0.1", "protocol_port": port} for port in (81, 82)]
    shop = {"name": "shop", "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN", "members": members}
    listener = {"name": "http", "protocol": "HTTP", "protocol_port": 8080, "default_pool": "shop"}
    rule = {"type": "PATH", "compare_type": "STARTS_WITH", "value": "/admin"}
    listener["l7policies"] = [{"name": "closed", "action": "REJECT", "rules": [rule]}]
    found = {"name": name, "vip_subnet_id": "private-subnet", "pools": [shop], "listeners": [listener]}
    path.write_text(yaml.safe_dump(found))
    assert run("loadbalancer", "apply", str(path)).status == 0
    yield name
    run("loadbalancer", "delete", "--cascade", name)


def test_text_shows_where_everything_leads() -> None:
    lines = list(text.draw(diagram.of(whole()), 80))
    assert lines[1].startswith("│ load balancer web  VIP 10.0.0.9")
    assert lines[1].endswith("ONLINE │")
    shown = "\n".join(lines)
    assert "├─ 1: web, not HEADER web EQUAL_TO web ─▶ pool p2" in shown
    assert "├─ 2: no rule yet → reject" in shown
    assert "├─ 3: not HEADER web EQUAL_TO web → http://a.example/" in shown
    assert "└─ everything else ─▶ pool web" in shown
    assert "├─ checked by HTTP GET /up every 5 s" in shown
    assert shown.index("pool p2  HTTP") < shown.index("pool web  HTTP") < shown.index("pool unused  HTTP")


@pytest.mark.parametrize("columns", [40, 80, 132])
@pytest.mark.parametrize("name", [*ODD_NAMES, "x" * 255, "名" * 120])
def test_text_fits(columns: int, name: str) -> None:
    for line in text.draw(diagram.of(whole(name)), columns):
        assert width_of(line) <= columns
        assert line.isprintable()
        assert not line.startswith("│") or line.endswith("│")


def test_text_without_unicode() -> None:
    shown = "\n".join(text.draw(diagram.of(whole()), 80, is_unicode=False))
    assert shown.isascii()
    assert "-> pool web" in shown


def test_a_load_balancer_without_anything() -> None:
    empty = diagram.of(whole(listeners=[], pools=[]))
    assert len(list(text.draw(empty, 80))) == 3
    ElementTree.fromstring("".join(svg.draw(empty)))
    assert next(languages.mermaid(empty)) == "flowchart LR"


@pytest.mark.parametrize("name", ODD_NAMES)
def test_svg_is_well_formed_and_says_what_the_names_are(name: str) -> None:
    root = ElementTree.fromstring("\n".join(svg.draw(diagram.of(whole(name)))))
    texts = [each.text or "" for each in root.iter(f"{SVG}text")]
    assert f"load balancer {screen.clean(name)}" in texts
    assert {each.tag.removeprefix(SVG) for each in root.iter()} <= {
        *("svg", "title", "style", "defs", "marker", "path", "rect", "g", "line", "text", "circle")
    }


def test_boxes_of_the_svg_do_not_lie_upon_each_other() -> None:
    root = ElementTree.fromstring("\n".join(svg.draw(diagram.of(whole("x" * 60)))))
    boxes = [
        tuple(float(each.get(name) or 0) for name in ("x", "y", "width", "height"))
        for each in root.iter(f"{SVG}rect")
        if each.get("class") == "box"
    ]
    assert len(boxes) == 5
    for number, (x, y, wide, high) in enumerate(boxes):
        for other_x, other_y, other_wide, other_high in boxes[number + 1 :]:
            is_beside = x + wide <= other_x or other_x + other_wide <= x
            assert is_beside or y + high <= other_y or other_y + other_high <= y


def test_mermaid_has_nodes_and_edges() -> None:
    lines = list(languages.mermaid(diagram.of(whole())))
    assert lines[0] == "flowchart LR"
    assert "    lb --> l1" in lines
    assert any(line.startswith("    l1 -->|") and line.endswith("| p1") for line in lines)


@pytest.mark.parametrize("name", ODD_NAMES)
def test_no_name_means_anything_to_mermaid(name: str) -> None:
    for line in languages.mermaid(diagram.of(whole(name))):
        label = re.search(r'\["(.*)"\]', line)
        if label:
            plain = re.sub(r"</?b>|<br/>|#\d+;", "", label[1])
            assert not set(plain) & set("\"<>&;#[]{}()|`%\\'")


@pytest.mark.parametrize("name", ODD_NAMES)
def test_dot_is_read_by_a_reader_of_quoted_strings(name: str) -> None:
    source = "\n".join(languages.dot(diagram.of(whole(name))))
    without = re.sub(r'"(?:[^"\\]|\\.)*"', "Q", source, flags=re.DOTALL)
    assert '"' not in without
    assert without.count("{") == without.count("}") == 1


@pytest.mark.parametrize("form", ["text", "mermaid", "dot", "svg"])
def test_a_real_one_in_every_form(run, made, tmp_path, form) -> None:
    result = run("loadbalancer", "topology", made, "--format", form)
    assert result.status == 0
    for word in (made, "listener http", "pool shop", "127.0.0.1"):
        assert word in result.out
    path = tmp_path / f"topology.{form}"
    assert run("loadbalancer", "topology", made, "-f", form, "-o", str(path)).out == ""
    assert path.read_text() == result.out
    assert run("loadbalancer", "topology", made, "-o", "/nonexistent/x").status == 1


def test_a_terminal_has_colours_and_a_pipe_has_not(cloud, made) -> None:
    command = lbclient("loadbalancer", "topology", made)
    with Terminal(command, cloud.environment(), columns=100, lines=40) as terminal:
        assert terminal.finish() == 0
        assert b"\x1b[" in terminal.raw
        assert max(map(len, terminal.text.splitlines())) == 100
    result = subprocess.run(command, env=cloud.environment(), capture_output=True, timeout=60, check=True)
    assert b"\x1b[" not in result.stdout
    assert max(map(len, result.stdout.decode().splitlines())) == 80
