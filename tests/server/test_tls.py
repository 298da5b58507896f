"""The API over TLS: what clients are told, which certificate they see, and what a start without it says."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from certificates import Certified, authority, certified
from lbclient.server import config_sources, running
from lbclient.server.web.limits import Limits
from lbclient.server.web.server import Server
from lbclient.server.web.tls import Certificate, CertificateError
from running import RunningServer, end_server, lbclient, start_server, wait_until

DEADLINE = 20.0  # s
MAIN = [sys.executable, "-m", "lbclient.server.main"]
NAMES = ("localhost", "127.0.0.1")


def write(directory: Path, made: Certified) -> tuple[Path, Path]:
    """The files of a certificate and its key, replaced as a whole."""
    paths = directory / "cert.pem", directory / "key.pem"
    for path, text in zip(paths, (made.pem + made.chain_pem, made.key_pem()), strict=True):
        aside = path.with_suffix(".new")
        aside.write_text(text)
        aside.rename(path)
    return paths


@pytest.fixture(scope="module")
def ca() -> Certified:
    return authority()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, ca: Certified) -> Iterator[RunningServer]:
    directory = tmp_path_factory.mktemp("tls")
    certificate, key = write(directory, certified("api", ca, *NAMES))
    (directory / "ca.pem").write_text(ca.pem)
    made = start_server(directory / "state", f"--tls-certificate={certificate}", f"--tls-key={key}")
    try:
        yield made
    finally:
        end_server(made)


def cloud(server: RunningServer) -> Any:
    return yaml.safe_load((server.state_directory / "clouds.yaml").read_text())["clouds"]["lbclient"]


def test_everything_says_https(server: RunningServer) -> None:
    assert re.fullmatch(r"https://127\.0\.0\.1:\d+", server.url)
    given = cloud(server)
    assert given["auth"]["auth_url"] == f"{server.url}/identity"
    assert "cacert" not in given
    ca = str(server.state_directory.parent / "ca.pem")
    user = {"name": "demo", "password": given["auth"]["password"], "domain": {"id": "default"}}
    body = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}}}
    answer = requests.post(f"{server.url}/identity/v3/auth/tokens", json=body, verify=ca, timeout=10)
    urls = {each["url"] for entry in answer.json()["token"]["catalog"] for each in entry["endpoints"]}
    assert urls
    assert all(url.startswith(f"{server.url}/") for url in urls)
    assert running.is_ready(server.url)


def test_our_client_checks_the_certificate(server: RunningServer) -> None:
    ca = server.state_directory.parent / "ca.pem"
    command = lbclient("loadbalancer", "list", "-f", "json")
    environment = server.environment
    known = subprocess.run([*command, f"--os-cacert={ca}"], env=environment, capture_output=True, text=True, timeout=60)
    assert (known.returncode, json.loads(known.stdout)) == (0, [])
    unknown = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert unknown.returncode == 1
    assert "--os-cacert" in unknown.stderr


def test_who_does_not_speak_tls_is_not_answered(server: RunningServer) -> None:
    host, port = server.url.removeprefix("https://").split(":")
    with socket.create_connection((host, int(port)), DEADLINE) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert not client.recv(65536).startswith(b"HTTP/")
    with socket.create_connection((host, int(port)), DEADLINE) as client:
        context = ssl.create_default_context(cafile=str(server.state_directory.parent / "ca.pem"))
        with pytest.warns(DeprecationWarning, match="TLSv1_1"):
            context.maximum_version = ssl.TLSVersion.TLSv1_1
        with pytest.raises(ssl.SSLError):
            context.wrap_socket(client, server_hostname="localhost")


def test_a_self_signed_certificate_is_named_in_clouds_yaml(tmp_path: Path) -> None:
    both = tmp_path / "both.pem"
    made = certified("api", None, *NAMES)
    both.write_text(made.pem + made.key_pem())
    server = start_server(tmp_path / "state", f"--tls-certificate={both}")
    try:
        assert cloud(server)["cacert"] == str(both)
        command = lbclient("loadbalancer", "list", "-f", "json")
        done = subprocess.run(command, env=server.environment, capture_output=True, text=True, timeout=60)
        assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr
    finally:
        end_server(server)


def application(environ: Any, start_response: Any) -> list[bytes]:
    start_response("200 OK", [("Content-Length", "0")])
    return [b""]


@pytest.fixture
def files(tmp_path: Path, ca: Certified) -> tuple[Path, Path]:
    return write(tmp_path, certified("first", ca, *NAMES))


@pytest.fixture
def place(files: tuple[Path, Path]) -> Iterator[tuple[str, int]]:
    limits = Limits(connections=10, look=0.02, handshake_seconds=1.0, head_seconds=1.0)
    made = Server(application, "127.0.0.1", 0, 2, limits=limits, certificate=Certificate(*files))
    made.bind()
    made.start()
    yield made.address
    made.stop()


def shown(place: tuple[str, int], ca: Certified) -> str:
    """The subject of the certificate that a new connection is shown."""
    context = ssl.create_default_context(cadata=ca.pem)
    with (
        socket.create_connection(place, DEADLINE) as client,
        context.wrap_socket(client, server_hostname="localhost") as secured,
    ):
        secured.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert secured.recv(65536).startswith(b"HTTP/1.1 200 ")
        subject: Any = secured.getpeercert()
    return str(dict(each[0] for each in subject["subject"])["commonName"])


def test_a_certificate_that_changes_is_shown_to_new_connections(
    place: tuple[str, int], tmp_path: Path, ca: Certified, caplog: pytest.LogCaptureFixture
) -> None:
    assert shown(place, ca) == "first"
    write(tmp_path, certified("second", ca, *NAMES))
    wait_until(lambda: shown(place, ca) == "second")
    (tmp_path / "cert.pem").write_text("nonsense")
    wait_until(lambda: "The certificate before is still used." in caplog.text)
    assert shown(place, ca) == "second"
    write(tmp_path, certified("third", ca, *NAMES))
    wait_until(lambda: shown(place, ca) == "third")


def test_handshakes_that_do_not_go_on_keep_nobody_out(place: tuple[str, int], ca: Certified) -> None:
    flood = [socket.create_connection(place, DEADLINE) for _ in range(30)]
    try:
        assert shown(place, ca) == "first"
        for client in flood:  # the places that are left end with the time for a handshake
            client.settimeout(DEADLINE)
            assert client.recv(1) == b""
    finally:
        for client in flood:
            client.close()


def test_deadlines_hold_with_tls_too(place: tuple[str, int], ca: Certified) -> None:
    context = ssl.create_default_context(cadata=ca.pem)
    with (
        socket.create_connection(place, DEADLINE) as client,
        context.wrap_socket(client, server_hostname="localhost") as secured,
    ):
        secured.sendall(b"GET / HTTP/1.1\r\nHost")
        assert secured.recv(65536).startswith(b"HTTP/1.1 408 ")


def test_files_that_cannot_be_used(tmp_path: Path, ca: Certified) -> None:
    certificate, key = write(tmp_path, certified("api", ca))
    other = tmp_path / "other.pem"
    other.write_text(certified("other", ca).key_pem())
    with pytest.raises(CertificateError, match="they do not fit together"):
        Certificate(certificate, other)
    other.write_text(certified("other", ca).key_pem("secret"))
    with pytest.raises(CertificateError, match="needs a passphrase"):
        Certificate(certificate, other)
    with pytest.raises(CertificateError, match="they are no PEM files"):
        Certificate(key, key)
    with pytest.raises(CertificateError, match="No such file or directory"):
        Certificate(tmp_path / "nonesuch", key)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--tls-certificate=/nonesuch"], "tls_certificate: /nonesuch cannot be read: No such file or directory."),
        (["--tls-key=/nonesuch"], "tls_key needs tls_certificate."),
        (["--auth=noauth", "--bind-host=0.0.0.0"], "bind_host: '0.0.0.0' is not allowed with auth noauth, "),
        (["--auth=noauth", "--bind-host=::"], "bind_host: '::' is not allowed with auth noauth, "),
        (["--auth=noauth", "--bind-host="], "bind_host: '' is not allowed with auth noauth, "),
    ],
)
def test_options_that_do_not_fit(tmp_path: Path, options: list[str], why: str) -> None:
    command = [*MAIN, f"--state-directory={tmp_path / 'state'}", "--bind-port=0", *options]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert ended.returncode in (1, 2)
    assert ended.stderr.startswith(f"lbclient server: {why}")
    assert ended.stderr.count("\n") == 1


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1", "localhost"])
def test_noauth_on_loopback(host: str) -> None:
    assert config_sources.from_arguments({"auth": "noauth", "bind_host": host}).bind_host == host


@pytest.mark.skipif(shutil.which("unshare") is None, reason="needs unshare")
@pytest.mark.parametrize(
    ("host", "printed", "is_warned"),
    [("0.0.0.0", "0.0.0.0", True), ("::", "[::]", True), ("localhost", "127.0.0.1", False)],
)
def test_the_address_is_the_bound_one_and_clear_text_is_warned_of(
    tmp_path: Path, host: str, printed: str, is_warned: bool
) -> None:
    """In a network namespace of its own."""
    script = (
        f"ip link set lo up && exec {' '.join(MAIN)} --auth=noauth --remote-noauth --bind-port=0 --bind-host={host} "
        f"--state-directory={tmp_path / 'state'}"
    )
    command = ["unshare", "--user", "--map-root-user", "--net", "sh", "-c", script]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ))
    assert process.stdout is not None
    line = process.stdout.readline()
    process.terminate()
    _, log = process.communicate(timeout=60)
    assert re.fullmatch(rf"lbclient server is listening on http://{re.escape(printed)}:\d+\n", line), log
    assert ("cross the network in clear text" in log) is is_warned
    assert "runs as root" not in log  # the only user there is
