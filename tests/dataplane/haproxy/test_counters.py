"""Statistics that count on."""

from __future__ import annotations

import json
import os
import signal
import socket
from pathlib import Path

import trees
from members import free_port, until
from world import DataPlaneRig, connected, get, line, member, web

from lbclient.dataplane.haproxy import counters, process_table
from lbclient.dataplane.haproxy.counters import Counters, Reading
from lbclient.store.observing import part_totals


def reading(total: int, active: int = 0) -> Reading:
    return {
        "l": {
            "active_connections": active,
            "bytes_in": 10 * total,
            "bytes_out": 100 * total,
            "total_connections": total,
            "request_errors": 0,
        }
    }


def last_words(directory: Path, pid: int, words: Reading) -> None:
    (directory / f"{counters.FINAL_COUNTERS}{pid}").write_text(json.dumps(words))


def test_workers_add_up(tmp_path: Path) -> None:
    known = Counters(tmp_path)
    known.update({1: reading(5, active=2)})
    known.update({2: reading(1, active=1), 1: reading(6, active=1)})
    assert known.totals() == reading(7, active=2)
    known.update({2: reading(3)})
    assert known.totals() == reading(9)
    known.save()
    known = Counters(tmp_path)
    assert known.totals() == reading(9)
    last_words(tmp_path, 2, reading(4))
    known.update({3: reading(1)})
    assert known.totals() == reading(11)
    known.update({3: reading(0)})  # another process with the same pid
    assert known.totals() == reading(11)


def test_last_words_are_heard_once(tmp_path: Path) -> None:
    known = Counters(tmp_path)
    known.update({3: reading(1)})
    last_words(tmp_path, 1, reading(5))
    last_words(tmp_path, 2, reading(7))
    assert list(tmp_path.glob(counters.FINAL_COUNTERS + "*"))
    known.hear({2, 3})  # 2 lives yet, with its last connections
    assert known.totals() == reading(6)
    known.save()
    assert list(tmp_path.glob(counters.FINAL_COUNTERS + "*"))
    known.update({3: reading(1), 2: reading(9)})
    known.update({3: reading(1)})
    assert known.totals() == reading(15)
    (tmp_path / counters.FILE).write_text(json.dumps({"finished": reading(15), "live": {}, "ended": [2]}))
    known = Counters(tmp_path)  # as if it had died before it could remove the words
    known.hear({3})
    known.update({3: reading(1)})
    assert known.totals() == reading(16)
    assert not list(tmp_path.glob(counters.FINAL_COUNTERS + "*"))


def test_what_cannot_be_read_is_nothing(tmp_path: Path) -> None:
    for broken in ("", "{}", "[]", "{"):
        (tmp_path / counters.FILE).write_text(broken)
        assert Counters(tmp_path).totals() == {}


def totals(world: DataPlaneRig) -> dict[str, int]:
    world.observer.observe_now(world.id)
    return world.store.totals(world.id).get(trees.identity("web"), {})


def test_nothing_is_lost_over_reloads_and_restarts(world: DataPlaneRig, webs) -> None:
    (one,) = webs("one")
    tree = web(members={"one": member(one)})
    port = tree["listeners"]["web"]["protocol_port"]
    world.change(tree)
    made = 0
    for round_ in range(4):
        for _ in range(5):
            get(port)
        made += 5
        world.change({"listeners": {"web": {"timeout_client_data": 1000 + round_}}})
    until(lambda: totals(world).get("total_connections") == made)
    assert totals(world)["bytes_out"] > 0
    world.crash()
    for _ in range(5):
        get(port)
    world.begin()
    until(lambda: totals(world)["total_connections"] == made + 5)
    for pid in process_table.family(world.instance.directory):
        os.kill(pid, signal.SIGKILL)
    until(lambda: answers(port))
    until(lambda: totals(world)["total_connections"] > made + 5)


def answers(port: int) -> bool:
    try:
        return get(port).status == 200
    except OSError:
        return False


def test_a_connection_of_an_old_worker_counts(world: DataPlaneRig, echoes) -> None:
    (echo,) = echoes("echo")
    tree = web(members={"echo": member(echo)})
    tree["listeners"]["web"]["protocol"] = tree["pools"]["pool"]["protocol"] = "TCP"
    port = tree["listeners"]["web"]["protocol_port"]
    world.change(tree)
    connection, _ = connected(port)
    until(lambda: totals(world).get("active_connections") == 1)
    world.change({"listeners": {"web": {"timeout_client_data": 60000}}})
    before = totals(world)["bytes_in"]
    connection.sendall(b"x" * 99 + b"\n")
    assert line(connection) == "x" * 99
    until(lambda: totals(world)["bytes_in"] == before + 100)
    assert totals(world)["active_connections"] == 1
    connection.close()
    until(lambda: totals(world)["active_connections"] == 0)
    assert totals(world)["total_connections"] == 1


def test_errors_are_counted(world: DataPlaneRig, webs) -> None:
    (one,) = webs("one")
    tree = web(members={"one": member(one)})
    world.change(tree)
    with socket.create_connection(("127.0.0.1", tree["listeners"]["web"]["protocol_port"])) as connection:
        connection.sendall(b"nonsense\r\n\r\n")
        connection.settimeout(5)
        assert b"400" in connection.recv(100)
    until(lambda: totals(world).get("request_errors") == 1)


def test_what_is_stopped_is_not_forgotten(world: DataPlaneRig, webs) -> None:
    (one,) = webs("one")
    tree = web(members={"one": member(one)})
    world.change(tree)
    for _ in range(3):
        get(tree["listeners"]["web"]["protocol_port"])
    world.change({"loadbalancer": {"admin_state_up": False}})
    until(lambda: totals(world).get("total_connections") == 3)
    world.change({"loadbalancer": {"admin_state_up": True}})
    get(tree["listeners"]["web"]["protocol_port"])
    world.observer.observe_now(world.id)
    assert totals(world)["total_connections"] == 4


def test_pools_and_members_are_counted_over_all_their_backends(world: DataPlaneRig, webs) -> None:
    one, two = webs("one", "two")
    tree = web(members={"one": member(one), "two": member(two)})
    other = {"protocol": "HTTP", "protocol_port": free_port(), "default_pool": "pool", "timeout_member_data": 9000}
    ports = [tree["listeners"]["web"]["protocol_port"], other["protocol_port"]]
    world.change(tree, {"listeners": {"other": other}})
    for port in ports:
        for _ in range(2):
            get(port)
    world.change({"pools": {"pool": {"lb_algorithm": "LEAST_CONNECTIONS"}}})  # a reload
    for port in ports:
        get(port)
    world.observer.observe_now(world.id)
    assert part(world, "pool")["total_connections"] == 6
    assert sum(part(world, name)["total_connections"] for name in ("one", "two")) == 6
    assert part(world, "pool")["bytes_out"] == part(world, "one")["bytes_out"] + part(world, "two")["bytes_out"] > 0
    one.down()
    two.down()
    assert get(ports[0]).status == 503
    world.observer.observe_now(world.id)
    assert part(world, "pool")["request_errors"] > 0
    assert totals(world)["request_errors"] == 0  # the client's request was a good one


def part(world: DataPlaneRig, name: str) -> dict[str, int]:
    with world.store.reading() as tx:
        return part_totals(tx, trees.identity(name))
