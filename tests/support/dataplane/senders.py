"""Clients of UDP listeners, and what the relay between them and the members says."""

from __future__ import annotations

import contextlib
import socket
from typing import Any

import trees
import vips
from instances import Running
from members import free_port
from world import member

from lbclient.dataplane.haproxy import runtime
from lbclient.dataplane.haproxy.relay_process import RelayProcess
from lbclient.dataplane.relay.interface import SOCKET


def udp(*servers: Any, port: int | None = None, **pool: Any) -> dict[str, Any]:
    """A UDP listener before a pool of these servers."""
    wanted = {"protocol": "UDP", "protocol_port": port or free_port(), "default_pool": "pool"}
    members = {each.name: member(each) for each in servers}
    return {
        "listeners": {"udp": wanted},
        "pools": {"pool": {"protocol": "UDP", "lb_algorithm": "ROUND_ROBIN", "members": members, **pool}},
    }


def listener(port: int) -> dict[str, Any]:
    """One more, which HAProxy carries."""
    return {"listeners": {"web": {"protocol": "HTTP", "protocol_port": port}}}


class Client:
    """A UDP client with one source port."""

    def __init__(self, tree: dict[str, Any], source: str | None = None, address: str | None = None) -> None:
        port = tree["listeners"]["udp"]["protocol_port"]
        address = address or vips.at(port, source)
        self._socket = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
        if source:
            self._socket.bind((source, 0))
        self._socket.connect((address, port))

    def ask(self, data: bytes = b"?", seconds: float = 3.0) -> bytes:
        """The whole answer; nothing where none comes."""
        self._socket.settimeout(seconds)
        with contextlib.suppress(OSError):
            self._socket.send(data)
            return self._socket.recv(65536)
        return b""

    def name(self, seconds: float = 3.0) -> str:
        """Who answered."""
        return self.ask(seconds=seconds).partition(b" ")[0].decode()

    def close(self) -> None:
        self._socket.close()


SILENCE = 0.3  # s: long enough for an answer on this machine, short enough for a test


def rows(running: Running) -> runtime.Rows:
    return runtime.parse_report(runtime.ask(running.instance.directory, SOCKET, runtime.REPORT)).rows


def row(running: Running, proxy: str, server: str) -> runtime.Row:
    named = server if server.isupper() else trees.identity(server)
    return rows(running)[trees.identity(proxy), named]


def relay(running: Running) -> int:
    pid = RelayProcess(running.instance.directory).pid()
    assert pid is not None
    return pid
