"""State that does not fit, is damaged or lost: the server says so in a sentence at its start, and nothing is ended."""

from __future__ import annotations

import logging
import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
import sqlalchemy as sa

from lbclient.server import main
from lbclient.store.store import Store
from running import lbclient, wait_until
from server_process import Server, clouds, log_in, networks, run


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The state that a server has left, with the directory of a load balancer."""
    state = tmp_path_factory.mktemp("used") / "state"
    assert Server(state, "--demo").end()[0] == 0
    (state / "haproxy" / str(uuid.uuid4())).mkdir(parents=True)
    return state


@pytest.fixture
def state(used: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(used, tmp_path / "state"))


Refused = Callable[..., str]


@contextmanager
def server_in_this_process() -> Iterator[None]:
    """Take back what a server sets for its whole process: its log would outlive the stderr of one test."""
    umask, interval, files = os.umask(0o077), sys.getswitchinterval(), resource.getrlimit(resource.RLIMIT_NOFILE)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    loggers = [logging.getLogger(), logging.getLogger("lbclient")]
    logs = [(each, each.level, each.handlers) for each in loggers]
    try:
        yield
    finally:
        os.umask(umask)
        sys.setswitchinterval(interval)
        resource.setrlimit(resource.RLIMIT_NOFILE, files)
        signal.set_wakeup_fd(-1)
        for number, handler in handlers.items():
            signal.signal(number, handler)
        for logger, level, its_handlers in logs:
            logger.handlers = its_handlers
            logger.setLevel(level)


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Iterator[Refused]:
    """Why the server does not start: one line. In this process, since many are tried."""

    def start(state: Path, *options: str) -> str:
        assert main.main([f"--state-directory={state}", "--bind-port=0", *options]) == 1
        said = capsys.readouterr().err
        assert said.startswith("lbclient server: ")
        assert said.count("\n") == 1, said
        return said

    with server_in_this_process():
        yield start


def remove_database(state: Path) -> None:
    for each in state.glob("lbclient.sqlite*"):
        each.unlink()


def another_database(state: Path) -> None:
    remove_database(state)
    Store(f"sqlite:///{state}/lbclient.sqlite").migrate()


@pytest.mark.parametrize("change", [remove_database, another_database])
def test_a_database_of_another_directory_ends_nothing(
    state: Path, change: Callable[[Path], None], refused: Refused
) -> None:
    [instance] = (state / "haproxy").iterdir()
    change(state)
    said = refused(state)
    assert f"The database does not belong to the state directory {state}: it has 0 load balancers, and 1 were" in said
    assert "--adopt" in said
    assert instance.exists()
    assert Server(state, "--adopt").end()[0] == 0
    assert not instance.exists()
    assert Server(state).end()[0] == 0


def test_a_directory_of_another_database_starts_nothing(state: Path, tmp_path: Path, refused: Refused) -> None:
    with sqlite3.connect(state / "lbclient.sqlite") as connection:
        columns = [row for row in connection.execute("PRAGMA table_info(loadbalancer)") if row[3] and row[4] is None]
        names = ", ".join(row[1] for row in columns)
        values = ", ".join("1" if row[2] in ("INTEGER", "BOOLEAN") else "'x'" for row in columns)
        connection.execute(f"INSERT INTO loadbalancer ({names}) VALUES ({values})")
    connection.close()
    new = tmp_path / "new"
    assert "it has 1 load balancers, and 0 were" in refused(new, f"--database=sqlite:///{state}/lbclient.sqlite")


def test_without_load_balancers_a_new_database_is_just_begun(state: Path) -> None:
    shutil.rmtree(state / "haproxy")
    remove_database(state)
    assert Server(state).end()[0] == 0


def test_adopting_is_not_for_files(tmp_path: Path) -> None:
    path = tmp_path / "lbclient.ini"
    path.write_text("[server]\nadopt = yes\n")
    ended = run(f"--config-file={path}")
    assert ended.stderr == f"lbclient server: {path}: adopt is an option for the command line only.\n"


@pytest.mark.parametrize("directory", ["fernet-keys", "key-manager-keys"])
@pytest.mark.parametrize("content", [b"", b"x", b"\xff" * 44])
def test_a_damaged_key(state: Path, directory: str, content: bytes, refused: Refused) -> None:
    path = state / directory / "1"
    path.write_bytes(content)
    assert f"The key {path} is damaged: bring it back from a backup." in refused(state)


def test_a_key_that_is_a_directory(state: Path, refused: Refused) -> None:
    path = state / "fernet-keys" / "1"
    path.unlink()
    path.mkdir()
    assert f"The keys in {path.parent} cannot be used: Is a directory." in refused(state)


@pytest.mark.parametrize(
    "content", [b"", b"\xff", b"clouds: [", b"clouds:\n", b"clouds: {a: {}}", b"[]", b"clouds: {a: {auth: x}}", b"3"]
)
def test_a_damaged_clouds_yaml(state: Path, content: bytes, refused: Refused) -> None:
    (state / "clouds.yaml").write_bytes(content)
    said = refused(state)
    assert f"{state}/clouds.yaml is damaged" in said
    assert "lbclient server reset-password" in said


@pytest.mark.parametrize("statement", ["ALTER TABLE member DROP COLUMN backup", "DROP TABLE loadbalancer_event"])
def test_an_older_state_with_the_same_number(state: Path, statement: str, refused: Refused) -> None:
    with sqlite3.connect(state / "lbclient.sqlite") as connection:
        connection.execute(statement)
    connection.close()
    said = refused(state)
    assert "The database says that it has schema version 1, but lacks " in said


def test_an_older_state_without_a_mark(state: Path, refused: Refused) -> None:
    with sqlite3.connect(state / "lbclient.sqlite") as connection:
        connection.execute("ALTER TABLE schema_version DROP COLUMN database_id")
    connection.close()
    assert "lacks schema_version.database_id" in refused(state)


def reset(state: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = lbclient("server", "reset-password", f"--state-directory={state}", *options)
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize(("user", "cloud"), [("admin", "lbclient-admin"), ("demo", "lbclient")])
def test_a_lost_clouds_yaml_is_made_again_while_the_server_runs(state: Path, user: str, cloud: str) -> None:
    server = Server(state)
    try:
        old = clouds(state)[cloud]
        token = log_in(old).headers["X-Subject-Token"]
        (state / "clouds.yaml").unlink()
        done = reset(state, f"--user={user}", f"--bind-port={server.url.rpartition(':')[2]}")
        assert done.stdout == f"{state}/clouds.yaml: the cloud {cloud} has the new password of the user {user}.\n"
        assert list(clouds(state)) == [cloud]
        answer = log_in(clouds(state)[cloud])
        assert answer.status_code == 201
        assert networks(server, answer.headers["X-Subject-Token"]).status_code == 200
        assert log_in(old).status_code == 401
        headers = {"X-Auth-Token": answer.headers["X-Subject-Token"], "X-Subject-Token": token}
        url = f"{server.url}/identity/v3/auth/tokens"
        wait_until(lambda: requests.get(url, headers=headers, timeout=10).status_code == 404)
    finally:
        server.end()


def test_other_clouds_stay_when_one_password_is_reset(state: Path) -> None:
    before = clouds(state)
    assert reset(state).returncode == 0
    after = clouds(state)
    assert after["lbclient"] == before["lbclient"]
    assert after["lbclient-admin"]["auth"]["auth_url"] == before["lbclient-admin"]["auth"]["auth_url"]
    assert after["lbclient-admin"]["auth"]["password"] != before["lbclient-admin"]["auth"]["password"]


def test_nothing_to_reset(tmp_path: Path, state: Path) -> None:
    done = reset(tmp_path / "none")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    (state / "clouds.yaml").write_text("x")
    before = password(state)
    done = reset(state)
    assert done.stderr.startswith(f"lbclient server reset-password: {state}/clouds.yaml is damaged")
    assert password(state) == before


def password(state: Path) -> object:
    engine = sa.create_engine(f"sqlite:///{state}/lbclient.sqlite")
    with engine.connect() as tx:
        return tx.exec_driver_sql("SELECT password FROM identity_user WHERE name = 'admin'").scalar_one()


def test_a_server_in_this_process_leaves_no_log_behind(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Later tests of this process would log to the stderr of this one, which is closed by then."""
    root = logging.getLogger()
    before = root.handlers, root.level, logging.getLogger("lbclient").level
    with server_in_this_process():
        assert main.main([f"--state-directory={tmp_path}", "--bind-port=0", "--tls-certificate=/nonesuch"]) == 1
        assert root.handlers != before[0]
    assert (root.handlers, root.level, logging.getLogger("lbclient").level) == before
    assert "nonesuch" in capsys.readouterr().err
