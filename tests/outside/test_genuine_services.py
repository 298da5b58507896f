"""The server beside the genuine Keystone and the genuine Barbican instead of its own."""

from __future__ import annotations

import base64
import contextlib
import os
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

pytest.importorskip("keystone", reason="the genuine services are not installed: tox -e outside")

sys.path.insert(0, str(Path(__file__).parent))  # for the module beside the test

import genuine
from genuine import ADMIN_PASSWORD, Service, free_port

from certificates import certified
from running import lbclient, own_networks, processes_with, wait_until

DOMAIN = {"id": "default"}
SHOP = certified("shop.example", None, "shop.example")


class Person:
    """Requests with a token of the genuine Keystone."""

    def __init__(self, keystone: str, name: str, password: str, project: str) -> None:
        self.name, self.password, self.project, self.keystone = name, password, project, keystone
        user = {"name": name, "password": password, "domain": DOMAIN}
        identity = {"methods": ["password"], "password": {"user": user}}
        body = {"auth": {"identity": identity, "scope": {"project": {"name": project, "domain": DOMAIN}}}}
        answer = requests.post(f"{keystone}/v3/auth/tokens", json=body, timeout=20)
        assert answer.status_code == 201, answer.text
        self.token = answer.headers["X-Subject-Token"]
        self.project_id = answer.json()["token"]["project"]["id"]

    def ask(self, method: str, url: str, body: Any = None, **headers: str) -> requests.Response:
        headers = {"X-Auth-Token": self.token, **headers}
        return requests.request(method, url, json=body, headers=headers, timeout=20)

    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("OS_")}
        return {
            **kept,
            "OS_AUTH_URL": f"{self.keystone}/v3",
            "OS_USERNAME": self.name,
            "OS_PASSWORD": self.password,
            "OS_PROJECT_NAME": self.project,
            "OS_USER_DOMAIN_NAME": "Default",
            "OS_PROJECT_DOMAIN_NAME": "Default",
            "LBCLIENT_AUTH_CACHE": "off",
        }

    def types(self, *words: str) -> str:
        """Return the output of a command that has to succeed."""
        done = subprocess.run(
            lbclient(*words), env=self.environment(), capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def keeps(self, barbican: Service, payload: bytes) -> str:
        """The reference of a secret."""
        body = {
            "payload": base64.b64encode(payload).decode(),
            "payload_content_type": "application/octet-stream",
            "payload_content_encoding": "base64",
        }
        answer = self.ask("POST", f"{barbican.url}/v1/secrets", body)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["secret_ref"])


class Ours:
    """The server on one port, over some lives."""

    def __init__(self, directory: Path, keystone: Service, barbican: Service) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.api = f"{self.url}/load-balancer/v2.0/lbaas"
        self.directory = directory / "state"
        password = directory / "password"
        password.write_text("hunter2\n")
        self._command = [sys.executable, "-m", "lbclient.server.main", f"--bind-port={self.port}", *own_networks()]
        self._command += [f"--state-directory={self.directory}", f"--keystone-url={keystone.url}/v3"]
        self._command += [f"--keystone-password-file={password}", f"--barbican-url={barbican.url}"]
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        assert self._process.stdout.readline(), "the server did not start"

    def stop(self) -> None:
        self._process.terminate()
        self._process.communicate(timeout=60)

    def end(self) -> None:
        self.stop()
        for pid in processes_with(str(self.directory)):
            os.kill(pid, 9)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("outside")


@pytest.fixture(scope="module")
def keystone(directory: Path) -> Iterator[Service]:
    service = genuine.keystone(directory)
    yield service
    service.stop()


@pytest.fixture(scope="module")
def barbican(directory: Path, keystone: Service) -> Iterator[Service]:
    service = genuine.barbican(directory, keystone.url)
    yield service
    service.stop()


@pytest.fixture(scope="module")
def admin(keystone: Service) -> Person:
    return Person(keystone.url, "admin", ADMIN_PASSWORD, "admin")


@pytest.fixture(scope="module")
def people(keystone: Service, admin: Person) -> dict[str, Person]:
    """A member of each of two projects, a reader, and the user that the server asks Keystone as."""
    v3 = f"{keystone.url}/v3"

    def made(kind: str, **values: Any) -> str:
        answer = admin.ask("POST", f"{v3}/{kind}s", {kind: {"domain_id": "default", **values}})
        assert answer.status_code == 201, answer.text
        return str(answer.json()[kind]["id"])

    roles = {role["name"]: role["id"] for role in admin.ask("GET", f"{v3}/roles").json()["roles"]}
    creator = admin.ask("POST", f"{v3}/roles", {"role": {"name": "creator"}}).json()["role"]["id"]
    found = {}
    projects: dict[str, str] = {}
    for name, project, granted in (
        ("octavia", "service", ["admin"]),
        ("alice", "red", ["member"]),
        ("bob", "blue", ["member"]),
        ("rita", "red", ["reader"]),
    ):
        projects[project] = projects.get(project) or made("project", name=project)
        user = made("user", name=name, password="hunter2")
        for role in [*(roles[role] for role in granted), *([creator] if "member" in granted else [])]:
            url = f"{v3}/projects/{projects[project]}/users/{user}/roles/{role}"
            assert admin.ask("PUT", url).status_code == 204
        found[name] = Person(keystone.url, name, "hunter2", project)
    return found


@pytest.fixture(scope="module")
def ours(
    directory: Path, keystone: Service, barbican: Service, people: dict[str, Person], admin: Person
) -> Iterator[Ours]:
    server = Ours(directory, keystone, barbican)
    for type_, url in (("load-balancer", f"{server.url}/load-balancer"), ("network", f"{server.url}/networking")):
        service = {"service": {"type": type_, "name": type_}}
        id_ = admin.ask("POST", f"{keystone.url}/v3/services", service).json()["service"]["id"]
        endpoint = {"interface": "public", "service_id": id_, "url": url, "region_id": "one"}
        assert admin.ask("POST", f"{keystone.url}/v3/endpoints", {"endpoint": endpoint}).status_code == 201
    yield server
    server.end()


@pytest.fixture
def balancer(ours: Ours, people: dict[str, Person]) -> Iterator[Any]:
    """Alice's, made with the command line through the genuine catalog."""
    alice = people["alice"]
    lb = ("loadbalancer",)
    id_ = alice.types(*lb, "create", "--vip-subnet-id", "private-subnet", "--wait", "-f", "value", "-c", "id")
    yield alice.ask("GET", f"{ours.api}/loadbalancers/{id_}").json()["loadbalancer"]
    alice.types(*lb, "delete", "--cascade", "--wait", id_)


def listener(ours: Ours, who: Person, balancer: Any, port: int, reference: str) -> requests.Response:
    values = {
        "loadbalancer_id": balancer["id"],
        "protocol": "TERMINATED_HTTPS",
        "protocol_port": port,
        "default_tls_container_ref": reference,
    }
    return who.ask("POST", f"{ours.api}/listeners", {"listener": values})


def served(address: str, port: int) -> bytes | None:
    """The certificate that a new connection is shown; None where there is none yet."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        contextlib.suppress(OSError),
        socket.create_connection((address, port), timeout=5) as plain,
        context.wrap_socket(plain, server_hostname="shop.example") as secure,
    ):
        return secure.getpeercert(binary_form=True)
    return None


def test_tokens_are_the_genuine_keystones(ours: Ours, people: dict[str, Person], balancer: Any) -> None:
    alice, bob, rita = people["alice"], people["bob"], people["rita"]
    assert balancer["project_id"] == alice.project_id
    url = f"{ours.api}/loadbalancers/{balancer['id']}"
    assert rita.ask("GET", url).status_code == 200
    assert rita.ask("PUT", url, {"loadbalancer": {"name": "x"}}).status_code == 403
    assert bob.ask("GET", url).status_code == 403
    assert people["octavia"].ask("GET", url).status_code == 200
    refused = requests.get(url, headers={"X-Auth-Token": "nonsense"}, timeout=10)
    assert refused.status_code == 401
    assert alice.keystone in refused.headers["WWW-Authenticate"]
    assert requests.get(f"{ours.url}/identity/v3", timeout=10).status_code == 404


def test_a_certificate_of_the_genuine_barbican(
    ours: Ours, people: dict[str, Person], barbican: Service, balancer: Any
) -> None:
    alice = people["alice"]
    reference = alice.keeps(barbican, SHOP.pkcs12())
    made = listener(ours, alice, balancer, 8443, reference)
    assert made.status_code == 201, made.text
    expected = ssl.PEM_cert_to_DER_cert(SHOP.pem)
    wait_until(lambda: served(balancer["vip_address"], 8443) == expected)
    # Neither the secret nor Barbican is needed any more.
    assert alice.ask("DELETE", reference).status_code == 204
    ours.stop()
    for pid in processes_with(str(ours.directory)):
        os.kill(pid, 9)
    ours.start()
    wait_until(lambda: served(balancer["vip_address"], 8443) == expected)


def test_what_the_sender_cannot_read_is_refused(
    ours: Ours, people: dict[str, Person], barbican: Service, balancer: Any
) -> None:
    foreign = people["bob"].keeps(barbican, SHOP.pkcs12())
    refused = listener(ours, people["alice"], balancer, 8444, foreign)
    assert (refused.status_code, refused.json()["faultstring"]) == (
        400,
        f"Could not retrieve certificate: ['{foreign}']",
    )
    text = people["alice"].keeps(barbican, b"nothing of the kind")
    assert listener(ours, people["alice"], balancer, 8444, text).status_code == 400


def test_a_barbican_that_is_down_is_503_for_those_who_need_it(
    ours: Ours, people: dict[str, Person], barbican: Service, balancer: Any
) -> None:
    alice = people["alice"]
    reference = alice.keeps(barbican, SHOP.pkcs12())
    barbican.stop()
    try:
        refused = listener(ours, alice, balancer, 8445, reference)
        assert (refused.status_code, refused.json()["faultcode"]) == (503, "Server")
        url = f"{ours.api}/loadbalancers/{balancer['id']}"
        assert alice.ask("PUT", url, {"loadbalancer": {"name": "still"}}).status_code == 200
    finally:
        barbican.start()
    assert listener(ours, alice, balancer, 8445, reference).status_code == 201
