"""The server is killed again and again, in the middle of changes and under load: traffic flows, and all converges."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import requests

from lives import Load, Server, create, free_port, is_settled, member, runs_what_is_stored, wait_until

ROUNDS = 12


@pytest.fixture
def server(tmp_path: Path, database_url: str) -> Iterator[Server]:
    server = Server(tmp_path / "state", database_url)
    try:
        yield server
    finally:
        try:
            for balancer in server.ask("GET", "/v2.0/lbaas/loadbalancers")["loadbalancers"]:
                server.ask("DELETE", f"/v2.0/lbaas/loadbalancers/{balancer['id']}?cascade=true")
            wait_until(lambda: server.all()["loadbalancers"] == [], "a load balancer stays")
        finally:
            server.process.terminate()
            server.process.communicate(timeout=60)


def test_killed_in_the_middle_of_changes_under_load(server: Server) -> None:
    randomness = random.Random(7)
    with member() as first, member() as second, member() as third:
        [subnet] = server.ask("GET", "/networking/v2.0/subnets?name=private-subnet")["subnets"]
        balancer = create(server, "loadbalancer", "loadbalancers", vip_subnet_id=subnet["id"])
        port = free_port(balancer["vip_address"])
        listener = create(
            server, "listener", "listeners", loadbalancer_id=balancer["id"], protocol="HTTP", protocol_port=port
        )
        pool = create(server, "pool", "pools", listener_id=listener["id"], protocol="HTTP", lb_algorithm="ROUND_ROBIN")
        members = f"pools/{pool['id']}/members"
        create(server, "member", members, address="127.0.0.1", protocol_port=first)
        changing = create(server, "member", members, address="127.0.0.1", protocol_port=second)
        wait_until(lambda: is_settled(server), "not ACTIVE at first")
        extra = {"address": "127.0.0.1", "protocol_port": third}
        with Load(balancer["vip_address"], port) as load:
            for _ in range(ROUNDS):
                writer = threading.Thread(target=write, args=(server, pool, listener, changing, extra, randomness))
                writer.start()
                time.sleep(randomness.uniform(0, 0.25))  # the instant of death, not a wait for something
                server.kill()
                writer.join(30)
                before = load.sent
                wait_until(lambda before=before: load.sent > before + 20, "no traffic without the server")
                server.start()
                wait_until(lambda: is_settled(server), "something stays PENDING or in ERROR")
                wait_until(lambda: runs_what_is_stored(server, balancer["id"], pool["id"]), "what runs is not stored")
        assert load.failures == []
        assert load.sent > 100


def write(server: Server, pool: Any, listener: Any, changing: Any, extra: Any, randomness: random.Random) -> None:
    """Changes of every kind, one after the other, until the server is gone."""
    members = f"/v2.0/lbaas/pools/{pool['id']}/members"
    with suppress(requests.RequestException):
        while True:
            weight = randomness.randint(0, 256)
            server.ask("PUT", f"{members}/{changing['id']}", {"member": {"weight": weight}})
            server.ask("POST", members, {"member": extra})
            timeout = randomness.randint(40000, 60000)
            server.ask("PUT", f"/v2.0/lbaas/listeners/{listener['id']}", {"listener": {"timeout_client_data": timeout}})
            for each in server.ask("GET", members)["members"]:
                if each["protocol_port"] == extra["protocol_port"]:
                    server.ask("DELETE", f"{members}/{each['id']}")
