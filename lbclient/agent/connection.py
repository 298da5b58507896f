"""Requests of an agent to its server, over TLS with certificates on both sides."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson

from ..vault.authority import NAME

PREFIX = "/agent/v1"
PATIENCE = 15.0  # seconds for an answer
SILENCE = 5.0  # seconds without a line of the stream, after which it is opened again; the server sends one each second


class Unreachable(OSError):
    """The server does not answer, or cannot at present; the same request may succeed later."""


class Refused(Exception):
    """The server does not accept a request; `reason` is one word, or a sentence for people."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(f"the server refuses: {reason}")
        self.status = status
        self.reason = reason


class _Connection(http.client.HTTPConnection):
    """A connection on which the server's certificate is checked, whatever address leads to it."""

    def __init__(self, host: str, port: int, context: ssl.SSLContext, seconds: float) -> None:
        super().__init__(host, port, timeout=seconds)
        self._context = context

    def connect(self) -> None:
        super().connect()
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = self._context.wrap_socket(self.sock, server_hostname=NAME)


class Connection:
    """The server, for any number of threads: each has a connection of its own, which is kept."""

    def __init__(self, host: str, port: int, bundle: Path) -> None:
        """Read the file that enrolling the host has made. Raises OSError; ssl.SSLError if it is damaged."""
        self._place = host, port
        self.identify(bundle)
        self._thread = threading.local()
        self._lock = threading.Lock()
        self._open: list[_Connection] = []

    def identify(self, bundle: Path) -> None:
        """Use the key and the certificate in a file for new connections. Raises OSError and ssl.SSLError."""
        context = new_context()
        context.load_verify_locations(bundle)
        context.load_cert_chain(bundle)
        self._context = context

    def close(self) -> None:
        """Close the connections of all threads; none may be using them."""
        with self._lock:
            for each in self._open:
                each.close()

    def get(self, path: str) -> Any:
        """Return the answer. Raises Unreachable and Refused."""
        return self._ask("GET", path, None)

    def post(self, path: str, values: Any) -> Any:
        """Send values and return the answer. Raises Unreachable and Refused."""
        return self._ask("POST", path, orjson.dumps(values, option=orjson.OPT_NON_STR_KEYS))

    @contextmanager
    def stream(self, path: str) -> Iterator[Iterator[bytes]]:
        """Open a stream and yield its lines, which end when it does. Raises Unreachable and Refused."""
        connection = _Connection(*self._place, self._context, SILENCE)
        try:
            connection.request("GET", PREFIX + path)
            answer = connection.getresponse()
            if answer.status != 200:
                raise _refusal(answer.status, answer.read())
            yield iter(answer.readline, b"")
        except (OSError, http.client.HTTPException) as error:
            raise Unreachable(str(error) or type(error).__name__) from error
        finally:
            connection.close()

    def _ask(self, method: str, path: str, body: bytes | None) -> Any:
        known: _Connection | None = getattr(self._thread, "connection", None)
        if known is not None:
            try:
                return exchange(known, method, path, body)
            except Unreachable:
                known.close()  # the server may have closed it while it was idle
        connection = known or _Connection(*self._place, self._context, PATIENCE)
        if known is None:
            self._thread.connection = connection
            with self._lock:
                self._open.append(connection)
        try:
            return exchange(connection, method, path, body)
        except Unreachable:
            connection.close()  # the next request opens it again
            raise


def new_context() -> ssl.SSLContext:
    """Return a TLS context that checks the server's certificate, without an authority and a certificate yet."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    return context


def ask_once(place: tuple[str, int], context: ssl.SSLContext, method: str, path: str, values: Any = None) -> Any:
    """Return the answer on a connection of its own. Raises Unreachable and Refused."""
    connection = _Connection(*place, context, PATIENCE)
    try:
        return exchange(connection, method, path, None if values is None else orjson.dumps(values))
    finally:
        connection.close()


def exchange(connection: _Connection, method: str, path: str, body: bytes | None) -> Any:
    """Return the answer to a request. Raises Unreachable and Refused."""
    try:
        connection.request(method, PREFIX + path, body, {"Content-Type": "application/json"} if body else {})
        answer = connection.getresponse()
        content = answer.read()
    except (OSError, http.client.HTTPException) as error:
        raise Unreachable(str(error) or type(error).__name__) from error
    if answer.status >= 400:
        raise _refusal(answer.status, content)
    return orjson.loads(content) if content else None


def _refusal(status: int, content: bytes) -> Exception:
    try:
        reason = str(orjson.loads(content)["reason"])
    except (ValueError, KeyError, TypeError):
        reason = f"status {status}"
    return Unreachable(reason) if status >= 500 else Refused(status, reason)
