"""The users and capabilities of the HAProxy and relay processes of a server that root started."""

from __future__ import annotations

import contextlib
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from members import Web

from lbclient.dataplane.haproxy import process_table, unprivileged
from running import end_server, processes_with, start_server, wait_until
from server_process import clouds, log_in, run

NOT_ROOT = "the server keeps its user: it is not root, or the only one"
HTTP_PORT, UDP_PORT, METRICS_PORT, LATER_PORT, LATER_UDP_PORT = 80, 53, 88, 81, 54
NET_BIND_SERVICE = 1 << 10
Users = dict[str, set[tuple[int, int, int]]]

pytestmark = pytest.mark.skipif(unprivileged.user(None) is None, reason=NOT_ROOT)


class Site:
    """A server of root, with a load balancer of all kinds of listeners on ports below 1024."""

    def __init__(self, state: Path, *options: str) -> None:
        self.state = state
        self.server = start_server(state, *options)
        self.log_in()

    def log_in(self) -> None:
        token = log_in(clouds(self.state)["lbclient"]).headers["X-Subject-Token"]
        self.headers = {"X-Auth-Token": token}

    def restart(self, *options: str) -> None:
        self.server.process.terminate()
        self.server.process.communicate(timeout=60)
        self.server = start_server(self.state, *options)
        self.log_in()

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        url = f"{self.server.url}/load-balancer/v2.0/lbaas/{path}"
        answer = requests.request(method, url, json=body, headers=self.headers, timeout=20)
        assert answer.ok, answer.text
        return answer.json() if answer.content else None

    def create(self, member: int) -> None:
        url = f"{self.server.url}/networking/v2.0/subnets?name=private-subnet"
        [subnet] = requests.get(url, headers=self.headers, timeout=10).json()["subnets"]
        monitor = {"type": "HTTP", "delay": 1, "timeout": 1, "max_retries": 1, "url_path": "/health"}
        check = {"type": "UDP-CONNECT", "delay": 3, "timeout": 1, "max_retries": 1}
        members = [{"name": "one", "address": "127.0.0.1", "protocol_port": member}]
        persistence = {"type": "SOURCE_IP"}
        pools = [
            {"protocol": "HTTP", "healthmonitor": monitor, "session_persistence": persistence},
            {"protocol": "UDP", "healthmonitor": check},
        ]
        web, datagrams = ({"lb_algorithm": "ROUND_ROBIN", "members": members, **pool} for pool in pools)
        listeners = [
            {"protocol": "HTTP", "protocol_port": HTTP_PORT, "default_pool": {"name": "web", **web}},
            {"protocol": "UDP", "protocol_port": UDP_PORT, "default_pool": {"name": "datagrams", **datagrams}},
            {"protocol": "PROMETHEUS", "protocol_port": METRICS_PORT},
        ]
        body = {"loadbalancer": {"name": "lb", "vip_subnet_id": subnet["id"], "listeners": listeners}}
        made = self.ask("POST", "loadbalancers", body)["loadbalancer"]
        self.id, self.vip = made["id"], made["vip_address"]
        self.settle()

    def settle(self) -> None:
        path = f"loadbalancers/{self.id}"
        wait_until(lambda: self.ask("GET", path)["loadbalancer"]["provisioning_status"] == "ACTIVE", 20)

    def listen(self, protocol: str, port: int, pool: str) -> None:
        [pool_id] = [each["id"] for each in self.ask("GET", f"pools?name={pool}")["pools"]]
        wanted = {"loadbalancer_id": self.id, "default_pool_id": pool_id, "protocol_port": port, "protocol": protocol}
        self.ask("POST", "listeners", {"listener": wanted})
        self.settle()

    def member_status(self, pool: str) -> str:
        [found] = self.ask("GET", f"pools?name={pool}")["pools"]
        return str(self.ask("GET", f"pools/{found['id']}/members")["members"][0]["operating_status"])

    def get(self, port: int, path: str = "/") -> requests.Response:
        return requests.get(f"http://{self.vip}:{port}{path}", timeout=10)

    def users(self) -> Users:
        """The real users, groups and permitted capabilities of masters, workers and relays."""
        directory = self.state / "haproxy" / self.id
        master = process_table.master(directory)
        found: Users = {"master": set(), "worker": set(), "relay": set()}
        for pid in processes_with(str(directory)):
            words = process_table.command_line(pid)
            kind = "master" if pid == master else "relay" if b"dataplane.relay" in words else "worker"
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has just ended
                found[kind].add(identity(pid))
        return found

    def close(self) -> None:
        end_server(self.server)


def identity(pid: int) -> tuple[int, int, int]:
    """The user and group of a process, which are the same in all four places, and its permitted capabilities."""
    said = Path(f"/proc/{pid}/status").read_text()
    [user], [group] = (set(re.findall(r"\d+", re.findall(rf"^{each}:(.*)$", said, re.M)[0])) for each in ("Uid", "Gid"))
    assert re.search(r"^Groups:\s*$", said, re.M) or user == "0", "other groups are left"
    return int(user), int(group), int(re.findall(r"^CapPrm:\s*(\w+)$", said, re.M)[0], 16)


@pytest.fixture
def web() -> Iterator[Web]:
    serving = Web("one")
    yield serving
    serving.down()


@pytest.fixture
def sites(tmp_path: Path) -> Iterator[list[Site]]:
    made: list[Site] = []
    yield made
    for each in made:
        each.close()


def test_clients_of_a_server_of_root_talk_to_an_ordinary_user(tmp_path: Path, web: Web, sites: list[Site]) -> None:
    chosen = unprivileged.user(None)
    assert chosen is not None
    ordinary = {"worker": {(*chosen, 0)}, "relay": {(*chosen, NET_BIND_SERVICE)}}
    site = Site(tmp_path / "state")
    sites.append(site)
    site.create(web.port)
    found = site.users()
    assert {uid for uid, _, _ in found.pop("master")} == {0}, "it talks to no client and binds ports below 1024"
    assert found == ordinary
    assert site.get(HTTP_PORT).json()["name"] == "one"
    wait_until(lambda: site.member_status("web") == "ONLINE")
    site.listen("HTTP", LATER_PORT, "web")  # a reload, which binds another port of the privileged
    site.listen("UDP", LATER_UDP_PORT, "datagrams")
    assert site.get(LATER_PORT).json()["name"] == "one"
    assert "octavia_listener_bytes_in_total" in site.get(METRICS_PORT, "/metrics").text
    web.health = 500
    wait_until(lambda: site.member_status("web") == "ERROR", 20)  # told by a worker
    assert {**site.users(), "master": None} == {**ordinary, "master": None}
    directory = site.state / "haproxy" / site.id
    assert readable(directory, chosen) <= {"relay.json"}, "keys and configurations are root's alone"
    wait_until(lambda: site.ask("GET", f"loadbalancers/{site.id}/status") is not None)
    site.ask("DELETE", f"loadbalancers/{site.id}?cascade=true")
    wait_until(lambda: not processes_with(str(directory)), 20)


def readable(directory: Path, user: unprivileged.User) -> set[str]:
    """The files in a directory that a user can read who is in it already."""
    names = [each.name for each in directory.iterdir() if each.is_file()]
    assert "haproxy.cfg" in names
    prefix = ["setpriv", f"--reuid={user.uid}", f"--regid={user.gid}", "--clear-groups"]
    script = 'for each; do test -r "$each" && echo "$each"; done; true'
    told = subprocess.run([*prefix, "sh", "-c", script, "sh", *names], cwd=directory, stdout=subprocess.PIPE, text=True)
    assert told.returncode == 0
    return set(told.stdout.split())


def test_another_user_takes_over_what_runs(tmp_path: Path, web: Web, sites: list[Site]) -> None:
    site = Site(tmp_path / "state")
    sites.append(site)
    site.create(web.port)
    site.restart("--haproxy-user=65523")
    wanted = {"worker": {(65523, 65523, 0)}, "relay": {(65523, 65523, NET_BIND_SERVICE)}}
    wait_until(lambda: {**site.users(), "master": None} == {**wanted, "master": None}, 20)
    assert site.get(HTTP_PORT).json()["name"] == "one"
    assert "octavia_listener_bytes_in_total" in site.get(METRICS_PORT, "/metrics").text
    wait_until(lambda: site.member_status("web") == "ONLINE")


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("root", "root is root, or in its group; HAProxy must run as an ordinary user"),
        ("0", "0 is root, or in its group; HAProxy must run as an ordinary user"),
        ("no-such-user", "there is no user no-such-user"),
        ("4294967296", "there is no user 4294967296"),
    ],
)
def test_a_user_that_cannot_be_is_refused(tmp_path: Path, name: str, why: str) -> None:
    done = run(f"--state-directory={tmp_path}", "--bind-port=0", f"--haproxy-user={name}")
    assert (done.returncode, done.stderr) == (1, f"lbclient server: haproxy_user: {why}.\n")


def test_without_the_right_to_become_another_user_there_is_a_warning(tmp_path: Path) -> None:
    words = ["setpriv", "--bounding-set=-setuid", sys.executable, "-m", "lbclient.server.main", "--bind-port=0"]
    server = subprocess.Popen(
        [*words, f"--state-directory={tmp_path}"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert server.stdout is not None
    assert server.stdout.readline()
    server.send_signal(signal.SIGTERM)
    _, log = server.communicate(timeout=60)
    assert "HAProxy, which faces clients, runs as root" in log
