"""A load balancer on two hosts: what one of them knows about sessions, the other one knows as well."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from instances import Running
from members import Web, free_port, until
from world import get, member, web

from lbclient.dataplane.haproxy import runtime

CLIENTS = [f"127.0.1.{number}" for number in range(1, 9)]
LEARNING_SECONDS = 40.0  # a worker asks others after five seconds, and tries again every five
HOSTS = {"first": "127.0.0.11", "second": "127.0.0.12"}


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[dict[str, Running]]:
    made = {name: Running(tmp_path / name) for name in HOSTS}
    yield made
    for each in made.values():
        each.close()


@pytest.fixture
def tree(webs: Callable[..., list[Web]]) -> dict[str, Any]:
    members = {each.name: member(each) for each in webs("one", "two", "three")}
    port = free_port()
    peers = {name: {"address": address, "port": port} for name, address in HOSTS.items()}
    return {**web(members=members, session_persistence={"type": "SOURCE_IP"}), "peers": peers}


def served(tree: dict[str, Any], host: str) -> dict[str, str]:
    """The member of each client, by a host."""
    port = tree["listeners"]["web"]["protocol_port"]
    return {each: get(port, address=HOSTS[host], source=each).name for each in CLIENTS}


def entries(running: Running) -> int:
    table = runtime.ask(running.instance.directory, "admin.sock", "show table").splitlines()[0]
    return int(table.rpartition("used:")[2])


def test_a_client_stays_with_its_member_when_its_host_dies(hosts: dict[str, Running], tree: dict[str, Any]) -> None:
    for name, running in hosts.items():
        running.apply(tree, {"addresses": [HOSTS[name]], "host": name})
    found = served(tree, "first")
    assert set(found.values()) == {"one", "two", "three"}
    until(lambda: entries(hosts["second"]) == len(CLIENTS), LEARNING_SECONDS)
    hosts["first"].close()
    assert served(tree, "second") == found


def test_reloads_of_both_hosts_keep_sessions(hosts: dict[str, Running], tree: dict[str, Any]) -> None:
    """The first reload comes right after the start, before a worker considers its tables complete."""
    for name, running in hosts.items():
        running.apply(tree, {"addresses": [HOSTS[name]], "host": name})
    found = served(tree, "first")
    for number in range(2):
        for name, running in hosts.items():
            changed = running.apply({"listeners": {"web": {"timeout_client_data": 1000 + number}}})
            assert changed.how == "reloaded", name
            until(lambda running=running: entries(running) == len(CLIENTS), LEARNING_SECONDS)
    hosts["first"].close()
    assert served(tree, "second") == found


def test_a_host_that_comes_back_learns_from_the_other(hosts: dict[str, Running], tree: dict[str, Any]) -> None:
    for name, running in hosts.items():
        running.apply(tree, {"addresses": [HOSTS[name]], "host": name})
    hosts["first"].close()
    found = served(tree, "second")
    hosts["first"].last = None
    hosts["first"].put()
    until(lambda: entries(hosts["first"]) == len(CLIENTS), LEARNING_SECONDS)
    assert served(tree, "first") == found


def test_others_cannot_read_the_tables(hosts: dict[str, Running], tree: dict[str, Any]) -> None:
    """A connection to the port of the peers from elsewhere is closed at once."""
    hosts["first"].apply(tree, {"addresses": [HOSTS["first"]], "host": "first"})
    place = tree["peers"]["first"]
    # HAProxy may reset the connection before it is seen to be open.
    with (
        contextlib.suppress(ConnectionResetError),
        socket.create_connection((place["address"], place["port"]), 10, ("127.0.0.99", 0)) as connection,
    ):
        assert connection.recv(1) == b""
