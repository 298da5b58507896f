"""Upgrades from the release before, with traffic that does not notice them; and downgrades, which are refused.

As long as nothing has been released, the release before is the commit that gave the schema its present form: databases
of earlier commits were never anyone's.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from members import Web

import load
import load_members
from agents import LONG, Hosts, traffic
from lbclient.store import migrations
from mixed_changes import LBAAS, LOOPBACK6, Api, Balancer
from running import RunningServer, end_server, fed, free_ports, own_networks, start_server, wait_until

ROOT = Path(__file__).parents[2]
COLLECTIONS = ("loadbalancers", "listeners", "pools", "healthmonitors", "l7policies")
SECONDS = 60.0  # until a server has taken everything over, and the load has gone through it
CONNECTIONS = 50  # of the load, during each server
# The server of a later version, whose database has a column more.
NEXT = """
import sys
from lbclient.store import migrations
migrations.STEPS += (lambda tx: tx.exec_driver_sql("ALTER TABLE loadbalancer ADD COLUMN colour VARCHAR(9)"),)
migrations.NEWEST += 1
from lbclient.server.main import main
sys.exit(main())
"""


def git(*words: str) -> str:
    done = subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True, text=True, timeout=60)
    return done.stdout.strip() if done.returncode == 0 else ""


def commit_before() -> str:
    """The newest release before this commit, or what stands for it; skips where the history does not reach it."""
    if not (ROOT / ".git").exists() or not git("rev-parse", "HEAD"):
        pytest.skip("no clone of the repository, and so no release before this one")
    released = git("describe", "--tags", "--abbrev=0", "HEAD^")
    if released:
        return released
    if git("rev-parse", "--is-shallow-repository") == "true":
        pytest.skip("a shallow clone has no release before this one")
    schema = f"tests/store/schemas/{migrations.NEWEST}.sqlite.sql"
    if git("status", "--porcelain", schema):
        pytest.skip(f"{schema} has changes that are not committed")
    return git("log", "-1", "--format=%H", "--", schema)


def test_the_newest_tag_is_the_release_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While nothing is tagged, no other test shows that it would be found."""
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    for name, value in (("NAME", "n"), ("EMAIL", "e@example")):
        for who in ("AUTHOR", "COMMITTER"):
            monkeypatch.setenv(f"GIT_{who}_{name}", value)
    git("init", "--quiet")
    for tag in ("0.1.0", "0.2.0", ""):
        git("commit", "--quiet", "--allow-empty", "--message", "c")
        if tag:
            git("tag", "--annotate", tag, "--message", tag)
    assert commit_before() == "0.2.0"
    git("tag", "--annotate", "0.3.0", "--message", "this release itself")
    assert commit_before() == "0.2.0"


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the package of the release before."""
    directory = tmp_path_factory.mktemp("before")
    commit = commit_before()
    packed = subprocess.run(["git", "-C", str(ROOT), "archive", commit, "lbclient"], capture_output=True, check=True)
    subprocess.run(["tar", "-x", "-C", str(directory)], input=packed.stdout, check=True)
    said = subprocess.run(
        [sys.executable, "-c", "import lbclient; print(lbclient.__file__)"],
        cwd=directory,
        capture_output=True,
        text=True,
        check=True,
    )
    assert Path(said.stdout.strip()).is_relative_to(directory)
    return directory


class Datagrams:
    """A resolver and two clients: one asks from one port all the time, the other from a new one each time."""

    def __init__(self) -> None:
        self.member = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.member.bind(("127.0.0.1", 0))
        self.answered = 0
        self.failed: list[str] = []
        self._is_over = threading.Event()
        self._all_have_asked = threading.Event()

    @contextmanager
    def asking(self, address: str, port: int) -> Iterator[None]:
        """Ask without end during the block."""
        resolver = threading.Thread(target=self._serve)
        clients = [threading.Thread(target=self._ask, args=(address, port, is_kept)) for is_kept in (True, False)]
        for thread in (resolver, *clients):
            thread.start()
        try:
            yield
        finally:
            self._is_over.set()
            for thread in clients:
                thread.join(30)
            self._all_have_asked.set()  # only now: the last questions have their answers
            resolver.join(30)
            self.member.close()

    def _serve(self) -> None:
        self.member.settimeout(0.2)
        while not self._all_have_asked.is_set():
            try:
                data, client = self.member.recvfrom(100)
                self.member.sendto(data, client)
            except TimeoutError:
                pass

    def _ask(self, address: str, port: int, is_kept: bool) -> None:
        while not self._is_over.wait(0.01):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
                client.settimeout(10)
                client.connect((address, port))
                while self._exchange(client) and is_kept and not self._is_over.wait(0.01):
                    pass

    def _exchange(self, client: socket.socket) -> bool:
        if self._is_over.is_set():
            return False
        try:
            client.send(b"who?")
            assert client.recv(100) == b"who?"
        except OSError as error:
            self.failed.append(repr(error))
            return False
        self.answered += 1
        return True


class Site:
    """One state directory and one address of the API over several servers, and what clients see of it."""

    def __init__(self, directory: Path, database_url: str) -> None:
        self.directory = directory
        port = free_ports(1)[0]
        networks = [*own_networks(), f"--vip-ranges={LOOPBACK6}"]
        self.options = [f"--bind-port={port}", f"--database={database_url}", *networks]
        self.server: RunningServer | None = None

    def start(self, **how: Any) -> None:
        self.server = start_server(self.directory, *self.options, **how)

    def stop(self) -> None:
        """Stop the server as its unit does: HAProxy and the relay are left alone."""
        assert self.server is not None
        self.server.process.send_signal(signal.SIGTERM)
        self.server.process.communicate(timeout=60)
        assert self.server.process.returncode == 0

    def refusal(self, tree: Path | None) -> str:
        """Try to start a version that does not know the database; return its one line."""
        command = [sys.executable, "-m", "lbclient.server.main", "--attachment=loopback", "--demo", *self.options]
        environment = {**os.environ, "PYTHONPATH": str(tree)} if tree else None
        done = subprocess.run(
            [*command, f"--state-directory={self.directory}"],
            capture_output=True,
            text=True,
            cwd=tree,
            env=environment,
            timeout=60,
        )
        assert done.returncode == 1, done.stderr
        return done.stderr.strip().splitlines()[-1]


def objects(api: Api) -> dict[str, dict[str, str]]:
    """The provisioning status of every object, by its path."""
    found = {name: api.ask("GET", f"{LBAAS}/{name}")[name] for name in COLLECTIONS}
    for pool in found["pools"]:
        found[f"pools/{pool['id']}/members"] = api.ask("GET", f"{LBAAS}/pools/{pool['id']}/members")["members"]
    return {name: {each["id"]: each["provisioning_status"] for each in each_kind} for name, each_kind in found.items()}


def is_all_active(api: Api) -> bool:
    return {status for found in objects(api).values() for status in found.values()} == {"ACTIVE"}


def add_datagrams(balancer: Balancer, member_port: int, port: int) -> None:
    """Give the load balancer a UDP listener with a member."""
    api = balancer.api
    values = {"loadbalancer_id": balancer.id, "protocol": "UDP"}
    pool = api.create("pool", "pools", lb_algorithm="ROUND_ROBIN", **values)["id"]
    balancer.wait()
    api.create("member", f"pools/{pool}/members", address="127.0.0.1", protocol_port=member_port)
    balancer.wait()
    api.create("listener", "listeners", protocol_port=port, default_pool_id=pool, **values)
    balancer.wait()


def test_upgrades_are_not_felt(before: Path, tmp_path: Path, empty_database_url: str) -> None:
    """The release before, this one, and one that changes the schema, one after the other on the same state."""
    site, datagrams = Site(tmp_path / "state", empty_database_url), Datagrams()
    site.start(tree=before)
    assert site.server is not None
    try:
        with fed(load_members, "4") as members:
            assert members.stdout is not None
            api = Api(site.server.url, site.directory / "clouds.yaml")
            balancer = Balancer(api, json.loads(members.stdout.readline()), free_ports(8), (4, 6))
            add_datagrams(balancer, datagrams.member.getsockname()[1], balancer.free[3])
            with (
                datagrams.asking(balancer.addresses[0], balancer.free[3]),
                fed(load, json.dumps(balancer.plan())) as clients,
            ):
                is_loaded(balancer, datagrams)
                made, vips = objects(api), balancer.addresses
                for how in ({}, {"program": ("-c", NEXT)}):
                    site.stop()
                    site.start(**how)
                    wait_until(lambda: is_all_active(api), SECONDS)  # with the token that the release before issued
                    assert objects(api) == made
                    is_loaded(balancer, datagrams)
                    balancer.api.update("listener", f"listeners/{balancer.listeners['http']}", connection_limit=5000)
                    balancer.wait()
                    balancer.api.update("listener", f"listeners/{balancer.listeners['http']}", connection_limit=-1)
                    balancer.wait()
                    is_loaded(balancer, datagrams)
                site.stop()
                for tree in (before, None):
                    said = site.refusal(tree)
                    assert f"database has schema version {migrations.NEWEST + 1}, this program knows" in said
                    assert "use a newer one" in said
                site.start(program=("-c", NEXT))
                wait_until(lambda: is_all_active(api), SECONDS)
                shown = balancer.shown()
                assert [shown["vip_address"], *(vip["ip_address"] for vip in shown["additional_vips"])] == vips
                said, _ = clients.communicate(timeout=60)
            members.communicate()
    finally:
        end_server(site.server)
    result = json.loads(said)
    assert result["failed"] == {}, result
    assert datagrams.failed == []
    assert len(result["done"]) >= 10, result


@pytest.fixture
def member() -> Iterator[Web]:
    made = Web("one")
    yield made
    made.down()


@pytest.mark.parametrize("order", [("server", "agent"), ("agent", "server")], ids="-".join)
def test_a_server_and_its_host_are_upgraded_one_after_the_other(
    before: Path, tmp_path: Path, member: Web, order: tuple[str, str]
) -> None:
    """In both orders: the traffic does not notice, and afterwards changes take effect on the host again.

    While one is of the release before, an agent that does not fit the server is refused, and what runs goes on.
    """
    hosts = Hosts(tmp_path, f"sqlite:///{tmp_path / 'database'}", tree=before)
    try:
        agent, balancer, url = hosts.carried(member)
        wait_until(lambda: hosts.statuses(balancer) == ("ACTIVE", "ONLINE"), LONG)
        hosts.tree = None
        with traffic(url) as answers:
            for part in order:
                if part == "server":
                    stop(hosts.server.process)
                    hosts.server = hosts.start()
                else:
                    stop(agent)
                    agent = hosts.start_agent("first", "first")
                count = len(answers)
                wait_until(lambda: len(answers) > count + CONNECTIONS, SECONDS)  # noqa: B023
            if agent.poll() is not None:  # the server of the release before has refused it
                agent = hosts.start_agent("first", "first")
            wait_until(lambda: hosts.statuses(balancer) == ("ACTIVE", "ONLINE"), SECONDS)
        assert set(answers) == {200}
        path = f"/load-balancer/v2.0/lbaas/loadbalancers/{balancer['id']}"
        hosts.ask("PUT", path, {"loadbalancer": {"admin_state_up": False}})
        wait_until(lambda: hosts.statuses(balancer) == ("ACTIVE", "OFFLINE"), SECONDS)
    finally:
        hosts.end()


def stop(process: subprocess.Popen[str]) -> None:
    """End a server or an agent as its unit does: HAProxy goes on."""
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 0


def is_loaded(balancer: Balancer, datagrams: Datagrams) -> None:
    """Wait until the load has gone on for a while."""
    begin, answered = connections(balancer), datagrams.answered
    wait_until(lambda: connections(balancer) - begin > CONNECTIONS, SECONDS)
    wait_until(lambda: datagrams.answered - answered > CONNECTIONS, SECONDS)


def connections(balancer: Balancer) -> int:
    path = f"{LBAAS}/loadbalancers/{balancer.id}/stats"
    return int(balancer.api.ask("GET", path)["stats"]["total_connections"])
