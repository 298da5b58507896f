"""Backups of a running server, and hosts that are made from them."""

from __future__ import annotations

import gzip
import io
import json
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest
import requests

from running import RunningServer, end_server, lbclient, start_server, wait_until


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(lbclient("server", *arguments), capture_output=True, text=True, timeout=300)


def log_in(server: RunningServer, clouds: Path | None = None) -> dict[str, str]:
    import yaml

    cloud = yaml.safe_load((clouds or server.state_directory / "clouds.yaml").read_text())["clouds"]["lbclient"]["auth"]
    user = {"name": cloud["username"], "domain": {"id": "default"}, "password": cloud["password"]}
    project = {"name": cloud["project_name"], "domain": {"id": "default"}}
    body = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": {"project": project}}}
    answer = requests.post(f"{server.url}/identity/v3/auth/tokens", json=body, timeout=30)
    assert answer.status_code == 201, answer.text
    return {"X-Auth-Token": answer.headers["X-Subject-Token"]}


def ask(server: RunningServer, headers: dict[str, str], method: str, path: str, body: Any = None) -> Any:
    answer = requests.request(method, f"{server.url}{path}", json=body, headers=headers, timeout=30)
    assert answer.ok, answer.text
    return answer.json() if answer.content else None


@pytest.fixture
def serving(server: RunningServer) -> tuple[RunningServer, dict[str, Any], dict[str, str]]:
    """A server with a load balancer that refuses every request with 403, and a secret."""
    headers = log_in(server)
    [subnet] = ask(server, headers, "GET", "/networking/v2.0/subnets?name=private-subnet")["subnets"]
    tree = {
        "vip_subnet_id": subnet["id"],
        "name": "kept",
        "listeners": [
            {"protocol": "HTTP", "protocol_port": 8080, "l7policies": [{"action": "REJECT", "rules": [RULE]}]}
        ],
    }
    made = ask(server, headers, "POST", "/v2.0/lbaas/loadbalancers", {"loadbalancer": tree})["loadbalancer"]
    secret = {"name": "s", "payload": "sealed", "payload_content_type": "text/plain"}
    ref = ask(server, headers, "POST", "/key-manager/v1/secrets", secret)["secret_ref"]
    wait_until(lambda: _refuses(made))
    return server, made, {"path": ref[len(server.url) :]}


RULE = {"type": "PATH", "compare_type": "STARTS_WITH", "value": "/"}


def _refuses(loadbalancer: dict[str, Any]) -> bool:
    try:
        return requests.get(f"http://{loadbalancer['vip_address']}:8080/", timeout=5).status_code == 403
    except requests.ConnectionError:
        return False


def test_a_backup_serves_on_an_empty_host(
    serving: tuple[RunningServer, dict[str, Any], dict[str, str]], tmp_path: Path
) -> None:
    server, made, secret = serving
    data, keys = tmp_path / "backup.gz", tmp_path / "keys.tar.gz"
    saved = run("backup", str(data), f"--keys={keys}", f"--state-directory={server.state_directory}", _database(server))
    assert saved.returncode == 0, saved.stderr
    assert data.stat().st_mode & 0o077 == keys.stat().st_mode & 0o077 == 0
    token = log_in(server)
    end_server(server)
    wait_until(lambda: not _refuses(made))
    state = tmp_path / "another" / "state"
    restored = run("restore", str(data), f"--keys={keys}", f"--state-directory={state}")
    assert restored.returncode == 0, restored.stderr
    another = start_server(state)
    try:
        wait_until(lambda: _refuses(made), 30)
        headers = log_in(another)
        [found] = ask(another, headers, "GET", "/v2.0/lbaas/loadbalancers")["loadbalancers"]
        assert (found["id"], found["vip_address"]) == (made["id"], made["vip_address"])
        payload = requests.get(
            f"{another.url}{secret['path']}/payload", headers={**headers, "Accept": "text/plain"}, timeout=30
        )
        assert payload.text == "sealed"
        assert ask(another, token, "GET", "/v2.0/lbaas/loadbalancers")["loadbalancers"]  # issued before
    finally:
        end_server(another)


def _database(server: RunningServer) -> str:
    [option] = [word for word in server.process.args if str(word).startswith("--database=")]  # type: ignore[union-attr]
    return str(option)


@pytest.fixture
def backup(tmp_path: Path) -> Path:
    """A directory with a backup of an empty database."""
    state = tmp_path / "saved"
    server = start_server(state)
    end_server(server)
    saved = run("backup", str(tmp_path / "b.gz"), f"--keys={tmp_path / 'k.tgz'}", f"--state-directory={state}")
    assert saved.returncode == 0, saved.stderr
    return tmp_path


def test_nothing_is_overwritten(backup: Path) -> None:
    before = (backup / "b.gz").read_bytes()
    again = run("backup", str(backup / "b.gz"), f"--state-directory={backup / 'saved'}")
    assert (again.returncode, "exists already" in again.stderr) == (1, True)
    assert (backup / "b.gz").read_bytes() == before
    over = run("restore", str(backup / "b.gz"), f"--keys={backup / 'k.tgz'}", f"--state-directory={backup / 'saved'}")
    assert (over.returncode, "not empty" in over.stderr) == (1, True)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"no backup", "damaged"),
        (gzip.compress(b"{}"), "no backup that this program can read"),
        (gzip.compress(json.dumps({"format": 1, "schema": 99, "lbclient": "9.0", "tables": {}}).encode()), "newer"),
        (
            gzip.compress(json.dumps({"format": 1, "schema": 0, "lbclient": "0.0", "tables": {}}).encode()),
            "that version",
        ),
    ],
    ids=["not packed", "not a backup", "newer", "older"],
)
def test_what_cannot_be_restored_changes_nothing(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "b.gz").write_bytes(content)
    state = tmp_path / "state"
    refused = run("restore", str(tmp_path / "b.gz"), "--keys=/nowhere", f"--state-directory={state}")
    assert refused.returncode == 1
    assert words in refused.stderr
    assert not state.exists()


def test_keys_are_written_nowhere_else(backup: Path) -> None:
    bad = backup / "bad.tgz"
    with tarfile.open(bad, "w:gz") as archive:
        member = tarfile.TarInfo("fernet-keys/../../escaped")
        member.size = 1
        archive.addfile(member, io.BytesIO(b"x"))
    refused = run("restore", str(backup / "b.gz"), f"--keys={bad}", f"--state-directory={backup / 'new' / 'state'}")
    assert refused.returncode == 1
    assert "no key" in refused.stderr
    assert not list(backup.rglob("escaped"))


def test_a_configuration_is_checked_without_a_server(tmp_path: Path) -> None:
    path = tmp_path / "server.ini"
    path.write_text("[server]\nbind_port = 9999\ndatabase = postgresql://lb:secret@db/lb\n")
    shown = run("check-config", f"--config-file={path}", f"--state-directory={tmp_path / 'state'}")
    assert shown.returncode == 0, shown.stderr
    assert "bind_port = 9999" in shown.stdout
    assert ":secret@" not in shown.stdout
    path.write_text("[server]\nbind_port = high\n")
    refused = run("check-config", f"--config-file={path}")
    assert refused.returncode == 2
    assert "bind_port" in refused.stderr
    assert not (tmp_path / "state").exists()


def test_a_checked_configuration_is_printed_as_it_is_written(tmp_path: Path) -> None:
    options = {
        "attachment": "interface",
        "interface": "eth0=192.0.2.0/24,eth0=2001:db8::/64",
        "vip_ranges": "192.0.2.0/24,2001:db8::/64",
        "quotas": "loadbalancer=10,member=500",
    }
    path = tmp_path / "server.ini"
    path.write_text("[server]\n" + "".join(f"{name} = {value}\n" for name, value in options.items()))
    shown = run("check-config", f"--config-file={path}", f"--state-directory={tmp_path / 'state'}")
    assert shown.returncode == 0, shown.stderr
    for name, value in options.items():
        assert f"{name} = {value}\n" in shown.stdout
