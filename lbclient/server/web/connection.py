"""One connection to the HTTP server: uvicorn's protocol, with size limits and with deadlines for slow clients."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from .limits import HEAD_MAXIMUM, HEADERS_MAXIMUM, PIPELINE_MAXIMUM, Limits


def _raw(status: str, *headers: str) -> bytes:
    """Return an answer without a body that is sent without calling the application."""
    return "\r\n".join([f"HTTP/1.1 {status}", "Content-Length: 0", "Connection: close", *headers, "", ""]).encode()


TOO_LARGE = _raw("431 Request Header Fields Too Large")
TIMED_OUT = _raw("408 Request Timeout")
TOO_MANY = _raw("429 Too Many Requests", "Retry-After: 1")
BUSY = _raw("503 Service Unavailable", "Retry-After: 1")


class _Refused(Exception):
    """Stops the parsing of a request that is refused; the parser reports it like any other error."""


class Connection(HttpToolsProtocol):
    """An HTTP connection that tracks what the server is waiting for, and since when."""

    limits = Limits()  # set by Server in a subclass
    on_lost: Callable[[], None] = staticmethod(lambda: None)

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._is_in_head = True
        self._head = 0  # bytes
        self._received = 0  # bytes of a body
        self._refusal = b""
        self._waits_since = self._heard_at = time.monotonic()

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        self._heard_at = time.monotonic()
        if self._is_in_head:
            if not self._head:
                self._waits_since = self._heard_at
            self._head += len(data)
            if self._head > HEAD_MAXIMUM + len(data):
                self._refuse(TOO_LARGE)
                return
        super().data_received(data)
        if self._is_in_head and self._head > HEAD_MAXIMUM:
            self._refuse(TOO_LARGE)

    def send_400_response(self, msg: str) -> None:
        if self._refusal:
            self._refuse(self._refusal)
        else:
            super().send_400_response(msg)

    def on_message_begin(self) -> None:
        if len(self.pipeline) >= PIPELINE_MAXIMUM:
            self._refusal = TOO_MANY
            raise _Refused
        if not self._head:  # pipelined: it arrived together with the previous request
            self._head, self._waits_since = 1, self._heard_at
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        if len(self.headers) >= HEADERS_MAXIMUM:
            self._refusal = TOO_LARGE
            raise _Refused
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._is_in_head, self._head, self._received = False, 0, 0
        self._waits_since = time.monotonic()
        if len(self.url) + sum(len(name) + len(value) for name, value in self.headers) > HEAD_MAXIMUM:
            self._refusal = TOO_LARGE
            raise _Refused
        self.scope["lbclient.close"] = self.transport.abort  # type: ignore[typeddict-unknown-key]
        self.scope["lbclient.peer"] = self.transport.get_extra_info("peercert")  # type: ignore[typeddict-unknown-key]
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._received += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._is_in_head = True
        super().on_message_complete()

    def on_response_complete(self) -> None:
        self._waits_since = time.monotonic()
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self.on_lost()

    def eof_received(self) -> bool:  # type: ignore[override]  # asyncio reads what it returns
        """Handle the client's end of data: complete requests are still answered, an incomplete one is refused."""
        asked = [cycle for cycle, _ in self.pipeline] or [self.cycle]
        last = asked[0]  # the newest: uvicorn takes the oldest from the other end
        if last is not None and not last.response_complete and not last.more_body:
            last.keep_alive = False
            return True
        if not self.transport.is_closing() and not (self._is_in_head and self._head == 0):
            self.send_400_response("The request is not complete.")
        return False

    def pause_writing(self) -> None:
        self._heard_at = time.monotonic()  # a stream may have been sent for hours before the client stopped reading
        super().pause_writing()

    def resume_writing(self) -> None:
        self._heard_at = time.monotonic()
        super().resume_writing()

    def waits_since(self) -> float | None:
        """Return since when (monotonic seconds) the server waits for the client; None if the client waits for it."""
        if self._is_answering():
            return self._heard_at if self.flow is not None and self.flow.write_paused else None
        return self._waits_since

    def check_deadlines(self, now: float) -> None:
        """Close the connection if the client has exceeded its deadline; now is in monotonic seconds."""
        since = self.waits_since()
        if since is None or now - since <= self._patience():
            return
        self.give_up(TIMED_OUT)

    def give_up(self, answer: bytes) -> None:
        """Close the connection; a client that has started a request and has no answer yet gets the given one."""
        if self._is_asking():
            self._refuse(answer)
        elif self.transport is not None:
            self.transport.abort()

    def _is_answering(self) -> bool:
        """Whether a request is complete and its answer is not."""
        if self.pipeline:
            return True
        return self.cycle is not None and not self.cycle.response_complete and not self.cycle.more_body

    def _is_asking(self) -> bool:
        """Whether part of a request has arrived and no part of its answer has been sent."""
        if self._is_answering():
            return False
        return self._head > 0 if self._is_in_head else not self.cycle.response_started

    def _patience(self) -> float:
        """Return how many seconds the client has for what the server is waiting for."""
        if self._is_answering():
            return self.limits.silence
        if not self._is_in_head:
            return self.limits.body_seconds + self._received / self.limits.body_rate
        return self.limits.head_seconds if self._head else self.limits.silence

    def _refuse(self, answer: bytes) -> None:
        self.transport.write(answer)
        self.transport.close()
