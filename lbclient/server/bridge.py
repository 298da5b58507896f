"""From ASGI, which the HTTP server speaks, to WSGI, in which requests are handled one after the other."""

from __future__ import annotations

import asyncio
import io
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from typing import Any
from urllib.parse import unquote_to_bytes

BODY_MAXIMUM = 4 * 1024 * 1024  # bytes; of a larger one no more than shows that it is too large
PASSED_OVER = 64 * 1024 * 1024  # bytes of a body that is too large
PATIENCE = 1.0  # seconds for the next of them

Answer = tuple[int, list[tuple[bytes, bytes]], bytes]


class Bridge:
    """An ASGI application: whole requests go to a WSGI application, in a thread where they may have to wait."""

    def __init__(
        self, application: Callable[..., Iterable[bytes]], pool: Executor, is_quick: Callable[[str, str], bool]
    ) -> None:
        self._application = application
        self._pool = pool
        self._is_quick = is_quick

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        environ = _environ(scope)
        body = _Body(receive)
        if not await body.read(environ):
            return  # nobody is there any more
        if self._is_quick(environ["REQUEST_METHOD"], environ["PATH_INFO"]):
            status, headers, content = self._answer(environ)
        else:
            loop = asyncio.get_running_loop()
            status, headers, content = await loop.run_in_executor(self._pool, self._answer, environ)
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": content, "more_body": body.is_left})
        if body.is_left:
            await body.pass_over()
            await send({"type": "http.response.body", "body": b""})

    def _answer(self, environ: dict[str, Any]) -> Answer:
        begun: list[Any] = []
        content = b"".join(self._application(environ, lambda *words: begun.extend(words)))
        headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in begun[1]]
        return int(begun[0].split(" ", 1)[0]), headers, content


class _Body:
    """The body of a request, as far as it is wanted."""

    def __init__(self, receive: Any) -> None:
        self._receive = receive
        self.is_left = True  # whether more of it may come

    async def read(self, environ: dict[str, Any]) -> bool:
        """Puts it into the environment, with its length; false when the client has gone away.

        Of one that is too large, the length that was announced counts, or that of what has been read.
        """
        environ["wsgi.input"] = io.BytesIO()
        if int(environ.get("CONTENT_LENGTH", 0)) > BODY_MAXIMUM:
            return True
        pieces: list[bytes] = []
        size = 0
        while self.is_left and size <= BODY_MAXIMUM:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                return False
            pieces.append(message["body"])
            size += len(message["body"])
            self.is_left = message["more_body"]
        environ["wsgi.input"] = io.BytesIO(b"".join(pieces))
        environ["CONTENT_LENGTH"] = str(size)
        return True

    async def pass_over(self) -> None:
        """Reads on for a while: a client that is still sending when the connection is closed never sees its answer."""
        size = 0
        while self.is_left and size < PASSED_OVER:
            try:
                message = await asyncio.wait_for(self._receive(), PATIENCE)
            except asyncio.TimeoutError:
                return
            size += len(message.get("body", b""))
            self.is_left = message.get("more_body", False)


def _environ(scope: Any) -> dict[str, Any]:
    """The request as PEP 3333 has it, without its body."""
    host, port = scope["server"] or ("localhost", 0)
    environ: dict[str, Any] = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(scope["raw_path"]).decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "SERVER_NAME": host,
        "SERVER_PORT": str(port),
        "REMOTE_ADDR": scope["client"][0] if scope["client"] else "",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope["scheme"],
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for name, value in scope["headers"]:
        if b"_" not in name:  # it would be taken for the one with a hyphen
            key = _key(name)
            text = value.decode("latin-1")
            environ[key] = f"{environ[key]},{text}" if key in environ else text
    return environ


def _key(name: bytes) -> str:
    key = name.decode("latin-1").upper().replace("-", "_")
    return key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"
