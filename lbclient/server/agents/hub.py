"""Messages to the agents, each of which holds a stream open, and the answers to questions among them."""

from __future__ import annotations

import queue
import threading
import uuid
from collections.abc import Callable
from typing import Any

import orjson

from ...store.feed import Missed, Tail

ASK_SECONDS = 3.0


class Hub:
    """The streams of all agents. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tails: dict[str, Tail[bytes]] = {}
        self._asked: dict[str, queue.Queue[Any]] = {}

    def tail(self, host_id: str) -> Tail[bytes]:
        """Return the messages to a host."""
        with self._lock:
            return self._tails.setdefault(host_id, Tail())

    def post(self, host_id: str, **values: Any) -> None:
        """Send a message; it is lost if the agent is not connected, which then asks for the whole list."""
        self.tail(host_id).publish([orjson.dumps(values) + b"\n"])

    def ask(self, host_id: str, kind: str, **values: Any) -> Any:
        """Return an agent's answer; None if there is none within ASK_SECONDS."""
        token = uuid.uuid4().hex
        answers = self._asked[token] = queue.Queue()
        try:
            self.post(host_id, ask=kind, token=token, **values)
            return answers.get(timeout=ASK_SECONDS)
        except queue.Empty:
            return None
        finally:
            del self._asked[token]

    def answer(self, token: str, value: Any) -> None:
        """Pass on an answer, unless it comes too late."""
        asked = self._asked.get(token)
        if asked is not None:
            asked.put(value)


class Changes:
    """The stream of messages to one host."""

    heartbeat = b"\n"

    def __init__(self, tail: Tail[bytes], check: Callable[[], None]) -> None:
        self._tail = tail
        self._position = tail.position
        self._check = check

    def open(self, wake: Callable[[], None]) -> None:
        self._tail.watch(self, wake)

    def close(self) -> None:
        self._tail.unwatch(self)

    def check(self) -> None:
        self._check()

    def take(self) -> bytes | None:
        """Return the messages that have not been sent; None if some are lost, so that the agent connects again."""
        try:
            found, self._position = self._tail.after(self._position)
        except Missed:
            return None
        return b"".join(found)
