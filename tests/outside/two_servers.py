"""Octavia's own API server out of its package, with MariaDB and no-op drivers, and this server in the same modes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.outside.differences import Call, Side
from tests.outside.genuine import free_port

CONFIGURATION = """
[DEFAULT]
transport_url = fake://
[api_settings]
auth_strategy = noauth
enabled_provider_drivers = noop_driver: No-op, noop_driver-alt: Another
default_provider_driver = noop_driver
[database]
connection = mysql+pymysql://root@127.0.0.1:{database}/octavia
[controller_worker]
network_driver = network_noop_driver
compute_driver = compute_noop_driver
amphora_driver = amphora_noop_driver
[certificates]
cert_manager = noop_cert_manager
"""
APPLICATION = """
from octavia.api import app
application = app.setup_app(argv=["octavia-api", "--config-file", "octavia.conf"])
"""
PENDING = "/v2.0/lbaas/loadbalancers?limit=1&fields=id&provisioning_status=PENDING"
KINDS = ("load_balancer", "listener", "pool", "member", "health_monitor", "l7policy", "l7rule")
# Whose rows go when the row that they name is gone.
OWNERS = {
    "listener": ("load_balancer_id", "load_balancer"),
    "pool": ("load_balancer_id", "load_balancer"),
    "member": ("pool_id", "pool"),
    "health_monitor": ("pool_id", "pool"),
    "session_persistence": ("pool_id", "pool"),
    "l7policy": ("listener_id", "listener"),
    "l7rule": ("l7policy_id", "l7policy"),
}


def _settling() -> str:
    """The no-op driver tells nobody when it is done: what was asked for is done here."""
    pending = "provisioning_status IN ('PENDING_CREATE', 'PENDING_UPDATE')"
    doomed = "provisioning_status = 'PENDING_DELETE'"
    steps = ["SET FOREIGN_KEY_CHECKS = 0"]
    steps += [f"UPDATE {kind} SET provisioning_status = 'ACTIVE' WHERE {pending}" for kind in KINDS]
    steps += [f"UPDATE load_balancer SET provisioning_status = 'DELETED' WHERE {doomed}"]
    steps += [f"DELETE FROM {kind} WHERE {doomed}" for kind in KINDS[1:]]
    for kind, (column, owner) in OWNERS.items():
        living = " WHERE provisioning_status != 'DELETED'" if owner == "load_balancer" else ""
        steps += [f"DELETE FROM {kind} WHERE {column} NOT IN (SELECT id FROM {owner}{living})"]
    steps += ["UPDATE listener SET default_pool_id = NULL WHERE default_pool_id NOT IN (SELECT id FROM pool)"]
    return "; ".join([*steps, "COMMIT", "SELECT 'settled';\n"])


@contextmanager
def theirs(python: str, directory: Path) -> Iterator[Side]:
    """Octavia; `python` is the interpreter of its environment, with gunicorn and PyMySQL."""
    binaries = Path(python).parent
    with _mariadb(directory) as database, _sql(directory) as run:
        run("CREATE DATABASE octavia CHARACTER SET utf8mb3; USE octavia; SELECT 'made';\n")
        (directory / "octavia.conf").write_text(CONFIGURATION.format(database=database))
        (directory / "compared.py").write_text(APPLICATION)
        migrate = [str(binaries / "octavia-db-manage"), "--config-file", "octavia.conf", "upgrade", "head"]
        subprocess.run(migrate, cwd=directory, check=True, capture_output=True)
        port = free_port()
        side = Side(port, lambda: run(_settling()))
        command = [str(binaries / "gunicorn"), "-b", f"127.0.0.1:{port}", "compared:application"]
        with _process(command, directory):
            _wait_for(side)
            yield side


@contextmanager
def ours(directory: Path) -> Iterator[Side]:
    port = free_port()
    command = [sys.executable, "-m", "lbclient.server.main", f"--state-directory={directory}", f"--bind-port={port}"]
    command += ["--auth=noauth", "--network=noop", "--certificates=noop", "--default-provider=noop_driver"]
    command += ["--providers=noop_driver:No-op,noop_driver-alt=noop_driver:Another", "--busy-wait=5"]
    side = Side(port, lambda: _wait_until_settled(side))
    with _process(command, directory, PYTHONPATH=str(Path(__file__).parents[2])):
        _wait_for(side)
        yield side


def _wait_until_settled(side: Side) -> None:
    def is_settled() -> bool:
        found = (side.ask(Call("GET", f"{PENDING}_{what}")).body for what in ("CREATE", "UPDATE", "DELETE"))
        return not any(each["loadbalancers"] for each in found)

    _until(is_settled, 30)


def _wait_for(side: Side) -> None:
    def is_there() -> bool:
        try:
            return side.ask(Call("GET", "/")).status == 200
        except OSError:
            return False

    _until(is_there, 120)


def _until(is_so: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.005)


@contextmanager
def _mariadb(directory: Path) -> Iterator[int]:
    data, port = directory / "data", free_port()
    usual = ["--no-defaults", f"--datadir={data}"]
    if os.getuid() == 0:
        usual.append("--user=mysql")
        shutil.chown(directory, "mysql")
    install = ["mariadb-install-db", *usual, "--auth-root-authentication-method=normal"]
    subprocess.run(install, check=True, capture_output=True)
    command = ["mariadbd", *usual, f"--socket={directory}/sql.sock", f"--port={port}", "--bind-address=127.0.0.1"]
    with _process(command, directory):
        _until(lambda: (directory / "sql.sock").exists(), 60)
        yield port


@contextmanager
def _sql(directory: Path) -> Iterator[Callable[[str], None]]:
    """A way to run SQL whose last statement answers one line."""
    command = ["mariadb", "--no-defaults", "-u", "root", "-S", str(directory / "sql.sock"), "-N", "-B", "-n", "--force"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as client:
        assert client.stdin
        assert client.stdout
        questions, answers = client.stdin, client.stdout

        def run(text: str) -> None:
            questions.write(text)
            questions.flush()
            assert answers.readline()

        yield run


@contextmanager
def _process(command: Sequence[str], directory: Path, **environment: str) -> Iterator[None]:
    with (directory / f"{Path(command[0]).name}.log").open("w") as log:
        started = subprocess.Popen(command, cwd=directory, env={**os.environ, **environment}, stdout=log, stderr=log)
    try:
        yield
    finally:
        started.terminate()
        started.wait(60)
