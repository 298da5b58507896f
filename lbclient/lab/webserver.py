"""The small web servers of the guide, each a separate machine: one process, one address, one or more ports."""

from __future__ import annotations

import argparse
import contextlib
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from . import programs

PIECE = b"still working\n"
PACE = 0.2  # seconds between two pieces of a slow answer
LONGEST = 120.0  # maximum duration of a slow answer in seconds


@dataclass(frozen=True)
class Machine:
    """A web server of the guide: its address, ports and answer."""

    answer: str
    address: str
    ports: tuple[int, ...] = (80,)

    def start(self) -> subprocess.Popen[str]:
        """Start the server as a process and return once it listens. Raises OSError with its error message."""
        options = ["--address", self.address, "--answer", self.answer, *map(str, self.ports)]
        process = subprocess.Popen(
            programs.command("lbclient.lab.webserver", *options),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        if not process.stdout.readline():
            process.wait()
            raise OSError(f"the web server at {self.address} did not start")
        return process


GUIDE = {
    "server-1": Machine("Server : server-1 @ 10.0.0.4", "10.0.0.4", (80, 443)),
    "server-2": Machine("Server : server-2 @ 10.0.0.6", "10.0.0.6", (80, 443)),
    "login": Machine("Welcome to login.example.com", "10.0.0.5"),
    "shop": Machine("Welcome to shop.example.com", "10.0.0.7"),
}


class Handler(BaseHTTPRequestHandler):
    """Answers / with the machine's words, /health, and /slow with an answer that lasts until /finish is asked for."""

    protocol_version = "HTTP/1.1"
    answer = ""
    is_finished: threading.Event

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        if path == "/slow":
            self.is_finished.clear()
            self._send_slowly()
        elif path == "/finish":
            self.is_finished.set()
            self._send(200, "finished")
        else:
            text = {"/": self.answer, "/health": "healthy!"}.get(path)
            self._send(200 if text else 404, text or "Not Found")

    def _send(self, status: int, text: str) -> None:
        body = text.encode()
        self._head(status, "Content-Length", str(len(body)))
        self.wfile.write(body)

    def _send_slowly(self) -> None:
        self._head(200, "Transfer-Encoding", "chunked")
        deadline = time.monotonic() + LONGEST
        while time.monotonic() < deadline:
            self._send_chunk(PIECE)
            if self.is_finished.wait(PACE):
                break
        self._send_chunk(self.answer.encode())
        self._send_chunk(b"")

    def _send_chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

    def _head(self, status: int, name: str, value: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header(name, value)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing: the terminal belongs to the demo."""


class QuietServer(ThreadingHTTPServer):
    """A web server that says nothing when a client hangs up, as load balancers do."""

    request_queue_size = 128

    def handle_error(self, request: object, client_address: object) -> None:
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until killed, or interrupted together with the program that started it."""
    parser = argparse.ArgumentParser(
        prog="guide-servers", description="A web server of the guide; without arguments, all of them."
    )
    parser.add_argument("--address")
    parser.add_argument("--answer")
    parser.add_argument("ports", nargs="*", type=int)
    options = parser.parse_args(arguments)
    with contextlib.suppress(KeyboardInterrupt):
        if options.address is None:
            _serve_all()
        else:
            _serve(Machine(options.answer, options.address, tuple(options.ports)))


def _serve_all() -> None:
    processes = [machine.start() for machine in GUIDE.values()]
    print("listening at", ", ".join(machine.address for machine in GUIDE.values()), flush=True)
    try:
        for process in processes:
            process.wait()
    finally:
        for process in processes:
            process.terminate()


def _serve(machine: Machine) -> None:
    handler = type("MachineHandler", (Handler,), {"answer": machine.answer, "is_finished": threading.Event()})
    servers = [QuietServer((machine.address, port), handler) for port in machine.ports]
    for server in servers:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    print("listening", flush=True)
    threading.Event().wait()


def move(machine: Machine, translate: Callable[[str], str]) -> Machine:
    """Return the machine with its address and ports translated."""
    ports = tuple(int(translate(str(port))) for port in machine.ports)
    return Machine(translate(machine.answer), translate(machine.address), ports)


if __name__ == "__main__":
    main()
