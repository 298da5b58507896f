"""member drain and undrain: real connections through HAProxy, and servers that tell less than ours."""

from __future__ import annotations

import contextlib
import http.client
import http.server
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

import fronts
from console import Console
from running import wait_until

MEMBER = ("loadbalancer", "member")


@dataclass
class Holder:
    """A server that keeps every connection open until its client has gone."""

    socket: socket.socket

    @property
    def port(self) -> int:
        return int(self.socket.getsockname()[1])

    def serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.socket.accept()
                connection.sendall(b"hello")
                threading.Thread(target=self.keep, args=(connection,), daemon=True).start()

    @staticmethod
    def keep(connection: Any) -> None:
        with connection, contextlib.suppress(OSError):
            connection.recv(1)  # returns when the client has gone


@dataclass
class Site:
    """A TCP listener, and a pool with one member."""

    run: Any
    pool: str
    address: tuple[str, int]
    server: Holder

    def open(self) -> socket.socket:
        connection = socket.create_connection(self.address, timeout=10)
        assert connection.recv(5) == b"hello"
        return connection

    def member(self, name: str = "one") -> Any:
        return self.run(*MEMBER, "show", self.pool, name, "-f", "json").json


@pytest.fixture
def site(run, loadbalancer) -> Iterator[Site]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        holder = Holder(listening)
        threading.Thread(target=holder.serve, daemon=True).start()
        vip = run("loadbalancer", "show", loadbalancer, "-f", "value", "-c", "vip_address").lines[0]
        pool = f"{loadbalancer}-pool"
        wait = ("--wait", "--name")
        for line in (
            ("listener", "create", "--protocol", "TCP", "--protocol-port", "9000", *wait, pool, loadbalancer),
            ("pool", "create", "--protocol", "TCP", "--lb-algorithm", "ROUND_ROBIN", "--listener", pool, *wait, pool),
            ("member", "create", "--address", "127.0.0.1", "--protocol-port", str(holder.port), "--weight", "7",
             "--tag", "mine", *wait, "one", pool),
        ):  # fmt: skip
            result = run("loadbalancer", *line)
            assert result.status == 0, result.err
        yield Site(run, pool, (vip, 9000), holder)


def test_the_weight_is_remembered_and_restored(run, site):
    assert run(*MEMBER, "drain", site.pool, "one").status == 0
    drained = site.member()
    assert (drained["weight"], drained["tags"]) == (0, ["mine", "lbclient:weight=7"])
    assert run(*MEMBER, "drain", "--wait", site.pool, "one").status == 0  # once more: nothing is forgotten
    assert run(*MEMBER, "undrain", "--wait", site.pool, "one").status == 0
    back = site.member()
    assert (back["weight"], back["tags"]) == (7, ["mine"])
    result = run(*MEMBER, "undrain", site.pool, "one")
    assert (result.status, result.err) == (0, "It is not drained: its weight is 7.\n")


def test_it_ends_when_the_last_connection_does(run, site):
    with site.open():
        result = run(*MEMBER, "drain", "--timeout", "0.5", site.pool, "one")
        assert result.status == 3
        assert result.err == "1 connection to member one is still open after 0.5 seconds; its weight stays 0.\n"
        assert site.member()["weight"] == 0
    assert run(*MEMBER, "drain", "--wait", "--timeout", "20", site.pool, "one").status == 0


def test_connections_of_a_replaced_worker_count(run, site, loadbalancer):
    with site.open():
        create = ("loadbalancer", "listener", "create", "--protocol", "TCP", "--protocol-port", "9001", "--wait")
        assert run(*create, loadbalancer).status == 0  # which needs a reload
        result = run(*MEMBER, "drain", "--timeout", "0.5", site.pool, "one")
        assert (result.status, "1 connection to member one is still open" in result.err) == (3, True)


def test_a_terminal_shows_the_live_count(cloud, site):
    with contextlib.ExitStack() as open_:
        first, second, third = (open_.enter_context(site.open()) for _ in range(3))
        screen = Console(cloud.environment(), *MEMBER, "drain", "--wait", site.pool, "one")
        open_.callback(screen.close)
        screen.wait_for("member one: 3 connections open, ")
        first.close()
        second.close()
        screen.wait_for("member one: 1 connection open, ")
        third.close()
        assert screen.end() == 0
        assert screen.text.splitlines()[-1].endswith("Member one is drained.")


def test_then_delete(run, site):
    with site.open() as connection:
        line = (*MEMBER, "drain", "--timeout", "0.3", "--then", "delete", site.pool, "one")
        result = run(*line)
        assert result.status == 3
        assert result.err.endswith("--then delete was not done: give --force to do it nevertheless.\n")
        assert site.member()["weight"] == 0
        result = run(*line, "--force")
        assert (result.status, "is still open after 0.3 seconds" in result.err) == (0, True)
        assert run(*MEMBER, "list", site.pool, "-f", "json").json == []
        connection.close()


def test_then_disable_and_back(run, site):
    assert run(*MEMBER, "drain", "--then", "disable", site.pool, "one").status == 0
    drained = site.member()
    assert (drained["admin_state_up"], drained["weight"]) == (False, 0)
    assert run(*MEMBER, "undrain", "--wait", site.pool, "one").status == 0
    back = site.member()
    assert (back["admin_state_up"], back["weight"], back["tags"]) == (True, 7, ["mine"])


def test_session_persistence_is_named_as_a_reason(run, site):
    assert (
        run("loadbalancer", "pool", "set", "--session-persistence", "type=SOURCE_IP", "--wait", site.pool).status == 0
    )
    with site.open():
        result = run(*MEMBER, "drain", "--timeout", "0.3", site.pool, "one")
    assert result.err.endswith("may come back by the pool's session persistence (SOURCE_IP).\n")


def test_a_weight_that_nobody_remembers(run, site):
    assert run(*MEMBER, "set", "--weight", "0", "--wait", site.pool, "one").status == 0
    result = run(*MEMBER, "undrain", site.pool, "one")
    assert (result.status, "Give it with --weight." in result.err) == (1, True)
    assert run(*MEMBER, "undrain", "--weight", "4", "--wait", site.pool, "one").status == 0
    assert site.member()["weight"] == 4


def test_odd_names(run, site):
    id_ = site.member()["id"]
    for odd in ("two words", "--dashes", "grüße-北京"):
        assert run(*MEMBER, "set", f"--name={odd}", "--wait", site.pool, id_).status == 0
        assert run(*MEMBER, "drain", "--wait", "--", site.pool, odd).status == 0
        assert run(*MEMBER, "undrain", "--wait", "--", site.pool, odd).status == 0


def test_force_alone_is_refused(run):
    result = run(*MEMBER, "drain", "--force", "p", "m")
    assert (result.status, result.err) == (2, "--force belongs to --then delete or --then disable.\n")


@pytest.fixture
def through(cloud, monkeypatch):
    """Has lbclient speak to our server through one that tells less."""
    with contextlib.ExitStack() as opened, monkeypatch.context() as patch:

        def open_(**facts: Any) -> None:
            address = opened.enter_context(fronts.older(cloud.url, **facts))
            patch.setenv("OS_LOAD_BALANCER_ENDPOINT_OVERRIDE", address)

        yield open_


def test_without_statistics_it_says_what_it_cannot_know(run, site, through):
    through()
    with site.open():
        # The server's totals are a moment old.
        wait_until(lambda: _active(run, site) == 1)
        result = run(*MEMBER, "drain", "--timeout", "1", "--then", "delete", site.pool, "one")
    assert result.status == 4
    first, second = result.err.splitlines()
    assert first.startswith("This server does not tell how many connections are open to a member: waiting until load")
    assert second.startswith(
        "Whether connections to member one are open is not known after 1 seconds: its load balancer"
    )
    assert "has 1 connection open in all. Its weight stays 0." in second
    assert second.endswith("--then delete was not done: give --force to do it nevertheless.")
    assert site.member()["weight"] == 0


def _active(run, site) -> int:
    return int(run("loadbalancer", "listener", "stats", "show", site.pool, "-f", "json").json["active_connections"])


def test_without_statistics_no_connection_at_all_is_enough(run, site, through, monkeypatch):
    monkeypatch.setattr("lbclient.cli.members.drain.STALE", 0.5)
    through()
    assert run(*MEMBER, "drain", "--timeout", "20", site.pool, "one").status == 0


def test_without_tags_the_weight_is_told(run, site, through):
    through(has_tags=False)
    result = run(*MEMBER, "drain", site.pool, "one")
    assert result.status == 0
    assert result.err == "This server keeps no tags, so undrain has to be told the weight: --weight 7.\n"
    assert (site.run(*MEMBER, "show", site.pool, "one", "-f", "value", "-c", "weight").lines) == ["0"]


def test_within_openstack_the_exit_status_is_the_same(cloud, site):
    program = "import sys; from openstackclient.shell import main; sys.exit(main(sys.argv[1:]))"
    line = (sys.executable, "-c", program, *MEMBER, "drain", "--timeout", "0.3", site.pool, "one")
    with site.open():
        result = subprocess.run(line, env=cloud.environment(), capture_output=True, text=True, timeout=60)
    assert (result.returncode, result.stderr.count("still open after 0.3 seconds")) == (3, 1)


class Slow(http.server.BaseHTTPRequestHandler):
    """Answers when it is told to."""

    protocol_version = "HTTP/1.1"
    go_on: threading.Event

    def do_GET(self) -> None:
        if self.path == "/slow":
            self.go_on.wait(20)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *arguments: Any) -> None:
        """Quiet."""


def test_a_request_counts_and_an_idle_connection_does_not(run, pool, loadbalancer):
    go_on = threading.Event()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (Slow,), {"go_on": go_on}))
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    create = (*MEMBER, "create", "--address", "127.0.0.1", "--protocol-port", str(server.server_port))
    assert run(*create, "--name", "one", "--wait", pool).status == 0
    vip = run("loadbalancer", "show", loadbalancer, "-f", "value", "-c", "vip_address").lines[0]
    client = http.client.HTTPConnection(vip, 8080, timeout=20)
    try:
        client.request("GET", "/quick")
        client.getresponse().read()
        client.request("GET", "/slow")  # on the same connection
        result = run(*MEMBER, "drain", "--timeout", "0.5", pool, "one")
        assert (result.status, result.err[:13]) == (3, "1 connection ")
        go_on.set()
        client.getresponse().read()
        assert run(*MEMBER, "drain", "--wait", "--timeout", "20", pool, "one").status == 0
        assert client.sock is not None, "it is still open to the load balancer"
    finally:
        go_on.set()
        client.close()
        server.shutdown()
        server.server_close()


def test_several_members(run, site):
    other = ("create", "--address", "127.0.0.2", "--protocol-port", str(site.server.port), "--weight", "3", "--wait")
    assert run(*MEMBER, *other, "--name", "two", site.pool).status == 0
    with site.open():
        result = run(*MEMBER, "drain", "--timeout", "0.5", site.pool, "two", "one")
        assert result.status == 3
        assert "1 connection to member one is still open" in result.err
        assert result.err.endswith("1 of 2 members are not known to be drained.\n")
        assert [site.member(name)["weight"] for name in ("one", "two")] == [0, 0]
    assert run(*MEMBER, "drain", "--wait", site.pool, "one", "two").status == 0
    assert run(*MEMBER, "undrain", "--wait", site.pool, "one", "two").status == 0
    assert [site.member(name)["weight"] for name in ("one", "two")] == [7, 3]
    assert run(*MEMBER, "drain", "--then", "delete", site.pool, "one", "two").status == 0
    assert run(*MEMBER, "list", site.pool, "-f", "json").json == []
