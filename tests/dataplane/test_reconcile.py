"""The way from the store to HAProxy and back."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import socket
import subprocess
from collections.abc import Iterator

import pytest
import vips
from members import free_port, until
from world import DataPlaneRig, get, member, web

from lbclient.dataplane.haproxy import configuration_files, process_table

pytestmark = pytest.mark.usefixtures("some_vips")


def test_a_load_balancer_comes_up_and_goes(world: DataPlaneRig, webs) -> None:
    one, two = webs("one", "two")
    tree = web(members={"m1": member(one), "m2": member(two)})
    port = tree["listeners"]["web"]["protocol_port"]
    assert world.change({"listeners": {}, "pools": {}}) == "ACTIVE"
    until(lambda: world.operating() == "ONLINE")
    assert world.change(tree) == "ACTIVE"
    assert {get(port).name for _ in range(4)} == {"one", "two"}
    assert world.provisioning("member", "m1") == "ACTIVE"
    until(lambda: world.operating("listener", "web") == "ONLINE")
    until(lambda: world.operating("member", "m1") == "NO_MONITOR")
    assert world.change({"is_deleted": True}) is None
    assert not world.instance.directory.exists()
    assert process_table.family(world.instance.directory) == []


def test_nothing_to_change_is_nothing_done(world: DataPlaneRig, webs) -> None:
    (one,) = webs("one")
    world.change(web(members={"m1": member(one)}))
    worker = world.worker()
    inode = (world.instance.directory / "haproxy.cfg").stat().st_mtime_ns
    assert world.change({"loadbalancer": {"description": "said anew"}}) == "ACTIVE"
    assert world.worker() == worker
    assert (world.instance.directory / "haproxy.cfg").stat().st_mtime_ns == inode


def test_weight_and_state_need_no_reload(world: DataPlaneRig, webs) -> None:
    one, two = webs("one", "two")
    tree = web(members={"m1": member(one), "m2": member(two)})
    port = tree["listeners"]["web"]["protocol_port"]
    world.change(tree)
    worker = world.worker()
    world.change({"pools": {"pool": {"members": {"m1": {"weight": 0}}}}})
    assert {get(port).name for _ in range(4)} == {"two"}
    until(lambda: world.operating("member", "m1") == "DRAINING")
    world.change({"pools": {"pool": {"members": {"m1": {"weight": 7}, "m2": {"admin_state_up": False}}}}})
    assert {get(port).name for _ in range(4)} == {"one"}
    until(lambda: world.operating("member", "m2") == "OFFLINE")
    world.change({"pools": {"pool": {"members": {"m2": {"admin_state_up": True}}}}})
    assert {get(port).name for _ in range(16)} == {"one", "two"}
    assert world.worker() == worker
    assert "weight 7" in (world.instance.directory / "haproxy.cfg").read_text()


def test_weights_and_states_of_a_reload_are_the_new_ones(world: DataPlaneRig, webs) -> None:
    """HAProxy would carry over the weights that were set while it ran."""
    one, two, three = webs("one", "two", "three")
    tree = web(members={"m1": member(one), "m2": member(two)})
    port = tree["listeners"]["web"]["protocol_port"]
    world.change(tree)
    world.change({"pools": {"pool": {"members": {"m1": {"weight": 0}, "m2": {"admin_state_up": False}}}}})
    members = {"m1": {"weight": 1}, "m2": {"admin_state_up": True}, "m3": member(three)}
    world.change({"pools": {"pool": {"members": members}}})
    assert {get(port).name for _ in range(6)} == {"one", "two", "three"}


def test_a_drained_member_of_the_file_comes_back_at_run_time(world: DataPlaneRig, webs) -> None:
    one, two = webs("one", "two")
    tree = web(members={"m1": member(one, weight=0), "m2": member(two, admin_state_up=False)})
    port = tree["listeners"]["web"]["protocol_port"]
    world.change(tree)
    assert get(port).status == 503
    worker = world.worker()
    world.change({"pools": {"pool": {"members": {"m1": {"weight": 1}, "m2": {"admin_state_up": True}}}}})
    assert {get(port).name for _ in range(6)} == {"one", "two"}
    assert world.worker() == worker
    until(lambda: world.operating("member", "m1") == "NO_MONITOR")


@contextlib.contextmanager
def taken(port: int, kind: socket.SocketKind = socket.SOCK_STREAM) -> Iterator[int]:
    """Another program that has the port on all VIPs."""
    with contextlib.ExitStack() as others:
        for address in vips.addresses():
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            other = others.enter_context(socket.socket(family, kind))
            other.bind((address, port))
            if kind == socket.SOCK_STREAM:
                other.listen()
        yield port


@pytest.mark.parametrize("protocol", ["TCP", "UDP"])
@pytest.mark.parametrize("is_first", [False, True])
def test_a_taken_port_is_an_error_of_its_listener_alone(
    world: DataPlaneRig, webs, datagrams, protocol: str, is_first: bool
) -> None:
    (one,) = webs("one")
    good = web(members={"m1": member(one)})
    if not is_first:
        world.change(good)
    with taken(free_port(), socket.SOCK_STREAM if protocol == "TCP" else socket.SOCK_DGRAM) as port:
        bad = {"listeners": {"bad": {"protocol": protocol, "protocol_port": port}}}
        assert world.change(good, bad) == "ACTIVE"
        for address in vips.addresses():
            assert f"Cannot listen on {address} port {port}: the port is in use by another" in (world.fault() or "")
        assert (world.provisioning("listener", "bad"), world.provisioning("listener", "web")) == ("ERROR", "ACTIVE")
        until(lambda: world.operating("listener", "bad") == "ERROR")
        assert world.operating("listener", "web") == "ONLINE"
        assert get(good["listeners"]["web"]["protocol_port"]).name == "one"
        assert world.change({"pools": {"pool": {"members": {"m2": member(one, weight=0)}}}}) == "ACTIVE"
        assert world.provisioning("listener", "bad") == "ERROR"
        assert str(port) not in (world.instance.directory / "haproxy.cfg").read_text()
    until(lambda: world.provisioning("listener", "bad") == "ACTIVE", 20)
    until(lambda: world.operating("listener", "bad") == "ONLINE")
    assert world.fault() is None


def test_a_listener_serves_on_the_addresses_that_it_can_have(world: DataPlaneRig, webs) -> None:
    (one,) = webs("one")
    tree = web(members={"m1": member(one)})
    port, first = tree["listeners"]["web"]["protocol_port"], vips.addresses()[0]
    with socket.create_server(("127.0.0.9", port)):
        assert world.change(tree, {"addresses": [first, "127.0.0.9"]}) == "ACTIVE"
        assert world.provisioning("listener", "web") == "ERROR"
        until(lambda: world.operating("listener", "web") == "DEGRADED")
        assert "127.0.0.9" in (world.fault() or "")
        assert get(port, address=first).name == "one"
    until(lambda: world.provisioning("listener", "web") == "ACTIVE", 20)
    assert get(port, address="127.0.0.9").name == "one"


def test_all_ports_taken_end_no_load_balancer(world: DataPlaneRig, webs) -> None:
    (one,) = webs("one")
    tree = web(members={"m1": member(one)})
    port = tree["listeners"]["web"]["protocol_port"]
    with taken(port):
        assert world.change(tree) == "ACTIVE"
        assert world.provisioning("listener", "web") == "ERROR"
        until(lambda: world.operating() == "ERROR")
    until(lambda: world.provisioning("listener", "web") == "ACTIVE", 20)
    assert get(port).name == "one"


def test_an_address_of_somebody_else_is_an_error(world: DataPlaneRig) -> None:
    assert world.change({"addresses": ["192.0.2.7"]}, web()) == "ERROR"
    assert "192.0.2.7" in (world.fault() or "")


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (OSError(errno.ENOSPC, "full", "/secret/path"), "The system refuses: No space left on device."),
        (KeyError("x"), "Internal error: KeyError; the server's log has the details."),
        (subprocess.TimeoutExpired("haproxy", 1), "Internal error: TimeoutExpired; the server's log has the details."),
    ],
)
def test_whatever_fails_nothing_stays_pending(
    world: DataPlaneRig, webs, monkeypatch: pytest.MonkeyPatch, failure: Exception, reason: str
) -> None:
    (one,) = webs("one")

    def fail(*args: object) -> None:
        raise failure

    with monkeypatch.context() as broken:
        broken.setattr(configuration_files.ConfigurationFiles, "write_candidate", fail)
        assert world.change(web(members={"m1": member(one)})) == "ERROR"
        assert world.fault() == reason
    assert world.put() in ("ACTIVE", "ERROR")
    until(lambda: world.provisioning() == "ACTIVE")


def test_a_killed_haproxy_is_started_again(world: DataPlaneRig, webs) -> None:
    (one,) = webs("one")
    tree = web(members={"m1": member(one)})
    port = tree["listeners"]["web"]["protocol_port"]
    world.change(tree)
    for pid in process_table.family(world.instance.directory):
        os.kill(pid, signal.SIGKILL)
    until(lambda: _name(port) == "one", seconds=5)


def test_a_killed_master_is_noticed(world: DataPlaneRig, webs) -> None:
    (one,) = webs("one")
    tree = web(members={"m1": member(one)})
    port = tree["listeners"]["web"]["protocol_port"]
    world.change(tree)
    master = process_table.master(world.instance.directory)
    assert master is not None
    os.kill(master, signal.SIGKILL)
    until(lambda: process_table.master(world.instance.directory) not in (None, master), seconds=10)
    assert until(lambda: _name(port) == "one")


def _name(port: int) -> str:
    try:
        return get(port).name
    except OSError:
        return ""


def test_a_restarted_server_takes_over_what_runs(world: DataPlaneRig, webs) -> None:
    one, two = webs("one", "two")
    tree = web(members={"m1": member(one)})
    port = tree["listeners"]["web"]["protocol_port"]
    world.change(tree)
    worker = world.worker()
    world.crash()
    assert get(port).name == "one"
    world.begin()
    world.change({"loadbalancer": {"name": "renamed"}})
    assert world.worker() == worker
    world.crash()
    world.change({"pools": {"pool": {"members": {"m2": member(two)}}}}, wait=False)
    world.begin()
    until(lambda: world.provisioning() == "ACTIVE")
    assert {get(port).name for _ in range(4)} == {"one", "two"}


def test_a_load_balancer_that_is_gone_is_ended_at_start(world: DataPlaneRig, webs) -> None:
    (one,) = webs("one")
    world.change(web(members={"m1": member(one)}))
    world.crash()
    orphan = world.directory / "00000000-0000-4000-8000-000000000000"
    os.rename(world.instance.directory, orphan)
    world.begin()
    until(lambda: not orphan.exists())


def test_disabled_things_do_not_listen(world: DataPlaneRig, webs) -> None:
    (one,) = webs("one")
    tree = web(members={"m1": member(one)})
    port = tree["listeners"]["web"]["protocol_port"]
    world.change(tree)
    assert get(port).name == "one"
    world.change({"loadbalancer": {"admin_state_up": False}})
    assert _name(port) == ""
    until(lambda: world.operating() == "OFFLINE")
    world.change({"loadbalancer": {"admin_state_up": True}, "listeners": {"web": {"admin_state_up": False}}})
    assert _name(port) == ""
    world.change({"listeners": {"web": {"admin_state_up": True}}, "pools": {"pool": {"admin_state_up": False}}})
    assert get(port).status == 503
    until(lambda: world.operating("pool", "pool") == "OFFLINE")
    world.change({"pools": {"pool": {"admin_state_up": True}}})
    assert get(port).name == "one"


def test_another_amphora_is_another_worker(world: DataPlaneRig, webs) -> None:
    (one,) = webs("one")
    tree = web(members={"m1": member(one)})
    world.change(tree)
    worker, master = world.worker(), process_table.master(world.instance.directory)
    assert world.change({"amphora": "another"}) == "ACTIVE"
    assert world.worker() != worker
    assert process_table.master(world.instance.directory) == master
    assert get(tree["listeners"]["web"]["protocol_port"]).name == "one"
