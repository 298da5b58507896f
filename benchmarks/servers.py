"""Octavia's own API server out of its package, with MariaDB and no-op drivers, and this server in the same modes.

Octavia's no-op drivers tell nobody when they are done: `settle` says so for them, in the database.
"""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from setting import free_port, wait_for

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
OURS = ("--auth=noauth", "--network=noop", "--certificates=noop", "--default-provider=noop_driver")
PENDING = "/v2.0/lbaas/loadbalancers?limit=1&fields=id&provisioning_status=PENDING"
KINDS = ("load_balancer", "listener", "pool", "member", "health_monitor", "l7policy", "l7rule")
# Whose rows go when the row that they name is gone.
OWNERS = {
    "vip": ("load_balancer_id", "load_balancer"),
    "additional_vip": ("load_balancer_id", "load_balancer"),
    "vip_security_group": ("load_balancer_id", "load_balancer"),
    "listener": ("load_balancer_id", "load_balancer"),
    "pool": ("load_balancer_id", "load_balancer"),
    "member": ("pool_id", "pool"),
    "health_monitor": ("pool_id", "pool"),
    "session_persistence": ("pool_id", "pool"),
    "l7policy": ("listener_id", "listener"),
    "l7rule": ("l7policy_id", "l7policy"),
}


@dataclass(frozen=True)
class Running:
    """A server that answers; settle() returns when nothing is PENDING in it."""

    port: int
    pid: int
    settle: Callable[[], None]


@contextmanager
def theirs(python: str, directory: Path, workers: int = 1) -> Iterator[Running]:
    """Octavia; `python` is the interpreter of its environment, with gunicorn and PyMySQL."""
    binaries = Path(python).parent
    with _mariadb(directory) as database, _sql(directory) as run:
        run("CREATE DATABASE octavia CHARACTER SET utf8mb3; USE octavia; SELECT 'made';\n")
        (directory / "octavia.conf").write_text(CONFIGURATION.format(database=database))
        (directory / "beside.py").write_text(APPLICATION)
        migrate = [str(binaries / "octavia-db-manage"), "--config-file", "octavia.conf", "upgrade", "head"]
        subprocess.run(migrate, cwd=directory, check=True, capture_output=True)
        port = free_port()
        command = [str(binaries / "gunicorn"), "-w", str(workers), "-b", f"127.0.0.1:{port}", "beside:application"]
        with _process(command, directory) as pid:
            wait_for(lambda: _answers(port), 0.2)
            yield Running(port, pid, lambda: run(SETTLING))


@contextmanager
def ours(directory: Path, *options: str) -> Iterator[Running]:
    port = free_port()
    command = [sys.executable, "-m", "lbclient.server.main", f"--state-directory={directory}", f"--bind-port={port}"]
    with _process([*command, *OURS, *options], directory, PYTHONPATH=str(Path(__file__).parents[1])) as pid:
        wait_for(lambda: _answers(port), 0.1)
        yield Running(port, pid, lambda: wait_for(lambda: _is_settled(port), 0.005))


def _settling() -> str:
    """What was asked for is done."""
    pending = "provisioning_status IN ('PENDING_CREATE', 'PENDING_UPDATE')"
    doomed = "provisioning_status = 'PENDING_DELETE'"
    steps = ["SET FOREIGN_KEY_CHECKS = 0"]
    # Octavia keeps a load balancer whose address is none, though it has answered 400, and then every list fails.
    odd = "ip_address NOT LIKE '%:%' AND ip_address NOT LIKE '%.%.%.%'"
    steps += [f"UPDATE load_balancer SET {doomed} WHERE id IN (SELECT load_balancer_id FROM vip WHERE {odd})"]
    steps += [f"UPDATE {kind} SET provisioning_status = 'ACTIVE' WHERE {pending}" for kind in KINDS]
    steps += [f"DELETE FROM {kind} WHERE {doomed}" for kind in KINDS]
    for kind, (column, owner) in OWNERS.items():
        steps += [f"DELETE FROM {kind} WHERE {column} NOT IN (SELECT id FROM {owner})"]
    steps += ["UPDATE listener SET default_pool_id = NULL WHERE default_pool_id NOT IN (SELECT id FROM pool)"]
    return "; ".join([*steps, "COMMIT", "SELECT 'settled';\n"])


SETTLING = _settling()


def _is_settled(port: int) -> bool:
    found = (json.loads(_get(port, f"{PENDING}_{what}")[1]) for what in ("CREATE", "UPDATE", "DELETE"))
    return not any(each["loadbalancers"] for each in found)


def _answers(port: int) -> bool:
    try:
        return _get(port, "/")[0] == 200
    except OSError:
        return False


def _get(port: int, path: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", path)
    answer = connection.getresponse()
    found = answer.status, answer.read()
    connection.close()
    return found


@contextmanager
def _mariadb(directory: Path) -> Iterator[int]:
    data, port = directory / "data", free_port()
    usual = ["--no-defaults", f"--datadir={data}", f"--tmpdir={directory}"]
    if os.getuid() == 0:
        usual.append("--user=mysql")
        shutil.chown(directory, "mysql")
    install = ["mariadb-install-db", *usual, "--auth-root-authentication-method=normal"]
    subprocess.run(install, check=True, capture_output=True)
    command = ["mariadbd", *usual, f"--socket={directory}/sql.sock", f"--port={port}", "--bind-address=127.0.0.1"]
    with _process(command, directory):
        wait_for((directory / "sql.sock").exists, 0.1)
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
            if not answers.readline():
                raise ConnectionError("MariaDB is gone")

        yield run


@contextmanager
def _process(command: Sequence[str], directory: Path, **environment: str) -> Iterator[int]:
    """A program whose log is in the directory, in a group of its own: who stops the tests leaves its end to them."""
    with (directory / f"{Path(command[0]).name}.log").open("w") as log:
        started = subprocess.Popen(
            command, cwd=directory, env={**os.environ, **environment}, stdout=log, stderr=log, start_new_session=True
        )
    try:
        yield started.pid
    finally:
        started.send_signal(signal.SIGTERM)
        started.wait(60)
