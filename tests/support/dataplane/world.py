"""A store, a reconciler, an observer and the load balancer that tests change."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import stored
import trees
import vips
from instances import binary
from members import free_port, until

from lbclient.dataplane.haproxy import attachments, unprivileged
from lbclient.dataplane.haproxy.process import Instance
from lbclient.dataplane.observe.observer import Observer
from lbclient.dataplane.reconcile import Reconciler
from lbclient.store.hosted import Hosted
from lbclient.store.store import Store
from lbclient.vault.sealing import Vault

SETTLED = ("ACTIVE", "ERROR", None)


class DataPlaneRig:
    """The data plane in one process, as the server has it; `crash` is the server's death."""

    def __init__(self, directory: Path, haproxy: str | None = None) -> None:
        self.store = Store(f"sqlite:///{directory}/state.db", Vault(directory / "keys"))
        self.store.migrate()
        self.directory = directory / "haproxy"
        self.haproxy = haproxy or binary()
        self.user = unprivileged.user(None)
        self.id = trees.identity("lb")
        self.tree: dict[str, Any] = {}
        self.begin()

    def begin(self) -> None:
        attachment = attachments.attachment("loopback")
        self.reconciler = Reconciler(Hosted(self.store), self.directory, self.haproxy, attachment, user=self.user)
        self.observer = Observer(Hosted(self.store), self.directory, self.reconciler)
        self.reconciler.start()
        self.observer.start()

    def crash(self) -> None:
        """The server's threads end; HAProxy stays."""
        self.observer.stop()
        self.reconciler.stop()

    def close(self) -> None:
        self.crash()
        self.instance.remove()
        self.store.close()

    @property
    def instance(self) -> Instance:
        return Instance(self.directory / self.id, self.haproxy, self.user)

    def change(self, *trees_: Mapping[str, Any], wait: bool = True) -> str | None:
        """The tree with the given ones on top of it; waits until it has settled and gives the status."""
        self.tree = trees.merged(self.tree, *trees_)
        return self.put(wait)

    def put(self, wait: bool = True) -> str | None:
        stored.put(self.store, self.tree)
        self.reconciler.wake(self.id)
        if wait:
            until(lambda: self.provisioning() in SETTLED)
        return self.provisioning()

    def provisioning(self, kind: str = "loadbalancer", name: str = "lb") -> str | None:
        return stored.status(self.store, kind, name)

    def operating(self, kind: str = "loadbalancer", name: str = "lb") -> str | None:
        return stored.status(self.store, kind, name, "operating_status")

    def fault(self) -> str | None:
        return stored.status(self.store, "loadbalancer", "lb", "fault")

    def worker(self) -> int:
        worker = self.instance.worker()
        assert worker is not None
        return worker.pid


class Answer:
    """An answer over HTTP."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = response.headers
        self.text = response.read()

    @property
    def json(self) -> dict[str, Any]:
        return json.loads(self.text)

    @property
    def name(self) -> str:
        """Return the name of the member that answered, or the status if none did."""
        return str(self.headers.get("Server-Name") or self.status)


def get(
    port: int,
    path: str = "/",
    headers: Mapping[str, str] | None = None,
    address: str | None = None,
    source: str | None = None,
    method: str = "GET",
) -> Answer:
    """One request on a connection of its own."""
    origin = (source, 0) if source else None
    connection = http.client.HTTPConnection(address or vips.at(port, source), port, timeout=10, source_address=origin)
    try:
        connection.putrequest(method, path, skip_host="Host" in (headers or {}))
        for name, value in (headers or {}).items():
            connection.putheader(name, value.encode() if isinstance(value, str) else value)
        connection.endheaders()
        return Answer(connection.getresponse())
    finally:
        connection.close()


def web(port: int | None = None, **pool: Any) -> dict[str, Any]:
    """The usual tree: an HTTP listener before a pool."""
    return {
        "listeners": {"web": {"protocol": "HTTP", "protocol_port": port or free_port(), "default_pool": "pool"}},
        "pools": {"pool": {"protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN", "members": {}, **pool}},
    }


def member(server: Any, **fields: Any) -> dict[str, Any]:
    return {"address": server.address, "protocol_port": server.port, **fields}


def line(connection: socket.socket) -> str:
    """One line from a connection."""
    data = b""
    while not data.endswith(b"\n"):
        chunk = connection.recv(1)
        if not chunk:
            break
        data += chunk
    return data.decode().strip()


def connected(port: int, source: str | None = None) -> tuple[socket.socket, str]:
    """A connection, and the name of the member that it came to."""
    origin = (source, 0) if source else None
    connection = socket.create_connection((vips.at(port, source), port), timeout=10, source_address=origin)
    return connection, line(connection)
