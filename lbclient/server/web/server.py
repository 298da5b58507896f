"""The HTTP server: uvicorn in a thread of this process, in front of a WSGI application."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import uvicorn
import uvloop

from .asgi import Bridge, Environ, Guards
from .connection import Connection
from .door import Door
from .limits import Limits
from .tls import Tls

BACKLOG = 128  # connections waiting to be accepted
TICK_SECONDS = 1.0  # the resolution of a Date header

LOG = logging.getLogger(__name__)
logging.getLogger("uvicorn").setLevel(logging.ERROR)  # main.py reports that it runs, and bad requests are answered


class ListenError(Exception):
    """The server cannot listen on the address; the message says why."""


class Server:
    """An HTTP server that runs in threads of its own."""

    def __init__(
        self,
        application: Callable[..., Any],
        host: str,
        port: int,
        threads: int,
        is_quick: Callable[[Environ], bool] = lambda environ: False,
        guards: Guards | None = None,
        limits: Limits | None = None,
        certificate: Tls | None = None,
    ) -> None:
        """is_quick(environ): whether a request is unlikely to block, and can be handled on the event loop."""
        self._limits = limits or Limits()
        self._place = host, port
        self._socket: socket.socket | None = None
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="request")
        self._bridge = Bridge(application, self._pool, is_quick, guards or Guards(), self._limits)
        self._certificate = certificate
        self._door = Door(self._limits, lambda: certificate.context if certificate else None)
        self._server = _Uvicorn(
            self._door,
            uvicorn.Config(
                self._bridge,
                http=type("Connection", (Connection,), {"limits": self._limits}),
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                proxy_headers=False,  # see proxy_headers.py
                server_header=False,
                headers=[("Server", "lbclient")],
                timeout_keep_alive=int(self._limits.silence) + 1,  # the door closes idle connections earlier
                timeout_graceful_shutdown=int(self._limits.finish),
            ),
        )
        self._thread = threading.Thread(target=self._work, name="http", daemon=True)

    def bind(self) -> int:
        """Bind the address and return the port. Connections wait until start(). Raises ListenError."""
        host, port = self._place
        try:
            self._socket = _bound(host, port)
            self._socket.listen(BACKLOG)
        except OSError as error:
            raise _refused(host, port, error) from None
        return int(self._socket.getsockname()[1])

    @property
    def address(self) -> tuple[str, int]:
        """The bound address and port."""
        assert self._socket is not None
        host, port, *_ = self._socket.getsockname()
        return str(host), int(port)

    def watch(self, add: Callable[[str, str, Callable[[], float]], None]) -> None:
        """Add gauges of connections, streams and queues: add(name, help, read)."""
        add("lbclient_connections", "Open connections to the API.", lambda: self._door.count)
        for name, (help, read) in self._bridge.lengths.items():
            add(f"lbclient_{name}", help, read)

    def start(self) -> None:
        """Start to answer requests."""
        self._thread.start()

    def stop(self) -> None:
        """Stop accepting connections and wait for the requests in progress, up to Limits.finish seconds."""
        self._server.end()
        self._bridge.end_streams()
        if self._thread.is_alive():
            self._thread.join(self._limits.finish + 1)
        elif self._socket:
            self._socket.close()
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._bridge.close()

    def _work(self) -> None:
        loop = uvloop.new_event_loop()
        asyncio.set_event_loop(loop)
        try:
            loop.run_until_complete(self._serve())
        finally:
            loop.close()

    async def _serve(self) -> None:
        sweeper = asyncio.create_task(self._sweep())
        await self._server.serve(sockets=[self._socket] if self._socket else None)
        sweeper.cancel()

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(self._limits.look)
            try:
                self._door.sweep()
                if self._certificate is not None:
                    self._certificate.refresh()
            except Exception:  # the next sweep must not depend on this one
                LOG.exception("closing connections that are past a deadline failed")


class _Uvicorn(uvicorn.Server):
    """uvicorn behind a Door, which limits connections from their accept on."""

    def __init__(self, door: Door, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._door = door
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_ending = asyncio.Event()

    def end(self) -> None:
        """End main_loop(); may be called from any thread, at any time."""
        self.should_exit = True
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed already
                self._loop.call_soon_threadsafe(self._is_ending.set)

    async def main_loop(self) -> None:
        """Renew the Date header every second until end() is called; uvicorn's own loop wakes ten times a second."""
        self._loop = asyncio.get_running_loop()
        while not await self.on_tick(0):
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._is_ending.wait(), TICK_SECONDS)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await self.lifespan.startup()
        [listening] = sockets or []
        self.servers = [self._door]  # type: ignore[list-item]  # uvicorn only calls close() and wait_closed()
        self._door.open(listening, self._connection)
        self.started = True

    def _connection(self) -> Connection:
        made: Connection = self.config.http_protocol_class(  # type: ignore[call-arg,assignment]
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
        return made


def check_place(host: str, port: int, *, may_be_in_use: bool) -> None:
    """Check that a server can be bound to an address and a port. Raises ListenError."""
    try:
        _bound(host, port).close()
    except OSError as error:
        if not (may_be_in_use and error.errno == errno.EADDRINUSE):
            raise _refused(host, port, error) from None


def _refused(host: str, port: int, error: OSError) -> ListenError:
    return ListenError(f"Cannot listen on {host}:{port}: {_reason(error)}.")


def _bound(host: str, port: int) -> socket.socket:
    """Return a socket that is bound, and does not listen yet. Raises OSError."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except UnicodeError:
        raise OSError(errno.EINVAL, "it is no name of a host") from None
    made = socket.socket(family, kind, protocol)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6 and host == "::":
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)  # all addresses, including those of IPv4
        made.bind(address)
    except OSError:
        made.close()
        raise
    return made


def _reason(error: OSError) -> str:
    return error.strerror or (str(error.args[0]) if error.args else type(error).__name__)
