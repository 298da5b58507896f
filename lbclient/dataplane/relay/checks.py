"""Health checks of a relay's members by TCP, HTTP or UDP."""

from __future__ import annotations

import errno
import os
import re
import socket
from collections.abc import Callable

from . import plan
from .loop import Loop
from .pool import Member

PROBE = b"X"  # one byte, as nc -uz sends; some programs take an empty datagram for the end of their input
SHORTEST_DELAY = 1.0  # s; a delay of 0 would check without a pause
STATUS_LINE = re.compile(rb"HTTP/\d(?:\.\d)? (\d{3})(?: [^\r\n]*)?\r?\n")
LONGEST_STATUS_LINE = 512


class Check:
    """The periodic check of one member, until it is stopped.

    As in HAProxy, a member counts as up at first, but its first check marks it down if it fails.
    """

    def __init__(self, member: Member, monitor: plan.Monitor, loop: Loop, tell: Callable[[], None]) -> None:
        """Start checking; tell() is called whenever the member goes up or down."""
        self.monitor = monitor
        self.target = member.wanted.check_address, member.wanted.check_port
        self._member = member
        self._loop = loop
        self._tell = tell
        self._is_stopped = False
        self._against = monitor.fall - 1 if member.is_up else 0
        self._socket: socket.socket | None = None
        self._turn = 0
        self._begun = 0.0
        self._heard = b""
        self._ask()

    def stop(self) -> None:
        self._is_stopped = True
        self._close()

    def _ask(self) -> None:
        if self._is_stopped:
            return
        self._turn += 1
        turn = self._turn
        self._begun = self._loop.now
        delay = max(self.monitor.delay, SHORTEST_DELAY)
        self._loop.after(self.monitor.timeout, lambda: self._late(turn))  # before _ask, if both are due at once
        self._loop.after(max(delay, self.monitor.timeout), self._ask)
        if self._member.wanted.is_enabled:
            self._begin()

    def _begin(self) -> None:
        is_datagram = self.monitor.type == "UDP-CONNECT"
        family = socket.AF_INET6 if ":" in self.target[0] else socket.AF_INET
        self._heard = b""
        try:
            self._socket = socket.socket(family, socket.SOCK_DGRAM if is_datagram else socket.SOCK_STREAM)
        except OSError:
            return  # the relay lacks descriptors, which says nothing about the member
        self._socket.setblocking(False)
        error = self._socket.connect_ex(self.target)
        if error and error != errno.EINPROGRESS:
            self._judge(False, "L4CON", os.strerror(error))
            return
        self._loop.watch(self._socket.fileno(), self._on_data if is_datagram else self._on_connect, not is_datagram)
        if is_datagram:
            self._send(PROBE)

    def _send(self, data: bytes) -> None:
        assert self._socket is not None
        try:
            self._socket.sendall(data)
        except OSError as failure:
            self._judge(False, "L4CON", _why(failure))

    def _on_connect(self) -> None:
        assert self._socket is not None
        error = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            self._judge(False, "L4CON", os.strerror(error))
        elif self.monitor.type == "TCP":
            self._judge(True, "L4OK", "")
        else:
            self._loop.watch(self._socket.fileno(), self._on_data)
            self._send(_request(self.monitor))

    def _on_data(self) -> None:
        assert self._socket is not None
        try:
            data = self._socket.recv(4096)
        except BlockingIOError:
            return
        except OSError as failure:
            self._judge(False, "L4CON", _why(failure))
            return
        if self.monitor.type == "UDP-CONNECT":
            self._judge(True, "L4OK", "it answered")
            return
        self._heard += data
        found = STATUS_LINE.match(self._heard)
        if found:
            code = int(found[1])
            is_expected = any(low <= code <= high for low, high in self.monitor.codes)
            self._judge(is_expected, "L7OK" if is_expected else "L7STS", f"HTTP status {code}")
        elif not data or len(self._heard) > LONGEST_STATUS_LINE:
            self._judge(False, "L7RSP", "not an answer of HTTP")

    def _late(self, turn: int) -> None:
        """End a check without an answer at its timeout: for UDP a success, since the member has not refused."""
        if self._socket is None or turn != self._turn:
            return
        if self.monitor.type == "UDP-CONNECT":
            self._judge(True, "L4OK", "nobody refused")
        else:
            self._judge(False, "L7TOUT" if self.monitor.type == "HTTP" else "L4TOUT", "no answer in time")

    def _judge(self, is_alive: bool, status: str, said: str) -> None:
        """Record a result; the member goes up after rise successes in a row, or down after fall failures in a row."""
        self._close()
        member = self._member
        member.check_status, member.check_said = status, said
        member.check_milliseconds = round((self._loop.now - self._begun) * 1000)
        if not is_alive and member.is_up:
            member.failures += 1
        self._against = 0 if is_alive == member.is_up else self._against + 1
        if self._against >= (self.monitor.fall if member.is_up else self.monitor.rise):
            self._against = 0
            member.is_up, member.since = is_alive, self._loop.now
            member.downs += not is_alive
            self._tell()

    def _close(self) -> None:
        if self._socket is not None:
            self._loop.forget(self._socket.fileno())
            self._socket.close()
            self._socket = None


def _request(monitor: plan.Monitor) -> bytes:
    host = f"Host: {monitor.host}\r\n" if monitor.host else ""
    return f"{monitor.method} {monitor.path} HTTP/{monitor.version}\r\n{host}Connection: close\r\n\r\n".encode()


def _why(failure: OSError) -> str:
    return os.strerror(failure.errno or errno.EIO)
