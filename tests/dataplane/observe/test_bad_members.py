"""Members that refuse, hang, answer garbage or never end: what clients and operators see, and that it heals."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import vips
from members import Web, free_port, until
from test_events import last_check as last
from world import DataPlaneRig, get, member, web

pytestmark = pytest.mark.usefixtures("some_vips")

MONITOR = {"type": "HTTP", "delay": 1, "timeout": 1, "max_retries": 1, "max_retries_down": 1, "url_path": "/health"}
TIMES = {"timeout_member_connect": 300, "timeout_member_data": 500}  # ms
HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n"


class Bad:
    """A server at one port that does to each connection what it was given."""

    address = "127.0.0.1"

    def __init__(self, behave: Callable[[socket.socket, threading.Event], None]) -> None:
        self._behave = behave
        self._listening = socket.create_server((self.address, 0))
        self.port: int = self._listening.getsockname()[1]
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def down(self) -> None:
        if not self._is_over.is_set():
            self._is_over.set()
            self._listening.shutdown(socket.SHUT_RDWR)
            self._thread.join()
            self._listening.close()

    def _serve(self) -> None:
        handlers = []
        while not self._is_over.is_set():
            with contextlib.suppress(OSError):
                connection, _ = self._listening.accept()
                handlers.append(threading.Thread(target=self._handle, args=(connection,)))
                handlers[-1].start()
        for each in handlers:
            each.join()

    def _handle(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            connection.settimeout(10)
            connection.recv(65536)
            self._behave(connection, self._is_over)


def hang(connection: socket.socket, is_over: threading.Event) -> None:
    is_over.wait()


def garbage(connection: socket.socket, is_over: threading.Event) -> None:
    connection.sendall(b"\0\1\2 what?\r\n\r\n")


def hang_up(connection: socket.socket, is_over: threading.Event) -> None:
    """Closes without a word."""


def drip(connection: socket.socket, is_over: threading.Event) -> None:
    """A head that never ends."""
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    while not is_over.wait(0.1):
        connection.sendall(b"X-More: and more\r\n")


def pour(connection: socket.socket, is_over: threading.Event) -> None:
    """A body that never ends."""
    connection.sendall(HEAD)
    while not is_over.wait(0.01):
        connection.sendall(bytes(1000))


@pytest.fixture
def bad() -> Iterator[Callable[..., Bad]]:
    made: list[Bad] = []

    def make(behave: Callable[[socket.socket, threading.Event], None]) -> Bad:
        made.append(Bad(behave))
        return made[-1]

    yield make
    for each in made:
        each.down()


def tree(*servers: Any, **pool: Any) -> dict[str, Any]:
    made = web(members={f"m{number}": member(each) for number, each in enumerate(servers)}, **pool)
    made["listeners"]["web"] |= TIMES
    return made


def port_of(given: dict[str, Any]) -> int:
    return int(given["listeners"]["web"]["protocol_port"])


class Nobody:
    """A member on a port without a listener."""

    address = "127.0.0.1"

    def __init__(self) -> None:
        self.port = free_port()


@pytest.fixture
def silent() -> Iterator[Nobody]:
    """Where packets get no answer, as from a host that is off: the queue of those who wait to be accepted is full."""
    with socket.socket() as listening, contextlib.ExitStack() as waiting:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        silent = Nobody()
        silent.port = listening.getsockname()[1]
        for _ in range(3):
            client = waiting.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(("127.0.0.1", silent.port))
        yield silent


@pytest.mark.parametrize(
    ("behave", "status"),
    [(hang, 504), (garbage, 502), (hang_up, 502), (drip, 504)],
    ids=["hang", "garbage", "hang_up", "drip"],
)
def test_what_a_client_is_told(world: DataPlaneRig, bad, behave: Any, status: int) -> None:
    given = tree(bad(behave))
    world.change(given)
    assert get(port_of(given)).status == status


@pytest.mark.parametrize("how", ["refuses", "is silent"])
def test_one_that_cannot_be_reached_is_503_or_the_next_one(world: DataPlaneRig, webs, silent: Nobody, how: str) -> None:
    nobody = silent if how == "is silent" else Nobody()
    given = tree(nobody)
    world.change(given)
    assert get(port_of(given)).status == 503
    world.change(tree(nobody, *webs("one")), {"listeners": given["listeners"]})
    assert [get(port_of(given)).name for _ in range(4)] == ["one"] * 4


@pytest.mark.parametrize(
    ("behave", "reason"),
    [
        (None, "Layer4 connection problem: .*refused"),
        (hang, "Layer7 timeout"),
        (garbage, "Layer7 (invalid response|timeout)"),
        (hang_up, "Socket error|Layer7 invalid response"),
        (drip, "Layer7 timeout"),
    ],
    ids=["refuses", "hangs", "garbage", "hangs up", "drips"],
)
def test_a_monitor_says_why_and_it_heals(world: DataPlaneRig, webs, bad, behave: Any, reason: str) -> None:
    (good,) = webs("good")
    sick: Any = bad(behave) if behave else Nobody()
    given = tree(good, sick, healthmonitor=MONITOR)
    world.change(given)
    until(lambda: world.operating("member", "m1") == "ERROR")
    until(lambda: re.match(reason, last_check(world, "m1")))
    assert world.operating("pool", "pool") == "DEGRADED"
    assert [get(port_of(given)).name for _ in range(4)] == ["good"] * 4
    if behave:
        sick.down()
    healed = Web("healed", sick.port)
    try:
        until(lambda: world.operating("member", "m1") == "ONLINE")
        until(lambda: {get(port_of(given)).name for _ in range(4)} == {"good", "healed"})
    finally:
        healed.down()


def last_check(world: DataPlaneRig, name: str) -> str:
    found = last(world, name)
    return str(found.reason) if found else ""


def test_an_answer_that_never_ends_holds_up_nobody(world: DataPlaneRig, webs, bad) -> None:
    """Neither other clients nor changes; it goes on for who wants it."""
    given = tree(bad(pour))
    world.change(given)
    with socket.create_connection((vips.at(port_of(given)), port_of(given)), timeout=10) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = connection.makefile("rb")
        assert answer.read(len(HEAD)) == HEAD
        (one,) = webs("one")
        world.tree["pools"]["pool"]["members"] = {"m1": member(one)}
        assert world.put() == "ACTIVE"
        assert get(port_of(given)).name == "one"
        assert answer.read(50_000) == bytes(50_000)
