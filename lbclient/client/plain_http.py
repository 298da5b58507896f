"""HTTP/1.1 without encryption, for short commands: http.client loads ssl and the mail parser, half of what they take.

It sends requests with a body of known length, and reads what RFC 9112 lets a server answer to them.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Mapping
from typing import BinaryIO

STATUS = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9][0-9])(?: ([^\r\n]*))?\r?\n")
LONGEST_LINE = 65536
MOST_HEADERS = 100
WITH_BODY = ("PATCH", "POST", "PUT")
WITHOUT_CONTENT = (204, 304)
EMPTY_LINE = (b"\r\n", b"\n")


class Headers(dict[str, str]):
    """The headers of an answer, by names in any case."""

    def get(self, name: str, default: str = "") -> str:  # type: ignore[override]
        return super().get(name.lower(), default)


class Connection:
    """A connection to one server, with the attributes of http.client's that are used here."""

    def __init__(self, host: str, port: int, netloc: str, timeout: float) -> None:
        self.host = host
        self.port = port
        self.netloc = netloc
        self.timeout = timeout
        self.sock: socket.socket | None = None
        self._input: BinaryIO | None = None

    def connect(self) -> None:
        # As bytes: a text is encoded as an international name, whose codec takes longer to load than the request.
        self.sock = socket.create_connection((self.host.encode(), self.port), self.timeout)  # type: ignore[arg-type]
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._input = self.sock.makefile("rb")

    def close(self) -> None:
        for each in (self._input, self.sock):
            if each:
                each.close()
        self.sock = self._input = None

    def exchange(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]
    ) -> tuple[int, str, Headers, bytes]:
        """Send a request and return the status, the reason, the headers and the content of the answer.

        Raises OSError if the answer breaks off or is not HTTP; the connection has to be closed then.
        """
        assert self.sock is not None
        assert self._input is not None
        self.sock.sendall(_request(method, path, self.netloc, body, headers))
        status, reason, is_kept, received = _head(self._input)
        while status < 200:
            status, reason, is_kept, received = _head(self._input)
        wanted = received.get("connection").lower()
        is_kept = "close" not in wanted and (is_kept or "keep-alive" in wanted)
        content = b""
        if status not in WITHOUT_CONTENT and method != "HEAD":
            is_delimited = "transfer-encoding" in received or "content-length" in received
            content = _content(self._input, received)
            is_kept = is_kept and is_delimited
        if not is_kept:
            self.close()
        return status, reason, received, content


def _request(method: str, path: str, netloc: str, body: bytes | None, headers: Mapping[str, str]) -> bytes:
    sent = {"Host": netloc, "Accept-Encoding": "identity", **headers}
    if body is not None or method in WITH_BODY:
        sent["Content-Length"] = str(len(body or b""))
    for name, value in sent.items():
        if "\r" in value or "\n" in value:
            raise ValueError(f"The header {name} has a line break.")
    lines = (f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in sent.items()), "", "")
    return "\r\n".join(lines).encode("latin-1") + (body or b"")


def _head(source: BinaryIO) -> tuple[int, str, bool, Headers]:
    """Read the status line and the headers; the third value is whether the protocol keeps connections."""
    first = _line(source)
    found = STATUS.fullmatch(first)
    if not found:
        raise ConnectionError(f"its answer is not HTTP: {first[:60]!r}")
    headers = Headers()
    for line in iter(lambda: _line(source), b""):
        if line in EMPTY_LINE:
            return int(found[2]), (found[3] or b"").decode("latin-1").strip(), found[1] == b"1", headers
        name, sign, value = line.decode("latin-1").partition(":")
        if not sign or len(headers) >= MOST_HEADERS:
            raise ConnectionError(f"its answer is not HTTP: {line[:60]!r}")
        headers[name.strip().lower()] = value.strip()
    raise ConnectionError("the answer breaks off within its headers")


def _line(source: BinaryIO) -> bytes:
    line = source.readline(LONGEST_LINE + 1)
    if not line:
        raise ConnectionResetError("Remote end closed connection without response")
    if len(line) > LONGEST_LINE:
        raise ConnectionError("a line of its answer is too long")
    return line


def _content(source: BinaryIO, headers: Headers) -> bytes:
    if "transfer-encoding" in headers:
        return b"".join(iter(lambda: _chunk(source), b""))
    if "content-length" not in headers:
        return source.read()
    return _exactly(source, _number(headers["content-length"], 10))


def _chunk(source: BinaryIO) -> bytes:
    """Read a chunk; the last one is empty, and is followed by trailers."""
    size = _number(_line(source).split(b";")[0].decode("latin-1").strip(), 16)
    if size == 0:
        while _line(source) not in EMPTY_LINE:
            pass
        return b""
    chunk = _exactly(source, size)
    if _line(source) not in EMPTY_LINE:
        raise ConnectionError("a chunk of its answer has no end")
    return chunk


def _exactly(source: BinaryIO, size: int) -> bytes:
    content = source.read(size)
    if len(content) < size:
        raise ConnectionError(f"{len(content)} of {size} bytes came")
    return content


def _number(text: str, radix: int) -> int:
    try:
        number = int(text, radix)
    except ValueError:
        number = -1
    if number < 0:
        raise ConnectionError(f"its answer is not HTTP: a length of {text[:60]!r}")
    return number
