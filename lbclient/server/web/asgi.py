"""From ASGI, which the HTTP server speaks, to WSGI, in which requests are handled one after the other."""

from __future__ import annotations

import asyncio
import io
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Any
from urllib.parse import unquote_to_bytes

from ...store import haste

BODY_MAXIMUM = 4 * 1024 * 1024  # bytes; of a larger one no more than shows that it is too large
PASSED_OVER = 64 * 1024 * 1024  # bytes of a body that is too large
PATIENCE = 1.0  # seconds for the next of them

DROPPED = "lbclient.dropped"  # whether the connection is to be closed instead of an answer
FAULT = "lbclient.fault"  # an exception that came after the answer; it is what has to be answered

Environ = dict[str, Any]
Answer = tuple[int, list[tuple[bytes, bytes]], bytes]


class Bridge:
    """An ASGI application: whole requests go to a WSGI application, in a thread where they may have to wait."""

    def __init__(
        self, application: Callable[..., Iterable[bytes]], pool: Executor, is_quick: Callable[[Environ], bool]
    ) -> None:
        self._application = application
        self._pool = pool
        self._is_quick = is_quick
        self._payments = Payments()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        environ = _environ(scope)
        body = _Body(receive)
        if not await body.read(environ):
            return  # nobody is there any more
        status, headers, content = await self._answer(environ)
        if environ.get(DROPPED):
            scope["lbclient.close"]()
            await _gone(receive)
            return
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": content, "more_body": body.is_left})
        if body.is_left:
            await body.pass_over()
            await send({"type": "http.response.body", "body": b""})

    def close(self) -> None:
        self._payments.close()

    async def _answer(self, environ: Environ) -> Answer:
        """Here, if that is quick; in a thread that can wait otherwise, and where it turns out to be necessary."""
        loop = asyncio.get_running_loop()
        if not self._is_quick(environ):
            return await loop.run_in_executor(self._pool, self._apply, environ)
        try:
            with haste.in_haste() as owed:
                answer = self._apply(environ)
        except haste.WouldWait:
            environ["wsgi.input"].seek(0)
            return await loop.run_in_executor(self._pool, self._apply, environ)
        try:
            for payment in owed:
                await self._payments.make(payment)
        except Exception as fault:
            environ[FAULT] = fault
            return self._apply(environ)
        return answer

    def _apply(self, environ: Environ) -> Answer:
        begun: list[Any] = []
        content = b"".join(self._application(environ, lambda *words: begun.extend(words)))
        headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in begun[1]]
        return int(begun[0].split(" ", 1)[0]), headers, content


class Payments:
    """Calls that wait are made in another thread, one at a time, each once for all who owe it until it begins."""

    def __init__(self) -> None:
        # One of its own: the others may all be busy with what waits for something else.
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="payment")
        self._due: dict[haste.Payment, asyncio.Future[None]] = {}
        self._work: asyncio.Task[None] | None = None

    async def make(self, payment: haste.Payment) -> None:
        """Returns when it has been made. Raises what it raises."""
        loop = asyncio.get_running_loop()
        if payment not in self._due:
            self._due[payment] = loop.create_future()
        mine = self._due[payment]
        if self._work is None:
            self._work = loop.create_task(self._make_all())
        await asyncio.shield(mine)  # somebody who goes away takes nobody along

    async def _make_all(self) -> None:
        loop = asyncio.get_running_loop()
        while self._due:
            payment, future = self._due.popitem()
            try:
                await loop.run_in_executor(self._pool, payment)
            except Exception as fault:
                future.set_exception(fault)
            else:
                future.set_result(None)
        self._work = None

    def close(self) -> None:
        """Nobody owes anything any more."""
        self._pool.shutdown(wait=False)


async def _gone(receive: Any) -> None:
    """Returns when the connection has been closed: the HTTP server would answer by itself before."""
    while (await receive())["type"] != "http.disconnect":
        pass


class _Body:
    """The body of a request, as far as it is wanted."""

    def __init__(self, receive: Any) -> None:
        self._receive = receive
        self.is_left = True  # whether more of it may come

    async def read(self, environ: Environ) -> bool:
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


def _environ(scope: Any) -> Environ:
    """The request as PEP 3333 has it, without its body."""
    host, port = scope["server"] or ("localhost", 0)
    environ: Environ = {
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
