"""The HTTP server by itself: who is silent, slow or without end, and what others notice of it."""

from __future__ import annotations

import asyncio
import http.client
import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lbclient.server.web.door import Door
from lbclient.server.web.limits import BODY_MAXIMUM, HEAD_MAXIMUM, Limits
from lbclient.server.web.server import ListenError, Server

DEADLINE = 20.0  # s
Asker = Callable[..., http.client.HTTPConnection]  # ask(place, path, [body])
SILENCE = 0.5  # s, in place of half a minute
HEAD = b"POST /echo HTTP/1.1\r\nHost: x\r\n"


class Application:
    """/echo answers with the body, /wait when it is allowed to, /quick at once, /environ with what it was given."""

    def __init__(self) -> None:
        self.is_waiting = threading.Event()
        self.may_answer = threading.Event()

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        body = environ["wsgi.input"].read()
        path = environ["PATH_INFO"]
        if path == "/wait":
            self.is_waiting.set()
            assert self.may_answer.wait(DEADLINE)
        if path == "/environ":
            body = json.dumps({name: value for name, value in environ.items() if isinstance(value, str)}).encode()
        length = environ.get("CONTENT_LENGTH", "")
        start_response("200 OK", [("Content-Length", str(len(body))), ("X-Length", length)])
        return [body]


@pytest.fixture
def application() -> Application:
    return Application()


@pytest.fixture
def server(application: Application) -> Iterator[tuple[str, int]]:
    limits = Limits(silence=SILENCE, head_seconds=SILENCE * 3, body_seconds=SILENCE, look=0.05)
    made = Server(application, "127.0.0.1", 0, 2, lambda environ: environ["PATH_INFO"] == "/quick", limits=limits)
    port = made.bind()
    made.start()
    yield "127.0.0.1", port
    application.may_answer.set()
    made.stop()


def connect(place: tuple[str, int]) -> socket.socket:
    return socket.create_connection(place, DEADLINE)


@pytest.fixture
def ask() -> Iterator[Asker]:
    """Begins a request on a connection of its own, which is closed at the end."""
    made: list[http.client.HTTPConnection] = []

    def begin(place: tuple[str, int], path: str, *body: Any) -> http.client.HTTPConnection:
        made.append(http.client.HTTPConnection(*place, timeout=DEADLINE))
        made[-1].request("POST" if body else "GET", path, *body)
        return made[-1]

    yield begin
    for each in made:
        each.close()


def rest(client: socket.socket) -> bytes:
    """All that comes until the server closes."""
    found = b""
    try:
        while piece := client.recv(65536):
            found += piece
    except ConnectionResetError:
        pass
    return found


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        (b"", b""),
        (b"POST /ec", b"408"),
        (HEAD, b"408"),
        (HEAD + b"Content-Length: 9\r\n\r\n", b"408"),
        (HEAD + b"Content-Length: 9\r\n\r\n{}", b"408"),
        (HEAD + b"Content-Length: 2\r\n\r\n{}", b"200"),
    ],
)
def test_who_is_silent_is_not_waited_for(server: tuple[str, int], said: bytes, answer: bytes) -> None:
    with connect(server) as client:
        client.sendall(said)
        found = rest(client)
    assert re.findall(rb"HTTP/1.1 (\d+)", found) == ([answer] if answer else [])


def test_who_is_slow_but_not_silent_is_waited_for(server: tuple[str, int]) -> None:
    with connect(server) as client:
        for letter in HEAD + b"Content-Length: 2\r\nConnection: close\r\n\r\n{}":
            client.sendall(bytes([letter]))
            time.sleep(SILENCE / 50)  # longer than the silence in all: that is the point
        assert rest(client).endswith(b"\r\n\r\n{}")


def test_a_server_that_takes_long_is_not_silent(server: tuple[str, int], application: Application, ask: Asker) -> None:
    client = ask(server, "/wait")
    assert application.is_waiting.wait(DEADLINE)
    time.sleep(SILENCE * 2)
    application.may_answer.set()
    assert client.getresponse().status == 200


def test_nobody_waits_for_those_who_wait(server: tuple[str, int], application: Application, ask: Asker) -> None:
    waiting = [ask(server, "/wait") for _ in range(4)]  # more than there are threads
    assert application.is_waiting.wait(DEADLINE)
    for _ in range(3):
        assert ask(server, "/quick").getresponse().read() == b""
    application.may_answer.set()
    assert [each.getresponse().status for each in waiting] == [200] * 4


def test_a_head_without_end(server: tuple[str, int]) -> None:
    with connect(server) as client:
        client.sendall(b"GET /echo HTTP/1.1\r\n")
        with pytest.raises(ConnectionError):  # it is closed while we go on
            client.sendall((b"X-Header: " + b"a" * 1000 + b"\r\n") * 20_000)
    with connect(server) as client:
        client.sendall(b"GET /echo HTTP/1.1\r\nX-Header: " + b"a" * HEAD_MAXIMUM)
        assert b" 431 " in rest(client)


def test_a_body_that_is_too_large_is_not_kept(server: tuple[str, int], ask: Asker) -> None:
    """The application is told how long it is said to be, and the client has its answer however long it goes on."""
    size = BODY_MAXIMUM + 1
    client = ask(server, "/echo", b" " * size)
    answer = client.getresponse()
    assert (answer.read(), answer.headers["X-Length"]) == (b"", str(size))
    client.request("POST", "/echo", iter([b" " * 65536] * 80), encode_chunked=True)
    answer = client.getresponse()
    assert size <= len(answer.read()) < 80 * 65536
    assert int(answer.headers["X-Length"]) >= size
    client.request("POST", "/echo", b"small")
    assert client.getresponse().read() == b"small"


def test_requests_one_behind_the_other(server: tuple[str, int]) -> None:
    with connect(server) as client:
        first = HEAD + b"Content-Length: 1\r\n\r\n1"
        client.sendall(first + HEAD + b"Content-Length: 1\r\nConnection: close\r\n\r\n2")
        assert re.findall(rb"\r\n\r\n(.)", rest(client)) == [b"1", b"2"]


def test_a_client_that_asks_before_it_sends(server: tuple[str, int]) -> None:
    with connect(server) as client:
        client.sendall(HEAD + b"Content-Length: 2\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n")
        assert client.recv(65536).startswith(b"HTTP/1.1 100 ")
        client.sendall(b"{}")
        assert rest(client).endswith(b"{}")


def test_what_the_application_is_given(server: tuple[str, int]) -> None:
    with connect(server) as client:
        head = b"GET /environ?a=%20b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        twice = b"X-Twice: one\r\nX-Twice: two\r\nX_Twice: not this one\r\n"
        client.sendall(head + twice + b"X-Forwarded-Proto: https\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n")
        found = json.loads(rest(client).partition(b"\r\n\r\n")[2])
    assert {name: value for name, value in found.items() if "TWICE" in name} == {"HTTP_X_TWICE": "one,two"}
    assert found["wsgi.url_scheme"] == "http"  # proxy headers are believed only where the configuration says so
    assert (found["QUERY_STRING"], found["REMOTE_ADDR"]) == ("a=%20b", "127.0.0.1")
    assert found["SERVER_PORT"] == str(server[1])


def test_requests_under_way_are_finished(application: Application, ask: Asker) -> None:
    made = Server(application, "127.0.0.1", 0, 2)
    place = "127.0.0.1", made.bind()
    made.start()
    ask(place, "/echo").getresponse().read()  # this connection is idle then
    client = ask(place, "/wait")
    assert application.is_waiting.wait(DEADLINE)
    end = threading.Thread(target=made.stop)
    end.start()
    assert is_closed(place)
    application.may_answer.set()
    assert client.getresponse().status == 200
    end.join(DEADLINE)
    assert not end.is_alive()


def test_a_connection_that_arrives_with_the_end_is_closed() -> None:
    made: list[Door] = []

    async def serve() -> None:
        loop = asyncio.get_running_loop()
        with socket.create_server(("127.0.0.1", 0)) as listening:
            door = Door(Limits())
            made.append(door)
            door.open(listening, lambda: pytest.fail("it was begun"))
            with connect(listening.getsockname()) as client:
                client.setblocking(False)
                while not door.count:  # this goes on before the task of the connection begins
                    await asyncio.sleep(0)
                door.close()
                assert await asyncio.wait_for(loop.sock_recv(client, 1), DEADLINE) == b""

    asyncio.run(serve())
    assert made[0].count == 0


def is_closed(place: tuple[str, int]) -> bool:
    """Return whether connections are refused within DEADLINE seconds."""
    deadline = time.monotonic() + DEADLINE
    while time.monotonic() < deadline:
        try:
            connect(place).close()
        except OSError:
            return True
    return False


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "::", "localhost"])
def test_where_it_listens(application: Application, ask: Asker, host: str) -> None:
    made = Server(application, host, 0, 1)
    port = made.bind()
    made.start()
    try:
        assert ask((host if host != "::" else "127.0.0.1", port), "/quick").getresponse().status == 200
        with pytest.raises(ListenError, match="Address already in use"):
            Server(application, host, port, 1).bind()
    finally:
        made.stop()


def test_a_host_that_there_is_not(application: Application) -> None:
    with pytest.raises(ListenError, match=r"Cannot listen on 192\.0\.2\.1:0"):
        Server(application, "192.0.2.1", 0, 1).bind()


def test_an_idle_server_wakes_once_a_second_and_ends_at_once(application: Application) -> None:
    known = set(threading.enumerate())
    made = Server(application, "127.0.0.1", 0, 1, limits=Limits(look=1000))
    port = made.bind()
    made.start()
    with connect(("127.0.0.1", port)) as client:
        client.sendall(b"GET /quick HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert b"\r\ndate: " in rest(client).lower()
    [thread] = [each for each in threading.enumerate() if each not in known and each.name == "http"]
    before, start = waits(thread), time.monotonic()
    time.sleep(3)  # a slower machine has no more of them
    assert waits(thread) - before <= 2 * (time.monotonic() - start) + 2
    made.stop()
    assert not thread.is_alive()


def waits(thread: threading.Thread) -> int:
    """How often a thread has given the processor away because it had nothing to do."""
    status = Path(f"/proc/self/task/{thread.native_id}/status").read_text()
    return int(re.findall(r"^voluntary_ctxt_switches:\s+(\d+)$", status, re.MULTILINE)[0])
