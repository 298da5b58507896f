"""A relay's life: how it is changed, what it survives, and how it ends."""

from __future__ import annotations

import os
import random
import signal
import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trees
from instances import Running
from members import free_port, until
from senders import SILENCE, listener, relay, row, rows, udp
from world import DataPlaneRig, get, member, web

from lbclient.dataplane.config.cfg import Refused
from lbclient.dataplane.config.render import render
from lbclient.dataplane.haproxy.counters import Counters
from lbclient.dataplane.haproxy.process_table import wait_until
from lbclient.dataplane.haproxy.relay_process import RelayProcess


def test_changes_keep_what_goes_on(running: Running, datagrams, clients) -> None:
    (one,) = datagrams("one")
    tree = udp(one)
    running.apply(tree)
    client = clients(tree)
    assert client.name() == "one"
    pid, sources = relay(running), row(running, "udp", "FRONTEND")["stot"]
    for change in (
        {"pools": {"pool": {"members": {"two": member(*datagrams("two"))}}}},
        {"pools": {"pool": {"lb_algorithm": "LEAST_CONNECTIONS"}}},
        {"pools": {"pool": {"members": {"one": {"weight": 0}}}}},
        {"pools": {"pool": {"healthmonitor": {"type": "UDP-CONNECT", "delay": 3, "timeout": 1, "max_retries": 1}}}},
        {"listeners": {"udp": {"timeout_client_data": 60000}}},
        {"listeners": {"more": {"protocol": "UDP", "protocol_port": free_port(), "default_pool": "pool"}}},
        listener(free_port()),
    ):
        running.apply(change)
        assert client.name() == "one"
    assert relay(running) == pid
    assert row(running, "udp", "FRONTEND")["stot"] == sources
    running.apply({"pools": {"pool": {"members": {"one": {"admin_state_up": False}}}}})
    assert client.name() == "two"


def test_a_hundred_changes_lose_no_datagram(running: Running, datagrams, clients) -> None:
    """Clients of a member that stays, and new ones all the time, while everything around changes."""
    stays, *others = datagrams("stays", "a", "b", "c")
    tree = udp(stays)
    running.apply(tree)
    old = [clients(tree) for _ in range(3)]
    assert [each.name() for each in old] == ["stays"] * 3
    pid, chance = relay(running), random.Random(5)
    for _ in range(100):
        other = chance.choice(others)
        some = {
            "weight": chance.randrange(257),
            "backup": chance.random() < 0.2,
            "admin_state_up": chance.random() < 0.8,
        }
        kept = {"type": "SOURCE_IP", "persistence_timeout": chance.randrange(3)}
        change: dict[str, Any] = {
            "lb_algorithm": chance.choice(("ROUND_ROBIN", "LEAST_CONNECTIONS", "SOURCE_IP", "SOURCE_IP_PORT")),
            "members": {other.name: member(other, **some)},
            "session_persistence": chance.choice((None, kept)),
        }
        around = {
            "timeout_client_data": chance.randrange(1000, 50000),
            "allowed_cidrs": chance.choice((None, ["127.0.0.0/8"])),
        }
        running.apply({"pools": {"pool": change}, "listeners": {"udp": around}})
        if chance.random() < 0.3:
            running.tree["pools"]["pool"]["members"].pop(other.name)
            running.put()
        assert [each.name() for each in old] == ["stays"] * 3
        assert clients(tree, f"127.0.2.{chance.randrange(1, 255)}").name() in ("stays", "a", "b", "c")
    assert relay(running) == pid
    assert (running.instance.directory / "relay.log").read_text() == ""
    assert row(running, "udp", "FRONTEND")["stot"] == "103"


def test_a_port_changes_hands(running: Running, datagrams, clients) -> None:
    """One listener goes and another one takes its port in the same round."""
    tree = udp(*datagrams("one"))
    running.apply(tree)
    assert clients(tree).name() == "one"
    running.tree["listeners"] = {"other": tree["listeners"]["udp"]}
    assert running.put().how == "runtime"
    assert clients(tree).name() == "one"


def test_a_taken_port_is_refused_and_the_rest_goes_on(running: Running, datagrams, clients) -> None:
    tree = udp(*datagrams("one"))
    running.apply(tree)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        taken = other.getsockname()[1]
        more = {"protocol": "UDP", "protocol_port": taken, "default_pool": "pool"}
        with pytest.raises(Refused, match=f"port {taken}: the port is in use by another program"):
            running.apply({"listeners": {"more": more}})
        assert clients(tree).name() == "one"
    assert running.put().how == "runtime"
    assert clients({"listeners": {"udp": more}}).name() == "one"


def test_a_refusal_of_haproxy_does_not_keep_back_udp(running: Running, datagrams, clients) -> None:
    tree = udp(*datagrams("one"))
    with socket.create_server(("127.0.0.1", 0)) as other:
        with pytest.raises(Refused, match="in use"):
            running.apply(
                tree, {"listeners": {"web": web(other.getsockname()[1])["listeners"]["web"] | {"default_pool": "x"}}}
            )
        assert clients(tree).name() == "one"


def test_the_same_port_for_tcp_and_udp(running: Running, datagrams, webs, clients) -> None:
    (one,) = webs("web")
    port = free_port()
    both = web(port, members={"web": member(one)})
    both["pools"]["web"] = both["pools"].pop("pool")
    both["listeners"]["web"]["default_pool"] = "web"
    tree = udp(*datagrams("one"), port=port)
    running.apply(both, tree)
    assert get(port).name == "web"
    assert clients(tree).name() == "one"
    os.kill(relay(running), signal.SIGKILL)
    assert get(port).name == "web"
    assert running.put().how == "started"
    assert clients(tree).name() == "one"


def test_a_hung_relay_is_replaced(running: Running, datagrams, clients, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lbclient.dataplane.haproxy.relay_process.HUNG_SECONDS", 0.3)
    monkeypatch.setattr("lbclient.dataplane.haproxy.relay_process.TERM_SECONDS", 0.3)
    monkeypatch.setattr("lbclient.dataplane.haproxy.relay_process.ANSWER_SECONDS", 0.3)
    tree = udp(*datagrams("one"))
    running.apply(tree)
    pid = relay(running)
    os.kill(pid, signal.SIGSTOP)
    assert running.put().how == "started"
    assert relay(running) != pid
    assert clients(tree).name() == "one"


def test_what_comes_back_counts_on(running: Running, datagrams, clients) -> None:
    tree = udp(*datagrams("one", "two"))
    running.apply(tree)
    assert {clients(tree).name(), clients(tree).name()} == {"one", "two"}
    disabled = {"admin_state_up": False}
    for change, key in (
        ({"listeners": {"udp": disabled}, "loadbalancer": {}}, ("udp", "FRONTEND")),
        ({"pools": {"pool": disabled}}, ("one", "BACKEND")),
    ):
        running.apply(
            listener(free_port()), {"listeners": {"other": tree["listeners"]["udp"] | {"protocol_port": free_port()}}}
        )
        running.apply(change)
        assert row(running, "pool", "BACKEND")["stot"] == "2"
        gone = row(running, key[0], "BACKEND")
        assert (gone["status"], gone["scur"]) == ("GONE", "0")
        running.apply(
            {kind: {name: {"admin_state_up": True} for name in tree[kind]} for kind in ("listeners", "pools")}
        )
    assert row(running, "udp", "FRONTEND")["stot"] == "2"
    assert row(running, "pool", "one")["stot"] == row(running, "pool", "two")["stot"] == "1"
    assert "GONE" not in {each["status"] for each in rows(running).values()}


def test_it_is_nobodys_child_and_ends_with_its_directory(running: Running, datagrams) -> None:
    running.apply(udp(*datagrams("one")))
    pid = relay(running)
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    assert int(status["PPid"]) != os.getpid()
    running.instance.remove()
    assert wait_until(lambda: not Path(f"/proc/{pid}").exists(), 3)


def test_full_it_forgets_whom_it_has_not_heard_for_longest(running: Running, datagrams, clients) -> None:
    tree = udp(*datagrams("one"))
    running.apply(tree)
    plan = RelayProcess(running.instance.directory, running.user)
    plan.apply(replace(render(trees.snapshot(running.tree)).relay, most_flows=3))
    first = clients(tree)
    assert first.name() == "one"
    others = [clients(tree) for _ in range(5)]
    assert [each.name() for each in others] == ["one"] * 5
    found = row(running, "udp", "FRONTEND")
    assert (found["scur"], found["smax"], found["stot"]) == ("3", "3", "6")
    assert first.name() == "one"


def test_a_killed_relay_is_started_again_and_counts_on(world: DataPlaneRig, datagrams, clients) -> None:
    tree = udp(*datagrams("one"))
    assert world.change(tree) == "ACTIVE"
    until(lambda: world.operating() == "ONLINE")
    assert clients(tree).ask(b"12345") == b"one 12345"
    until(lambda: counted(world) == (1, 5))
    os.kill(RelayProcess(world.instance.directory).pid() or 0, signal.SIGKILL)
    until(lambda: clients(tree).ask(b"1234567", 0.2) == b"one 1234567")
    until(lambda: world.operating() == "ONLINE")
    until(lambda: counted(world)[1] >= 12 and world.operating("listener", "udp") == "ONLINE")
    assert counted(world) == (2, 12)


def test_one_of_another_version_is_replaced(
    running: Running, datagrams, clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = udp(*datagrams("one"))
    running.apply(tree)
    pid = relay(running)
    monkeypatch.setattr("lbclient.dataplane.relay.plan.Plan.versions", ("0",))
    assert running.put().how == "started"
    assert relay(running) != pid
    assert clients(tree).name() == "one"


def test_one_without_its_pidfile_is_found(running: Running, datagrams, clients) -> None:
    tree = udp(*datagrams("one"))
    running.apply(tree)
    pid = relay(running)
    (running.instance.directory / "relay.pid").unlink()
    assert running.put().how == "started"
    assert relay(running) != pid
    assert clients(tree).name() == "one"


def test_a_silent_relay_is_an_error_and_haproxy_goes_on(world: DataPlaneRig, datagrams, webs) -> None:
    tree = udp(*datagrams("one"))
    port = free_port()
    both = web(port, members={"web": member(*webs("web"))})
    both["pools"]["web"] = both["pools"].pop("pool")
    both["listeners"]["web"]["default_pool"] = "web"
    world.change(both, tree)
    until(lambda: world.operating() == world.operating("listener", "udp") == "ONLINE")
    pid = RelayProcess(world.instance.directory).pid() or 0
    os.kill(pid, signal.SIGSTOP)
    until(lambda: world.operating("listener", "udp") == "ERROR", 20)
    assert world.operating() == "ERROR"
    assert world.operating("listener", "web") == world.operating("pool", "web") == "ONLINE"
    assert get(port).name == "web"
    until(lambda: world.operating() == world.operating("listener", "udp") == "ONLINE", 20)
    assert RelayProcess(world.instance.directory).pid() != pid, "it was replaced"


def test_one_that_is_ended_leaves_its_counters(world: DataPlaneRig, datagrams, clients) -> None:
    tree = udp(*datagrams("one"))
    world.change(tree)
    assert clients(tree).ask(b"12345") == b"one 12345"
    world.change({"listeners": {"udp": {"admin_state_up": False}}})
    assert RelayProcess(world.instance.directory).pid() is None
    world.change({"listeners": {"udp": {"admin_state_up": True}}})
    until(lambda: counted(world) == (1, 5))
    assert clients(tree).ask(b"1234567") == b"one 1234567"
    until(lambda: counted(world) == (2, 12))


def counted(world: DataPlaneRig) -> tuple[int, int]:
    world.observer.observe_now(world.id)
    found = Counters(world.instance.directory).totals().get(trees.identity("udp"), {})
    return found.get("total_connections", 0), found.get("bytes_in", 0)


def test_a_restarted_server_takes_over_what_runs(world: DataPlaneRig, datagrams, clients) -> None:
    tree = udp(*datagrams("one"))
    world.change(tree)
    client = clients(tree)
    assert client.name() == "one"
    pid = RelayProcess(world.instance.directory).pid()
    world.crash()
    assert client.name() == "one"
    world.begin()
    until(lambda: world.operating() == "ONLINE")
    assert client.name() == "one"
    assert RelayProcess(world.instance.directory).pid() == pid
    world.tree["is_deleted"] = True
    world.put(wait=False)
    until(lambda: world.provisioning() is None)
    assert clients(tree).name(SILENCE) == ""
