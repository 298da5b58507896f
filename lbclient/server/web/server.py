"""The HTTP server itself: uvicorn, in a thread of this process, before a WSGI application."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import uvicorn
import uvloop

from .asgi import Bridge, Environ
from .connection import Connection, close_silent

BACKLOG = 128  # connections that wait to be accepted
FINISH = 10  # seconds that requests under way have at the end
SILENCE = 30  # seconds after which a silent connection is closed

logging.getLogger("uvicorn").setLevel(logging.ERROR)  # that it runs is told elsewhere, and bad requests are answered


class ListenError(Exception):
    """The address cannot be listened on; the text says why."""


class Server:
    """An HTTP server that works in threads of its own."""

    def __init__(
        self,
        application: Callable[..., Any],
        host: str,
        port: int,
        threads: int,
        is_quick: Callable[[Environ], bool] = lambda environ: False,
    ) -> None:
        """is_quick(environ) tells of requests that are not likely to wait, and need no thread of their own."""
        self._place = host, port
        self._socket: socket.socket | None = None
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="request")
        self._bridge = Bridge(application, self._pool, is_quick)
        self._server = uvicorn.Server(
            uvicorn.Config(
                self._bridge,
                http=Connection,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                proxy_headers=False,  # whether those are believed is said elsewhere
                server_header=False,
                headers=[("Server", "lbclient")],
                timeout_keep_alive=SILENCE,
                timeout_graceful_shutdown=FINISH,
                backlog=BACKLOG,
            )
        )
        self._thread = threading.Thread(target=self._work, name="http", daemon=True)

    def bind(self) -> int:
        """Take the address; the port. Connections wait until start(). Raises ListenError."""
        host, port = self._place
        try:
            self._socket = _bound(host, port)
        except OSError as error:
            raise ListenError(f"Cannot listen on {host}:{port}: {_reason(error)}.") from None
        return int(self._socket.getsockname()[1])

    def start(self) -> None:
        """Answer requests from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Accept nothing more; wait for the requests that are under way."""
        self._server.should_exit = True
        if self._thread.is_alive():
            self._thread.join(FINISH + 1)
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
        sweeper = asyncio.create_task(close_silent(self._server.server_state, SILENCE))
        await self._server.serve(sockets=[self._socket] if self._socket else None)
        sweeper.cancel()


def _bound(host: str, port: int) -> socket.socket:
    """A socket that listens. Raises OSError."""
    family, kind, protocol, _, address = socket.getaddrinfo(
        host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    made = socket.socket(family, kind, protocol)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6 and host == "::":
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)  # all addresses, those of IPv4 as well
        made.bind(address)
        made.listen(BACKLOG)
    except OSError:
        made.close()
        raise
    return made


def _reason(error: OSError) -> str:
    return error.strerror or (str(error.args[0]) if error.args else type(error).__name__)
