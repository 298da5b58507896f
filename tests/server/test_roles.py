"""An API server beside the one that carries the traffic, on one PostgreSQL database."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests
import sqlalchemy as sa
from cryptography.fernet import Fernet
from members import Web

from lbclient.store.cluster_tables import SERVER_KEY
from lbclient.store.store import Store
from running import RunningServer, end_server, lbclient, start_server, wait_until

if TYPE_CHECKING:
    from databases import Cluster

LBAAS = "/load-balancer/v2.0/lbaas"


class Pair:
    """The server that carries the traffic, and another one with the role api alone."""

    def __init__(self, directory: Path, database: str) -> None:
        self.directory = directory
        self.database = f"--database={database}"
        self.carrier = self.start_carrier()
        self.api = start_server(
            directory / "api", self.database, "--roles=api", f"--keys={directory / 'carrier'}", "--settle-wait=5"
        )
        words = lbclient("token", "issue", "-f", "value", "-c", "id")
        said = subprocess.run(words, env=self.carrier.environment, capture_output=True, text=True, check=True)
        self.headers = {"X-Auth-Token": said.stdout.strip()}

    def start_carrier(self) -> RunningServer:
        return start_server(self.directory / "carrier", self.database)

    def ask(self, method: str, path: str, body: Any = None, server: RunningServer | None = None) -> Any:
        url = (server or self.api).url + path
        answer = requests.request(method, url, json=body, headers=self.headers, timeout=20)
        assert answer.ok, answer.text
        return answer.json() if answer.content else None

    def create(self, path: str, key: str, **values: Any) -> Any:
        return self.ask("POST", f"{LBAAS}/{path}", {key: values})[key]

    def show(self, path: str, key: str, id_: str) -> Any:
        return self.ask("GET", f"{LBAAS}/{path}/{id_}")[key]

    @property
    def subnet(self) -> str:
        found = self.ask("GET", "/networking/v2.0/subnets?name=private-subnet")["subnets"]
        return str(found[0]["id"])

    def end(self) -> None:
        for each in (self.api, self.carrier):
            end_server(each)


@pytest.fixture
def pair(tmp_path: Path, postgresql: Cluster) -> Iterator[Pair]:
    made = Pair(tmp_path, postgresql.new_database())
    yield made
    made.end()


def test_what_is_created_at_one_is_carried_by_the_other(pair: Pair) -> None:
    balancer = pair.create("loadbalancers", "loadbalancer", name="lb", vip_subnet_id=pair.subnet)
    # The answer came once it had settled there.
    assert pair.show("loadbalancers", "loadbalancer", balancer["id"])["provisioning_status"] == "ACTIVE"
    member = Web("one")
    try:
        pool = pair.create("pools", "pool", loadbalancer_id=balancer["id"], protocol="HTTP", lb_algorithm="ROUND_ROBIN")
        added = pair.create(f"pools/{pool['id']}/members", "member", address=member.address, protocol_port=member.port)
        listener = {"protocol": "HTTP", "protocol_port": 8080, "default_pool_id": pool["id"]}
        pair.create("listeners", "listener", loadbalancer_id=balancer["id"], **listener)
        assert requests.get(f"http://{balancer['vip_address']}:8080/", timeout=5).status_code == 200
    finally:
        member.down()
    found = pair.ask("GET", f"{LBAAS}/loadbalancers/{balancer['id']}/stats")["stats"]
    assert found["total_connections"] == 1
    counted = pair.ask("GET", f"{LBAAS}/pools/{pool['id']}/members/{added['id']}/stats")["stats"]
    assert counted["active_connections"] == 0


def test_figures_of_many_members_are_shown_by_the_other(pair: Pair) -> None:
    members = [{"address": f"192.0.2.{number}", "protocol_port": 80} for number in range(1, 201)]
    pool = {"name": "pool", "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN", "members": members}
    listeners = [{"protocol": "HTTP", "protocol_port": 8080, "default_pool": pool}]
    subnet = {"vip_subnet_id": pair.subnet}
    balancer = pair.create("loadbalancers", "loadbalancer", name="lb", listeners=listeners, **subnet)
    path = f"loadbalancers/{balancer['id']}"
    wait_until(lambda: pair.ask("GET", f"{LBAAS}/{path}")["loadbalancer"]["provisioning_status"] == "ACTIVE", 30)
    figures = pair.ask("GET", f"{LBAAS}/{path}/performance")["performance"]
    assert len(figures) == 1 + 1 + 1 + len(members)


def test_without_the_carrier_changes_are_kept_and_applied_later(pair: Pair) -> None:
    pair.carrier.process.send_signal(signal.SIGKILL)
    pair.carrier.process.communicate(timeout=60)
    balancer = pair.create("loadbalancers", "loadbalancer", name="lb", vip_subnet_id=pair.subnet)
    assert balancer["provisioning_status"] == "PENDING_CREATE"
    pair.carrier = pair.start_carrier()
    wait_until(
        lambda: pair.show("loadbalancers", "loadbalancer", balancer["id"])["provisioning_status"] == "ACTIVE", 30
    )


def test_events_of_both_are_told_by_each(pair: Pair) -> None:
    def follow(server: RunningServer) -> requests.Response:
        url = f"{server.url}{LBAAS}/events?follow"
        return requests.get(url, headers=pair.headers, stream=True, timeout=30)

    with follow(pair.api) as at_api, follow(pair.carrier) as at_carrier:
        balancer = pair.create("loadbalancers", "loadbalancer", name="lb", vip_subnet_id=pair.subnet)
        pair.ask("PUT", f"{LBAAS}/loadbalancers/{balancer['id']}", {"loadbalancer": {"name": "x"}}, pair.carrier)
        for stream in (at_api, at_carrier):
            told = _until(stream, lambda each: each["action"] == "update")
            assert told[0]["action"] == "create"


def test_servers_that_share_a_master_key_need_no_other_files(tmp_path: Path, postgresql: Cluster) -> None:
    database, master = f"--database={postgresql.new_database()}", f"--master-key={tmp_path / 'master'}"
    end_server(start_server(tmp_path / "carrier", database))  # with keys in files, which the database takes over
    before = sorted(path.read_bytes() for path in (tmp_path / "carrier" / "fernet-keys").iterdir())
    carrier = start_server(tmp_path / "carrier", database, master)
    words = lbclient("token", "issue", "-f", "value", "-c", "id")
    said = subprocess.run(words, env=carrier.environment, capture_output=True, text=True, check=True)
    headers = {"X-Auth-Token": said.stdout.strip()}
    api = start_server(tmp_path / "api", database, master, "--roles=api")
    try:
        url = f"{carrier.url}/key-manager/v1/secrets"
        secret = {"payload": "text", "payload_content_type": "text/plain"}
        stored = requests.post(url, json=secret, headers=headers, timeout=20)
        where = stored.json()["secret_ref"].replace(carrier.url, api.url)
        read = requests.get(f"{where}/payload", headers={**headers, "Accept": "text/plain"}, timeout=20)
        assert (read.status_code, read.text) == (200, "text")
        assert not (tmp_path / "api" / "fernet-keys").exists()
        assert (tmp_path / "master").stat().st_mode & 0o077 == 0
        with closing(Store(database.removeprefix("--database="))) as store:
            master_key = Fernet((tmp_path / "master").read_bytes())
            with store.reading() as tx:
                sealed = tx.scalars(sa.select(SERVER_KEY.c.sealed).where(SERVER_KEY.c.kind == "fernet-keys")).all()
            assert [master_key.decrypt(each) for each in sealed] == before
    finally:
        end_server(api)
        end_server(carrier)


@pytest.mark.parametrize(
    ("content", "words"),
    [(Fernet.generate_key(), "does not open the keys"), (b"x", "is damaged"), (None, "No such file")],
    ids=["another", "damaged", "missing"],
)
def test_another_master_key_is_refused(tmp_path: Path, postgresql: Cluster, content: bytes | None, words: str) -> None:
    database = f"--database={postgresql.new_database()}"
    end_server(start_server(tmp_path / "carrier", database, f"--master-key={tmp_path / 'master'}"))
    if content is not None:
        (tmp_path / "other").write_bytes(content)
    command = [sys.executable, "-m", "lbclient.server.main", f"--state-directory={tmp_path / 'api'}", "--bind-port=0"]
    options = ["--roles=api", f"--master-key={tmp_path / 'other'}", database]
    done = subprocess.run([*command, *options], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert words in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def _until(stream: requests.Response, is_last: Callable[[Any], bool]) -> list[Any]:
    found = []
    for line in stream.iter_lines(chunk_size=1):
        if line.startswith(b"data:"):
            found.append(json.loads(line[5:]))
            if is_last(found[-1]):
                return found
    raise AssertionError(f"the stream ended after {found}")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--roles=api", "--keys=/"], "needs a PostgreSQL database"),
        (["--roles=api", "--database=postgresql:///x"], "needs keys"),
        (["--roles=agent"], "'agent' is not allowed"),
        (["--roles=api", "--database=postgresql:///x", "--keys=/", "--testing"], "testing is not allowed"),
        (["--roles=api", "--database=postgresql:///x", "--keys=/nowhere"], "no keys in /nowhere"),
    ],
)
def test_what_cannot_work_is_refused_in_one_line(tmp_path: Path, options: list[str], words: str) -> None:
    command = [sys.executable, "-m", "lbclient.server.main", f"--state-directory={tmp_path}", "--bind-port=0", *options]
    done = subprocess.run(command, env={**os.environ}, capture_output=True, text=True, timeout=60)
    assert done.returncode in (1, 2)
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_an_empty_database_is_refused(tmp_path: Path, postgresql: Cluster) -> None:
    end_server(start_server(tmp_path / "carrier"))
    command = [sys.executable, "-m", "lbclient.server.main", f"--state-directory={tmp_path / 'api'}", "--bind-port=0"]
    options = ["--roles=api", f"--keys={tmp_path / 'carrier'}", f"--database={postgresql.new_database()}"]
    done = subprocess.run([*command, *options], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "The database has no users yet" in done.stderr
