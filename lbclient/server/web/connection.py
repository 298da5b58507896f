"""One connection to the HTTP server: uvicorn's, with bounds for who sends without end, or nothing."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_MAXIMUM = 256 * 1024  # bytes of a request before its body
LOOK = 5.0  # seconds between two looks at silent connections
TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
TIMED_OUT = b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class Connection(HttpToolsProtocol):
    """Knows since when it has been silent, and how much of a request's head there is."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._is_in_head = True
        self._head = 0
        self.heard_at = time.monotonic()

    def data_received(self, data: bytes) -> None:
        self.heard_at = time.monotonic()
        if self._is_in_head:
            self._head += len(data)
            if self._head > HEAD_MAXIMUM:
                self.transport.write(TOO_LARGE)
                self.transport.close()
                return
        super().data_received(data)

    def on_headers_complete(self) -> None:
        self._is_in_head, self._head = False, 0
        self.scope["lbclient.close"] = self.transport.abort  # type: ignore[typeddict-unknown-key]
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._is_in_head = True
        super().on_message_complete()

    def eof_received(self) -> bool:  # type: ignore[override]  # asyncio reads what it returns
        """The client has said all: what it has asked for is answered still; half a request is refused."""
        asked = [cycle for cycle, _ in self.pipeline] or [self.cycle]
        last = asked[0]  # uvicorn takes from the other end
        if last is not None and not last.response_complete and not last.more_body:
            last.keep_alive = False
            return True
        if not self.transport.is_closing() and not (self._is_in_head and self._head == 0):
            self.send_400_response("The request is not complete.")
        return False

    def resume_writing(self) -> None:
        self.heard_at = time.monotonic()
        super().resume_writing()

    def give_up(self) -> None:
        """Closes it; whoever has begun to ask is told why."""
        if self._is_in_head and self._head:
            self.transport.write(TIMED_OUT)
            self.transport.close()
        else:
            self.transport.abort()

    def is_silent(self, seconds: float) -> bool:
        """Whether it is the client that nothing has come from for so long."""
        is_ours = self.cycle is not None and not self.cycle.more_body and not self.cycle.response_started
        return not is_ours and time.monotonic() - self.heard_at > seconds


async def close_silent(state: Any, seconds: float) -> None:
    """Closes connections whose clients are silent, again and again."""
    while True:
        await asyncio.sleep(LOOK)
        for connection in list(state.connections):
            if connection.is_silent(seconds):
                connection.give_up()
