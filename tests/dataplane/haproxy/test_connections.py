"""The number of open connections to a member, as the processes that carry them report it."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import Any

import trees
from instances import Running
from members import free_port, until
from world import connected, member

from lbclient.dataplane.haproxy import connections


def count(running: Running, server: str) -> int | None:
    place = running.instance.directory
    return connections.open_to(place.parent, place.name, trees.identity("pool"), trees.identity(server))


def tcp(port: int, *servers: Any) -> dict[str, Any]:
    wanted = {"protocol": "TCP", "protocol_port": port, "default_pool": "pool"}
    members = {each.name: member(each) for each in servers}
    pool = {"protocol": "TCP", "lb_algorithm": "ROUND_ROBIN", "members": members}
    return {"listeners": {"tcp": wanted}, "pools": {"pool": pool}}


def test_of_the_worker_and_of_the_one_before_it(running: Running, echoes) -> None:
    (one,) = echoes("one")
    port = free_port()
    tree = tcp(port, one)
    assert count(running, "one") == 0  # nothing runs yet
    running.apply(tree)
    with contextlib.ExitStack() as open_:
        open_.enter_context(connected(port)[0])
        until(lambda: count(running, "one") == 1)  # a process that has just begun may need a moment to answer
        tree["listeners"]["more"] = {"protocol": "TCP", "protocol_port": free_port(), "default_pool": "pool"}
        assert running.apply(tree).how == "reloaded"
        open_.enter_context(connected(port)[0])
        until(lambda: count(running, "one") == 2)
        assert count(running, "another") == 0
    until(lambda: count(running, "one") == 0)


def test_reloads_do_not_hide_connections(running: Running, echoes) -> None:
    (one,) = echoes("one")
    port = free_port()
    tree = tcp(port, one)
    running.apply(tree)
    is_over = threading.Event()
    counts: list[int | None] = []

    def look() -> None:
        while not is_over.is_set():
            counts.append(count(running, "one"))

    with connected(port)[0]:
        until(lambda: count(running, "one") == 1)
        thread = threading.Thread(target=look)
        thread.start()
        try:
            for _ in range(8):
                tree["listeners"][f"more {len(counts)}"] = {"protocol": "TCP", "protocol_port": free_port()}
                assert running.apply(tree).how == "reloaded"
        finally:
            is_over.set()
            thread.join()
    assert counts
    assert None not in counts


def test_flows_of_udp(running: Running, datagrams) -> None:
    (one,) = datagrams("one")
    port = free_port()
    wanted = {"protocol": "UDP", "protocol_port": port, "default_pool": "pool"}
    pool = {"protocol": "UDP", "lb_algorithm": "ROUND_ROBIN", "members": {"one": member(one)}}
    running.apply({"listeners": {"udp": wanted}, "pools": {"pool": pool}})
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.connect(("127.0.0.1", port))
        client.settimeout(5)
        client.send(b"hello")
        client.recv(100)
        until(lambda: count(running, "one") == 1)
