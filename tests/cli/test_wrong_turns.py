"""The mistakes that people make most: one line that says what is wrong and what to do, and the right exit status."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import yaml

from certificates import authority, certified

LOGIN = ("--os-username", "u", "--os-password", "p", "--os-project-name", "x")
DIRECT = ("--os-auth-type", "none", "--os-endpoint", "http://lb.invalid")
LISTENERS = "http://lb.invalid/v2.0/lbaas"


def clouds(cloud: Any) -> Any:
    return yaml.safe_load((cloud.state_directory / "clouds.yaml").read_text())["clouds"]


def said(result: Any, status: int = 1) -> str:
    assert (result.status, result.out, len(result.err.splitlines())) == (status, "", 1), result.err
    return str(result.err)


def test_a_load_balancer_with_children(run, listener, loadbalancer):
    assert said(run("loadbalancer", "delete", loadbalancer)).endswith(" Give --cascade to delete them with it.\n")


def test_a_listener_that_has_a_default_pool(run, pool, listener, name):
    create = ("loadbalancer", "pool", "create", "--protocol", "HTTP", "--lb-algorithm", "ROUND_ROBIN")
    line = said(run(*create, "--name", name, "--listener", listener))
    assert f"It is pool {pool}: give --loadbalancer rather than --listener, and then `listener set" in line


@pytest.mark.parametrize(
    ("noun", "option", "value"),
    [
        ("listener", "--protocol-port", "80"),
        ("listener", "--protocol", "TCP"),
        ("pool", "--protocol", "TCP"),
        ("member", "--address", "10.0.0.1"),
        ("healthmonitor", "--type", "TCP"),
        ("", "--vip-subnet-id", "x"),
    ],
)
def test_what_cannot_change(run_main, noun, option, value):
    line = said(run_main("loadbalancer", *filter(None, [noun]), "set", option, value, "x", "y"), 2)
    assert f"{option} of a " in line
    assert "is said when it is created, and stays." in line


@pytest.mark.parametrize("words", [("list",), ("pool", "list"), ("quota", "list")])
def test_a_column_to_sort_by(run, words):
    line = said(run("loadbalancer", *words, "--sort-column", "nme"), 2)
    assert line.startswith("--sort-column: no column is 'nme'.")
    assert "name" in line or "There are" in line
    assert run("loadbalancer", "list", "--sort-column", "NAME").status == 0


@pytest.mark.parametrize(
    "words", [("quota", "show"), ("show",), ("listener", "delete"), ("member", "list"), ("pool", "set", "--name", "x")]
)
def test_an_empty_name(run, words):
    assert said(run("loadbalancer", *words, ""), 2).endswith(" is empty.\n")


@pytest.mark.parametrize(
    ("line", "path", "roles"),
    [
        ("list", "loadbalancers", "load-balancer_observer, load-balancer_member, reader and member"),
        ("create --vip-port-id PORT", "loadbalancers", "load-balancer_member or member"),
        ("flavor create --name f --flavorprofile PORT", "flavors", "load-balancer_admin or admin"),
        ("flavorprofile list", "flavorprofiles", "load-balancer_admin or admin"),
        ("flavor list", "flavors", "load-balancer_observer"),
        ("failover PORT", "loadbalancers/PORT/failover", "load-balancer_admin or admin"),
        ("quota set --pool 3 PORT", "quotas/PORT", "load-balancer_quota_admin or admin"),
        ("quota show PORT", "quotas/PORT", "load-balancer_observer"),
    ],
)
def test_the_roles_that_it_takes(run_main, requests_mock, line, path, roles):
    id_ = "12345678-1234-1234-1234-123456789abc"
    fault = {"faultstring": "Policy does not allow this request to be performed.", "faultcode": "Client"}
    requests_mock.get("http://lb.invalid/v2.0/ports", json={"ports": []})
    for method in ("GET", "POST", "PUT", "DELETE"):
        requests_mock.register_uri(method, f"{LISTENERS}/{path.replace('PORT', id_)}", status_code=403, json=fault)
    text = said(run_main(*DIRECT, "loadbalancer", *line.replace("PORT", id_).split()))
    assert "(HTTP 403) It needs" in text
    assert roles in text


class Silent(BaseHTTPRequestHandler):
    """A server that answers anything."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *arguments: object) -> None:
        """Nothing."""


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A server with an untrusted certificate, one without TLS, and a closed port."""
    folder = tmp_path_factory.mktemp("tls")
    pem = folder / "server.pem"
    server = certified("127.0.0.1", authority())
    pem.write_text(f"{server.key_pem()}{server.pem}")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    servers = [ThreadingHTTPServer(("127.0.0.1", 0), Silent) for _ in range(2)]
    servers[0].socket = context.wrap_socket(servers[0].socket, server_side=True)
    for each in servers:
        threading.Thread(target=each.serve_forever, daemon=True).start()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        closed = f"127.0.0.1:{probe.getsockname()[1]}"
    tls, plain = (f"127.0.0.1:{server.server_address[1]}" for server in servers)
    yield {"tls": tls, "plain": plain, "closed": closed}
    for each in servers:
        each.shutdown()


@pytest.mark.parametrize("version", ["", "/v3"])
@pytest.mark.parametrize(
    ("scheme", "where", "words"),
    [
        ("https", "tls", "is not trusted: unable to get local issuer certificate. Name the authority's certificate"),
        ("https", "plain", "does not speak TLS: is its address http:// rather than https://?"),
        ("http", "closed", "cannot be reached: connection refused. Is the server running"),
    ],
)
def test_a_login_that_finds_nobody(run_main, places, monkeypatch, version, scheme, where, words):
    monkeypatch.delenv("OS_CLOUD", raising=False)
    line = said(run_main(*LOGIN, "--os-auth-url", f"{scheme}://{places[where]}{version}", "loadbalancer", "list"))
    assert f"{scheme}://{places[where]}" in line
    assert words in line
    assert ("Is the server running" in line) == (where == "closed")


@pytest.mark.parametrize("domain", [(), ("--os-domain-id", "default")], ids=["no domain", "domain"])
@pytest.mark.parametrize("path", ["", "/", "/load-balancer", "/network", "/nothing", "/identity/v2.0"])
def test_an_address_of_something_else(run_main, cloud, monkeypatch, path, domain):
    monkeypatch.delenv("OS_CLOUD", raising=False)
    line = said(run_main(*LOGIN, *domain, "--os-auth-url", f"{cloud.url}{path}", "loadbalancer", "list"))
    assert line.startswith("What answers at auth_url is no identity service. Give the address of Keystone as auth_url;")


def test_a_region_that_only_the_catalog_can_tell(run_main, cloud, monkeypatch):
    [entry] = [each["auth"] for name, each in clouds(cloud).items() if name == "lbclient"]
    monkeypatch.delenv("OS_CLOUD", raising=False)
    monkeypatch.delenv("OS_CLIENT_CONFIG_FILE", raising=False)
    for name, value in {**entry, "region_name": "Elsewhere"}.items():
        monkeypatch.setenv(f"OS_{name.upper()}", value)
    line = said(run_main("loadbalancer", "list"))
    assert "in Elsewhere region not found. The catalog has it in RegionOne." in line


def test_an_identity_service_that_fails(run_main, requests_mock, monkeypatch):
    monkeypatch.delenv("OS_CLOUD", raising=False)
    requests_mock.get("http://k.example.com/identity", status_code=503)
    line = said(run_main(*LOGIN, "--os-auth-url", "http://k.example.com/identity", "loadbalancer", "list"))
    assert "503" in line
    assert "no identity service" not in line


@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY", "all_proxy"])
def test_a_proxy_that_is_not_there(run_main, places, monkeypatch, variable):
    for name in ("http_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv(variable, f"http://somebody:secret@{places['closed']}")
    line = said(run_main(*LOGIN, "--os-auth-url", "http://k.example.com/v3", "loadbalancer", "list"))
    assert f"as the proxy cannot: {variable} is http://{places['closed']}, connection refused." in line
    assert "secret" not in line
