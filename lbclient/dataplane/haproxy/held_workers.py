"""Receive the last lines of the traffic log from old workers.

A worker that a reload has replaced sends nothing more through its ring buffer, and ends with its last connection, at
once. Its further lines are therefore read from its command socket; a connection to that counts like any other, so the
worker lives as long as it is kept.
"""

from __future__ import annotations

import contextlib
import logging
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from ..config.render import ADMIN_SOCKET
from ..config.traffic import RING
from . import runtime

LOG = logging.getLogger(__name__)
POLL = 0.25  # seconds between two reads of lines
SLOWEST = 2.0  # seconds between two commands to a worker with long connections; it closes idle command sockets after 10
PATIENCE = 2.0  # seconds for an answer
OURS = 2  # connections
AT_ONCE = 256 * 1024  # bytes
STOPPING = re.compile(rb"^Stopping: (\d+)", re.MULTILINE)
JOBS = re.compile(rb"^Jobs: (\d+)", re.MULTILINE)  # connections and listening sockets
PROMPT = b"\n> "

Deliver = Callable[[str, int, list[bytes]], None]  # deliver(load balancer ID, position, lines)


@dataclass
class Held:
    """Two connections to the command socket of a worker: one for its lines, and one for commands."""

    loadbalancer_id: str
    position: int  # of the last line that had been received by then
    lines: socket.socket
    questions: socket.socket
    is_kept: bool = False  # after the block: the worker has been replaced
    is_stopping: bool = False
    is_ending: bool = False  # nothing more will come
    _pending: bytearray = field(default_factory=bytearray)
    _pause: float = POLL
    _asked_at: float = 0.0

    def take(self) -> list[bytes]:
        """Return the complete lines that have come once the worker has begun to stop; before, it sends them itself."""
        with contextlib.suppress(BlockingIOError):
            while received := self.lines.recv(AT_ONCE):
                self._pending += received
        if not self.is_stopping:
            return []
        *found, rest = self._pending.split(b"\n")
        self._pending = bytearray(rest)
        return [bytes(each) for each in found]

    def look(self) -> None:
        """Ask the worker, when that is due, whether it is stopping and has other connections."""
        now = time.monotonic()
        if now - self._asked_at < self._pause:
            return
        self._asked_at, self._pause = now, min(SLOWEST, self._pause * 1.5)
        try:
            answer = _ask(self.questions, "show info")
        except OSError:
            self.is_stopping = self.is_ending = True
            return
        stopping, jobs = STOPPING.search(answer), JOBS.search(answer)
        self.is_stopping = stopping is not None and int(stopping[1]) > 0
        self.is_ending = self.is_stopping and jobs is not None and int(jobs[1]) <= OURS

    def close(self) -> None:
        self.lines.close()
        self.questions.close()


class HeldWorkers:
    """The old workers that are held, and a thread that reads their lines and releases them."""

    def __init__(self, deliver: Deliver) -> None:
        self._deliver = deliver
        self._held: list[Held] = []
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._is_over = threading.Event()

    @contextmanager
    def holding(self, directory: Path, position: int) -> Iterator[Held | None]:
        """Hold the present worker during a block; if the block sets is_kept, until its connections have ended."""
        held = _held(directory, position)
        try:
            yield held
        finally:
            if held is not None and held.is_kept:
                self._keep(held)
            elif held is not None:
                held.close()

    def stop(self) -> None:
        """Deliver the remaining lines, and release all workers."""
        self._is_over.set()
        with self._lock:
            thread = self._thread
        if thread is not None:
            thread.join()

    def _keep(self, held: Held) -> None:
        with self._lock:
            self._held.append(held)
            if self._thread is None:
                thread = threading.Thread(target=self._work, name="lingering", daemon=True)
                thread.start()
                self._thread = thread

    def _work(self) -> None:
        """Work until no worker is held."""
        while True:
            is_over = self._is_over.wait(POLL)
            with self._lock:
                held = list(self._held)
            ended = [each for each in held if self._serve(each, is_over)]
            for each in ended:
                each.close()
            with self._lock:
                self._held = [each for each in self._held if each not in ended]
                if not self._held:
                    self._thread = None
                    return

    def _serve(self, held: Held, is_over: bool) -> bool:
        """Deliver the lines of a worker; return whether it can be released."""
        was_ending = held.is_ending or is_over  # one more look after the last connection
        try:
            found = held.take()
            if found:
                self._deliver(held.loadbalancer_id, held.position, found)
            held.look()
        except OSError:
            return True
        except Exception:
            LOG.exception("load balancer %s: the last lines of an old worker are lost", held.loadbalancer_id)
            return True
        return was_ending


def _held(directory: Path, position: int) -> Held | None:
    """Return the connections to the present worker; None if no worker answers."""
    made: list[socket.socket] = []
    try:
        with runtime.reachable(directory, ADMIN_SOCKET) as path:
            for _ in range(OURS):
                made.append(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
                made[-1].settimeout(PATIENCE)
                made[-1].connect(path)
                _ask(made[-1], "prompt")
                _ask(made[-1], "set timeout cli 24h")
        made[0].sendall(f"show events {RING} -n -w\n".encode())
        made[0].setblocking(False)
    except OSError as error:
        LOG.debug("%s: no worker to hold: %s", directory.name, error)
        for each in made:
            each.close()
        return None
    return Held(directory.name, position, lines=made[0], questions=made[1])


def _ask(connection: socket.socket, command: str) -> bytes:
    """Return the answer to a command in the prompt mode. Raises OSError."""
    connection.sendall(f"{command}\n".encode())
    answer = b""
    while not answer.endswith(PROMPT):
        received = connection.recv(65536)
        if not received:
            raise ConnectionResetError
        answer += received
    return answer
