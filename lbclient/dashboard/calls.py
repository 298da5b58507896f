"""Requests to the services of this server, made within its process and with the token of the session."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote_to_bytes, urlencode

from ..client import errors
from ..client.services import Services

Environ = dict[str, Any]
Wsgi = Callable[..., Iterable[bytes]]

ENDPOINTS = {
    "load-balancer": "/load-balancer",
    "network": "/networking",
    "identity": "/identity",
    "key-manager": "/key-manager",
}
# What a request to the API takes over from the browser's: who sends it, and the address that links are built from.
TAKEN_OVER = ("SCRIPT_NAME", "SERVER_NAME", "SERVER_PORT", "REMOTE_ADDR", "wsgi.url_scheme", "HTTP_HOST")
DROPPED = "lbclient.dropped"
AGENT = "lbclient-dashboard"
SECONDS = 30  # for an answer of a service that is not part of this server


@dataclass(frozen=True)
class Asked:
    """The request that an answer belongs to."""

    method: str
    url: str


@dataclass(frozen=True)
class Answer:
    """An answer with the attributes of one of `requests` that the client uses."""

    status_code: int
    reason: str
    content: bytes
    request: Asked
    headers: Mapping[str, str]
    environ: Environ = field(repr=False)

    @property
    def text(self) -> str:
        return self.content.decode(errors="replace")

    def json(self) -> Any:
        return json.loads(self.content)


class Calls:
    """The session of the client's services: sends requests to the WSGI application of the API."""

    def __init__(
        self, application: Wsgi, browser: Environ, headers: Mapping[str, str], outside: Mapping[str, str]
    ) -> None:
        """`headers` identify the sender; `outside` has the addresses of services that other servers offer."""
        self._application = application
        self._taken_over = {name: browser[name] for name in TAKEN_OVER if name in browser}
        self._headers = headers
        self._outside = outside
        self.auth = None

    def get_endpoint(self, service_type: str, **_: Any) -> str:
        return self._outside.get(service_type) or ENDPOINTS[service_type]

    def request(
        self,
        url: str,
        method: str,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
        **_: Any,
    ) -> Any:
        """Send a request and return the answer. Raises Unreachable."""
        sent = {**(headers or {}), **self._headers}
        if "://" in url:
            return self._outside_request(url, method, sent, params, json)
        return self._inside_request(url, method, sent, params, json)

    def _inside_request(
        self, url: str, method: str, headers: Mapping[str, str], params: Mapping[str, Any] | None, body: Any
    ) -> Answer:
        path, _, query = url.partition("?")
        if params:
            query = "&".join(filter(None, (query, urlencode(params, doseq=True))))
        raw = b"" if body is None else json.dumps(body).encode()
        environ: Environ = {
            **self._taken_over,
            "REQUEST_METHOD": method,
            "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
            "QUERY_STRING": query,
            "SERVER_PROTOCOL": "HTTP/1.1",
            "HTTP_USER_AGENT": AGENT,
            "wsgi.version": (1, 0),
            "wsgi.input": io.BytesIO(raw),
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
            **{f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers.items()},
        }
        if body is not None:
            environ |= {"CONTENT_TYPE": "application/json", "CONTENT_LENGTH": str(len(raw))}
        begun: list[Any] = []
        content = b"".join(self._application(environ, lambda *words: begun.extend(words)))
        if environ.get(DROPPED):
            raise errors.Unreachable("A fault of the testing API dropped the answer.")
        status, _, reason = begun[0].partition(" ")
        known = {name.lower(): value for name, value in begun[1]}
        return Answer(int(status), reason, content, Asked(method, path), known, environ)

    @staticmethod
    def _outside_request(
        url: str, method: str, headers: Mapping[str, str], params: Mapping[str, Any] | None, body: Any
    ) -> Any:
        import requests  # imported here, because only servers beside another Keystone or Barbican need it

        try:
            return requests.request(method, url, headers=headers, params=params, json=body, timeout=SECONDS)
        except requests.RequestException as error:
            raise errors.Unreachable(f"{url} does not answer: {type(error).__name__}.") from error


def services(calls: Calls) -> Services:
    """Return the client's services that send their requests this way."""
    return Services(calls)  # type: ignore[arg-type]  # as much of a session as services use
