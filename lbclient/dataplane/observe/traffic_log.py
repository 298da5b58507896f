"""Receives the traffic logs of all load balancers: HAProxy's ring buffers connect to a socket in their directory."""

from __future__ import annotations

import contextlib
import logging
import selectors
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ...store.store import Tail
from ..haproxy import runtime, unprivileged
from ..relay.interface import TRAFFIC_SOCKET
from .traffic_files import TrafficFiles

LOG = logging.getLogger(__name__)
AT_ONCE = 256 * 1024  # bytes to read at a time
LONGEST_LENGTH = 6  # digits of the length before each line
ID = 36  # characters of a listener's ID, with which each line begins
COMPLAIN = 60.0  # seconds between two warnings that lines cannot be written
DRAIN = 2.0  # seconds, at most, to read what has been sent when the server stops
REST = 0.5  # seconds until the next attempt after an error, usually for lack of descriptors


@dataclass(frozen=True)
class Logged:
    """One line of a listener."""

    listener_id: str
    line: bytes  # JSON


Forward = Callable[[str, Sequence[Logged]], None]


class Damaged(Exception):
    """The received bytes are not a sequence of lines, each preceded by its length."""


class _Source:
    """The lines of one load balancer: its listening socket, the connections of its workers, files, and followers."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.files = TrafficFiles(directory)
        self.tail: Tail[Logged] = Tail()
        self.listening: socket.socket | None = None
        self.replaced: list[socket.socket] = []  # listening sockets whose path is gone
        self.connections: dict[socket.socket, bytearray] = {}


class TrafficLogs:
    """A thread that receives lines, files them and wakes those who follow them."""

    def __init__(self, directory: Path, forward: Forward | None = None) -> None:
        """`forward` is called with the ID of a load balancer and lines of it, and must not block."""
        self._directory = directory.absolute()
        self._forward = forward
        self._selector = selectors.DefaultSelector()
        self._sources: dict[str, _Source] = {}
        self._wanted: dict[str, Mapping[str, int] | None] = {}
        self._late: list[tuple[str, int, list[bytes]]] = []
        self._latest: dict[str, Mapping[str, int]] = {}  # the retention of each, for another attempt
        self._attempts: list[tuple[float, Callable[[], None]]] = []  # (when, what), in the order of their times
        self._lock = threading.Lock()
        self._is_over = False
        self._complained_at = -COMPLAIN
        self._wake_receiver, self._wake_sender = socket.socketpair()
        self._thread = threading.Thread(target=self._work, name="traffic", daemon=True)

    def start(self) -> None:
        for each in (self._wake_receiver, self._wake_sender):
            each.setblocking(False)
        self._selector.register(self._wake_receiver, selectors.EVENT_READ, self._woken)
        self._thread.start()

    def stop(self) -> None:
        """Read what HAProxy has sent, and stop; it keeps further lines until it can connect again."""
        self._is_over = True
        self._wake()
        if self._thread.is_alive():
            self._thread.join()
        self._selector.close()
        self._wake_receiver.close()
        self._wake_sender.close()

    def watch(self, loadbalancer_id: str, retention: Mapping[str, int] | None) -> None:
        """Receive lines of a load balancer, and keep so many megabytes for each listener; with None, stop receiving.

        Its HAProxy can connect when this returns. Raises OSError.
        """
        with self._lock:
            if retention is not None:
                self._listen(self._source(loadbalancer_id))
            self._wanted[loadbalancer_id] = retention
            self._latest.pop(loadbalancer_id, None)
            if retention is not None:
                self._latest[loadbalancer_id] = retention
        self._wake()

    def late(self, loadbalancer_id: str, position: int, lines: list[bytes]) -> None:
        """File lines that an old worker did not send itself, except those that were received after the position."""
        with self._lock:
            self._late.append((loadbalancer_id, position, lines))
        self._wake()

    def tail(self, loadbalancer_id: str) -> Tail[Logged]:
        """Return the lines of a load balancer, to be followed as they come."""
        with self._lock:
            return self._source(loadbalancer_id).tail

    def _source(self, id_: str) -> _Source:
        return self._sources.setdefault(id_, _Source(self._directory / id_))

    def _wake(self) -> None:
        with contextlib.suppress(OSError):  # it is being woken already, or has ended
            self._wake_sender.send(b"!")

    def _work(self) -> None:
        while not self._is_over:
            try:
                self._turn()
            except Exception:
                LOG.exception("traffic logs: a turn has failed, will go on")
                time.sleep(REST)
        self._file_late()
        self._drain()

    def _turn(self) -> None:
        """Read from the connections that have sent something, and make the attempts that are due."""
        rest = max(0.0, self._attempts[0][0] - time.monotonic()) if self._attempts else None
        handlers: list[Callable[[], object]] = [key.data for key, _ in self._selector.select(rest)]
        while self._attempts and self._attempts[0][0] <= time.monotonic():
            handlers.append(self._attempts.pop(0)[1])
        for each in handlers:
            try:
                each()
            except Exception:
                LOG.exception("traffic logs: a connection could not be served")

    def _again(self, attempt: Callable[[], None]) -> None:
        """Schedule an attempt after REST seconds."""
        self._attempts.append((time.monotonic() + REST, attempt))

    def _woken(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._wake_receiver.recv(4096)
        with self._lock:
            wanted, self._wanted = self._wanted, {}
            sources = {id_: self._source(id_) for id_ in wanted}
        self._file_late()
        for id_, retention in wanted.items():
            try:
                self._apply(id_, sources[id_], retention)
            except OSError as error:
                self._complain(id_, error)
                self._again(partial(self._want_again, id_))
            except Exception:
                LOG.exception("load balancer %s: its traffic cannot be logged, will try again", id_)
                self._again(partial(self._want_again, id_))

    def _want_again(self, id_: str) -> None:
        """Apply the retention of a load balancer again, unless it is not logged any more or was just changed."""
        with self._lock:
            if id_ in self._latest:
                self._wanted.setdefault(id_, self._latest[id_])
        self._wake()

    def _complain(self, id_: str, error: OSError) -> None:
        """Warn that traffic cannot be logged, but not more often than every COMPLAIN seconds."""
        if time.monotonic() - self._complained_at >= COMPLAIN:
            self._complained_at = time.monotonic()
            LOG.warning("load balancer %s: its traffic cannot be logged: %s", id_, error.strerror)

    def _apply(self, id_: str, source: _Source, retention: Mapping[str, int] | None) -> None:
        if retention is None:
            self._close(source)
            with self._lock:
                self._sources.pop(id_, None)
            return
        source.files.keep(retention)
        for each in source.replaced:
            self._forget(each)
        source.replaced.clear()
        self._hear(source, source.listening)

    def _hear(self, source: _Source, listening: socket.socket | None) -> None:
        """Accept connections, unless the socket has been replaced or that is done already. Raises OSError."""
        is_present = listening is not None and listening is source.listening
        if listening is not None and is_present and listening.fileno() not in self._selector.get_map():
            self._selector.register(listening, selectors.EVENT_READ, partial(self._accept, source, listening))

    def _listen(self, source: _Source) -> None:
        """Bind the socket, again if the directory was replaced. Raises OSError."""
        if source.listening is not None and (source.directory / TRAFFIC_SOCKET).exists():
            return
        source.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        (source.directory / TRAFFIC_SOCKET).unlink(missing_ok=True)  # left behind by a server that was killed
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            with runtime.reachable(source.directory, TRAFFIC_SOCKET) as path:
                listening.bind(path)
            unprivileged.share(source.directory / TRAFFIC_SOCKET, source.directory)
            listening.listen()
            listening.setblocking(False)
        except OSError:
            listening.close()
            raise
        if source.listening is not None:
            source.replaced.append(source.listening)
        source.listening = listening

    def _accept(self, source: _Source, listening: socket.socket) -> None:
        try:
            connection, _ = listening.accept()
        except BlockingIOError:
            return
        except OSError as error:  # otherwise the waiting connection would wake this thread again and again
            self._complain(source.directory.name, error)
            self._selector.unregister(listening)
            self._again(partial(self._hear, source, listening))
            return
        connection.setblocking(False)
        source.connections[connection] = bytearray()
        self._selector.register(connection, selectors.EVENT_READ, partial(self._receive, source, connection))

    def _receive(self, source: _Source, connection: socket.socket) -> bool:
        """Read and file the lines that have arrived; return whether there may be more."""
        try:
            received = connection.recv(AT_ONCE)
        except BlockingIOError:
            return False
        except OSError:
            received = b""
        pending = source.connections[connection]
        pending += received
        try:
            lines = _taken(pending)
        except Damaged:
            LOG.warning("%s: damaged traffic log; HAProxy connects again", source.directory.name)
            lines, received = [], b""
        if lines:
            self._file(source, lines)
        if not received:
            del source.connections[connection]
            self._forget(connection)
        return bool(received)

    def _file_late(self) -> None:
        with self._lock:
            late, self._late = self._late, []
            found = [(self._sources.get(id_), position, lines) for id_, position, lines in late]
        for source, position, lines in found:
            if source is None:
                continue
            parsed = filter(None, map(_parsed, lines))
            known = set(source.tail.kept_after(position))
            self._file(source, [each for each in parsed if each not in known])

    def _file(self, source: _Source, lines: list[Logged]) -> None:
        grouped: dict[str, list[bytes]] = {}
        for each in lines:
            grouped.setdefault(each.listener_id, []).append(each.line)
        try:
            for id_, found in grouped.items():
                source.files.write(id_, b"\n".join((*found, b"")))
        except OSError as error:
            self._complain(source.directory.name, error)
        source.tail.publish(lines)
        if self._forward is not None:
            self._forward(source.directory.name, lines)

    def _drain(self) -> None:
        """Refuse further lines, which HAProxy then keeps, and read those that have been sent."""
        deadline = time.monotonic() + DRAIN
        for source in self._sources.values():
            for connection in list(source.connections):
                with contextlib.suppress(OSError):  # HAProxy may have closed it
                    connection.shutdown(socket.SHUT_RD)
                while time.monotonic() < deadline and self._receive(source, connection):
                    pass
            self._close(source)

    def _close(self, source: _Source) -> None:
        for each in (*source.connections, *source.replaced, *((source.listening,) if source.listening else ())):
            self._forget(each)
        source.connections.clear()
        source.replaced.clear()
        source.listening = None
        source.files.close()

    def _forget(self, each: socket.socket) -> None:
        with contextlib.suppress(KeyError, ValueError):  # closed before it was registered
            self._selector.unregister(each)
        each.close()


def _taken(pending: bytearray) -> list[Logged]:
    """Take the complete lines, each preceded by its length, out of the received bytes. Raises Damaged."""
    found = []
    place = 0
    while (blank := pending.find(b" ", place, place + LONGEST_LENGTH + 1)) >= 0:
        digits = pending[place:blank]
        if not digits.isdigit():
            raise Damaged
        end = blank + 1 + int(digits)
        if end > len(pending):
            break
        line = _parsed(bytes(pending[blank + 1 : end]))
        if line is not None:
            found.append(line)
        place = end
    if blank < 0 and len(pending) - place > LONGEST_LENGTH:
        raise Damaged
    del pending[:place]
    return found


def _parsed(line: bytes) -> Logged | None:
    """Return a line with the listener's ID before it; None for HAProxy's own messages, such as the start of a proxy."""
    if line[ID : ID + 2] != b" {":
        return None
    return Logged(line[:ID].decode("ascii", errors="replace"), line[ID + 1 :].rstrip())
