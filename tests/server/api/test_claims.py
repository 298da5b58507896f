"""The addresses that may carry traffic: each for one load balancer alone, over all networks."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_network
from types import SimpleNamespace
from typing import Any

import pytest

from lbclient.dataplane.haproxy.attachments import attachment

NETWORKING = "//networking/v2.0"


def network(person: Any, cidr: str, **values: Any) -> SimpleNamespace:
    """A network of a person's own with one subnet."""
    made = person.post(f"{NETWORKING}/networks", "network", name="n", **values)
    place = {"network_id": made["id"], "cidr": cidr, "ip_version": ip_network(cidr).version, "gateway_ip": None}
    subnet = person.post(f"{NETWORKING}/subnets", "subnet", **place)
    return SimpleNamespace(id=made["id"], subnet=subnet["id"])


def refusal(person: Any, status: int, **values: Any) -> str:
    """Return the reason for which a load balancer is refused."""
    answer = person.request("POST", "/loadbalancers", {"loadbalancer": values})
    assert answer.status_code == status, answer.text
    return str(answer.json["faultstring"])


SPECIAL = [
    ("0.0.0.0/29", "0.0.0.1", "an unspecified address"),
    ("0.0.0.0/32", "0.0.0.0", "an unspecified address"),
    ("::/128", "::", "an unspecified address"),
    ("127.0.0.0/24", "127.0.0.1", "a loopback address"),
    ("::1/128", "::1", "a loopback address"),
    ("224.0.0.0/24", "224.0.0.1", "a multicast address"),
    ("ff02::/64", "ff02::1", "a multicast address"),
    ("169.254.0.0/16", "169.254.169.254", "a link-local address"),
    ("fe80::/64", "fe80::1", "a link-local address"),
    ("255.255.255.255/32", "255.255.255.255", "a broadcast address"),
    ("240.0.0.0/29", "240.0.0.1", "a reserved address"),
    ("::ffff:0:0/96", "::ffff:127.0.0.1", "a loopback address"),
    ("64:ff9b::/96", "64:ff9b::a9fe:a9fe", "a link-local address"),
    ("2002:7f00:1::/48", "2002:7f00:1::1", "a loopback address"),
]


@pytest.mark.parametrize("attachment", ["anyip", "lab", "loopback"])
@pytest.mark.parametrize(("cidr", "address", "meaning"), SPECIAL)
def test_special_addresses_are_nobodys(make_api: Any, attachment: str, cidr: str, address: str, meaning: str) -> None:
    api = make_api(attachment=attachment)
    for person in (api, api.as_("admin")):
        subnet = network(person, cidr).subnet
        said = refusal(person, 400, vip_subnet_id=subnet, vip_address=address)
        assert "cannot be a VIP or a floating IP" in said
        assert meaning in said
        assert "cannot be a VIP or a floating IP" in refusal(person, 400, vip_subnet_id=subnet)


def test_a_range_within_special_addresses_allows_them_and_a_wide_one_does_not(make_api: Any) -> None:
    wide = [ip_network("0.0.0.0/0"), ip_network("::/0")]
    api = make_api(attachment="anyip", vip_ranges=(*wide, ip_network("169.254.7.0/24")))
    for cidr, status in (("169.254.7.0/24", 201), ("169.254.8.0/24", 400), ("127.0.0.0/24", 400), ("10.9.0.0/24", 201)):
        body = {"loadbalancer": {"vip_subnet_id": network(api, cidr).subnet}}
        assert api.request("POST", "/loadbalancers", body).status_code == status, cidr


def test_this_machines_own_addresses_are_passed_over(make_api: Any) -> None:
    own = ("10.0.0.100", "10.0.0.102", "2001:db8::5")
    api = make_api(attachment="anyip", own=own)
    assert "it is this machine's own" in refusal(api, 400, vip_subnet_id=api.subnets["private"], vip_address=own[0])
    made = [api.loadbalancer()["vip_address"] for _ in range(3)]
    assert made == ["10.0.0.101", "10.0.0.103", "10.0.0.104"]
    api = make_api(attachment="anyip", own=own, vip_ranges=(ip_network("10.0.0.0/24"), ip_network("10.0.0.102/32")))
    assert refusal(api, 400, vip_subnet_id=api.subnets["private"], vip_address=own[0])
    assert api.loadbalancer(vip_address=own[1])["vip_address"] == own[1]


@pytest.mark.parametrize("cidr", ["198.51.100.0/24", "2001:db8:9::/64"])
def test_with_loopback_addresses_that_the_machine_does_not_have_are_refused_at_once(make_api: Any, cidr: str) -> None:
    api = make_api(attachment="loopback", on=attachment("loopback"))
    for person in (api, api.as_("admin")):
        place = network(api.as_("admin"), cidr, shared=True)
        address = str(ip_network(cidr)[9])
        for wanted in ({"vip_subnet_id": place.subnet}, {"vip_subnet_id": place.subnet, "vip_address": address}):
            assert "subnets lie within 127.0.0.0/8" in refusal(person, 400, **wanted)
        both = [{"subnet_id": place.subnet}]
        inside = network(person, "127.60.0.0/24").subnet
        assert "subnets lie within 127.0.0.0/8" in refusal(person, 400, vip_subnet_id=inside, additional_vips=both)
        assert person.loadbalancer(vip_subnet_id=inside)["vip_address"].startswith("127.60.0.")


def test_with_anyip_projects_get_addresses_only_where_an_admin_vouches(make_api: Any) -> None:
    api = make_api(attachment="anyip")
    admin = api.as_("admin")
    own = network(api, "10.7.0.0/24")
    said = refusal(api, 400, vip_subnet_id=own.subnet)
    assert "in a network of a project's own. Allowed: subnets that an admin made or shared" in said
    assert api.loadbalancer()["vip_address"] == "10.0.0.100"
    admin.put(f"{NETWORKING}/networks/{own.id}", "network", shared=True)
    assert api.loadbalancer(vip_subnet_id=own.subnet)["vip_address"].startswith("10.7.0.")
    place = {"network_id": own.id, "cidr": "10.8.0.0/24", "ip_version": 4}
    later = api.post(f"{NETWORKING}/subnets", "subnet", **place)["id"]
    assert "Allowed" in refusal(api, 400, vip_subnet_id=later)
    assert "Allowed" in refusal(api, 400, vip_network_id=own.id, vip_address="10.8.0.9")
    ranged = make_api(attachment="anyip", vip_ranges=(ip_network("10.8.0.0/28"),))
    assert ranged.loadbalancer(vip_subnet_id=later, vip_address="10.8.0.9")
    assert "Allowed: subnets that an admin made or shared; 10.8.0.0/28" in refusal(
        ranged, 400, vip_subnet_id=later, vip_address="10.8.0.19"
    )


@pytest.mark.parametrize("cidr", ["10.60.0.0/24", "2001:db8:7::/64"])
def test_one_address_is_one_load_balancers_over_all_networks(make_api: Any, cidr: str) -> None:
    api = make_api(attachment="lab")
    other = api.as_("other")
    first, second = network(api, cidr), network(other, cidr)
    taken = api.loadbalancer(vip_subnet_id=first.subnet)
    said = refusal(other, 409, vip_subnet_id=second.subnet, vip_address=taken["vip_address"])
    assert said == f"IP address {taken['vip_address']} is in use by another load balancer or floating IP."
    spelt = {"ip_address": taken["vip_address"], "subnet_id": second.subnet}
    port = other.post(f"{NETWORKING}/ports", "port", network_id=second.id, fixed_ips=[spelt])["id"]
    assert "is in use" in refusal(other, 409, vip_port_id=port)
    additional = {"subnet_id": second.subnet, "ip_address": taken["vip_address"]}
    third = network(other, "10.44.0.0/24")
    mixed = {"vip_subnet_id": third.subnet, "additional_vips": [additional]}
    assert other.request("POST", "/loadbalancers", {"loadbalancer": mixed}).status_code in (400, 409)
    passed = other.loadbalancer(vip_subnet_id=second.subnet)["vip_address"]
    assert passed != taken["vip_address"]
    api.delete(f"/loadbalancers/{taken['id']}")
    other.delete(f"{NETWORKING}/ports/{port}")
    again = other.loadbalancer(vip_subnet_id=second.subnet, vip_address=taken["vip_address"])
    assert again["vip_address"] == taken["vip_address"]


def test_floating_ips_and_vips_do_not_share_addresses(make_api: Any) -> None:
    api = make_api(attachment="lab")
    admin = api.as_("admin")
    external = network(admin, "10.30.0.0/24", **{"router:external": True})
    same = network(api, "10.30.0.0/24")
    path = f"{NETWORKING}/floatingips"
    vip = api.loadbalancer(vip_subnet_id=same.subnet)["vip_address"]
    asked = {"floating_network_id": external.id, "floating_ip_address": vip}
    answer = admin.request("POST", path, {"floatingip": asked})
    assert answer.status_code == 409, answer.text
    floating = api.post(path, "floatingip", floating_network_id=external.id)
    assert floating["floating_ip_address"] != vip
    wanted = {"vip_subnet_id": same.subnet, "vip_address": floating["floating_ip_address"]}
    assert "is in use" in refusal(api, 409, **wanted)
    api.delete(f"{path}/{floating['id']}")
    assert api.loadbalancer(**wanted)["vip_address"] == floating["floating_ip_address"]


def test_where_nothing_runs_nothing_is_claimed_and_nothing_refused(make_api: Any) -> None:
    api = make_api(attachment="anyip")
    noop = {"provider": "noop_driver"}
    first, second = network(api, "127.0.0.0/24"), network(api.as_("other"), "127.0.0.0/24")
    for person, place in ((api, first), (api.as_("other"), second)):
        made = person.loadbalancer(vip_subnet_id=place.subnet, vip_address="127.0.0.1", **noop)
        assert made["vip_address"] == "127.0.0.1"
    address = api.loadbalancer(**noop)["vip_address"]
    third = network(api.as_("admin"), "10.0.0.0/24")
    assert api.as_("admin").loadbalancer(vip_subnet_id=third.subnet, vip_address=address)["vip_address"] == address


def test_a_network_in_which_everything_exists_gives_an_address_once(make_api: Any) -> None:
    api = make_api(attachment="lab", network="noop")
    asked = {"vip_subnet_id": api.subnets["private"], "vip_address": "10.0.0.9"}
    api.loadbalancer(**asked)
    assert "is in use" in refusal(api, 409, **asked)
    assert "it is a loopback address" in refusal(api, 400, **{**asked, "vip_address": "127.0.0.1"})


def test_what_fails_claims_nothing(make_api: Any) -> None:
    api = make_api(attachment="lab")
    asked = {"vip_subnet_id": api.subnets["private"], "vip_address": "10.0.0.9"}
    assert refusal(api, 400, **asked, additional_vips=[{"subnet_id": "0" * 36}])
    assert api.loadbalancer(**asked)["vip_address"] == "10.0.0.9"


def test_with_anyip_members_keep_their_addresses(make_api: Any) -> None:
    api = make_api(attachment="anyip")
    pool = api.pool(api.loadbalancer())
    api.member(pool, address="10.0.0.101")
    assert "is in use by another machine" in refusal(
        api.as_("other"), 409, vip_subnet_id=api.subnets["private"], vip_address="10.0.0.101"
    )
    assert api.as_("other").loadbalancer()["vip_address"] == "10.0.0.102"


@pytest.mark.parametrize("attachment", ["anyip", "interface"])
def test_an_address_that_another_machine_answers_for_is_refused_and_passed_over(make_api: Any, attachment: str) -> None:
    taken = {f"10.0.0.{last}": f"Address 10.0.0.{last} is in use: 02::7 answers for it." for last in (100, 101, 103)}
    api = make_api(attachment=attachment, duplicates=taken)
    for path in ("10.0.0.101", "10.0.0.103"):
        place = {"vip_subnet_id": api.subnets["private"], "vip_address": path}
        assert taken[path] in refusal(api, 409, **place)
    assert api.get("/loadbalancers")["loadbalancers"] == []
    members = [{"address": "192.0.2.1", "protocol_port": 80}]
    pool = {"name": "p", "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN", "members": members}
    tree = {"listeners": [{"protocol": "HTTP", "protocol_port": 80, "default_pool": pool}]}
    assert [api.loadbalancer(**tree)["vip_address"] for _ in range(2)] == ["10.0.0.102", "10.0.0.104"]
    assert len(api.get("/pools")["pools"]) == 2
    assert len(api.get("/pools")["pools"][0]["members"]) == 1


def test_a_request_probes_a_bounded_number_of_addresses(make_api: Any) -> None:
    class Taken(dict[str, str]):
        def get(self, address: Any, default: Any = None) -> Any:
            return f"{address} is in use."

    api = make_api(attachment="anyip", duplicates=Taken(x=""))
    assert "other machines answer for 16" in refusal(api, 409, vip_subnet_id=api.subnets["private"])


def test_writers_at_the_same_time_get_an_address_once(make_api: Any) -> None:
    api = make_api(attachment="lab")
    places = [network(person, "10.50.0.0/24").subnet for person in (api, api.as_("other")) for _ in range(3)]
    people = [api] * 3 + [api.as_("other")] * 3
    ready = threading.Barrier(len(places))

    def create(person: Any, subnet: str) -> list[str]:
        ready.wait(timeout=20)
        body = {"loadbalancer": {"vip_subnet_id": subnet, "vip_address": "10.50.0.9"}}
        wanted = person.request("POST", "/loadbalancers", body).status_code
        return [str(wanted), person.loadbalancer(vip_subnet_id=subnet)["vip_address"]]

    with ThreadPoolExecutor(len(places)) as threads:
        results = list(threads.map(create, people, places))
    assert sorted(status for status, _ in results) == ["201", *["409"] * 5]
    addresses = [address for _, address in results]
    assert len(set(addresses)) == len(addresses), addresses


METADATA = [
    *("169.254.169.254", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1", "fd00:ec2::254"),
    *("::169.254.169.254", "::ffff:0:169.254.169.254", "2001:0:a9fe:a9fe::1", "2001:0:1:1:0:0:5601:5601"),
    *("64:ff9b:1::a9fe:a9fe", "64:ff9b:1:a9fe:a9:fe00::", "64:ff9b:1:a9:fe:a9fe::", "64:ff9b:1:0:a9:fea9:fe00:0"),
    *("2001:db8::5efe:a9fe:a9fe", "2001:db8::200:5efe:a9fe:a9fe"),
    *("169.254.170.2", "169.254.170.23", "fd00:ec2::23", "fd20:ce::254", "fd00:42::42"),
]
ORDINARY = ["64:ff9b::a00:5", "64:ff9b:1::a00:5", "64:ff9b:1:a00:0:500::", "2002:a00:5::1", "2001:db8::5"]
UNSPECIFIED = ["0.0.0.0", "::", "::ffff:0.0.0.0"]
OWN = ["127.0.0.1", "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "10.0.0.77", "::ffff:10.0.0.77"]
ELSEWHERE = ["169.254.1.1", "fe80::1", "224.0.0.1", "255.255.255.255"]


@pytest.mark.parametrize("attachment", ["anyip", "lab", "loopback"])
@pytest.mark.parametrize("name", ["address", "monitor_address"])
def test_members_and_their_checks_reach_no_service_of_clouds_or_of_the_host(
    make_api: Any, attachment: str, name: str
) -> None:
    api = make_api(attachment=attachment, own=("10.0.0.77",))
    path = f"/pools/{api.pool(api.loadbalancer())['id']}/members"
    kept = api.post(path, "member", address="10.0.0.4", protocol_port=79)
    forbidden = [*METADATA, *UNSPECIFIED, *((*OWN, *ELSEWHERE) if attachment == "anyip" else ())]
    for address in forbidden:
        values = {"address": "10.0.0.5", "protocol_port": 80, name: address}
        said = api.fails("POST", path, {"member": values}, 400)
        assert f"{name}: {address} is reserved and cannot be a member's" in said
        assert said == api.fails("PUT", path, {"members": [values]}, 400)
        if name == "monitor_address":
            changed = {"monitor_address": address}
            assert said == api.fails("PUT", f"{path}/{kept['id']}", {"member": changed}, 400)
    for port, address in enumerate(() if attachment == "anyip" else (*OWN, *ELSEWHERE), 81):
        api.post(path, "member", **{"address": "10.0.0.5", "protocol_port": port, name: address})


@pytest.mark.parametrize("attachment", ["anyip", "loopback"])
def test_translated_addresses_of_other_machines_may_be_members(make_api: Any, attachment: str) -> None:
    api = make_api(attachment=attachment)
    pool = api.pool(api.loadbalancer())
    for address in ORDINARY:
        assert api.member(pool, address=address)["address"] == address


def test_configured_addresses_of_the_host_may_be_members(make_api: Any) -> None:
    ranges = (ip_network("127.0.0.0/30"), ip_network("10.0.0.77/32"))
    api = make_api(attachment="anyip", own=("10.0.0.77", "10.0.0.78"), member_ranges=ranges)
    pool = api.pool(api.loadbalancer())
    for address in ("127.0.0.1", "10.0.0.77"):
        assert api.member(pool, address=address)["address"] == address
    for address in ("127.0.0.5", "10.0.0.78", "169.254.169.254"):
        body = {"member": {"address": address, "protocol_port": 80}}
        assert "reserved" in api.fails("POST", f"/pools/{pool['id']}/members", body, 400)
