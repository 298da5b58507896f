"""Backups of a running server, and hosts that are made from them."""

from __future__ import annotations

import gzip
import io
import json
import shutil
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
import sqlalchemy as sa
from cryptography.fernet import Fernet

from lbclient.server.key_archive import Keys, read, write
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
    kept = sorted((backup / "saved").rglob("*"))
    over = run("restore", str(backup / "b.gz"), f"--keys={backup / 'k.tgz'}", f"--state-directory={backup / 'saved'}")
    assert sorted((backup / "saved").rglob("*")) == kept
    assert (over.returncode, "not empty" in over.stderr) == (1, True)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"no backup", "damaged"),
        (gzip.compress(b"1" * 5000)[:20] + bytes(30), "damaged"),
        (gzip.compress(b"{}"), "no backup that this program can read"),
        (
            gzip.compress(json.dumps({"format": 1, "schema": 1, "lbclient": "0", "tables": {"x": 1}}).encode()),
            "damaged",
        ),
        (gzip.compress(json.dumps({"format": 1, "schema": 99, "lbclient": "9.0", "tables": {}}).encode()), "newer"),
        (
            gzip.compress(json.dumps({"format": 1, "schema": 0, "lbclient": "0.0", "tables": {}}).encode()),
            "that version",
        ),
    ],
    ids=["not packed", "damaged", "not a backup", "other tables", "newer", "older"],
)
def test_what_cannot_be_restored_changes_nothing(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "b.gz").write_bytes(content)
    state = tmp_path / "state"
    refused = run("restore", str(tmp_path / "b.gz"), "--keys=/nowhere", f"--state-directory={state}")
    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)
    assert words in refused.stderr
    assert not state.exists()


def rewritten(keys: Path, change: Callable[[dict[str, bytes]], object], database_id: str | None = None) -> None:
    """Change the files in an archive of keys."""
    found = read(keys)
    files = dict(found.files)
    change(files)
    with keys.open("wb") as file:
        write(file, Keys(files, database_id or found.database_id))


BAD_KEYS: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (lambda keys: keys.unlink(), "No such file or directory."),
    "cut off": (lambda keys: keys.write_bytes(keys.read_bytes()[:200]), "damaged, or holds no keys."),
    "damaged": (lambda keys: keys.write_bytes(keys.read_bytes()[:200] + bytes(300)), "damaged, or holds no keys."),
    "damaged key": (
        lambda keys: rewritten(keys, lambda files: files.update({"fernet-keys/1": b"?"})),
        "fernet-keys/1 in it is damaged.",
    ),
    "no keys": (
        lambda keys: rewritten(keys, lambda files: [files.pop(name) for name in list(files) if "keys/" in name]),
        "has no keys of tokens and secrets.",
    ),
    "another server's": (lambda keys: rewritten(keys, dict, "another"), "has the keys of another server"),
    "another key": (
        lambda keys: rewritten(keys, lambda files: files.update({"key-manager-keys/1": Fernet.generate_key()})),
        "has no key that opens the secret",
    ),
}


def test_wrong_keys_change_nothing_and_the_right_ones_then_do(secret_backup: Path, empty_database_url: str) -> None:
    right, wrong, state = secret_backup / "k.tgz", secret_backup / "wrong.tgz", secret_backup / "new" / "state"
    options = [f"--state-directory={state}", f"--database={empty_database_url}"]
    for kind, (spoil, words) in BAD_KEYS.items():
        shutil.copy(right, wrong)
        spoil(wrong)
        refused = run("restore", str(secret_backup / "b.gz"), f"--keys={wrong}", *options)
        assert (refused.returncode, refused.stderr.count("\n")) == (1, 1), kind
        assert words in refused.stderr, kind
        assert not state.parent.exists(), kind
        assert tables(empty_database_url) == [], kind
    restored = run("restore", str(secret_backup / "b.gz"), f"--keys={right}", *options)
    assert (restored.returncode, restored.stderr) == (0, "")


def tables(url: str) -> list[str]:
    """The tables of a database, which is not created for the question."""
    if url.startswith("sqlite") and not Path(url.removeprefix("sqlite:///")).exists():
        return []
    engine = sa.create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    try:
        return sa.inspect(engine).get_table_names()
    finally:
        engine.dispose()


@pytest.fixture(scope="module")
def secret_backup_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a backup of a server that has a secret."""
    directory = tmp_path_factory.mktemp("backup")
    server = start_server(directory / "saved")
    try:
        secret = {"name": "s", "payload": "sealed", "payload_content_type": "text/plain"}
        ask(server, log_in(server), "POST", "/key-manager/v1/secrets", secret)
    finally:
        end_server(server)
    words = [str(directory / "b.gz"), f"--keys={directory / 'k.tgz'}", f"--state-directory={directory / 'saved'}"]
    saved = run("backup", *words)
    assert saved.returncode == 0, saved.stderr
    return directory


@pytest.fixture
def secret_backup(secret_backup_once: Path, tmp_path: Path) -> Path:
    for name in ("b.gz", "k.tgz"):
        shutil.copy(secret_backup_once / name, tmp_path / name)
    return tmp_path


def test_a_failure_late_in_the_restoring_leaves_the_target_as_it_was(
    secret_backup: Path, empty_database_url: str
) -> None:
    """The keys cannot be put where a file stands in their way; the database must not keep the rows then."""
    state = secret_backup / "state"
    state.mkdir()
    (state / "fernet-keys").write_text("in the way")
    before = sorted(secret_backup.rglob("*"))
    options = [f"--keys={secret_backup / 'k.tgz'}", f"--state-directory={state}", f"--database={empty_database_url}"]
    refused = run("restore", str(secret_backup / "b.gz"), *options)
    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1), refused.stderr
    assert sorted(secret_backup.rglob("*")) == before
    assert tables(empty_database_url) == []
    (state / "fernet-keys").unlink()
    assert run("restore", str(secret_backup / "b.gz"), *options).returncode == 0


def test_a_restoring_that_was_killed_is_continued(secret_backup: Path, empty_database_url: str) -> None:
    """Keys of the backup may be there already, but no others."""
    state = secret_backup / "state"
    (state / "key-manager-keys").mkdir(parents=True)
    (state / "key-manager-keys" / "1").write_bytes(read(secret_backup / "k.tgz").files["key-manager-keys/1"])
    options = [f"--keys={secret_backup / 'k.tgz'}", f"--state-directory={state}", f"--database={empty_database_url}"]
    (state / "fernet-keys").mkdir()
    (state / "fernet-keys" / "1").write_bytes(Fernet.generate_key())
    refused = run("restore", str(secret_backup / "b.gz"), *options)
    assert "has other keys already (fernet-keys)" in refused.stderr
    (state / "fernet-keys" / "1").unlink()
    restored = run("restore", str(secret_backup / "b.gz"), *options)
    assert (restored.returncode, restored.stderr) == (0, "")


@pytest.mark.parametrize("obstacle", ["exists", "is the same", "has no directory", "no keys"])
def test_a_backup_is_made_of_both_files_or_of_none(
    secret_backup: Path, secret_backup_once: Path, obstacle: str
) -> None:
    backup = secret_backup
    shutil.copytree(secret_backup_once / "saved", backup / "saved")
    data, keys, state = backup / "new.gz", backup / "new.tgz", backup / "saved"
    database = f"--database=sqlite:///{state / 'lbclient.sqlite'}"
    wrong = {"is the same": data, "has no directory": backup / "none" / "k"}.get(obstacle, keys)
    if obstacle == "exists":
        keys.write_text("precious")
    if obstacle == "no keys":
        (backup / "none").mkdir()
        state = backup / "none"
    refused = run("backup", str(data), f"--keys={wrong}", f"--state-directory={state}", database)
    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)
    assert not data.exists()
    assert [path.name for path in backup.glob("new.*")] == (["new.tgz"] if obstacle == "exists" else [])
    assert obstacle != "exists" or keys.read_text() == "precious"
    keys.unlink(missing_ok=True)
    words = [str(data), f"--keys={keys}", f"--state-directory={backup / 'saved'}"]
    assert run("backup", *words).returncode == 0


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
