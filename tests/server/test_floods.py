"""Floods: how many connections stay, what those beyond a bound are answered, and that others notice nothing."""

from __future__ import annotations

import http.client
import re
import socket
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from lbclient.server.web.asgi import LOGIN_ADDRESSES, LOGIN_THREADS, LONG_BODY, Guards
from lbclient.server.web.limits import BODY_UNKNOWN, HEADERS_MAXIMUM, PIPELINE_MAXIMUM, VALUES_MAXIMUM, Limits, origin
from lbclient.server.web.server import Server
from running import RunningServer, end_server, start_server, wait_until

DEADLINE = 20.0  # s
MEMORY = 250  # MB
HEAD = b"POST /echo HTTP/1.1\r\nHost: x\r\n"
TOKEN = b"X-Auth-Token: good\r\n"
Place = tuple[str, int]


class Application:
    """Answers with the length of the body; /wait and /login when they may."""

    def __init__(self) -> None:
        self.may_answer = threading.Event()
        self.waiting = threading.Semaphore(0)
        self.lengths: dict[str, Callable[[], float]] = {}  # of the server's queues

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if "lbclient.fault" in environ:
            error = environ["lbclient.fault"]
            start_response(f"{error.status} {error.title}", [("Content-Length", "0")])
            return [b""]
        if environ["PATH_INFO"] in ("/wait", "/login"):
            self.waiting.release()
            assert self.may_answer.wait(DEADLINE)
        length = str(len(environ["wsgi.input"].read()))
        maximum = str(environ["lbclient.body_maximum"])
        start_response("200 OK", [("Content-Length", "0"), ("X-Length", length), ("X-Maximum", maximum)])
        return [b""]


@contextmanager
def serving(application: Application, **limits: Any) -> Iterator[Place]:
    guards = Guards(
        is_known=lambda environ: environ.get("HTTP_X_AUTH_TOKEN") == "good",
        is_login=lambda environ: environ["PATH_INFO"] == "/login",
    )
    made = Server(application, "127.0.0.1", 0, 2, guards=guards, limits=Limits(**{"look": 0.05, **limits}))
    place = "127.0.0.1", made.bind()
    made.start()
    made.watch(lambda name, help, read: application.lengths.update({name.removeprefix("lbclient_"): read}))
    try:
        yield place
    finally:
        application.may_answer.set()
        made.stop()


@pytest.fixture
def application() -> Application:
    return Application()


@contextmanager
def connections(place: Place, count: int, first: bytes = b"") -> Iterator[list[socket.socket]]:
    """So many connections that each have sent something; whether all of it was taken is not asked."""
    made: list[socket.socket] = []
    try:
        for _ in range(count):
            made.append(socket.create_connection(place, DEADLINE))
            with suppress(ConnectionError):  # closed already: the server has more than enough of them
                made[-1].sendall(first)
        yield made
    finally:
        for each in made:
            each.close()


def is_open(client: socket.socket) -> bool:
    """Whether the server has not closed it; what it has answered is read."""
    client.setblocking(False)
    try:
        while client.recv(65536):
            pass
    except BlockingIOError:
        return True
    except ConnectionError:
        pass
    return False


def rest(client: socket.socket) -> bytes:
    """All that comes until the server closes."""
    client.settimeout(DEADLINE)
    found = b""
    try:
        while piece := client.recv(65536):
            found += piece
    except ConnectionError:
        pass
    return found


def statuses(found: bytes) -> list[int]:
    return [int(each) for each in re.findall(rb"HTTP/1.1 (\d+)", found)]


def asked(place: Place, path: str = "/echo", body: bytes = b"", **headers: str) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection(*place, timeout=DEADLINE)
    connection.request("POST", path, body, headers)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer


@pytest.mark.parametrize("begun", [b"", b"POST /ec", HEAD + b"Content-Length: 9\r\n\r\n{}"])
@pytest.mark.parametrize("bound", [{"connections": 5}, {"connections_per_address": 5}])
def test_no_more_connections_than_allowed_and_an_honest_one_is_served(
    application: Application, bound: dict[str, int], begun: bytes
) -> None:
    with serving(application, **bound) as place, connections(place, 30, begun) as flood:
        assert asked(place).status == 200
        wait_until(lambda: sum(map(is_open, flood)) <= 5)
        assert is_open(flood[-1])  # those that were there first had to go
        assert not is_open(flood[0])


def test_who_is_pushed_out_in_the_middle_of_a_request_is_told(application: Application) -> None:
    begun = HEAD + b"Content-Length: 9\r\nExpect: 100-continue\r\n\r\n"
    with serving(application, connections=2) as place, connections(place, 1, begun) as [first]:
        assert statuses(first.recv(65536)) == [100]
        with connections(place, 2):
            assert statuses(rest(first)) == [503]


def test_requests_under_way_keep_their_connections(application: Application) -> None:
    """Where nothing but those are there, it is the new one that is refused."""
    with serving(application, connections=2) as place:
        with connections(place, 2, b"GET /wait HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n") as working:
            assert all(application.waiting.acquire(timeout=DEADLINE) for _ in working)
            with connections(place, 1, HEAD) as late:
                answer = rest(late[0])
            assert statuses(answer) == [503]
            assert b"Retry-After: 1" in answer
            application.may_answer.set()
            assert [statuses(rest(each)) for each in working] == [[200]] * 2
        wait_until(lambda: asked(place).status == 200)


def test_places_are_free_again(application: Application) -> None:
    with serving(application, connections=4) as place:
        for _ in range(5):
            with connections(place, 8, b"P"):
                pass
        answers = [asked(place).status for _ in range(10)]
    assert answers == [200] * 10


@pytest.mark.parametrize(
    "begun", [b"GET / HTTP/1.1\r\n" + b"X" * 100, HEAD + TOKEN + b"Content-Length: 4000000\r\n\r\n" + b" " * 100]
)
def test_a_trickle_does_not_prolong_a_deadline(application: Application, begun: bytes) -> None:
    limits = {"head_seconds": 0.5, "body_seconds": 0.5, "silence": DEADLINE * 10, "body_rate": 1000}
    with serving(application, **limits) as place, connections(place, 1, begun) as [client]:
        ended = threading.Event()

        def trickle() -> None:
            while not ended.wait(0.05):
                try:
                    client.send(b"x")
                except OSError:
                    return

        trickling = threading.Thread(target=trickle)
        trickling.start()
        found = rest(client)
        ended.set()
        trickling.join(DEADLINE)
    assert statuses(found) in ([408], [])  # a byte that comes after the end can take the answer along


def test_large_bodies_only_of_known_senders(application: Application) -> None:
    with serving(application) as place:
        unknown = asked(place, body=b" " * (BODY_UNKNOWN + 1))
        assert (unknown.headers["X-Length"], unknown.headers["X-Maximum"]) == ("0", str(BODY_UNKNOWN))
        small = asked(place, body=b" " * BODY_UNKNOWN)
        assert small.headers["X-Length"] == str(BODY_UNKNOWN)
        known = asked(place, body=b" " * (BODY_UNKNOWN + 1), **{"X-Auth-Token": "good"})
        assert known.headers["X-Length"] == str(BODY_UNKNOWN + 1)
        piece = b"%x\r\n%s\r\n" % (BODY_UNKNOWN, b" " * BODY_UNKNOWN)
        with connections(place, 1, HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + piece * 3) as [client]:
            head = client.recv(65536)
        assert b"x-maximum: %d" % BODY_UNKNOWN in head


def test_a_budget_for_all_bodies(application: Application) -> None:
    """Bodies that are not complete hold memory, others are refused meanwhile, small ones never; it comes back."""
    size = 400_000
    unfinished = HEAD + TOKEN + b"Content-Length: %d\r\n\r\n" % size + b" " * (size - 1)
    good = {"X-Auth-Token": "good"}
    with serving(application, body_memory=size * 3, connections_per_address=100) as place:
        with connections(place, 1, unfinished) as [client]:
            wait_until(lambda: asked(place, body=b" " * size, **good).status == 503)
            assert asked(place, body=b" " * size, **good).headers["Retry-After"] is None  # this application has none
            assert asked(place, body=b" " * 1000).status == 200
            client.sendall(b" ")
            assert statuses(client.recv(65536)) == [200]
        wait_until(lambda: asked(place, body=b" " * size, **good).status == 200)


def test_more_values_than_memory_has_room_for(application: Application) -> None:
    with serving(application) as place:
        body = b"[" + b"[]," * VALUES_MAXIMUM + b"[]]"
        assert asked(place, body=body, **{"X-Auth-Token": "good"}).status == 413


def test_too_many_headers(application: Application) -> None:
    with serving(application) as place, connections(place, 1, HEAD + b"X: y\r\n" * (HEADERS_MAXIMUM + 1)) as [client]:
        assert statuses(rest(client)) == [431]


def test_requests_without_waiting_for_answers(application: Application) -> None:
    many = b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n" * (PIPELINE_MAXIMUM + 2)
    with serving(application) as place, connections(place, 1, many) as [client]:
        assert statuses(rest(client))[-1:] == [429]


LOGIN = b"GET /login HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


def test_logins_wait_in_a_short_queue_apart_from_the_others(application: Application) -> None:
    with serving(application, logins=1) as place, connections(place, LOGIN_THREADS // 2, LOGIN) as working:
        assert all(application.waiting.acquire(timeout=DEADLINE) for _ in working)
        with connections(place, 10, LOGIN) as queued:
            wait_until(lambda: sum(map(_has_answer, queued)) == 7)
            assert asked(place).status == 200
            application.may_answer.set()
            found = sorted(status for each in queued for status in statuses(rest(each)))
    assert found == [200] * 3 + [429] * 7


def logging_in(stack: ExitStack, place: Place, address: str, count: int) -> list[socket.socket]:
    """Begin so many logins from an address."""
    made = [socket.create_connection(place, DEADLINE, (address, 0)) for _ in range(count)]
    for each in made:
        stack.enter_context(each)
        each.sendall(LOGIN)
    return made


def test_a_full_queue_of_logins_has_places_for_an_address_with_fewer(application: Application) -> None:
    allowed = LOGIN_THREADS + 1
    with serving(application, logins=1) as place, ExitStack() as stack:
        flood = []
        for number in range(2, 2 + LOGIN_ADDRESSES):
            made = logging_in(stack, place, f"127.0.0.{number}", allowed + 1)
            wait_until(lambda made=made: sum(map(_has_answer, made)) == 1)  # one more than the address may have
            flood += made
        assert asked(place).status == 200
        late = logging_in(stack, place, "127.0.0.77", allowed + 1)
        wait_until(lambda: sum(map(_has_answer, late)) == 2)  # it has as many as each of the others now
        application.may_answer.set()
        for each in (*flood, *late):
            each.setblocking(True)
        found = [[status for each in made for status in statuses(rest(each))] for made in (flood, late)]
    assert [each.count(200) for each in found] == [(allowed - 1) * LOGIN_ADDRESSES, allowed - 1]


class OneByOne(Application):
    """Notes who logs in or sends a long body, and answers each when it is released."""

    def __init__(self) -> None:
        super().__init__()
        self.begun: list[str] = []
        self.released = threading.Semaphore(0)  # of logins
        self.tokens: dict[str, threading.Semaphore] = defaultdict(lambda: threading.Semaphore(0))  # of long bodies

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["PATH_INFO"] in ("/login", "/long") and "lbclient.fault" not in environ:
            token = environ.get("HTTP_X_AUTH_TOKEN")
            released = self.tokens[token] if token else self.released
            self.begun.append(token or environ["REMOTE_ADDR"])
            assert released.acquire(timeout=DEADLINE)
        start_response("200 OK", [("Content-Length", "0")])
        return [b""]


def test_a_login_does_not_wait_behind_a_flood_of_another_address() -> None:
    application = OneByOne()
    with serving(application, logins=20) as place, ExitStack() as stack:
        flood = logging_in(stack, place, "127.0.0.2", 15)
        wait_until(lambda: len(application.begun) == LOGIN_THREADS // 2)
        logging_in(stack, place, "127.0.0.3", 1)
        wait_until(lambda: application.begun[LOGIN_THREADS // 2 :] == ["127.0.0.3"])  # at once, though others wait
        logging_in(stack, place, "127.0.0.6", 1)
        wait_until(lambda: len(application.begun) == LOGIN_THREADS)
        for address in ("127.0.0.4", "127.0.0.5"):
            logging_in(stack, place, address, 1)
        stack.callback(application.released.release, len(flood) + 4)
        wait_until(lambda: application.lengths["login_queue_length"]() == len(flood) + 4)
        application.released.release(3)
        wait_until(lambda: len(application.begun) == LOGIN_THREADS + 3)
        assert sorted(application.begun[-3:]) == ["127.0.0.2", "127.0.0.4", "127.0.0.5"]  # one of the flood in its turn


def test_long_requests_of_one_token_leave_a_thread_to_others() -> None:
    application = OneByOne()
    body = b" " * (LONG_BODY + 1)

    def send(token: str, count: int) -> None:
        head = f"POST /long HTTP/1.1\r\nHost: x\r\nX-Auth-Token: {token}\r\nContent-Length: {len(body)}\r\n\r\n"
        for each in stack.enter_context(connections(place, count)):
            each.sendall(head.encode() + body)

    with serving(application) as place, ExitStack() as stack:
        tokens = application.tokens
        for token, count in (("hog", 4), ("other", 2)):
            stack.callback(tokens[token].release, count)
        send("hog", 4)
        wait_until(lambda: application.begun == ["hog"])
        send("other", 2)
        wait_until(lambda: application.begun == ["hog", "other"])
        for token in ("hog", "other"):
            tokens[token].release()
        wait_until(lambda: len(application.begun) == 4)
        assert sorted(application.begun[2:]) == ["hog", "other"]


def _has_answer(client: socket.socket) -> bool:
    client.setblocking(False)
    try:
        return client.recv(1, socket.MSG_PEEK) != b""
    except BlockingIOError:
        return False


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
    ],
)
def test_what_connections_are_counted_by(address: str, counted: str) -> None:
    assert origin(address) == counted


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    server = start_server(tmp_path_factory.mktemp("floods") / "state")
    try:
        yield server
    finally:
        end_server(server)


BOMB = b"[" + b"[]," * 1_398_000 + b"[]]"
LOADBALANCERS = (
    b"POST /load-balancer/v2.0/lbaas/loadbalancers HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
)
TOKENS = b"POST /identity/v3/auth/tokens HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


@pytest.mark.parametrize(
    ("count", "sent"),
    [
        (150, LOADBALANCERS + b"Content-Length: 4194304\r\n\r\n" + b" " * 1_000_000),
        (16, TOKENS + b"Content-Length: %d\r\n\r\n" % len(BOMB) + BOMB),
        (600, b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * (HEADERS_MAXIMUM - 1)),
        (100, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 5000),
    ],
    ids=["unfinished bodies", "bombs", "unfinished heads", "pipelines"],
)
def test_memory_is_bounded_and_an_honest_request_answered(running: RunningServer, count: int, sent: bytes) -> None:
    host, port = running.url.removeprefix("http://").split(":")
    with connections((host, int(port)), count, sent):
        answer = asked((host, int(port)), "/identity/v3/auth/tokens", b"{}", **{"Content-Type": "application/json"})
        assert answer.status == 400
    assert peak_memory(running.process.pid) < MEMORY


def peak_memory(pid: int) -> int:
    """Megabytes that the process had at most."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found[1]) // 1024
