"""Destinations of forwarded lines: a file, a syslog server, an OpenTelemetry collector."""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Sequence
from datetime import datetime, timezone
from io import FileIO
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

import orjson
import requests
from requests.adapters import HTTPAdapter

from ..option_values import OTLP, SYSLOG_PORTS
from .forwarding import Destination, Record

PRIORITY = 16 * 8 + 6  # facility local0, severity informational
LONGEST_DATAGRAM = 65_000  # bytes
SECONDS = 10.0  # for a connection, and for an answer
NANOSECONDS = 1_000_000_000
# The attributes of OpenTelemetry's semantic conventions that lines have.
CONVENTIONS = {
    "client": "client.address",
    "client_port": "client.port",
    "method": "http.request.method",
    "path": "url.path",
    "status": "http.response.status_code",
}


def destination(text: str) -> Destination:
    """Return a destination of the option forward_logs, which is opened with the first line."""
    parts = urlsplit(text)
    if parts.scheme == "file":
        return File(Path(parts.path))
    return Syslog(parts) if parts.scheme in SYSLOG_PORTS else Collector(text.removeprefix(OTLP))


class File:
    """Lines of JSON in a file, which is opened again after it was renamed, as by logrotate."""

    kind = "file"

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: FileIO | None = None

    def send(self, records: Sequence[Record]) -> None:
        if self._file is None or not self._is_current(self._file):
            self.close()
            self._file = FileIO(self._path, "ab")
        self._file.write(b"".join(orjson.dumps(each.values) + b"\n" for each in records))

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
        self._file = None

    def _is_current(self, file: FileIO) -> bool:
        try:
            return os.path.samestat(os.stat(self._path), os.fstat(file.fileno()))
        except FileNotFoundError:
            return False


class Syslog:
    """Messages of RFC 5424, as datagrams (RFC 5426) or with their length before each (RFC 6587, RFC 5425)."""

    def __init__(self, parts: SplitResult) -> None:
        self.kind = parts.scheme
        self._host = str(parts.hostname)
        self._port = parts.port or SYSLOG_PORTS[parts.scheme]
        self._socket: socket.socket | None = None
        self._own_name = socket.gethostname() or "-"

    def send(self, records: Sequence[Record]) -> None:
        entrance = self._socket or self._connect()
        try:
            if self.kind == "syslog":
                for each in records:
                    entrance.send(self._message(each)[:LONGEST_DATAGRAM])
            else:
                messages = map(self._message, records)
                entrance.sendall(b"".join(b"%d %b" % (len(each), each) for each in messages))
        except OSError:
            self.close()
            raise

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
        self._socket = None

    def _connect(self) -> socket.socket:
        if self.kind == "syslog":
            family, kind, number, _, address = socket.getaddrinfo(self._host, self._port, type=socket.SOCK_DGRAM)[0]
            made = socket.socket(family, kind, number)
            made.connect(address)
        else:
            made = socket.create_connection((self._host, self._port), timeout=SECONDS)
            if self.kind == "syslog+tls":
                made = ssl.create_default_context().wrap_socket(made, server_hostname=self._host)
        self._socket = made
        return made

    def _message(self, record: Record) -> bytes:
        at = datetime.fromtimestamp(record.at, timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return f"<{PRIORITY}>1 {at} {self._own_name} lbclient - traffic - ".encode() + orjson.dumps(record.values)


class Collector:
    """An OpenTelemetry collector: OTLP over HTTP, in JSON."""

    kind = "otlp"

    def __init__(self, url: str) -> None:
        self._url = url
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.mount("https://", _Trusting())

    def send(self, records: Sequence[Record]) -> None:
        body = orjson.dumps(_exported(records))
        headers = {"Content-Type": "application/json", "User-Agent": "lbclient"}
        with self._session.post(
            self._url, body, headers=headers, timeout=SECONDS, allow_redirects=False, stream=True
        ) as answer:
            status = answer.status_code
        if not 200 <= status < 300:
            raise ConnectionError(f"it answers {status}")

    def close(self) -> None:
        self._session.close()


class _Trusting(HTTPAdapter):
    """Checks certificates with the authorities of the system, or of SSL_CERT_FILE, beside those of requests."""

    def init_poolmanager(self, *arguments: Any, **values: Any) -> None:
        super().init_poolmanager(*arguments, **values, ssl_context=ssl.create_default_context())


def _exported(records: Sequence[Record]) -> dict[str, Any]:
    """Return the body of an export request for logs."""
    scope = {"scope": {"name": "lbclient.traffic"}, "logRecords": [_log_record(each) for each in records]}
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "lbclient"}}]}
    return {"resourceLogs": [{"resource": resource, "scopeLogs": [scope]}]}


def _log_record(record: Record) -> dict[str, Any]:
    values = {name: value for name, value in record.values.items() if name not in ("time", "ts", "trace", "headers")}
    named = {CONVENTIONS.get(name, f"lbclient.{name}"): value for name, value in values.items() if value is not None}
    for name, value in record.values.get("headers", {}).items():
        if value:
            named[f"http.request.header.{name}"] = [value]
    is_failure = "error" in values or int(values.get("status", 0)) >= 500
    found: dict[str, Any] = {
        "timeUnixNano": str(round(record.at * 1000) * (NANOSECONDS // 1000)),
        "severityNumber": 17 if is_failure else 9,
        "severityText": "ERROR" if is_failure else "INFO",
        "body": {"stringValue": orjson.dumps(record.values).decode()},
        "attributes": [{"key": name, "value": _value(value)} for name, value in named.items()],
    }
    return {**found, "traceId": record.values["trace"]} if record.values.get("trace") else found


def _value(value: Any) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}  # as OTLP writes 64-bit numbers in JSON
    if isinstance(value, float):
        return {"doubleValue": value}
    if isinstance(value, list):
        return {"arrayValue": {"values": [_value(each) for each in value]}}
    return {"stringValue": str(value)}
