"""Messages between the server processes that share a PostgreSQL database, by LISTEN and NOTIFY.

They are hints: a process that misses one learns the same from the database, a little later.
"""

from __future__ import annotations

import json
import logging
import queue
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

if TYPE_CHECKING:
    from psycopg import Connection

LOG = logging.getLogger(__name__)
CHANNEL = "lbclient"
LONGEST = 7900  # bytes; PostgreSQL allows less than 8000
LONGEST_PIECE = 3500  # characters of an answer's JSON, each of which is escaped with one more at most
HELLO_SECONDS = 10.0  # between two signs of life
LISTEN_SECONDS = 0.5  # between looks whether to stop
PRESENT_SECONDS = 35.0  # another process that was heard within this time is there
RECONNECT_SECONDS = 1.0
ASK_SECONDS = 3.0
UNSENT = 10_000  # messages that wait for a connection at most; further ones are dropped
ANSWER = "answer"

Values = dict[str, Any]
Handler = Callable[[Mapping[str, Any]], Any]


class Messages:
    """Sends messages to the other processes, and calls handlers for theirs. Thread-safe.

    A handler gets the values of the message. What it returns is the answer, if the sender asked for one.
    """

    def __init__(self, engine: sa.Engine, handlers: Mapping[str, Handler], on_connect: Callable[[], None]) -> None:
        """on_connect is called whenever messages may have been missed: after each connect."""
        self._engine = engine
        self._handlers = handlers
        self._on_connect = on_connect
        self._id = uuid.uuid4().hex
        self._unsent: queue.Queue[str | None] = queue.Queue(UNSENT)
        self._asked: dict[str, queue.Queue[Any]] = {}
        self._heard_at = float("-inf")
        self._is_over = threading.Event()
        self._answering = ThreadPoolExecutor(4, thread_name_prefix="answers")
        self._threads = [threading.Thread(target=each, daemon=True) for each in (self._listen, self._send)]

    @property
    def has_others(self) -> bool:
        """Whether another process was heard lately."""
        return time.monotonic() - self._heard_at < PRESENT_SECONDS

    def start(self) -> None:
        for each in self._threads:
            each.start()

    def stop(self) -> None:
        self._is_over.set()
        self._unsent.put(None)
        for each in self._threads:
            each.join()
        self._answering.shutdown()

    def post(self, kind: str, **values: Any) -> bool:
        """Send a message soon; return False if it is too long. It is dropped if too many are waiting."""
        text = json.dumps({"from": self._id, "kind": kind, **values}, ensure_ascii=False, default=str)
        if len(text.encode()) > LONGEST:
            return False
        try:
            self._unsent.put_nowait(text)
        except queue.Full:
            LOG.warning("too many messages wait to be sent; one was dropped: %s", kind)
        return True

    def ask(self, kind: str, seconds: float = ASK_SECONDS, **values: Any) -> Any:
        """Ask the other processes and return the first answer. Raises TimeoutError if there is none in time."""
        token = uuid.uuid4().hex
        answers = self._asked[token] = queue.Queue()
        try:
            self.post(kind, token=token, **values)
            return _joined(answers, time.monotonic() + seconds)
        except queue.Empty:
            raise TimeoutError(f"no other server has answered ({kind})") from None
        finally:
            del self._asked[token]

    def _listen(self) -> None:
        while not self._is_over.is_set():
            try:
                with self._connect() as connection:
                    connection.execute(f"LISTEN {CHANNEL}")
                    self.post("hello")
                    self._on_connect()
                    self._hear(connection)
            except Exception as error:  # whatever it is, the next attempt may succeed
                LOG.warning("messages of other servers cannot be heard, will try again: %s", _first_line(error))
                self._is_over.wait(RECONNECT_SECONDS)

    def _hear(self, connection: Connection[Any]) -> None:
        hello_at = time.monotonic() + HELLO_SECONDS
        while not self._is_over.is_set():
            for each in connection.notifies(timeout=LISTEN_SECONDS):
                self._take(each.payload)
            if time.monotonic() >= hello_at:
                hello_at += HELLO_SECONDS
                connection.execute("SELECT 1")  # fails if the connection was lost without a word
                self.post("hello")

    def _take(self, text: str) -> None:
        message = json.loads(text)
        if message["from"] == self._id:
            return
        is_new = not self.has_others
        self._heard_at = time.monotonic()
        if is_new and message["kind"] == "hello":
            self.post("hello")  # so that both know of each other at once
        if message["kind"] == ANSWER:
            asked = self._asked.get(message["to"])
            if asked is not None:
                asked.put(message)
        elif message["kind"] in self._handlers:
            if "token" in message:
                self._answering.submit(self._answer, message)
            else:
                self._handle(message)

    def _answer(self, message: Mapping[str, Any]) -> None:
        """Send the answer as JSON, in as many pieces as it needs."""
        text = json.dumps(self._handle(message), default=str)
        pieces = [text[begin : begin + LONGEST_PIECE] for begin in range(0, len(text), LONGEST_PIECE)]
        for number, piece in enumerate(pieces):
            self.post(ANSWER, to=message["token"], number=number, count=len(pieces), piece=piece)

    def _handle(self, message: Mapping[str, Any]) -> Any:
        try:
            return self._handlers[message["kind"]](message)
        except Exception:
            LOG.exception("a message of another server could not be handled: %s", message["kind"])
            return None

    def _send(self) -> None:
        connection: Connection[Any] | None = None
        while (text := self._unsent.get()) is not None:
            while not self._is_over.is_set():
                try:
                    connection = connection or self._connect()
                    connection.execute("SELECT pg_notify(%s, %s)", (CHANNEL, text))
                    break
                except Exception as error:
                    LOG.warning("a message cannot be sent, will try again: %s", _first_line(error))
                    if connection is not None:
                        connection.close()
                    connection = None
                    self._is_over.wait(RECONNECT_SECONDS)
        if connection is not None:
            connection.close()

    def _connect(self) -> Connection[Any]:
        import psycopg  # installed by an extra

        arguments, options = self._engine.dialect.create_connect_args(self._engine.url)
        return psycopg.connect(*arguments, **{**options, "autocommit": True, "connect_timeout": 3})


def _joined(answers: queue.Queue[Any], deadline: float) -> Any:
    """Return the first answer that is complete, whose pieces come as messages. Raises queue.Empty at the deadline."""
    pieces: dict[str, dict[int, str]] = {}  # by sender and number
    while True:
        message = answers.get(timeout=max(0.0, deadline - time.monotonic()))
        known = pieces.setdefault(message["from"], {})
        known[message["number"]] = message["piece"]
        if len(known) == message["count"]:
            return json.loads("".join(known[number] for number in range(len(known))))


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
