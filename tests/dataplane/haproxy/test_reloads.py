"""Reloads: few for many changes, old workers that end, and configurations that HAProxy refuses."""

from __future__ import annotations

import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from instances import Running
from members import free_port, until
from world import DataPlaneRig, connected, get, member, web

from lbclient.dataplane import applier
from lbclient.dataplane.config import render
from lbclient.dataplane.config.render import Configuration
from lbclient.dataplane.haproxy import process_table, runtime
from lbclient.dataplane.haproxy.process import Instance

BURST = 40
RELOADS = 20


def reloads(instance: Instance) -> int:
    """Return the number of reloads that the master reports, once it has executed itself again."""

    def account() -> list[str]:
        try:
            return runtime.ask(instance.directory, runtime.MASTER_SOCKET, "show proc").splitlines()
        except runtime.Unreachable:
            return []

    lines = until(account)
    return next(int(words[2]) for words in map(str.split, lines) if words[1:2] == ["master"])


def lines(one: Any) -> dict[str, Any]:
    """A TCP listener before a member."""
    tree = web(members={"one": member(one)})
    tree["listeners"]["web"]["protocol"] = tree["pools"]["pool"]["protocol"] = "TCP"
    return tree


def answers(connection: socket.socket) -> bool:
    connection.sendall(b"x")
    return connection.recv(1) == b"x"


def test_a_burst_of_changes_is_few_reloads(world: DataPlaneRig, webs, monkeypatch: pytest.MonkeyPatch) -> None:
    """All changes that come while HAProxy is changed are made together by the next change."""
    one, *others = webs("one", *map(str, range(BURST)))
    tree = web(members={"one": member(one)})
    world.change(tree)
    before = reloads(world.instance)
    apply, burst_is_over = Instance.apply, threading.Event()

    def held(instance: Instance, wanted: Configuration, running: Any = None) -> Any:
        assert burst_is_over.wait(60)
        return apply(instance, wanted, running)

    monkeypatch.setattr(Instance, "apply", held)
    for number, other in enumerate(others):  # a timeout takes a reload
        world.change({"pools": {"pool": {"members": {other.name: member(other)}}}}, wait=False)
        world.change({"listeners": {"web": {"timeout_client_data": 40000 + number}}}, wait=False)
    burst_is_over.set()
    until(lambda: world.provisioning() == "ACTIVE")
    assert 0 < reloads(world.instance) - before <= 2
    port = tree["listeners"]["web"]["protocol_port"]
    assert {get(port).name for _ in range(BURST + 1)} == {"one", *map(str, range(BURST))}


def test_an_old_worker_ends_with_its_last_connection(running: Running, echoes) -> None:
    tree = lines(*echoes("one"))
    running.apply(tree)
    directory, port = running.instance.directory, tree["listeners"]["web"]["protocol_port"]
    open_ones = []
    for milliseconds in (41000, 42000, 43000):
        open_ones.append(connected(port)[0])
        assert running.apply({"listeners": {"web": {"timeout_client_data": milliseconds}}}).how == "reloaded"
    assert len(process_table.family(directory)) == 2 + 3
    for left in (2, 1, 0):
        assert all(answers(each) for each in open_ones)
        open_ones.pop(1 if left == 2 else 0).close()
        until(lambda left=left: len(process_table.family(directory)) == 2 + left)


def test_an_old_worker_ends_within_a_bound(running: Running, echoes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where a connection would never end."""
    monkeypatch.setattr(render, "OLD_WORKERS_END", "1s")
    tree = lines(*echoes("one"))
    running.apply(tree)
    connection, _ = connected(tree["listeners"]["web"]["protocol_port"])
    with connection:
        running.apply({"listeners": {"more": {"protocol": "TCP", "protocol_port": free_port()}}})
        assert answers(connection)
        until(lambda: len(process_table.family(running.instance.directory)) == 2)
        assert connection.recv(1) == b""


def test_a_configuration_that_haproxy_refuses(world: DataPlaneRig, webs, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last good one runs on, the reason can be read, and the next good change heals it."""
    one, two = webs("one", "two")
    tree = web(members={"one": member(one)})
    port = tree["listeners"]["web"]["protocol_port"]
    world.change(tree)
    before = reloads(world.instance)

    def spoiled(*arguments: Any) -> Configuration:
        good = render.render(*arguments)
        return replace(good, text=f"{good.text}    nonsense\n", fingerprint="0")

    with monkeypatch.context() as broken:
        broken.setattr(applier, "render", spoiled)
        assert world.change({"pools": {"pool": {"members": {"two": member(two)}}}}) == "ERROR"
        assert (world.fault() or "").startswith("HAProxy refuses the configuration: unknown keyword 'nonsense'")
        assert {get(port).name for _ in range(4)} == {"one"}
        until(lambda: world.operating() == "ONLINE")  # what runs is well
        assert reloads(world.instance) == before
    assert world.change({"pools": {"pool": {"lb_algorithm": "LEAST_CONNECTIONS"}}}) == "ACTIVE"
    assert world.fault() is None
    assert {get(port).name for _ in range(4)} == {"one", "two"}


@pytest.mark.parametrize("addresses", [["::1"], ["127.0.0.1", "::1"]], ids=["IPv6", "both"])
def test_reloads_fail_no_connection_to_an_ipv6_address(running: Running, webs, addresses: list[str]) -> None:
    """Without v6only, HAProxy does not recognize the sockets that its old worker hands on, and binds others."""
    tree = {"addresses": addresses, **web(members={"one": member(*webs("one"))})}
    running.apply(tree)
    place = tree["listeners"]["web"]["protocol_port"]
    is_over = threading.Event()

    def ask(address: str) -> tuple[int, list[str]]:
        """Return the number of new connections served, and the errors of the others, until all reloads are done."""
        served, failures = 0, []
        while not is_over.is_set() or not served:
            try:
                get(place, address=address)
                served += 1
            except OSError as error:
                failures.append(repr(error))
                if len(failures) == 10:
                    break
        return served, failures

    with ThreadPoolExecutor(2 * len(addresses)) as clients:
        asking = [clients.submit(ask, address) for address in addresses * 2]
        try:
            for milliseconds in range(41000, 41000 + RELOADS):
                change = {"listeners": {"web": {"timeout_client_data": milliseconds}}}
                assert running.apply(change).how == "reloaded"
        finally:
            is_over.set()
    assert [each.result()[1] for each in asking] == [[]] * len(asking)
    assert all(each.result()[0] for each in asking)
