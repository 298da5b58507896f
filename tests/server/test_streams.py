"""Streams of server-sent events: what they send, to whom, and what they cost the others."""

from __future__ import annotations

import http.client
import json
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

from lbclient.server.errors import Unauthorized
from lbclient.server.web.asgi import STREAM
from lbclient.server.web.limits import Limits
from lbclient.server.web.server import Server
from running import RunningServer, lbclient, wait_until
from server_process import scoped_token

DEADLINE = 20.0  # s


class Said:
    """A stream of what a test says."""

    heartbeat = b"beat\n"

    def __init__(self) -> None:
        self.waiting: list[bytes] = []
        self.wakes: list[Callable[[], None]] = []
        self.is_allowed = True
        self.closed = 0

    def open(self, wake: Callable[[], None]) -> None:
        self.wakes.append(wake)

    def take(self) -> bytes | None:
        found, self.waiting = self.waiting, []
        return None if b"END" in found else b"".join(found)

    def check(self) -> None:
        if not self.is_allowed:
            raise Unauthorized("no")

    def close(self) -> None:
        self.closed += 1

    def say(self, *words: bytes) -> None:
        self.waiting += words
        for wake in self.wakes:
            wake()


class Application:
    """/stream sends what is said; everything else is answered with ok."""

    def __init__(self, said: Said) -> None:
        self._said = said

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/stream":
            environ[STREAM] = self._said
            start_response("200 OK", [("Content-Type", "text/event-stream")])
            return []
        start_response("200 OK", [("Content-Length", "2")])
        return [b"ok"]


@pytest.fixture
def said() -> Said:
    return Said()


@pytest.fixture
def make_server(said: Said) -> Iterator[Callable[..., Server]]:
    """A server with one thread for requests and the given limits."""
    made: list[Server] = []

    def make(**limits: Any) -> Server:
        usual = {"silence": 0.5, "look": 0.05, "stream_silence": 0.2, "stream_check": 30.0}
        server = Server(Application(said), "127.0.0.1", 0, 1, limits=Limits(**{**usual, **limits}))
        server.bind()
        server.start()
        made.append(server)
        return server

    yield make
    for each in made:
        each.stop()


Ask = Callable[..., http.client.HTTPResponse]


@pytest.fixture
def ask() -> Iterator[Ask]:
    """ask(server, [path], [source]): a request over a connection of its own, from an address."""
    made: list[Any] = []

    def ask(server: Server, path: str = "/stream", source: str = "127.0.0.1") -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection(*server.address, timeout=DEADLINE, source_address=(source, 0))
        connection.request("GET", path, headers={"Connection": "close"})
        answer = connection.getresponse()
        made.extend((answer, connection))
        return answer

    yield ask
    for each in made:
        each.close()


def test_parts_arrive_with_heartbeats_between(make_server: Callable[..., Server], ask: Ask, said: Said) -> None:
    answer = ask(make_server())
    assert answer.getheader("Content-Type") == "text/event-stream"
    lines = [answer.readline() for _ in range(6)]  # longer than the silence that a connection is allowed
    assert set(lines) == {b"beat\n"}
    said.say(b"first\n")
    found = answer.readline()
    while found == b"beat\n":
        found = answer.readline()
    assert found == b"first\n"
    said.say(b"END")
    assert set(answer.read().splitlines()) <= {b"beat"}
    wait_until(lambda: said.closed == 1)


def test_streams_occupy_no_thread(make_server: Callable[..., Server], ask: Ask, said: Said) -> None:
    server = make_server()
    answers = [ask(server) for _ in range(50)]
    assert ask(server, "/").read() == b"ok"
    said.waiting = []
    for each in answers:
        assert each.readline() == b"beat\n"
        each.close()
    wait_until(lambda: said.closed == 50)


def test_the_end_of_the_server_ends_streams_at_once(make_server: Callable[..., Server], ask: Ask, said: Said) -> None:
    server = make_server()
    answer = ask(server)
    begun = time.monotonic()
    server.stop()
    assert set(answer.read().splitlines()) <= {b"beat"}
    assert time.monotonic() - begun < Limits().finish / 2
    assert said.closed == 1


def test_a_stream_ends_with_the_right_to_see_it(make_server: Callable[..., Server], ask: Ask, said: Said) -> None:
    answer = ask(make_server(stream_silence=0.05, stream_check=0.1))
    assert answer.readline() == b"beat\n"
    said.is_allowed = False
    answer.read()  # comes to an end


def test_too_many_streams_are_refused(make_server: Callable[..., Server], ask: Ask, said: Said) -> None:
    server = make_server(streams=2)
    kept = [ask(server), ask(server)]
    assert ask(server).status == 503
    kept[0].close()
    wait_until(lambda: ask(server).status == 200)


def test_one_address_does_not_take_all_streams(make_server: Callable[..., Server], ask: Ask) -> None:
    server = make_server(streams=4)
    kept = [ask(server) for _ in range(4)]
    others = [ask(server, source=f"127.0.0.{number}") for number in (2, 2, 2)]
    assert [each.status for each in others] == [200, 200, 503]
    for each in kept[:2]:
        each.read()  # comes to an end
    assert ask(server).status == 503
    for each in (*kept[2:], *others[:2]):
        assert each.readline() == b"beat\n"


def test_a_client_that_does_not_read_is_cut_off(make_server: Callable[..., Server], ask: Ask, said: Said) -> None:
    answer = ask(make_server())
    assert answer.readline() == b"beat\n"
    deadline = time.monotonic() + DEADLINE
    while not said.closed:
        assert time.monotonic() < deadline
        said.say(b"x" * 1_000_000)
        time.sleep(0.05)


class Follower:
    """A client that follows events in a thread, until its end or that of the server."""

    def __init__(self, server: RunningServer, token: str, path: str, last: str = "") -> None:
        self.messages: list[tuple[str, dict[str, Any]]] = []
        host, _, port = server.url.removeprefix("http://").rpartition(":")
        self._connection = http.client.HTTPConnection(host, int(port), timeout=DEADLINE)
        headers = {"X-Auth-Token": token, "Accept": "text/event-stream"}
        self._connection.request("GET", path, headers={**headers, **({"Last-Event-ID": last} if last else {})})
        self._answer = self._connection.getresponse()
        self.status = self._answer.status
        self._thread = threading.Thread(target=self._read)
        if self.status == 200:
            self._answer.readline()
            self._thread.start()
        else:
            self.close()

    def close(self) -> None:
        self._connection.close()
        self._answer.close()

    def join(self) -> None:
        self._thread.join(DEADLINE)
        self.close()

    def _read(self) -> None:
        id_ = ""
        while line := self._answer.readline():
            name, _, value = line.decode().rstrip().partition(": ")
            if name == "id":
                id_ = value
            elif name == "data":
                self.messages.append((id_, json.loads(value)))

    @property
    def told(self) -> list[tuple[str, str, str | None, bool]]:
        """Action, resource, name, and whether it has been applied, of each message."""
        found = [each for _, each in self.messages if each["action"] != "observe"]
        return [(each["action"], each["resource"], each["resource_name"], bool(each["how"])) for each in found]


def do(server: RunningServer, *words: str, cloud: str = "lbclient") -> str:
    environment = {**server.environment, "OS_CLOUD": cloud}
    done = subprocess.run(lbclient(*words), env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


CREATE = ("loadbalancer", "create", "--name")
EVENTS = "/load-balancer/v2.0/lbaas/events"
LIFE = [
    ("create", "loadbalancer", "lb1", False),
    ("create", "loadbalancer", "lb1", True),
    ("update", "loadbalancer", "lb2", False),
    ("update", "loadbalancer", "lb2", True),
]


def test_events_are_followed_across_connections_and_by_those_who_may(server: RunningServer) -> None:
    mine, admins = scoped_token(server.state_directory), scoped_token(server.state_directory, "lbclient-admin")
    all_, globally = Follower(server, mine, f"{EVENTS}?follow"), Follower(server, admins, f"{EVENTS}?follow=true")
    do(server, *CREATE, "lb1", "--vip-subnet-id", "private-subnet", "--wait")
    do(server, *CREATE, "theirs", "--vip-subnet-id", "public-subnet", "--wait", cloud="lbclient-admin")
    do(server, "loadbalancer", "set", "--name", "lb2", "--wait", "lb1")
    wait_until(lambda: all_.told == LIFE)
    wait_until(lambda: globally.told == LIFE[:2] + [(*each[:2], "theirs", each[3]) for each in LIFE[:2]] + LIFE[2:])
    assert {each["user_name"] for _, each in all_.messages if each["action"] == "create"} == {"demo"}
    first = all_.messages[0][0]
    again = Follower(server, mine, f"{EVENTS}?follow", last=first)
    wait_until(lambda: again.told == LIFE[1:])
    id_ = all_.messages[0][1]["loadbalancer_id"]
    one = Follower(server, mine, f"/load-balancer/v2.0/lbaas/loadbalancers/{id_}/events?follow&action=delete")
    do(server, "loadbalancer", "delete", "--wait", "lb2")
    wait_until(lambda: [each[0] for each in one.told] == ["delete", "delete"])
    assert Follower(server, mine, f"{EVENTS}?follow", last="none").status == 400
    assert Follower(server, "no token", f"{EVENTS}?follow").status == 401
    server.process.terminate()
    for each in (all_, globally, again, one):
        each.join()
