"""Network namespaces as machines, and scripts that run in them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., str]
IN_NAMESPACE = ["unshare", "--user", "--map-root-user", "--net"]
NETWORKS = "--private-cidr=198.51.100.0/24 --public-cidr=203.0.113.0/24"
PREPARED = """
import os, signal, socket, sys, uuid
from pathlib import Path
from pyroute2 import IPRoute
from lbclient.dataplane.haproxy import attachments, local_routes

kernel = IPRoute()
LO = kernel.link_lookup(ifname="lo")[0]
kernel.link("set", index=LO, state="up")
V4, V6 = "198.51.100.7", "2001:db8::7"


def refused(call, *arguments):
    try:
        call(*arguments)
    except attachments.AttachmentFailed as error:
        return str(error)
    raise AssertionError("was not refused")
"""


def runner(namespace: list[str], attached: str = f"--attachment=anyip {NETWORKS}") -> Run:
    """Return what runs a script in a network namespace; its servers attach addresses with these options."""
    if subprocess.run([*namespace, "true"], capture_output=True).returncode != 0:
        pytest.skip("no user namespaces here")

    def run(script: str, *arguments: str) -> str:
        support = str(Path(__file__).parent)
        command = [*namespace, sys.executable, "-c", PREPARED + script, *arguments]
        environment = {**os.environ, "PYTHONPATH": support, "ATTACHED": attached}
        result = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment)
        assert result.returncode == 0, result.stderr
        return result.stdout

    return run


LINKED = """
import subprocess
from lbclient.dataplane.haproxy import neighbours

other = subprocess.Popen(["unshare", "--net", "sh", "-c", "echo; read word"], stdin=-1, stdout=-1)
other.stdout.readline()
kernel.link("add", ifname="left", kind="veth", peer={"ifname": "right"})
LEFT, RIGHT = (kernel.link_lookup(ifname=name)[0] for name in ("left", "right"))
kernel.link("set", index=RIGHT, net_ns_pid=other.pid)


def there(line):
    subprocess.run(["nsenter", f"--net=/proc/{other.pid}/ns/net", "ip", *line.split()], check=True)


there("link set right up address 02:00:00:00:00:07")
kernel.link("set", index=LEFT, state="up")
kernel.addr("add", index=LEFT, address="198.51.100.1", prefixlen=24)
kernel.addr("add", index=LEFT, address="2001:db8::1", prefixlen=64, flags=2)
"""


USER = 64321
CAPABILITIES = {"net_bind_service": 10, "net_admin": 12}


SERVED = """
import requests, sqlalchemy
from lbclient.dataplane.haproxy import process_table
from running import end_server, start_server, wait_until

state = Path(sys.argv[1])
ATTACHED = os.environ["ATTACHED"].split()
OPTIONS = (*ATTACHED, "--auth=noauth")


class Server:
    def __init__(self):
        self.running = start_server(state, *OPTIONS)

    def ask(self, method, path, body=None):
        answer = requests.request(method, self.running.url + path, json=body, timeout=20)
        assert answer.status_code < 300, answer.text
        return answer.json() if answer.content else None

    def served(self):
        subnets = {each["name"]: each for each in self.ask("GET", "/networking/v2.0/subnets")["subnets"]}
        place = {"vip_subnet_id": subnets["private-subnet"]["id"], "project_id": "p" * 32}
        made = self.ask("POST", "/v2.0/lbaas/loadbalancers", {"loadbalancer": place})["loadbalancer"]
        self.path = "/v2.0/lbaas/loadbalancers/" + made["id"]
        wait_until(self.is_settled)
        listener = {"loadbalancer_id": made["id"], "protocol": "HTTP", "protocol_port": 80}
        self.ask("POST", "/v2.0/lbaas/listeners", {"listener": listener})
        wait_until(self.is_settled)
        self.external = subnets["public-subnet"]["network_id"]
        floating = {"floating_network_id": self.external, "port_id": made["vip_port_id"], "project_id": "p" * 32}
        body = {"floatingip": floating}
        self.floating = self.ask("POST", "/networking/v2.0/floatingips", body)["floatingip"]
        addresses = {made["vip_address"], self.floating["floating_ip_address"]}
        wait_until(lambda: local_routes.ours() == addresses)
        wait_until(lambda: all(map(answers, addresses)))
        return made

    def is_settled(self):
        status = self.ask("GET", self.path)["loadbalancer"]["provisioning_status"]
        assert status != "ERROR", self.ask("GET", self.path)
        return status == "ACTIVE"


def answers(address):
    try:
        return requests.get(f"http://{address}/", timeout=5).status_code == 503
    except requests.ConnectionError:
        return False

server = Server()
try:
"""
