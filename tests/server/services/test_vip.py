"""The address of a load balancer, as the load-balancer API gives it out."""

from __future__ import annotations

import ipaddress
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import pytest
import sqlalchemy as sa

from lbclient.server import errors
from lbclient.server.config import GUIDE_NETWORKS, LOOPBACK_NETWORKS
from lbclient.server.network import vip
from lbclient.server.network.demo_networks import create_demo_networks
from lbclient.store.network_tables import FIXED_IP, PORT, SUBNET, floating_addresses, release
from lbclient.store.store import Store

OURS = "d" * 32


def allocate(front: Any, *, is_admin: bool = False, **asked: Any) -> vip.Vip:
    with front.store.writing() as tx:
        return vip.allocate(
            tx, loadbalancer_id=str(uuid.uuid4()), project_id=OURS, is_admin=is_admin, **{**NOTHING, **asked}
        )


NOTHING: dict[str, Any] = {
    "vip_address": None,
    "vip_port_id": None,
    "vip_subnet_id": None,
    "vip_network_id": None,
}


def test_addresses_begin_at_100_and_leave_the_others_to_members(front: Any) -> None:
    subnet = front.world.private_subnet
    assert [allocate(front, vip_subnet_id=subnet).address for _ in range(3)] == [f"10.0.0.{n}" for n in (100, 101, 102)]


@pytest.mark.parametrize("networks", [GUIDE_NETWORKS, LOOPBACK_NETWORKS])
def test_the_first_networks_have_room_for_thousands(database_url: str, networks: tuple[str, str]) -> None:
    store = Store(database_url)
    with closing(store), store.writing() as tx:
        world = create_demo_networks(tx, OURS, *networks)
        nothing = dict.fromkeys(("vip_address", "vip_port_id", "vip_network_id"))
        of = {"project_id": OURS, "is_admin": False, "vip_subnet_id": world.private_subnet, **nothing}
        first = vip.allocate(tx, loadbalancer_id=str(uuid.uuid4()), **of).address
        last = [vip.allocate(tx, loadbalancer_id=str(uuid.uuid4()), **of).address for _ in range(400)][-1]
        assert first.endswith(".0.100")  # the lower ones are the members' of the guide
        assert int(ipaddress.ip_address(last)) - int(ipaddress.ip_address(first)) == 400
        [free] = tx.scalars(sa.select(SUBNET.c.allocation_pools).where(SUBNET.c.id == world.private_subnet))
        assert int(ipaddress.ip_address(free[0]["end"])) - int(ipaddress.ip_address(first)) > 65_000


def test_a_wanted_address_may_lie_outside_of_the_pool(front: Any) -> None:
    found = allocate(front, vip_subnet_id=front.world.private_subnet, vip_address="10.0.0.9")
    assert found.address == "10.0.0.9"
    assert found.network_id == front.world.private_net


@pytest.mark.parametrize("address", ["10.0.1.1", "10.0.0.0", "10.0.0.255", "::1"])
def test_an_address_that_the_subnet_has_not(front: Any, address: str) -> None:
    with pytest.raises(errors.BadRequest, match="is not a valid IP for the specified subnet"):
        allocate(front, vip_subnet_id=front.world.private_subnet, vip_address=address)


def test_an_address_that_is_taken(front: Any) -> None:
    subnet = front.world.private_subnet
    allocate(front, vip_subnet_id=subnet, vip_address="10.0.0.9")
    with pytest.raises(errors.Conflict, match=r"10\.0\.0\.9 already allocated in subnet"):
        allocate(front, vip_subnet_id=subnet, vip_address="10.0.0.9")


def test_one_of_three_has_to_be_given(front: Any) -> None:
    why = "Validation failure: VIP must contain one of: vip_port_id, vip_network_id, vip_subnet_id."
    with pytest.raises(errors.ValidationFailure, match=why):
        allocate(front, vip_address="10.0.0.9")


@pytest.mark.parametrize(("name", "title"), [("port", "Port"), ("subnet", "Subnet"), ("network", "Network")])
def test_what_does_not_exist(front: Any, name: str, title: str) -> None:
    unknown = str(uuid.uuid4())
    asked: dict[str, Any] = {f"vip_{name}_id": unknown}
    with pytest.raises(errors.BadRequest, match=f"{title} {unknown} not found."):
        allocate(front, **asked)


def test_a_network_gives_its_first_ipv4_subnet_with_room(front: Any, admin: Any) -> None:
    network = admin.made("/networking/v2.0/networks", "network", name="n", shared=True)["id"]

    def subnet(cidr: str) -> str:
        version = 6 if ":" in cidr else 4
        path, values = "/networking/v2.0/subnets", {"network_id": network, "cidr": cidr, "ip_version": version}
        return str(admin.made(path, "subnet", **values)["id"])

    with pytest.raises(errors.ValidationFailure, match="Supplied network does not contain a subnet"):
        allocate(front, vip_network_id=network)
    six = subnet("fd00::/64")
    assert allocate(front, vip_network_id=network).address == "fd00::2"
    small = subnet("10.1.0.0/30")  # of four addresses, one is free: not the first, the last, the gateway
    large = subnet("10.2.0.0/24")
    assert allocate(front, vip_network_id=network).subnet_id == small
    assert allocate(front, vip_network_id=network).subnet_id == large
    assert allocate(front, vip_network_id=network, vip_address="fd00:0::9").address == "fd00::9"
    assert allocate(front, vip_network_id=network, vip_subnet_id=six).address == "fd00::a"
    with pytest.raises(errors.ValidationFailure, match="does not contain a subnet for VIP address specified"):
        allocate(front, vip_network_id=network, vip_address="10.9.9.9")
    with pytest.raises(errors.BadRequest, match="not found"):
        allocate(front, vip_network_id=network, vip_subnet_id=front.world.private_subnet)


def test_a_foreign_network_does_not_exist(front: Any, admin: Any) -> None:
    network = admin.made("/networking/v2.0/networks", "network", name="n")["id"]
    subnet = admin.made("/networking/v2.0/subnets", "subnet", network_id=network, cidr="10.1.0.0/24")["id"]
    for asked in ({"vip_network_id": network}, {"vip_subnet_id": subnet}):
        with pytest.raises(errors.BadRequest, match="not found"):
            allocate(front, **asked)
        assert allocate(front, is_admin=True, **asked).subnet_id == subnet


def test_a_port_that_is_given_is_used_and_kept(front: Any, admin: Any) -> None:
    path = "/networking/v2.0/ports"
    fixed = [{"ip_address": "10.0.0.50"}, {"ip_address": "10.0.0.51"}]
    values = {"network_id": front.world.private_net, "fixed_ips": fixed, "project_id": OURS}
    port = admin.made(path, "port", **values)["id"]
    with pytest.raises(errors.ValidationFailure, match="subnet could not be determined"):
        allocate(front, vip_port_id=port)
    with pytest.raises(errors.ValidationFailure, match="Specified VIP address not found on the specified VIP port"):
        allocate(front, vip_port_id=port, vip_address="10.0.0.52")
    loadbalancer_id = str(uuid.uuid4())
    with front.store.writing() as tx:
        asked = {**NOTHING, "vip_port_id": port, "vip_address": "10.0.0.51"}
        found = vip.allocate(tx, loadbalancer_id=loadbalancer_id, project_id=OURS, is_admin=False, **asked)
    assert (found.address, found.port_id) == ("10.0.0.51", port)
    with pytest.raises(errors.ValidationFailure, match=f"Port {port} is already used by device lb-{loadbalancer_id}"):
        allocate(front, vip_port_id=port, vip_address="10.0.0.51")
    with front.store.writing() as tx:
        release(tx, loadbalancer_id)
    assert admin.get(f"{path}/{port}")["port"]["device_id"] == ""


def test_the_end_of_a_load_balancer_frees_what_was_made_for_it(front: Any, demo: Any) -> None:
    loadbalancer_id = str(uuid.uuid4())
    project = demo.login.project_id
    with front.store.writing() as tx:
        asked = {**NOTHING, "vip_subnet_id": front.world.private_subnet}
        made = vip.allocate(tx, loadbalancer_id=loadbalancer_id, project_id=project, is_admin=False, **asked)
    path = "/networking/v2.0/floatingips"
    floating = demo.made(path, "floatingip", floating_network_id=front.world.public_net, port_id=made.port_id)
    assert front.woken == [loadbalancer_id]
    with front.store.reading() as tx:
        assert floating_addresses(tx, [made.port_id]) == [floating["floating_ip_address"]]
    with front.store.writing() as tx:
        release(tx, loadbalancer_id)
    with front.store.reading() as tx:
        assert tx.scalar(sa.select(PORT.c.id).where(PORT.c.id == made.port_id)) is None
        assert tx.scalar(sa.select(FIXED_IP.c.port_id).where(FIXED_IP.c.port_id == made.port_id)) is None
    left = demo.get(f"{path}/{floating['id']}")["floatingip"]
    assert (left["port_id"], left["fixed_ip_address"], left["status"]) == (None, None, "DOWN")
    assert allocate(front, vip_subnet_id=front.world.private_subnet).address == made.address


def test_threads_never_get_the_same_address(front: Any) -> None:
    ready = threading.Barrier(8)

    def some(_: int) -> list[str]:
        ready.wait()
        return [allocate(front, vip_subnet_id=front.world.private_subnet).address for _ in range(19)]

    with ThreadPoolExecutor(8) as pool:
        found = [address for each in pool.map(some, range(8)) for address in each]
    assert len(found) == len(set(found)) == 152
    assert sorted(int(address.rpartition(".")[2]) for address in found) == list(range(100, 252))


def test_gaps_are_found_when_the_end_has_been_reached(front: Any) -> None:
    subnet = front.world.private_subnet
    allocate(front, vip_subnet_id=subnet, vip_address="10.0.0.254")
    allocate(front, vip_subnet_id=subnet, vip_address="10.0.0.101")
    found = [allocate(front, vip_subnet_id=subnet).address for _ in range(3)]
    assert found == ["10.0.0.100", "10.0.0.102", "10.0.0.103"]
    for _ in range(150):
        allocate(front, vip_subnet_id=subnet)
    full = r"No more IP addresses available on network .*: all 155 of subnet .* \(10\.0\.0\.0/24\) are taken\. Delete"
    with pytest.raises(errors.Conflict, match=full):
        allocate(front, vip_subnet_id=subnet)
