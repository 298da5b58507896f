"""WebSockets: a real client and a real server, through HTTP listeners."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
import vips
from instances import Running
from members import free_port
from websockets.sync.client import ClientConnection, connect
from websockets.sync.server import ServerConnection, serve
from world import web

pytestmark = pytest.mark.usefixtures("vips")


@dataclass(frozen=True)
class Server:
    """A member that speaks WebSocket."""

    port: int
    address: str = "127.0.0.1"


@pytest.fixture
def talker() -> Iterator[Callable[[str], Server]]:
    """Makes WebSocket servers that say their name, the path, and then whatever they are told."""
    made = []

    def make(name: str) -> Server:
        def talk(connection: ServerConnection) -> None:
            assert connection.request is not None
            connection.send(f"{name} {connection.request.path}")
            for message in connection:
                connection.send(message)

        server = serve(talk, "127.0.0.1", 0)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        made.append(server)
        return Server(server.socket.getsockname()[1])

    yield make
    for each in made:
        each.shutdown()


def opened(port: int, path: str = "/chat") -> ClientConnection:
    address = vips.at(port)
    host = f"[{address}]" if ":" in address else address
    return connect(f"ws://{host}:{port}{path}", open_timeout=5, close_timeout=5, proxy=None)


def says(connection: ClientConnection, message: str | bytes) -> str | bytes:
    connection.send(message)
    return connection.recv(timeout=5)


def test_messages_of_all_kinds_and_sizes(running: Running, talker) -> None:
    port, one = free_port(), talker("one")
    running.apply(web(port, members={"one": {"address": one.address, "protocol_port": one.port}}))
    with opened(port) as connection:
        assert connection.recv(timeout=5) == "one /chat"
        for message in ("text", "", "ü" * 1000, b"\0binary", bytes(300_000)):
            assert says(connection, message) == message
        assert connection.ping().wait(5)


def test_they_live_on_through_changes_of_everything_around(running: Running, talker, webs) -> None:
    port, one = free_port(), talker("one")
    running.apply(web(port, members={"one": {"address": one.address, "protocol_port": one.port}}))
    (two,) = webs("two")
    with opened(port) as connection:
        assert connection.recv(timeout=5) == "one /chat"
        for change in (
            {"pools": {"pool": {"members": {"two": {"address": two.address, "protocol_port": two.port}}}}},
            {"pools": {"pool": {"members": {"one": {"weight": 0}}}}},
            {"listeners": {"web": {"insert_headers": {"X-Forwarded-For": "true"}}}},
            {"pools": {"pool": {"members": {"one": {"admin_state_up": False}}}}},
            {"listeners": {"more": {"protocol": "UDP", "protocol_port": free_port()}}},
        ):
            assert running.apply(change).how != "nothing"
            assert says(connection, "still there?") == "still there?"


def test_a_policy_sends_them_where_it_says(running: Running, talker, webs) -> None:
    port, chat, (page,) = free_port(), talker("chat"), webs("page")
    tree = web(port, members={"page": {"address": page.address, "protocol_port": page.port}})
    rule = {"type": "HEADER", "key": "Upgrade", "compare_type": "EQUAL_TO", "value": "websocket"}
    policy = {"action": "REDIRECT_TO_POOL", "redirect_pool": "chat", "rules": [rule]}
    tree["listeners"]["web"]["l7policies"] = {"upgrades": policy}
    members = {"chat": {"address": chat.address, "protocol_port": chat.port}}
    tree["pools"]["chat"] = {"protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN", "members": members}
    running.apply(tree)
    with opened(port, "/room?id=1") as connection:
        assert connection.recv(timeout=5) == "chat /room?id=1"
