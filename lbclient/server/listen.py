"""The HTTP server itself: Cheroot's threads around a WSGI application."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

from cheroot import wsgi

LOG = logging.getLogger(__name__)
BACKLOG = 128  # connections that wait to be accepted
IDLE_CONNECTIONS = 1000  # that are kept open
BODY_MAXIMUM = 64 * 1024 * 1024  # bytes; what is larger is not even read, so that it can be refused
FINISH = 10  # seconds that requests under way have at the end
SILENCE = 30  # seconds after which a silent connection is closed


class ListenError(Exception):
    """The address cannot be listened on; the text says why."""


class Server:
    """An HTTP server that works in threads of its own."""

    def __init__(self, application: Callable[..., Any], host: str, port: int, threads: int) -> None:
        self._server = wsgi.Server(
            (host, port),
            application,
            numthreads=threads,
            server_name="lbclient",
            request_queue_size=BACKLOG,
            timeout=SILENCE,
            shutdown_timeout=FINISH,
        )
        self._server.keep_alive_conn_limit = IDLE_CONNECTIONS
        self._server.max_request_body_size = BODY_MAXIMUM
        self._server.error_log = _log  # type: ignore[method-assign]  # its documented way
        self._thread = threading.Thread(target=self._server.serve, name="http", daemon=True)

    def bind(self) -> int:
        """Take the address; the port. Connections wait until start(). Raises ListenError."""
        host, port = self._server.bind_addr
        try:
            self._server.prepare()
        except OSError as error:
            raise ListenError(f"Cannot listen on {host}:{port}: {_reason(error)}.") from None
        return int(self._server.socket.getsockname()[1])

    def start(self) -> None:
        """Answer requests from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Accept nothing more; wait for the requests that are under way."""
        self._server.stop()
        if self._thread.is_alive():
            self._thread.join(FINISH)


def _log(msg: str = "", level: int = logging.INFO, traceback: bool = False) -> None:
    LOG.log(max(level, logging.DEBUG), msg, exc_info=traceback)


def _reason(error: OSError) -> str:
    return error.strerror or (str(error.args[0]) if error.args else type(error).__name__)
