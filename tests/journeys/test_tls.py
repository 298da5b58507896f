"""TLS as people set it up: openssl, the genuine openstack command for the secrets, ours for the rest."""

from __future__ import annotations

import base64
import json
import socket
import ssl
import subprocess
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

import genuine_openstack
from certificates import Certified, authority, certified
from lbclient.dataplane.haproxy import runtime
from running import RunningServer, end_server, lbclient, start_server, wait_until

CA = authority()
HOST = "shop.example"
PORT = 8443


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    running = start_server(tmp_path_factory.mktemp("tls") / "state")
    try:
        yield running
    finally:
        end_server(running)


@pytest.fixture(scope="module")
def member() -> Iterator[int]:
    """A web server's port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(dict(self.headers)).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            """Quiet."""

    web = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=web.serve_forever, args=(0.05,), daemon=True).start()
    yield web.server_address[1]
    web.shutdown()
    web.server_close()


def ours(server: RunningServer, *words: str, status: int = 0) -> str:
    command = lbclient("loadbalancer", *words)
    ended = subprocess.run(command, env=server.environment, capture_output=True, text=True, timeout=60)
    assert ended.returncode == status, ended.stderr
    return ended.stdout.strip() if status == 0 else ended.stderr


def openstack(server: RunningServer, *words: str) -> str:
    ended = genuine_openstack.openstack(server.environment, *words)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.strip()


def stored(server: RunningServer, payload: bytes) -> str:
    """The reference of a secret, stored as the guides do it."""
    words = ("--payload-content-type=application/octet-stream", "--payload-content-encoding=base64")
    text = base64.encodebytes(payload).decode().strip()  # in lines, as the command base64 gives it
    return openstack(server, "secret", "store", *words, f"--payload={text}", "-f", "value", "-c", "Secret href")


def contained(server: RunningServer, **parts: str) -> str:
    """The reference of a certificate container."""
    named = [f"--secret={name}={stored(server, text.encode())}" for name, text in parts.items()]
    words = ("--type=certificate", *named, "-f", "value", "-c", "Container href")
    return openstack(server, "secret", "container", "create", *words)


def bundle(made: Certified, directory: Path) -> bytes:
    """openssl pkcs12 -export, without a passphrase."""
    for name, text in (("key", made.key_pem()), ("crt", made.pem), ("chain", made.chain_pem)):
        (directory / name).write_text(text)
    command = ["openssl", "pkcs12", "-export", "-inkey", "key", "-in", "crt", "-certfile", "chain", "-passout", "pass:"]
    return subprocess.run(command, cwd=directory, capture_output=True, check=True).stdout


def seen(address: str, certificates: ssl.SSLContext) -> tuple[int, str]:
    """The serial number of the certificate that is served, and what the member was sent."""
    with (
        socket.create_connection((address, PORT), timeout=5) as plain,
        certificates.wrap_socket(plain, server_hostname=HOST) as connection,
    ):
        connection.sendall(f"GET / HTTP/1.0\r\nHost: {HOST}\r\n\r\n".encode())
        answer = b"".join(iter(lambda: connection.recv(65536), b"")).decode()
        return int(str((connection.getpeercert() or {})["serialNumber"]), 16), answer


def test_a_listener_with_tls(server: RunningServer, member: int, tmp_path: Path) -> None:
    made = certified(HOST, CA, HOST)
    reference = stored(server, bundle(made, tmp_path))
    lb = json.loads(ours(server, "create", "--name=lb1", "--vip-subnet-id=private-subnet", "--wait", "-f", "json"))
    words = ("--protocol=TERMINATED_HTTPS", f"--protocol-port={PORT}", f"--default-tls-container-ref={reference}")
    more = ("--insert-headers=X-Forwarded-Proto=true", "--hsts-max-age=600", "--wait")
    ours(server, "listener", "create", "--name=l1", *words, *more, "lb1")
    pool = ("--name=p1", "--protocol=HTTP", "--lb-algorithm=ROUND_ROBIN", "--listener=l1", "--wait")
    ours(server, "pool", "create", *pool)
    ours(server, "member", "create", "--address=127.0.0.1", f"--protocol-port={member}", "--wait", "p1")
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.load_verify_locations(cadata=CA.pem)
    serial, answer = seen(lb["vip_address"], client)
    assert serial == made.certificate.serial_number
    assert '"x-forwarded-proto": "https"' in answer.lower()
    assert "strict-transport-security: max-age=600" in answer.lower()
    _rotates(server, lb, client)
    _is_told_of_bad_ones(server)
    _heals(server, lb, client)


def _rotates(server: RunningServer, lb: Any, client: ssl.SSLContext) -> None:
    """A certificate container takes the bundle's place, and HAProxy goes on."""
    directory = server.state_directory / "haproxy" / lb["id"]
    worker = runtime.worker(directory).pid
    made = certified(HOST, CA, HOST)
    container = contained(server, certificate=made.pem, private_key=made.key_pem("pass"), private_key_passphrase="pass")
    ours(server, "listener", "set", f"--default-tls-container-ref={container}", "--wait", "l1")
    assert seen(lb["vip_address"], client)[0] == made.certificate.serial_number
    assert runtime.worker(directory).pid == worker


def _is_told_of_bad_ones(server: RunningServer) -> None:
    made = certified(HOST, CA, HOST)
    for bad, why in (
        (stored(server, b"hello"), "The PKCS12 bundle is unreadable."),
        (stored(server, made.pkcs12("secret")), "without a passphrase"),
        (contained(server, certificate=made.pem, private_key=CA.key_pem()), "does not belong to the certificate"),
    ):
        assert why in ours(server, "listener", "set", f"--default-tls-container-ref={bad}", "l1", status=1)


def _heals(server: RunningServer, lb: Any, client: ssl.SSLContext) -> None:
    """The certificate vanishes: the old one is served on, the reason can be read, and another one heals it."""
    before = seen(lb["vip_address"], client)[0]
    shown = json.loads(ours(server, "listener", "show", "l1", "-f", "json"))
    gone = shown["default_tls_container_ref"]
    openstack(server, "secret", "container", "delete", gone)
    wait_until(lambda: _provisioning(server) == "ERROR")
    status = json.loads(ours(server, "status", "show", "lb1"))["loadbalancer"]
    assert f"{gone}, which listener {shown['id']} refers to, cannot be used" in status["fault"]
    assert seen(lb["vip_address"], client)[0] == before
    made = certified(HOST, CA, HOST)
    again = stored(server, made.pkcs12())
    ours(server, "listener", "set", f"--default-tls-container-ref={again}", "l1")
    wait_until(lambda: _provisioning(server) == "ACTIVE")
    assert seen(lb["vip_address"], client)[0] == made.certificate.serial_number


def _provisioning(server: RunningServer) -> str:
    return ours(server, "show", "lb1", "-f", "value", "-c", "provisioning_status")
