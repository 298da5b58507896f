"""UDP and metrics from end to end: the command line, a server of its own, datagrams, and a server that is killed."""

from __future__ import annotations

import json
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from running import RunningServer, end_server, lbclient, processes_with, start_server, wait_until

PORT, METRICS_PORT = 5353, 8088


class Site:
    """A server, and its user demo at the command line."""

    def __init__(self, server: RunningServer) -> None:
        self.server = server

    def run(self, *words: str) -> Any:
        """Return the output of a command, given by its words after `loadbalancer`."""
        is_shown = words[-1] == "show" or words[0] in ("show", "list") or "create" in words or "show" in words
        form = ["-f", "json"] if is_shown else []
        command = lbclient("loadbalancer", *words, *form)
        done = subprocess.run(command, env=self.server.environment, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if is_shown else done.stdout


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    server = start_server(tmp_path)
    made = Site(server)
    yield made
    end_server(made.server)


@pytest.fixture
def echo() -> Iterator[int]:
    """The port of a UDP server that sends back what comes."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.bind(("127.0.0.1", 0))

        def serve() -> None:
            while True:
                data, client = listening.recvfrom(2048)
                if not data:
                    return
                listening.sendto(data, client)

        thread = threading.Thread(target=serve)
        thread.start()
        port = listening.getsockname()[1]
        yield port
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"", ("127.0.0.1", port))
        thread.join()


def test_a_udp_balancer_with_metrics(site: Site, echo: int) -> None:
    made = site.run("create", "--name", "lb", "--vip-subnet-id", "private-subnet", "--wait")
    site.run(*f"listener create --name dns --protocol UDP --protocol-port {PORT} --wait lb".split())
    persistence = "type=SOURCE_IP,persistence_timeout=60,persistence_granularity=255.255.255.0"
    options = f"--protocol UDP --lb-algorithm SOURCE_IP_PORT --session-persistence {persistence} --wait"
    site.run(*f"pool create --name resolvers --listener dns {options}".split())
    site.run(*f"member create --name one --address 127.0.0.1 --protocol-port {echo} --wait resolvers".split())
    monitor = "--type UDP-CONNECT --delay 3 --timeout 1 --max-retries 1"
    site.run(*f"healthmonitor create --name check {monitor} --wait resolvers".split())
    site.run(*f"listener create --name watch --protocol PROMETHEUS --protocol-port {METRICS_PORT} --wait lb".split())
    site.run("listener", "set", "--logging", "on", "--wait", "dns")
    vip = made["vip_address"]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(5)
        client.connect((vip, PORT))
        assert asked(client, b"12345") == b"12345"
        wait_until(lambda: site.run("member", "show", "resolvers", "one")["operating_status"] == "ONLINE")
        wait_until(lambda: site.run("listener", "stats", "show", "dns")["bytes_in"] == 5)
        shown = site.run("listener", "stats", "show", "dns")
        assert shown == {
            "active_connections": 1,
            "bytes_in": 5,
            "bytes_out": 5,
            "request_errors": 0,
            "total_connections": 1,
        }
        page = requests.get(f"http://{vip}:{METRICS_PORT}/metrics", timeout=10).text
        [line] = [each for each in page.splitlines() if "octavia_listener_bytes_in_total" in each and '"dns"' in each]
        assert line.endswith(" 5")
        site.server.process.kill()
        site.server.process.communicate(timeout=60)
        assert asked(client, b"still there?") == b"still there?"
    site.server = start_server(site.server.state_directory)
    wait_until(lambda: site.run("show", "lb")["operating_status"] == "ONLINE")
    assert site.run("logs", "dns") == ""  # the flow has not ended
    site.run("member", "set", "--disable", "--wait", "resolvers", "one")
    wait_until(lambda: "127.0.0.1  -> one  17 B in, 17 B out" in site.run("logs", "lb"), 30)
    assert "member" in json.loads(site.run("logs", "lb", "-f", "json"))["ended"]
    site.run("delete", "--cascade", "--wait", "lb")
    wait_until(lambda: processes_with(made["id"]) == [])


def asked(client: socket.socket, data: bytes) -> bytes:
    client.send(data)
    return client.recv(2048)
