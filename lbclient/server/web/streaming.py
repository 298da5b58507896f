"""Streams: answers without an end, which the event loop sends without occupying a thread."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from concurrent.futures import Executor
from typing import Any

import orjson

from ..errors import Error
from .fairness import displaced
from .limits import Limits
from .routing import Stream

GATHER = 0.02  # seconds to gather more after each part: at most 50 parts are sent per second

Headers = list[tuple[bytes, bytes]]
FULL = {"code": 503, "title": "Service Unavailable", "description": "Too many streams are open; try again later."}


async def gone(receive: Any) -> None:
    """Wait until the connection has been closed: uvicorn would answer by itself if the application returned before."""
    while (await receive())["type"] != "http.disconnect":
        pass


class Streams:
    """The streams that are being sent."""

    def __init__(self, pool: Executor, limits: Limits) -> None:
        self._pool = pool
        self._limits = limits
        self._open: dict[_Sender, str] = {}  # with what each is counted by, the oldest first
        self._lock = threading.Lock()
        self._is_ending = False

    @property
    def count(self) -> int:
        """The number of open streams."""
        return len(self._open)

    def end(self) -> None:
        """End all streams; callable from any thread."""
        with self._lock:
            self._is_ending = True
            senders = list(self._open)
        for each in senders:
            each.end()

    async def send(self, stream: Stream, headers: Headers, receive: Any, send: Any, origin: str = "") -> None:
        """Send a stream until its end, the client's or the server's; answer 503 if there are too many.

        Streams are counted by their origin: one with few streams takes the place of the oldest of one with many.
        """
        sender = _Sender(stream, self._pool, self._limits)
        with self._lock:
            is_admitted = not self._is_ending and self._has_room(origin)
            if is_admitted:
                self._open[sender] = origin
        if not is_admitted:
            await _refuse(send)
            return
        try:
            await sender.run(headers, receive, send)
        finally:
            with self._lock:
                self._open.pop(sender, None)

    def _has_room(self, origin: str) -> bool:
        """Return whether a stream is admitted; end one of the origin that has the most if that is fairer."""
        if len(self._open) < self._limits.streams:
            return True
        counted = Counter(self._open.values())
        other = displaced(origin, counted.__getitem__, counted)
        if other is None:
            return False
        oldest = next(each for each, its_origin in self._open.items() if its_origin == other)
        del self._open[oldest]
        oldest.end()
        return True


async def _refuse(send: Any) -> None:
    body = orjson.dumps(FULL)
    headers = [(b"content-type", b"application/json"), (b"retry-after", b"1")]
    headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": 503, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class _Sender:
    """Sends one stream."""

    def __init__(self, stream: Stream, pool: Executor, limits: Limits) -> None:
        self._stream = stream
        self._pool = pool
        self._limits = limits
        self._loop = asyncio.get_running_loop()
        self._ready = asyncio.Event()
        self._is_over = False

    def end(self) -> None:
        """End the stream; callable from any thread."""
        self._is_over = True
        self._wake()

    def _wake(self) -> None:
        self._loop.call_soon_threadsafe(self._ready.set)

    async def run(self, headers: Headers, receive: Any, send: Any) -> None:
        leaving = self._loop.create_task(gone(receive))
        leaving.add_done_callback(lambda _: self._ready.set())
        self._stream.open(self._wake)
        try:
            kept = [(name, value) for name, value in headers if name.lower() != b"content-length"]
            await send({"type": "http.response.start", "status": 200, "headers": kept})
            await self._send_all(leaving, send)
            if not leaving.done():
                await send({"type": "http.response.body", "body": b""})
        finally:
            self._stream.close()
            leaving.cancel()

    async def _send_all(self, leaving: asyncio.Task[None], send: Any) -> None:
        checked_at = self._loop.time()
        content: bytes | None = self._stream.heartbeat  # at once: the client learns that the stream has begun
        while content is not None and not (leaving.done() or self._is_over):
            if content:
                await send({"type": "http.response.body", "body": content, "more_body": True})
                await asyncio.sleep(GATHER)
            if self._loop.time() - checked_at >= self._limits.stream_check:
                if not await self._is_allowed():
                    return
                checked_at = self._loop.time()
            content = await self._next()

    async def _next(self) -> bytes | None:
        """Return the next part, or a heartbeat after a silence; None at the end."""
        self._ready.clear()
        content = self._stream.take()
        if content != b"" or self._is_over:
            return content
        try:
            await asyncio.wait_for(self._ready.wait(), self._limits.stream_silence)
        except asyncio.TimeoutError:
            return self._stream.heartbeat
        return b""

    async def _is_allowed(self) -> bool:
        try:
            await self._loop.run_in_executor(self._pool, self._stream.check)
        except Error:
            return False
        return True
