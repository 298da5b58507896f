"""top: load balancers at work, on a terminal and in a pipe."""

from __future__ import annotations

import re
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import yaml

from lbclient.cli.output.cells import width_of
from lbclient.cli.output.watching import page, rates
from lbclient.cli.output.watching.page import Order
from lbclient.cli.output.watching.rates import Line, Sample
from running import lbclient
from terminal import Terminal


def line(name: str, state: str = "ONLINE", active: int | None = 0, **found: float | None) -> Line:
    return Line(name, state, active=active, rates=found)


def counted(moment: float, connections: int) -> Sample:
    return Sample(moment, {"total_connections": connections, "bytes_in": 0, "bytes_out": 0})


def test_a_rate_is_what_came_in_a_second() -> None:
    assert rates.rates(counted(10, 100), counted(12, 150))["connections"] == 25
    assert rates.rates(None, counted(12, 150))["connections"] is None
    assert rates.rates(counted(10, 100), counted(12, 5))["connections"] is None  # they started again from zero
    assert rates.rates(counted(10, 100), counted(12, 150))["errors"] is None  # the server does not tell


def test_orders() -> None:
    lines = [line("b", connections=1.0), line("a", "ERROR", 5, connections=None), line("c", connections=9.0)]
    names = {by: "".join(one.name for one in Order(by).sorted(lines)) for by in page.SORTS}
    assert names == {
        "connections": "cba",
        "requests": "abc",
        "response": "abc",
        "active": "abc",
        "received": "abc",
        "sent": "abc",
        "errors": "abc",
        "state": "abc",
        "name": "abc",
    }
    assert [one.name for one in Order("name", is_reversed=True).sorted(lines)] == ["c", "b", "a"]


@pytest.mark.parametrize("columns", [30, 40, 60, 79, 80, 132])
@pytest.mark.parametrize("name", ["web", "名" * 60, "x" * 255])
def test_rows_are_as_wide_as_the_screen_and_no_wider(columns: int, name: str) -> None:
    one = line(name, connections=12345.6, received=99999999.0, sent=1e15, errors=None)
    heading = page.heading(columns, Order())
    row = "".join(text for text, _ in page.row(one, columns))
    assert width_of(row) == width_of(heading) == columns
    below = Line(name, "ERROR", depth=3)
    assert width_of("".join(text for text, _ in page.row(below, columns))) <= columns


@pytest.mark.parametrize(
    ("value", "words"),
    [(0, "0 B"), (999.4, "999 B"), (999.6, "1.0 kB"), (1500, "1.5 kB"), (123456, "123 kB"), (5e15, "5000 TB")],
)
def test_amounts(value: float, words: str) -> None:
    assert page.amount(value) == words


@contextmanager
def traffic(url: str) -> Iterator[None]:
    """Requests, one after the other, until the end."""
    is_over = threading.Event()

    def ask() -> None:
        while not is_over.wait(0.02):
            try:
                urllib.request.urlopen(url, timeout=5).close()
            except urllib.error.HTTPError as answer:
                answer.close()

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


@pytest.fixture(scope="module")
def busy(cloud, tmp_path_factory) -> Iterator[str]:
    """The name of a load balancer with a listener that answers 503 or 403, and the URL that is asked all the time."""
    name = "busy"
    path = tmp_path_factory.mktemp("top") / "lb.yaml"
    members = [{"name": "gone", "address": "127.0.0.1", "protocol_port": 1}]
    monitor = {"type": "TCP", "delay": 1, "timeout": 1, "max_retries": 1, "max_retries_down": 1}
    pool = {
        "name": "shop",
        "protocol": "HTTP",
        "lb_algorithm": "ROUND_ROBIN",
        "members": members,
        "healthmonitor": monitor,
    }
    listener = {"name": "http", "protocol": "HTTP", "protocol_port": 8080, "default_pool": "shop"}
    path.write_text(
        yaml.safe_dump({"name": name, "vip_subnet_id": "private-subnet", "pools": [pool], "listeners": [listener]})
    )
    options = {"env": cloud.environment(), "capture_output": True, "text": True, "timeout": 60}
    made = subprocess.run(lbclient("loadbalancer", "apply", str(path)), **options)
    assert made.returncode == 0, made.stderr
    shown = subprocess.run(lbclient("loadbalancer", "show", name, "-f", "value", "-c", "vip_address"), **options)
    with traffic(f"http://{shown.stdout.strip()}:8080/"):
        yield name
    subprocess.run(lbclient("loadbalancer", "delete", "--cascade", "--wait", name), **options)


def top(cloud, *options: str, columns: int = 80, lines: int = 24) -> Terminal:
    command = lbclient("loadbalancer", "top", "--interval", "0.5", *options)
    return Terminal(command, cloud.environment(), columns, lines)


def flows(text: str) -> bool:
    """Whether a rate above 0 is seen."""
    return bool(re.search(r"busy +[1-9][0-9.]* +[1-9][0-9.]* ", text))


def test_the_traffic_is_seen_live(cloud, busy) -> None:
    with top(cloud) as terminal:
        text = terminal.wait_for(flows)
        assert text.splitlines()[1].split()[:3] == ["STATE", "NAME", "CONN/S↓"]
        assert max(map(len, text.splitlines())) <= 79
        assert text.splitlines()[-1].startswith("q quit")
        terminal.press("q")
        assert terminal.finish() == 0
        assert b"\x1b[?1049l" in terminal.raw  # the screen that was there before is back


def test_its_parts_and_what_is_wrong(cloud, busy) -> None:
    with top(cloud, busy) as terminal:
        terminal.wait_for(lambda text: flows(text) and "member gone 127.0.0.1:1" in text and "pool shop 0/1 up" in text)
        terminal.press("d")
        terminal.wait_for(lambda text: "pool shop" not in text)
        terminal.press("d")
        terminal.wait_for("pool shop 0/1 up")
        assert re.search(r"ERROR +member gone", terminal.text)
        terminal.press("\x03")
        assert terminal.finish() == 0


def test_keys(cloud, busy) -> None:
    with top(cloud) as terminal:
        terminal.wait_for("busy")
        for heading in ("REQ/S↓", "RESP↓", "ACTIVE↓"):
            terminal.press("s")
            terminal.wait_for(heading)
        terminal.press("r")
        terminal.wait_for("ACTIVE↑")
        terminal.press(" ")
        terminal.wait_for("paused")
        terminal.press("+")
        terminal.wait_for("every 1 s")
        terminal.press("x\x1b[Bq")
        assert terminal.finish() == 0


def test_another_size(cloud, busy) -> None:
    with top(cloud, lines=12) as terminal:
        terminal.wait_for("OUT/S")
        terminal.resize(50, 8)
        text = terminal.wait_for(lambda text: "busy" in text and "OUT/S" not in text)
        assert max(map(len, text.splitlines())) <= 49
        terminal.resize(100, 30)
        terminal.wait_for("OUT/S")
        terminal.press("q")
        assert terminal.finish() == 0


def test_it_ends_after_so_many_looks(cloud, busy) -> None:
    with top(cloud, "--count", "1") as terminal:
        assert terminal.finish() == 0


def test_lines_for_a_pipe(cloud, busy) -> None:
    command = lbclient("loadbalancer", "top", busy, "--interval", "0.5", "--count", "2")
    result = subprocess.run(command, env=cloud.environment(), capture_output=True, text=True, timeout=60, check=True)
    heading, *lines = result.stdout.splitlines()
    assert heading.split() == [
        "TIME",
        "CONN/S",
        "REQ/S",
        "RESP_MS",
        "ACTIVE",
        "IN_B/S",
        "OUT_B/S",
        "ERR/S",
        "PROVISIONING",
        "OPERATING",
        "NAME",
    ]
    assert [one.split()[10] for one in lines] == ["busy", "listener", "pool"] * 2
    assert all(float(one.split()[1]) > 0 for one in lines if "pool" not in one)
    assert "\x1b" not in result.stdout


class Slow(BaseHTTPRequestHandler):
    """Answers after a while."""

    def do_GET(self) -> None:
        time.sleep(0.05)
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def test_members_have_requests_and_response_times(cloud, run, tmp_path) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Slow) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        member = {"name": "slow", "address": "127.0.0.1", "protocol_port": server.server_port}
        pool = {"name": "waiting", "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN", "members": [member]}
        listener = {"name": "http", "protocol": "HTTP", "protocol_port": 8082, "default_pool": "waiting"}
        whole = {"name": "patient", "vip_subnet_id": "private-subnet", "pools": [pool], "listeners": [listener]}
        (tmp_path / "lb.yaml").write_text(yaml.safe_dump(whole))
        assert run("loadbalancer", "apply", str(tmp_path / "lb.yaml")).status == 0
        address = run("loadbalancer", "show", "patient", "-f", "value", "-c", "vip_address").out.strip()
        with traffic(f"http://{address}:8082/"):
            words = ("patient", "--interval", "0.5", "--batch")
            command = subprocess.Popen(
                lbclient("loadbalancer", "top", *words), env=cloud.environment(), stdout=subprocess.PIPE, text=True
            )
            assert command.stdout is not None
            seen: set[str] = set()
            for line in command.stdout:
                figures = line.split()
                name = next((word for word in ("patient", "listener", "pool", "member") if word in figures), "")
                if name and figures[2] not in ("-", "0.0") and (name == "listener" or figures[3] != "-"):
                    assert name == "listener" or float(figures[3]) >= 40  # ms
                    seen.add(name)
                if len(seen) == 4:
                    break
            command.kill()
            command.communicate()
        assert seen == {"patient", "listener", "pool", "member"}
        server.shutdown()
    assert run("loadbalancer", "delete", "--cascade", "--wait", "patient").status == 0


def test_a_server_that_goes_away_is_told_and_waited_for(cloud, busy, tmp_path) -> None:
    environment = {**cloud.environment(), "OS_LOAD_BALANCER_ENDPOINT_OVERRIDE": "http://127.0.0.1:1"}
    with Terminal(lbclient("loadbalancer", "top", "--interval", "0.5"), environment) as terminal:
        terminal.wait_for("cannot be reached")
        terminal.press("q")
        assert terminal.finish() == 0


def test_a_name_that_nothing_has(run) -> None:
    assert run("loadbalancer", "top", "no-such", "--batch", "--count", "1").status == 1
    assert run("loadbalancer", "top", "--count", "0").status == 2
