"""The server of metrics, a backend of HAProxy's PROMETHEUS listeners."""

from __future__ import annotations

import contextlib
import csv
import os
import socket
import threading
import time

from .exposition import Names, Row, exposition
from .interface import EXPORTER_SOCKET

QUESTION = b"GET /metrics?scope=global&scope=frontend&scope=backend&scope=server HTTP/1.0\r\n\r\n"
PATIENCE = 5.0  # s
MOST_AT_ONCE = 4
REST_SECONDS = 0.1  # before the next attempt to accept a connection when no descriptor is free


class Unavailable(Exception):
    """HAProxy does not provide its metrics."""


class Exporter:
    """A metrics server with threads of its own, so that datagrams do not wait for a page of metrics."""

    def __init__(self, path: str, control_path: str) -> None:
        self._path = path
        self._control_path = control_path
        self._names: Names = {}
        self._is_started = False
        self._is_needed = False
        self._serving: threading.Thread | None = None
        self._listening = self._open()  # a relay that has become an ordinary user could not do that later
        self._turns = threading.BoundedSemaphore(MOST_AT_ONCE)

    def start(self) -> None:
        """Start serving. Called after the fork, which a thread would not survive; earlier connections are queued."""
        self._is_started = True
        self._serve_if_needed()

    def take(self, names: Names | None) -> None:
        """Use these names for metrics; None if no listener serves them."""
        self._is_needed = names is not None
        self._names = names or {}
        self._serve_if_needed()

    def _serve_if_needed(self) -> None:
        """Start the thread at the first need: most relays have none."""
        if self._is_started and self._is_needed and self._serving is None:
            self._serving = threading.Thread(target=self._serve, daemon=True)
            self._serving.start()

    def _open(self) -> socket.socket:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._path)
        listening = socket.socket(socket.AF_UNIX)
        listening.bind(self._path)
        os.chmod(self._path, 0o600)
        listening.listen(64)
        return listening

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                time.sleep(REST_SECONDS)  # no descriptor is free at the moment
                continue
            self._turns.acquire()
            try:
                threading.Thread(target=self._answer, args=(connection,), daemon=True).start()
            except RuntimeError:  # there are too many threads
                connection.close()
                self._turns.release()

    def _answer(self, connection: socket.socket) -> None:
        try:
            with contextlib.suppress(OSError), connection:
                connection.settimeout(PATIENCE)
                _until_blank_line(connection)
                connection.sendall(self._response())
        finally:
            self._turns.release()

    def _response(self) -> bytes:
        try:
            status, page = "200 OK", self._page()
        except (Unavailable, OSError) as error:
            status, page = "503 Service Unavailable", f"{error}\n"
        head = f"HTTP/1.0 {status}\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"
        body = page.encode()
        return f"{head}Cache-Control: no-cache\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body

    def _page(self) -> str:
        head, _, told = _asked(EXPORTER_SOCKET, QUESTION).partition("\r\n\r\n")
        if " 200 " not in head.partition("\r\n")[0]:
            raise Unavailable("HAProxy has no metrics")
        return exposition(told, self._rows(), _machine(), self._names)

    def _rows(self) -> list[Row]:
        report = _asked(self._control_path, b"show stat\n")
        return list(csv.DictReader(report.strip().removeprefix("# ").splitlines()))


def _until_blank_line(connection: socket.socket) -> None:
    heard = b""
    while b"\r\n\r\n" not in heard and len(heard) < 65536:
        data = connection.recv(4096)
        if not data:
            return
        heard += data


def _asked(path: str, question: bytes) -> str:
    """Send a request to a Unix socket and return all data until the end. Raises OSError."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(PATIENCE)
        connection.connect(path)
        connection.sendall(question)
        return b"".join(iter(lambda: connection.recv(65536), b"")).decode(errors="replace")


def _machine() -> dict[str, float]:
    """Return the machine's CPU load and, if known, memory in use, in percent."""
    found = {"cpu": os.getloadavg()[0] / (os.cpu_count() or 1) * 100}
    with contextlib.suppress(OSError, KeyError, ValueError, ZeroDivisionError), open("/proc/meminfo") as file:
        sizes = {name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in file)}
        found["memory"] = (1 - sizes["MemAvailable"] / sizes["MemTotal"]) * 100
    return found
