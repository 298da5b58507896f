"""UDP: real datagrams through a real relay."""

from __future__ import annotations

import socket
import time
from collections import Counter
from contextlib import ExitStack
from typing import Any

import pytest
import trees
from instances import Running
from members import free_port, until
from senders import SILENCE, row, udp
from world import DataPlaneRig

from lbclient.dataplane.haproxy import runtime
from lbclient.dataplane.relay import plan
from lbclient.dataplane.relay.flow_log import FlowLog
from lbclient.dataplane.relay.interface import SOCKET
from lbclient.dataplane.relay.listener import BATCH, FlowLimit, Listener, open_all
from lbclient.dataplane.relay.loop import Loop
from lbclient.dataplane.relay.pool import Pool
from lbclient.dataplane.relay.shaping import Traffic
from lbclient.dataplane.support import unsupported

pytestmark = pytest.mark.usefixtures("vips")


def test_there_and_back(running: Running, datagrams, clients) -> None:
    tree = udp(*datagrams("one"))
    assert running.apply(tree).how == "started"
    client = clients(tree)
    assert client.ask(b"hello") == b"one hello"
    largest = bytes(60000)
    assert client.ask(largest) == b"one " + largest
    assert client.ask(b"") == b"one "
    assert running.instance.worker() is None, "nothing here is HAProxy's"
    found = row(running, "udp", "FRONTEND")
    assert (found["scur"], found["stot"]) == ("1", "1")
    assert (found["bin"], found["bout"]) == (str(5 + 60000), str(9 + 60004 + 4))
    assert running.put().how == "nothing"


def test_a_flow_stays_and_flows_take_turns(running: Running, datagrams, clients) -> None:
    tree = udp(*datagrams("one", "two"))
    running.apply(tree)
    first, second = clients(tree), clients(tree)
    assert {first.name(), second.name()} == {"one", "two"}
    assert len({first.name() for _ in range(5)}) == 1


@pytest.mark.parametrize("algorithm", ["ROUND_ROBIN", "LEAST_CONNECTIONS"])
def test_weights_are_shares_of_flows(running: Running, datagrams, clients, algorithm: str) -> None:
    tree = udp(*datagrams("one", "two", "three"), lb_algorithm=algorithm)
    tree["pools"]["pool"]["members"]["one"]["weight"] = 3
    tree["pools"]["pool"]["members"]["three"]["weight"] = 0
    running.apply(tree)
    assert Counter(clients(tree).name() for _ in range(40)) == {"one": 30, "two": 10}


@pytest.mark.parametrize(("algorithm", "names"), [("SOURCE_IP", 1), ("SOURCE_IP_PORT", 3)])
def test_hashes(running: Running, datagrams, clients, algorithm: str, names: int) -> None:
    tree = udp(*datagrams("one", "two", "three"), lb_algorithm=algorithm)
    running.apply(tree)
    assert len({clients(tree).name() for _ in range(20)}) == names
    before = {source: clients(tree, source).name() for source in (f"127.0.1.{each}" for each in range(1, 31))}
    assert set(before.values()) == {"one", "two", "three"}
    if algorithm == "SOURCE_IP":
        running.apply({"pools": {"pool": {"members": {"three": {"admin_state_up": False}}}}})
        after = {source: clients(tree, source).name() for source in before}
        assert all(after[source] == name for source, name in before.items() if name != "three")


def test_persistence_is_by_network_and_ends(running: Running, datagrams, clients) -> None:
    kept = {"type": "SOURCE_IP", "persistence_timeout": 1, "persistence_granularity": "255.255.255.0"}
    tree = udp(*datagrams("one", "two"), session_persistence=kept)
    tree["listeners"]["udp"] |= {"timeout_client_data": 100, "timeout_member_data": 100}
    running.apply(tree)
    first = clients(tree, "127.0.1.1").name()
    assert {clients(tree, f"127.0.1.{each}").name() for each in range(2, 9)} == {first}
    assert {clients(tree, f"127.0.{each}.1").name() for each in range(2, 6)} == {"one", "two"}
    running.apply({"pools": {"pool": {"members": {first: {"weight": 0}}}}})
    assert clients(tree, "127.0.1.20").name() == first, "a drained member keeps its sessions"
    until(lambda: row(running, "udp", "FRONTEND")["scur"] == "0")
    time.sleep(1.1)  # the session ends this long after its last flow
    assert clients(tree, "127.0.1.30").name() != first


def test_silent_flows_end(running: Running, datagrams, clients) -> None:
    tree = udp(*datagrams("one"))
    tree["listeners"]["udp"] |= {"timeout_client_data": 200, "timeout_member_data": 100}
    running.apply(tree)
    assert clients(tree).name() == "one"
    assert row(running, "udp", "FRONTEND")["scur"] == "1"
    until(lambda: row(running, "udp", "FRONTEND")["scur"] == "0", 3)


def test_backups_serve_only_when_nobody_else_can(running: Running, datagrams, clients) -> None:
    tree = udp(*datagrams("one", "two"))
    tree["pools"]["pool"]["members"]["two"]["backup"] = True
    running.apply(tree)
    assert {clients(tree).name() for _ in range(6)} == {"one"}
    running.apply({"pools": {"pool": {"members": {"one": {"admin_state_up": False}}}}})
    assert clients(tree).name() == "two"


def test_who_may_send(running: Running, datagrams, clients) -> None:
    tree = udp(*datagrams("one"))
    tree["listeners"]["udp"]["allowed_cidrs"] = ["127.0.0.2/32", "127.1.0.0/16"]
    running.apply(tree)
    assert clients(tree, "127.0.0.2").name() == clients(tree, "127.1.2.3").name() == "one"
    assert clients(tree, "127.0.0.1").name(SILENCE) == ""
    assert row(running, "udp", "FRONTEND")["dreq"] == "1"


def test_connection_limit(running: Running, datagrams, clients) -> None:
    tree = udp(*datagrams("one"))
    tree["listeners"]["udp"]["connection_limit"] = 1
    running.apply(tree)
    first, second = clients(tree), clients(tree)
    assert first.name() == "one"
    assert second.name(SILENCE) == ""
    assert first.name() == "one"
    found = row(running, "udp", "FRONTEND")
    assert (found["status"], found["ereq"]) == ("FULL", "1")
    running.apply({"listeners": {"udp": {"connection_limit": 2}}})
    assert second.name() == "one"


def test_every_address_and_family(running: Running, datagrams, clients) -> None:
    (six,) = datagrams("six", address="::1")
    tree = {"addresses": ["127.0.0.1", "127.5.6.7", "::1"], **udp(*datagrams("four"), six)}
    running.apply(tree)
    for address in ("127.0.0.1", "127.5.6.7", "::1"):
        assert {clients(tree, address=address).name() for _ in range(2)} == {"four", "six"}
    running.tree["addresses"] = ["127.0.0.1"]
    assert running.put().how == "runtime"
    assert clients(tree, address="127.5.6.7").name(SILENCE) == ""


MONITOR = {"delay": 3, "timeout": 1, "max_retries": 1, "max_retries_down": 1}


def test_udp_connect_believes_icmp(world: DataPlaneRig, datagrams, clients) -> None:
    one, two = datagrams("one", "two")
    tree = udp(one, two, healthmonitor={"type": "UDP-CONNECT", **MONITOR})
    one.down()
    assert world.change(tree) == "ACTIVE"
    until(lambda: world.operating("member", "one") == "ERROR")
    until(lambda: world.operating("member", "two") == "ONLINE")
    assert world.operating("pool", "pool") == "DEGRADED"
    assert world.operating("loadbalancer") == "DEGRADED"
    assert world.operating("listener", "udp") == "ONLINE"
    assert {clients(tree).name() for _ in range(4)} == {"two"}
    one.up()
    until(lambda: world.operating("member", "one") == "ONLINE")
    assert {clients(tree).name() for _ in range(4)} == {"one", "two"}


def test_the_truth_is_told_at_once(world: DataPlaneRig, datagrams) -> None:
    """Also where the observer would have looked again in some seconds only."""
    (one,) = datagrams("one")
    world.change(udp(one, healthmonitor={"type": "UDP-CONNECT", **MONITOR}))
    until(lambda: world.operating("member", "one") == "ONLINE")
    one.down()
    until(lambda: down(world), 10)
    found = time.monotonic()
    until(lambda: world.operating("member", "one") == "ERROR", 10)
    assert time.monotonic() - found < 1


def down(world: DataPlaneRig) -> bool:
    """Whether the relay reports the member as down."""
    told = runtime.parse_report(runtime.ask(world.instance.directory, SOCKET, runtime.REPORT)).rows
    return told[trees.identity("pool"), trees.identity("one")]["status"] == "DOWN"


@pytest.mark.parametrize(
    ("monitor", "is_well"),
    [
        ({"type": "TCP"}, True),
        ({"type": "TCP", "port": "nobody"}, False),
        ({"type": "HTTP", "url_path": "/health", "expected_codes": "200-204"}, True),
        ({"type": "HTTP", "url_path": "/health", "expected_codes": "201,300-304"}, False),
        ({"type": "HTTP", "url_path": "/health", "http_version": "1.1", "domain_name": "x.example"}, True),
    ],
)
def test_other_checks_of_udp_members(running: Running, datagrams, webs, monitor: dict[str, Any], is_well: bool) -> None:
    (health,) = webs("health")
    fields = {name: value for name, value in monitor.items() if name != "port"}
    port = free_port() if "port" in monitor else health.port
    tree = udp(*datagrams("one"), healthmonitor={**MONITOR, **fields})
    tree["pools"]["pool"]["members"]["one"] |= {"monitor_address": "127.0.0.1", "monitor_port": port}
    running.apply(tree)
    until(lambda: row(running, "pool", "one")["check_status"])
    found = row(running, "pool", "one")
    assert found["status"] == ("UP" if is_well else "DOWN"), found
    assert (found["check_status"] in ("L4OK", "L7OK")) == is_well
    if monitor.get("domain_name"):
        assert ["host", "x.example"] in [list(each) for each in health.checks[0]["headers"]]
        assert health.checks[0]["version"] == "HTTP/1.1"


def test_a_check_that_nobody_answers(running: Running, datagrams) -> None:
    """The queue of the port is full; the timeout is over just when the next check is due."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, socket.socket() as waiting:
        waiting.connect(full.getsockname())
        monitor = {"type": "TCP", "delay": 1, "timeout": 1, "max_retries": 1}
        tree = udp(*datagrams("one"), healthmonitor=monitor)
        tree["pools"]["pool"]["members"]["one"] |= {"monitor_port": full.getsockname()[1]}
        running.apply(tree)
        until(lambda: row(running, "pool", "one")["status"] == "DOWN", 4)
        assert row(running, "pool", "one")["check_status"] == "L4TOUT"
        running.apply({"pools": {"pool": {"healthmonitor": {"admin_state_up": False}}}})
        assert row(running, "pool", "one")["status"] == "no check"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"listeners": {"udp": {"protocol": "SCTP"}}}, "listeners of protocol SCTP"),
        ({"pools": {"pool": {"protocol": "SCTP"}}}, "pools of protocol SCTP"),
        ({"pools": {"pool": {"healthmonitor": {"type": "SCTP", **MONITOR}}}}, "health monitors of type SCTP"),
        (
            {"pools": {"pool": {"session_persistence": {"type": "SOURCE_IP", "persistence_granularity": "much"}}}},
            "the persistence_granularity 'much', which is neither a netmask nor the length of a prefix",
        ),
        ({"pools": {"pool": {"tls_enabled": True}}}, "tls_enabled in a pool of protocol UDP"),
    ],
)
def test_what_cannot_be_carried_is_refused(change: dict[str, Any], reason: str) -> None:
    assert (unsupported(trees.snapshot(trees.merged(udp(), change))) or "").startswith(reason)


def test_answers_keep_up_with_a_flood() -> None:
    """A turn of the loop that admits many datagrams forwards as many answers, so that no queue of answers grows."""
    loop = Loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as member, ExitStack() as stack:
        member.bind(("127.0.0.1", 0))
        place = "127.0.0.1", free_port()
        host, port = member.getsockname()
        wanted = plan.Member("one", host, port, 1, True, False, host, port)
        pool = Pool(plan.Pool("pool", "ROUND_ROBIN", (wanted,)))
        listener = Listener(
            plan.Listener("udp", place[1], (place[0],), "pool", -1, 50.0),
            loop, FlowLimit(lambda: None, most=10), FlowLog(loop), Traffic(),
        )  # fmt: skip
        sockets = open_all([place])
        stack.callback(sockets[place].close)
        listener.take(listener.wanted, pool, sockets)
        stack.callback(listener.close)
        client = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        client.connect(place)
        for _ in range(BATCH + 1):
            client.send(b"?")
        turn(loop)
        _, flow = member.recvfrom(10)
        for _ in range(BATCH):
            member.sendto(b"!", flow)
        for _ in range(BATCH + 1):
            client.send(b"?")
        turn(loop)
        client.settimeout(0)
        assert [client.recv(10) for _ in range(BATCH)] == [b"!"] * BATCH


def turn(loop: Loop) -> None:
    """Serve everything that is ready once."""

    def end() -> None:
        raise SystemExit

    loop.after(0, end)
    with pytest.raises(SystemExit):
        loop.run()
