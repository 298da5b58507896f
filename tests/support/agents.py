"""A server and agents of other hosts, all on this machine."""

from __future__ import annotations

import ipaddress
import json
import os
import signal
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests
from members import Web

from lbclient.agent.connection import Connection, Unreachable
from lbclient.agent.distant import DistantControlPlane, clock
from running import RunningServer, end_server, free_ports, lbclient, processes_with, start_server
from server_process import scoped_token

LBAAS = "/load-balancer/v2.0/lbaas"
LONG = 40.0  # seconds
PAUSE = 0.05  # seconds between two requests of the traffic
MOST = 4000  # requests


def described(**other: Any) -> dict[str, Any]:
    """The body of an agent's registration."""
    said = {"version": "x", "protocol": 1, "instance": "0b9cd3d4-5b5a-4b53-8c38-000000000001", "networks": None}
    return {**said, "clock": clock(), **other}


class Played:
    """A host that says all that an agent says, but runs nothing."""

    def __init__(self, connection: Connection, number: int, address: str) -> None:
        self.connection = connection
        self.plane = DistantControlPlane(connection, lambda: None)
        self._instance = f"0b9cd3d4-5b5a-4b53-8c38-{number:012}"
        self._address = address
        self._is_over = threading.Event()
        self.begin()

    def begin(self) -> None:
        """Register and beat, again after having fallen silent."""
        self._is_over.clear()
        self._thread = threading.Thread(target=self._beat, daemon=True)
        self.register()
        self._thread.start()

    def register(self) -> None:
        said = described(instance=self._instance, features=["vrrp"], addresses={"eth1": [self._address]})
        self.plane.epoch = self.connection.post("/register", said)["epoch"]

    def _beat(self) -> None:
        while not self._is_over.wait(0.5):
            try:
                self.plane.beat()
            except Unreachable:
                continue

    def follow(self) -> list[str]:
        """Answer all questions of the server with 1 from now on; gives their kinds, as a growing list."""
        asked: list[str] = []
        threading.Thread(target=self._follow, args=(asked,), daemon=True).start()
        return asked

    def _follow(self, asked: list[str]) -> None:
        with self.connection.stream("/changes") as lines:
            for line in lines:
                if self._is_over.is_set():
                    return
                said = json.loads(line) if line.strip() else {}
                if "ask" in said:
                    asked.append(said["ask"])
                    self.connection.post("/answers", {"token": said["token"], "value": 1})

    def fall_silent(self) -> None:
        self._is_over.set()
        self._thread.join()

    def groups(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.connection.get("/wanted")["groups"]
        return found

    def say(self, state: str) -> None:
        """Let keepalived have said this of all groups."""
        self.plane.states = {each["name"]: state for each in self.groups()}
        self.plane.beat()

    def apply(self, balancer: Any, error: str | None = None) -> None:
        snapshot = self.plane.snapshot(balancer["id"])
        assert snapshot is not None
        self.plane.settle(snapshot, error)

    def observe(self, balancer: Any, status: str) -> None:
        self.plane.observed(balancer["id"], {("loadbalancer", balancer["id"]): status})


class Hosts:
    """A server with an agent, both on this machine: any host can have any address of 127.0.0.0/8."""

    def __init__(self, directory: Path, database: str, tree: Path | None = None, options: Sequence[str] = ()) -> None:
        """With a tree, the package in that directory is what runs, until `tree` is changed."""
        self._options = options
        self.tree = tree
        self.directory = directory
        self.database = f"--database={database}"
        [self.port] = free_ports(1)
        self.server = self.start()
        self.headers = {"X-Auth-Token": scoped_token(self.server.state_directory, "lbclient-admin")}
        self.agents: list[subprocess.Popen[str]] = []
        self.connections: list[Connection] = []
        self.played: list[Played] = []
        self.names: dict[str | None, str] = {None: "server"}  # of hosts, by ID

    def start(self) -> RunningServer:
        return start_server(
            self.directory / "server",
            self.database,
            f"--agents=127.0.0.1:{self.port}",
            "--settle-wait=5",
            *self._options,
            tree=self.tree,
        )

    def host(self, *words: str) -> subprocess.CompletedProcess[str]:
        """A command about hosts, as the operator of the server."""
        clouds = {
            "OS_CLIENT_CONFIG_FILE": str(self.server.state_directory / "clouds.yaml"),
            "OS_CLOUD": "lbclient-admin",
        }
        environment = {**os.environ, **clouds}
        command = lbclient("host", *words)
        return subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment)

    def token(self, name: str) -> str:
        """A token for the agent of a host, which is added unless it is known."""
        done = self.host("enroll", name, "-f", "json")
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)
        self.names[found["id"]] = name
        return str(found["token"])

    def enroll(self, name: str) -> Path:
        """Give a host a certificate; gives the file of its agent."""
        path = self.directory / f"{name}.pem"
        done = self.enroll_agent(self.token(name), path)
        assert done.returncode == 0, done.stderr
        return path

    def enroll_agent(self, token: str, path: Path) -> subprocess.CompletedProcess[str]:
        state = f"--state-directory={self.directory / path.stem}"
        command = lbclient("agent", "enroll", f"127.0.0.1:{self.port}", token, str(path), state)
        return subprocess.run(command, capture_output=True, text=True, timeout=60)

    def run_agent(self, name: str, *options: str) -> subprocess.Popen[str]:
        """An agent that has registered."""
        agent = self.start_agent(name, name, *options)
        assert agent.stdout is not None
        assert agent.stdout.readline() == "lbclient agent is running\n"
        return agent

    def start_agent(
        self, name: str, directory: str, *options: str, capture_errors: bool = False
    ) -> subprocess.Popen[str]:
        """An agent with the file of a host and a state directory, which tells machines from each other."""
        command = lbclient("agent", f"127.0.0.1:{self.port}", str(self.directory / f"{name}.pem"))
        places = ["--attachment=loopback", f"--state-directory={self.directory / directory}"]
        agent = subprocess.Popen(
            [*command, *places, *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if capture_errors else None,
            text=True,
            cwd=self.tree,
            env={**os.environ, "PYTHONPATH": str(self.tree)} if self.tree else None,
        )
        self.agents.append(agent)
        return agent

    def shown(self, name: str) -> dict[str, str]:
        """The values that `host show` prints, by name, as words."""
        done = self.host("show", name, "-f", "json")
        assert done.returncode == 0, done.stderr
        words = {"null": "-", "true": "yes", "false": "no"}
        values = {
            key: value if isinstance(value, str) else json.dumps(value)
            for key, value in json.loads(done.stdout).items()
        }
        return {key: words.get(value, value) for key, value in values.items()}

    def connection(self, name: str) -> Connection:
        made = Connection("127.0.0.1", self.port, self.directory / f"{name}.pem")
        self.connections.append(made)
        return made

    def play(self, name: str, number: int) -> Played:
        """A host that says that it runs keepalived, with an own address in the network of the VIPs."""
        self.enroll(name)
        [subnet] = self.ask("GET", "/networking/v2.0/subnets?name=private-subnet")["subnets"]
        network = ipaddress.ip_network(subnet["cidr"])
        made = Played(self.connection(name), number, f"{network[-1 - number - 1]}/{network.prefixlen}")
        self.played.append(made)
        return made

    def pair_flavor(self) -> str:
        """The ID of a flavor whose load balancers are on two hosts."""
        data = json.dumps({"loadbalancer_topology": "ACTIVE_STANDBY"})
        values = {"name": "pair", "provider_name": "octavia", "flavor_data": data}
        profile = self.create("flavorprofiles", "flavorprofile", **values)
        return str(self.create("flavors", "flavor", name="pair", flavor_profile_id=profile["id"])["id"])

    def amphorae(self, balancer: Any) -> list[Any]:
        path = f"/load-balancer/v2.0/octavia/amphorae?loadbalancer_id={balancer['id']}&sort=role:desc"
        found: list[Any] = self.ask("GET", path)["amphorae"]
        return found

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        answer = requests.request(method, self.server.url + path, json=body, headers=self.headers, timeout=30)
        assert answer.ok, answer.text
        return answer.json() if answer.content else None

    def create(self, path: str, key: str, **values: Any) -> Any:
        return self.ask("POST", f"{LBAAS}/{path}", {key: values})[key]

    def balancer(self, name: str = "lb", **values: Any) -> Any:
        subnet = self.ask("GET", "/networking/v2.0/subnets?name=private-subnet")["subnets"][0]["id"]
        return self.create("loadbalancers", "loadbalancer", name=name, vip_subnet_id=subnet, **values)

    def serving(self, balancer: Any, member: Web) -> str:
        """A listener with a pool and a member; gives its URL."""
        self.fill(balancer, (member.address, member.port), 8080)
        return f"http://{balancer['vip_address']}:8080/"

    def fill(self, balancer: Any, member: tuple[str, int], port: int) -> None:
        """Give a load balancer a pool with a member at an address and port, and a listener."""
        pool = self.create("pools", "pool", loadbalancer_id=balancer["id"], protocol="HTTP", lb_algorithm="ROUND_ROBIN")
        self.create(f"pools/{pool['id']}/members", "member", address=member[0], protocol_port=member[1])
        listener = {"protocol": "HTTP", "protocol_port": port, "default_pool_id": pool["id"]}
        self.create("listeners", "listener", loadbalancer_id=balancer["id"], **listener)

    def carried(self, member: Web) -> tuple[subprocess.Popen[str], Any, str]:
        """A load balancer on a host named first; gives that host's agent, the load balancer and its URL."""
        self.enroll("first")
        agent = self.run_agent("first")
        assert self.host("set", "--weight=0", "server").returncode == 0
        balancer = self.balancer()
        return agent, balancer, self.serving(balancer, member)

    def place(self, balancer: Any) -> str:
        """The host of a load balancer, as its amphora tells."""
        path = f"/load-balancer/v2.0/octavia/amphorae?loadbalancer_id={balancer['id']}"
        [amphora] = self.ask("GET", path)["amphorae"]
        return self.names[amphora["compute_id"]]

    def is_here(self, place: str, balancer: Any) -> bool:
        return (self.directory / place / "haproxy" / balancer["id"]).exists()

    def statuses(self, balancer: Any) -> tuple[str, str]:
        found = self.ask("GET", f"{LBAAS}/loadbalancers/{balancer['id']}")["loadbalancer"]
        return found["provisioning_status"], found["operating_status"]

    def end(self) -> None:
        for played in self.played:
            played.fall_silent()
        for connection in self.connections:
            connection.close()
        for agent in self.agents:
            agent.kill()
            agent.communicate(timeout=60)
        end_server(self.server)
        for pid in processes_with(str(self.directory)):
            os.kill(pid, signal.SIGKILL)


@contextmanager
def traffic(url: str) -> Iterator[list[int | str]]:
    """Requests in turn, each on a connection of its own, as a growing list of their statuses and errors."""
    found: list[int | str] = []
    is_over = threading.Event()

    def run() -> None:
        while not is_over.wait(PAUSE) and len(found) < MOST:
            try:
                found.append(requests.get(url, timeout=15).status_code)
            except requests.RequestException as error:
                found.append(repr(error))

    client = threading.Thread(target=run)
    client.start()
    try:
        yield found
    finally:
        is_over.set()
        client.join()
