"""Forwarding of traffic logs: to a file, to syslog servers and to an OpenTelemetry collector, which may be away."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests

from certificates import Certified, authority, certified
from running import end_server, start_server, wait_until
from server_process import run
from traffic import PATIENCE, World

HEADER = re.compile(rb"<134>1 \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z \S+ lbclient - traffic - ")


class Receivers:
    """A syslog server for datagrams, one for a stream, and a collector that refuses requests at first.

    With a context the stream and the collector are for TLS alone.
    """

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self._context = context
        self.datagrams: list[bytes] = []
        self.stream = b""
        self.exported: list[Any] = []
        self.refused = 0
        self.failed_handshakes = 0
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._udp.bind(("127.0.0.1", 0))
        self._tcp = socket.create_server(("127.0.0.1", 0))
        receivers = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                assert (self.path, self.headers["Content-Type"]) == ("/v1/logs", "application/json")
                is_refused = receivers.refused < 1
                receivers.refused += is_refused
                receivers.exported += [] if is_refused else [body]
                self.send_response(503 if is_refused else 200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if context is not None:
            self._http.socket = context.wrap_socket(self._http.socket, server_side=True)
        for work in (self._read_datagrams, self._read_stream, self._http.serve_forever):
            threading.Thread(target=work, daemon=True).start()

    @property
    def destinations(self) -> str:
        udp, tcp = (each.getsockname()[1] for each in (self._udp, self._tcp))
        stream, http = ("syslog+tls", "otlp+https") if self._context else ("syslog+tcp", "otlp+http")
        collector = f"{http}://127.0.0.1:{self._http.server_port}/v1/logs"
        return f"syslog://127.0.0.1:{udp},{stream}://127.0.0.1:{tcp},{collector}"

    def _read_datagrams(self) -> None:
        while data := self._udp.recv(65536):
            self.datagrams.append(data)

    def _read_stream(self) -> None:
        """Read what the server sends; without a connection, until the receivers are closed."""
        with contextlib.suppress(OSError), self._accepted() as connection:
            while data := connection.recv(65536):
                self.stream += data

    def _accepted(self) -> socket.socket:
        """Accept a connection; with TLS, the first whose client trusts the certificate."""
        while True:
            connection, _ = self._tcp.accept()
            if self._context is None:
                return connection
            try:
                return self._context.wrap_socket(connection, server_side=True)
            except OSError:
                self.failed_handshakes += 1

    def framed(self) -> list[bytes]:
        """The messages of the stream, each with its length before it."""
        found, rest = [], self.stream
        while rest:
            length, _, rest = rest.partition(b" ")
            found.append(rest[: int(length)])
            rest = rest[int(length) :]
        return found

    def records(self) -> list[Any]:
        scopes = [each["resourceLogs"][0]["scopeLogs"][0] for each in self.exported]
        return [record for scope in scopes for record in scope["logRecords"]]

    def close(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"", self._udp.getsockname())
        self._http.shutdown()
        self._http.server_close()
        self._udp.close()
        self._tcp.close()


@pytest.fixture
def receivers() -> Iterator[Receivers]:
    made = Receivers()
    yield made
    made.close()


def test_lines_arrive_everywhere(tmp_path: Path, database_url: str, receivers: Receivers) -> None:
    file = tmp_path / "lines.json"
    forward = f"--forward-logs=file:{file},{receivers.destinations}"
    server = start_server(tmp_path / "state", f"--database={database_url}", forward)
    try:
        world = World(server)
        world.change(f"listeners/{world.listener}/logging", "logging", enabled=True, trace=True)
        sent = [f"/{number}" for number in range(5)]
        for path in sent:
            assert world.send(path) == 503

        def lines() -> list[dict[str, Any]]:
            return [json.loads(each) for each in file.read_text().splitlines()] if file.exists() else []

        wait_until(lambda: len(lines()) == len(sent), PATIENCE)
        assert [each["path"] for each in lines()] == sent
        assert {(each["loadbalancer_name"], each["listener_name"], each["status"]) for each in lines()} == {
            ("lb1", "web", 503)
        }
        assert {(each["loadbalancer_id"], len(each["project_id"])) for each in lines()} == {(world.id, 32)}

        wait_until(lambda: len(receivers.datagrams) == len(receivers.framed()) == len(sent), PATIENCE)
        for messages in (receivers.datagrams, receivers.framed()):
            assert all(HEADER.match(each) for each in messages)
            assert [json.loads(HEADER.sub(b"", each))["path"] for each in messages] == sent

        wait_until(lambda: len(receivers.records()) == len(sent), PATIENCE)
        record = receivers.records()[0]
        attributes = {each["key"]: next(iter(each["value"].values())) for each in record["attributes"]}
        assert (attributes["url.path"], attributes["http.request.method"]) == ("/0", "GET")
        assert (attributes["http.response.status_code"], record["severityText"]) == ("503", "ERROR")
        assert record["traceId"] == lines()[0]["trace"]
        assert int(record["timeUnixNano"]) // 10**6 == round(lines()[0]["ts"] * 1000)

        file.rename(tmp_path / "lines.json.1")
        world.send("/rotated")
        wait_until(lambda: [each["path"] for each in lines()] == ["/rotated"], PATIENCE)
        text = requests.get(f"{server.url}/metrics", timeout=PATIENCE).text
        assert 'lbclient_forwarded_log_lines_total{destination="file",outcome="sent"} 6.0' in text
    finally:
        end_server(server)


def test_lines_go_over_tls_to_whom_the_system_trusts(
    tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    known, foreign = authority("Known"), authority("Foreign")
    (tmp_path / "known.pem").write_text(known.pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "known.pem"))
    trusted, distrusted = (Receivers(_context(tmp_path, each)) for each in (known, foreign))
    forward = f"--forward-logs={trusted.destinations},{distrusted.destinations}"
    server = start_server(tmp_path / "state", f"--database={database_url}", forward)
    try:
        world = World(server)
        world.change(f"listeners/{world.listener}/logging", "logging", enabled=True)
        for path in ("/one", "/two"):
            world.send(path)
        wait_until(lambda: len(trusted.framed()) == len(trusted.records()) == 2, PATIENCE)
        assert [json.loads(HEADER.sub(b"", each))["path"] for each in trusted.framed()] == ["/one", "/two"]
        wait_until(lambda: len(distrusted.datagrams) == 2 and distrusted.failed_handshakes > 0, PATIENCE)
        assert (distrusted.stream, distrusted.exported) == (b"", [])
    finally:
        end_server(server)
        trusted.close()
        distrusted.close()


def _context(directory: Path, issuer: Certified) -> ssl.SSLContext:
    """A context for receivers on 127.0.0.1, with a certificate by the issuer."""
    made = certified("receiver", issuer, "127.0.0.1")
    path = directory / "receiver.pem"
    path.write_text(made.pem + made.key_pem())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


@pytest.mark.parametrize(
    "text", ["file:relative", "gopher://host", "syslog://", "syslog://host:port", "otlp+http:///v1"]
)
def test_a_wrong_destination_is_refused(tmp_path: Path, text: str) -> None:
    done = run(f"--state-directory={tmp_path}", f"--forward-logs={text}", "--bind-port=0")
    assert done.returncode == 2
    assert "forward-logs" in done.stderr
