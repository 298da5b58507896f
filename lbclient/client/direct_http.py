"""HTTP requests with the standard library alone, for commands that send a few plain ones.

Importing keystoneauth1 and requests takes longer than such a command runs. They are still used for everything beyond a
plain request: `is_plain` returns False and `request` returns None in these cases.
"""

from __future__ import annotations

import json
import logging
import os
import select
import socket
import sys
import threading
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import SplitResult, urlencode, urlsplit

from .. import __version__
from . import plain_http
from .errors import Unreachable

if TYPE_CHECKING:
    from ssl import SSLContext

    from .tls_http import TlsConnection

# Variables that make requests use a proxy or other credentials.
VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "netrc")
AUTHORITIES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")  # variables in which requests looks for CA certificates
NETRC = ("~/.netrc", "~/_netrc")
DEFAULT_PORTS = {"http": 80, "https": 443}
ANY_REDIRECT = range(301, 400)


@dataclass(frozen=True)
class Request:
    method: str
    url: str


@dataclass(frozen=True)
class Answer:
    """The answer of a server, with the attribute names of requests."""

    request: Request
    status_code: int
    reason: str
    headers: plain_http.Headers
    content: bytes

    @property
    def text(self) -> str:
        return self.content.decode(errors="replace")

    def json(self) -> Any:
        return json.loads(self.content)


def is_plain(environ: Mapping[str, str]) -> bool:
    """Whether requests go straight to the server, without proxies, .netrc files or debug logging."""
    return (
        sys.platform.startswith("linux")  # other systems have proxy settings outside the environment
        and not any(value and name.lower() in VARIABLES for name, value in environ.items())
        and not any(os.path.exists(os.path.expanduser(path)) for path in NETRC)
        and not logging.getLogger("keystoneauth").isEnabledFor(logging.DEBUG)
    )


Connection: TypeAlias = "plain_http.Connection | TlsConnection"
ConnectionKey = tuple[int, str, str]  # (thread ID, URL scheme, host and port)


class DirectHttp:
    """An HTTP client with persistent connections, one per thread and server."""

    def __init__(self, verify: bool | str, timeout: float) -> None:
        self.verify = verify
        self.timeout = timeout
        self._connections: dict[ConnectionKey, Connection] = {}
        weakref.finalize(self, _close, self._connections)

    def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        params: Mapping[str, Any] | None = None,
        json: Any = None,
    ) -> Answer | None:
        """Return the answer; None if the request cannot be sent or is redirected. Raises Unreachable."""
        url = _with_query(url, params)
        parts = urlsplit(url)
        if not _is_simple(url, parts):
            return None
        try:
            connection = self._connected(parts)
        except OSError:  # including TLS errors
            return None
        answer = _exchanged(connection, Request(method, url), parts, {**_constant_headers(json), **headers}, json)
        return None if answer.status_code in ANY_REDIRECT else answer

    def _connected(self, parts: SplitResult) -> Connection:
        place = (threading.get_ident(), parts.scheme, parts.netloc)  # threads cannot share a connection
        connection = self._connections.get(place)
        if connection is None:
            connection = self._connections[place] = self._connection(parts)
        if connection.sock is not None and _is_over(connection.sock):
            connection.close()
        if connection.sock is None:
            connection.connect()
        return connection

    def _connection(self, parts: SplitResult) -> Connection:
        host, port = str(parts.hostname), parts.port or DEFAULT_PORTS[parts.scheme]
        if parts.scheme == "http":
            return plain_http.Connection(host, port, parts.netloc, self.timeout)
        from .tls_http import TlsConnection  # imported late: it is slow

        return TlsConnection(host, port, timeout=self.timeout, context=self._trust)

    @cached_property
    def _trust(self) -> SSLContext:
        import ssl

        if self.verify is False:
            context = ssl.create_default_context()
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            return context
        named = _authorities() if self.verify is True else str(self.verify)
        is_folder = os.path.isdir(named)
        return ssl.create_default_context(cafile=None if is_folder else named, capath=named if is_folder else None)


def _close(connections: Mapping[ConnectionKey, Connection]) -> None:
    for connection in connections.values():
        connection.close()


def _authorities() -> str:
    """Return the file or folder of the CA certificates that requests trusts."""
    from certifi import where

    return next((os.environ[name] for name in AUTHORITIES if os.environ.get(name)), None) or where()


def _with_query(url: str, params: Mapping[str, Any] | None) -> str:
    query = urlencode([(name, value) for name, value in (params or {}).items() if value is not None], doseq=True)
    return f"{url}{'&' if '?' in url else '?'}{query}" if query else url


def _is_simple(url: str, parts: SplitResult) -> bool:
    return (
        parts.scheme in DEFAULT_PORTS
        and bool(parts.hostname)
        and "@" not in parts.netloc
        and not parts.fragment
        and url.isascii()
        and url.isprintable()
        and " " not in url
    )


def _is_over(connection: socket.socket) -> bool:
    """Whether the server has closed an idle connection."""
    return bool(select.select([connection], [], [], 0)[0])


def _constant_headers(body: Any) -> dict[str, str]:
    sent = {"User-Agent": f"lbclient/{__version__}"}
    return sent if body is None else {**sent, "Content-Type": "application/json"}


def _exchanged(
    connection: Connection, request: Request, parts: SplitResult, headers: dict[str, str], body: Any
) -> Answer:
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    server = f"{parts.scheme}://{parts.netloc}"
    try:
        sent = None if body is None else json.dumps(body).encode()
        status, reason, received, content = connection.exchange(request.method, path, sent, headers)
    except TimeoutError as error:
        connection.close()
        raise Unreachable(
            f"No answer in time: {server} has said nothing for {connection.timeout:g} seconds."
        ) from error
    except OSError as error:
        connection.close()
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise Unreachable(f"{server} has not answered to the end: {reason.rstrip('.').lower()}.") from error
    return Answer(request, status, reason, received, content)
