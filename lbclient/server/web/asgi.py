"""Bridge from ASGI, the HTTP server's interface, to the WSGI application that handles the requests."""

from __future__ import annotations

import asyncio
import io
import sys
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import unquote_to_bytes

from ...store import fair_lock, nonblocking
from ..errors import BadRequest, Error, TooLarge, TooManyRequests, Unavailable
from . import own_site
from .limits import BODY_MAXIMUM, BODY_UNKNOWN, VALUE_COST, VALUES_MAXIMUM, Limits, origin
from .proxy_headers import HOST
from .routing import Stream
from .streaming import Streams, gone
from .turns import Full, Turns

PASSED_OVER = 64 * 1024 * 1024  # bytes to read and discard of a body that is too large
PATIENCE = 1.0  # seconds to wait for more of them

DROPPED = "lbclient.dropped"  # if true, close the connection instead of answering
STREAM = "lbclient.stream"  # a routing.Stream to send as the body of the answer
PEER = "lbclient.peer"  # the client's certificate, as ssl.SSLSocket.getpeercert returns it; None without one
FAULT = "lbclient.fault"  # an exception to answer with, instead of handling the request
MAXIMUM = "lbclient.body_maximum"  # bytes that the body may have; a larger one is not read to its end
LOGIN_THREADS = 4
LOGIN_ADDRESSES = 4  # so many addresses, each with as many logins as one may have, fill the queue
LONG_THREADS = 2
SENDERS = ("HTTP_X_AUTH_TOKEN", "HTTP_X_PROJECT_ID", "REMOTE_ADDR")  # what tells those of requests apart
LONG_BODY = 32 * 1024  # bytes; larger bodies go to the threads for long requests
RETRY_AFTER = 1  # seconds

Environ = dict[str, Any]
Answer = tuple[int, list[tuple[bytes, bytes]], bytes]


@dataclass(frozen=True)
class Guards:
    """Checks of a request that the HTTP server makes before the request is handled."""

    is_known: Callable[[Environ], bool] = lambda environ: True  # whether its token is valid
    is_login: Callable[[Environ], bool] = lambda environ: False  # whether handling it hashes a password
    needs_own_site: Callable[[Environ], bool] = lambda environ: False  # whether pages of other sites must not send it


class Bridge:
    """An ASGI application that passes complete requests to a WSGI application, in a thread if they may block.

    Long requests have two threads of their own, so that small requests compete for the interpreter with at most
    these two, however many long requests there are; those of one sender have one of the two.
    """

    def __init__(
        self,
        application: Callable[..., Iterable[bytes]],
        pool: Executor,
        is_quick: Callable[[Environ], bool],
        guards: Guards,
        limits: Limits,
    ) -> None:
        self._application = application
        self._pool = pool
        self._is_quick = is_quick
        self._guards = guards
        # Few threads of their own: long requests queue behind each other, and do not delay others.
        self._long = Turns("long", LONG_THREADS)
        self._streams = Streams(pool, limits)
        self._in_progress = 0
        self._budget = _Budget(limits.body_memory)
        # Threads of their own: otherwise many logins would occupy every thread with hashing passwords.
        self._logins = Turns("login", LOGIN_THREADS, limits.logins + LOGIN_THREADS, LOGIN_ADDRESSES)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        environ = _environ(scope)
        is_known = partial(self._is_known, environ)
        with _Body(receive, self._budget, is_known) as body:
            try:
                _check_host(scope)
                if self._guards.needs_own_site(environ):
                    own_site.check(environ)
                if not await body.read(environ):
                    return  # the client has disconnected
            except Error as error:
                environ[FAULT] = error.with_traceback(None)  # a traceback would keep the body in memory
            status, headers, content = await self._answer(environ)
        if environ.get(DROPPED):
            scope["lbclient.close"]()
            await gone(receive)
            return
        stream: Stream | None = environ.get(STREAM)
        if stream is not None:
            await self._streams.send(stream, headers, receive, send, origin(environ["REMOTE_ADDR"]))
            return
        environ.clear()  # frees the body before the answer is sent, which may take long
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": content, "more_body": body.is_left})
        if body.is_left:
            await body.pass_over()
            await send({"type": "http.response.body", "body": b""})

    @property
    def lengths(self) -> dict[str, tuple[str, Callable[[], float]]]:
        """Queues by name, with what they are and a function that returns how many are in them."""
        return {
            "streams": ("Open streams.", lambda: self._streams.count),
            "login_queue_length": ("Logins that are being checked or wait for it.", self._logins.__len__),
            "requests_in_progress": ("Requests that have arrived and are not answered.", lambda: self._in_progress),
        }

    def end_streams(self) -> None:
        """End all streams, and every later one at once; callable from any thread."""
        self._streams.end()

    def close(self) -> None:
        self._long.close()
        self._logins.close()

    async def _is_known(self, environ: Environ) -> bool:
        """Whether the sender's token is valid; checked in a thread, because it queries a database or a Keystone."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._guards.is_known, environ)

    async def _answer(self, environ: Environ) -> Answer:
        self._in_progress += 1
        try:
            return await self._answer_one(environ)
        finally:
            self._in_progress -= 1

    async def _answer_one(self, environ: Environ) -> Answer:
        """Answer on the event loop if the request is quick; otherwise, or if it turns out to take long, in a thread."""
        loop = asyncio.get_running_loop()
        if FAULT in environ:
            return self._apply(environ)
        if self._guards.is_login(environ):
            return await self._log_in(environ)
        if not self._is_quick(environ):
            if int(environ.get("CONTENT_LENGTH", 0)) > LONG_BODY:
                return await self._take_turns(environ)
            return await loop.run_in_executor(self._pool, self._apply, environ)
        try:
            with nonblocking.required():
                return self._apply(environ)
        except nonblocking.TakesLong:
            environ["wsgi.input"].seek(0)
            return await self._take_turns(environ)

    async def _take_turns(self, environ: Environ) -> Answer:
        """Handle a long request when it is the turn of its sender, who is known by a token or by its address."""
        return await self._long.run(_sender(environ), partial(self._apply, environ))

    async def _log_in(self, environ: Environ) -> Answer:
        """Handle a login in the threads for logins; answer 429 if the queue, or the address's share of it, is full."""
        try:
            return await self._logins.run(origin(environ["REMOTE_ADDR"]), partial(self._apply, environ))
        except Full:
            environ[FAULT] = TooManyRequests("Too many passwords are being checked; try again later.", RETRY_AFTER)
            return self._apply(environ)

    def _apply(self, environ: Environ) -> Answer:
        begun: list[Any] = []
        with fair_lock.working_for(_sender(environ)):
            content = b"".join(self._application(environ, lambda *words: begun.extend(words)))
        headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in begun[1]]
        return int(begun[0].split(" ", 1)[0]), headers, content


class _Budget:
    """The memory available for all large bodies that are being received or handled."""

    def __init__(self, size: int) -> None:
        self._left = size

    def take(self, size: int) -> None:
        """Reserve memory, in bytes. Raises Unavailable if not enough is left."""
        if size > self._left:
            raise Unavailable("The server is receiving too many large bodies; try again later.", RETRY_AFTER)
        self._left -= size

    def give_back(self, size: int) -> None:
        self._left += size


class _Body:
    """The body of a request, as a context manager: the memory it takes from the budget is given back at the end."""

    def __init__(self, receive: Any, budget: _Budget, is_known: Callable[[], Awaitable[bool]]) -> None:
        self._receive = receive
        self._budget = budget
        self._is_known = is_known
        self._is_admitted = False
        self._taken = 0
        self._values = 0
        self.is_left = True  # whether more of it may arrive

    def __enter__(self) -> _Body:
        return self

    def __exit__(self, *_: object) -> None:
        self._budget.give_back(self._taken)

    async def read(self, environ: Environ) -> bool:
        """Put the body and its length into the environment; return False if the client has disconnected.

        A body that is too large is not read to its end: its length is then the announced one, or that of the part
        that was read. Raises Unavailable if the server has no memory for it, and TooLarge if it has too many values.
        """
        maximum = environ[MAXIMUM] = await self._maximum(int(environ.get("CONTENT_LENGTH", 0)))
        if int(environ.get("CONTENT_LENGTH", 0)) > maximum:
            return True
        pieces: list[bytes] = []
        size = 0
        while self.is_left and size <= maximum:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                return False
            piece = message["body"]
            pieces.append(piece)
            size += len(piece)
            self.is_left = message["more_body"]
            if size > BODY_UNKNOWN:
                maximum = environ[MAXIMUM] = await self._maximum(size)
                self._reserve(pieces if self._taken == 0 else [piece])
        environ["wsgi.input"] = io.BytesIO(b"".join(pieces))
        environ["CONTENT_LENGTH"] = str(size)
        return True

    async def _maximum(self, size: int) -> int:
        """Return the maximum size, in bytes, of a body that has, or will have, the given size."""
        if size > BODY_UNKNOWN and not self._is_admitted:
            self._is_admitted = await self._is_known()
            return BODY_MAXIMUM if self._is_admitted else BODY_UNKNOWN
        return BODY_MAXIMUM

    def _reserve(self, pieces: list[bytes]) -> None:
        """Take memory for the pieces received, and for the values that they have as parsed JSON."""
        values = sum(piece.count(sign) for piece in pieces for sign in (b",", b"[", b"{"))
        self._values += values
        if self._values > VALUES_MAXIMUM:
            raise TooLarge(f"The body has more than {VALUES_MAXIMUM} values.")
        cost = sum(map(len, pieces)) * 2 + values * VALUE_COST
        self._budget.take(cost)
        self._taken += cost

    async def pass_over(self) -> None:
        """Read and discard the rest for a while: a client still sending when the connection closes loses the answer."""
        size = 0
        while self.is_left and size < PASSED_OVER:
            try:
                message = await asyncio.wait_for(self._receive(), PATIENCE)
            except asyncio.TimeoutError:
                return
            size += len(message.get("body", b""))
            self.is_left = message.get("more_body", False)


def _sender(environ: Environ) -> str:
    """Return what tells the sender from others: a token, or else a project or an address."""
    return next((environ[name] for name in SENDERS if environ.get(name)), "")


def _check_host(scope: Any) -> None:
    """Check the Host header, from which links are built. Raises BadRequest."""
    hosts = [value for name, value in scope["headers"] if name == b"host"]
    if len(hosts) > 1 or (not hosts and scope["http_version"] == "1.1"):
        raise BadRequest(f"A request has one Host header; this one has {len(hosts) or 'none'}.")
    if hosts and not HOST.fullmatch(hosts[0].decode("latin-1")):
        raise BadRequest("The Host header is not a host name or an address, with or without a port.")


def _environ(scope: Any) -> Environ:
    """Return the WSGI environment (PEP 3333) of a request, without its body."""
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
        "wsgi.input": io.BytesIO(),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope["scheme"],
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for name, value in scope["headers"]:
        if b"_" not in name:  # in WSGI, the name would be the same as with a hyphen
            key = _key(name)
            text = value.decode("latin-1")
            environ[key] = f"{environ[key]},{text}" if key in environ else text
    environ[PEER] = scope.get("lbclient.peer")
    return environ


def _key(name: bytes) -> str:
    key = name.decode("latin-1").upper().replace("-", "_")
    return key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"
