"""The operators' commands against a real server: as `lbclient`, as a plugin of `openstack`, as the genuine plugin."""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import pytest

import genuine_openstack


class Play(Protocol):
    """Runs a command line that has to succeed; what it printed."""

    is_genuine: bool

    def __call__(self, *words: str) -> str: ...

    def json(self, *words: str) -> Any: ...

    def fails(self, *words: str, status: int = 1) -> str: ...


class _Player:
    is_genuine = False

    def run(self, words: Sequence[str]) -> tuple[int, str, str]:
        raise NotImplementedError

    def __call__(self, *words: str) -> str:
        status, out, err = self.run(words)
        assert status == 0, (words, err)
        return out

    def json(self, *words: str) -> Any:
        return json.loads(self(*words, "-f", "json"))

    def fails(self, *words: str, status: int = 1) -> str:
        found, _, err = self.run(words)
        assert found == status, words
        assert "Traceback" not in err
        return err.strip()


class Ours(_Player):
    def __init__(self, run: Any) -> None:
        self._run = run

    def run(self, words: Sequence[str]) -> tuple[int, str, str]:
        result = self._run("--os-cloud", "lbclient-admin", *words)
        return result.status, result.out, result.err


class InOpenstack(_Player):
    def __init__(self, environment: dict[str, str], hidden: str) -> None:
        self.is_genuine = hidden == "lbclient"
        self._environment, self._hidden = environment, hidden

    def run(self, words: Sequence[str]) -> tuple[int, str, str]:
        ended = genuine_openstack.openstack(self._environment, *words, hidden=self._hidden)
        return ended.returncode, ended.stdout, ended.stderr


@pytest.fixture(params=["lbclient", "openstack with ours", "openstack with the genuine plugin"])
def play(request: pytest.FixtureRequest, run: Any, cloud: Any) -> Play:
    if request.param == "lbclient":
        return Ours(run)
    hidden = "lbclient" if "genuine" in request.param else "python-octaviaclient"
    return InOpenstack(cloud.environment("lbclient-admin"), hidden)


@pytest.fixture
def balancer(play: Play, name: str) -> Iterator[str]:
    """The name of a load balancer that the operator has made."""
    play("loadbalancer", "create", "--name", name, "--vip-subnet-id", "private-subnet", "--wait")
    yield name
    play("loadbalancer", "delete", "--cascade", "--wait", name)


def test_whose_commands_they_are(play: Play) -> None:
    said = play("help", "loadbalancer", "quota", "defaults", "show")
    assert ("projects without a quota of their own" in said) is not play.is_genuine


def test_flavors(play: Play, name: str) -> None:
    data = '{"loadbalancer_topology": "SINGLE", "compute_flavor": "m1"}'
    noun = ("loadbalancer", "flavorprofile")
    profile = play.json(*noun, "create", "--name", name, "--provider", "octavia", "--flavor-data", data)
    assert list(profile) == ["id", "name", "provider_name", "flavor_data"]
    assert profile["flavor_data"] == data
    assert play.json(*noun, "list", "--name", name, "--provider", "octavia") == [
        {"id": profile["id"], "name": name, "provider_name": "octavia"}
    ]
    play(*noun, "set", "--flavor-data", "{}", "--provider", "amphora", name)
    play(*noun, "set", "--name", f"{name} two", name)
    shown = play.json(*noun, "show", f"{name} two")
    assert shown == {"id": profile["id"], "name": f"{name} two", "provider_name": "amphora", "flavor_data": "{}"}

    noun = ("loadbalancer", "flavor")
    create = (*noun, "create", "--flavorprofile", f"{name} two", "--name", name)
    flavor = play.json(*create, "--description", "small", "--disable")
    assert flavor == {
        "id": flavor["id"],
        "name": name,
        "flavor_profile_id": profile["id"],
        "enabled": False,
        "description": "small",
    }
    assert "already exists" in play.fails(*create)
    [listed] = play.json(*noun, "list", "--name", name, "--disable", "--flavorprofile", f"{name} two")
    assert list(listed.values()) == [flavor["id"], name, profile["id"], False]
    assert play.json(*noun, "list", "--name", name, "--enable") == []
    play(*noun, "set", "--enable", "--name", f"{name} new", "--description", "x", name)
    play(*noun, "unset", "--description", f"{name} new")
    assert play.json(*noun, "show", flavor["id"]) == {
        **flavor,
        "name": f"{name} new",
        "enabled": True,
        "description": "",
    }
    assert "in use" in play.fails("loadbalancer", "flavorprofile", "delete", f"{name} two")
    play(*noun, "delete", f"{name} new")
    play("loadbalancer", "flavorprofile", "delete", f"{name} two")


def test_availability_zones(play: Play, name: str) -> None:
    data = '{"compute_zone": "nova"}'
    noun = ("loadbalancer", "availabilityzoneprofile")
    create = (*noun, "create", "--name", name, "--provider", "octavia", "--availability-zone-data")
    profile = play.json(*create, data)
    assert list(profile) == ["id", "name", "provider_name", "availability_zone_data"]
    assert "bogus is not one of compute_zone" in play.fails(*create, '{"bogus": 1}')
    assert [each["id"] for each in play.json(*noun, "list", "--name", name)] == [profile["id"]]
    play(*noun, "set", "--availability-zone-data", "{}", name)
    play(*noun, "set", "--name", f"{name} two", name)
    assert play.json(*noun, "show", f"{name} two")["availability_zone_data"] == "{}"

    zone = f"{name} Süd"
    noun = ("loadbalancer", "availabilityzone")
    profile_name = f"{name} two"
    made = play.json(*noun, "create", "--name", zone, "--availabilityzoneprofile", profile_name, "--description", "x")
    assert made == {
        "name": zone,
        "availability_zone_profile_id": profile["id"],
        "enabled": True,
        "description": "x",
    }
    [listed] = play.json(*noun, "list", "--name", zone, "--enable", "--availabilityzoneprofile", profile_name)
    assert list(listed.values()) == [zone, profile["id"], True]
    play(*noun, "set", "--disable", zone)
    play(*noun, "unset", "--description", zone)
    assert play.json(*noun, "show", zone) == {**made, "enabled": False, "description": ""}
    play(*noun, "delete", zone)
    play("loadbalancer", "availabilityzoneprofile", "delete", profile_name)


def test_providers(play: Play) -> None:
    found = [each["name"] for each in play.json("loadbalancer", "provider", "list")]
    assert found == ["octavia", "amphora", "noop_driver"]
    noun = ("loadbalancer", "provider", "capability", "list")
    both = play.json(*noun, "octavia")
    assert list(both[0]) == ["type", "name", "description"]
    flavor, zone = (play.json(*noun, flag, "octavia") for flag in ("--flavor", "--availability-zone"))
    assert both == flavor + zone
    assert {each["type"] for each in flavor} == {"flavor"}
    assert "valid_vip_networks" in [each["name"] for each in zone]
    assert "Provider 'nope' is not enabled." in play.fails(*noun, "nope")


def test_amphorae(play: Play, balancer: str) -> None:
    noun = ("loadbalancer", "amphora")
    [listed] = play.json(*noun, "list", "--loadbalancer", balancer, "--role", "standalone", "--status", "allocated")
    assert list(listed) == ["id", "loadbalancer_id", "status", "role", "lb_network_ip", "ha_ip"]
    long = play.json(*noun, "list", "--loadbalancer", balancer, "--long")
    assert list(long[0])[6:] == ["compute_id", "cached_zone", "image_id"]
    id_ = listed["id"]
    shown = play.json(*noun, "show", id_)
    assert len(shown) == 20
    assert (shown["ha_ip"], shown["cert_busy"]) == (listed["ha_ip"], False)
    listener = ("loadbalancer", "listener", "create", "--name", balancer, "--protocol", "HTTP", "--wait")
    play(*listener, "--protocol-port", "8099", balancer)
    stats = play.json(*noun, "stats", "show", id_)
    assert stats == play.json(*noun, "stats", "show", "--listener", balancer, id_)
    assert stats["total_connections"] == 0
    play(*noun, "failover", "--wait", id_)
    [after] = play.json(*noun, "list", "--loadbalancer", balancer)
    assert after["id"] != id_
    play(*noun, "configure", "--wait", after["id"])
    assert "immutable" in play.fails(*noun, "delete", "--wait", after["id"])
    assert "not found" in play.fails(*noun, "show", id_)
    play("loadbalancer", "failover", "--wait", balancer)
    assert play.json(*noun, "list", "--loadbalancer", balancer)[0]["id"] != after["id"]


def test_quotas(play: Play) -> None:
    noun = ("loadbalancer", "quota")
    names = ["load_balancer", "listener", "pool", "health_monitor", "member", "l7policy", "l7rule"]
    defaults = dict.fromkeys(names, -1)
    assert play.json(*noun, "defaults", "show") == defaults
    play(*noun, "reset", "demo")
    assert play.json(*noun, "show", "demo") == defaults
    changed = play.json(*noun, "set", "--loadbalancer", "5", "--healthmonitor", "6", "--l7rule", "7", "demo")
    assert changed == {**defaults, "load_balancer": 5, "health_monitor": 6, "l7rule": 7}
    [listed] = play.json(*noun, "list")
    assert list(listed) == ["project_id", *names]
    assert play.json(*noun, "list", "--project", "demo") == [listed]
    play(*noun, "unset", "--loadbalancer", "--healthmonitor", "demo")
    assert play.json(*noun, "show", listed["project_id"]) == {**defaults, "l7rule": 7}
    play(*noun, "reset", "demo")
    assert play.json(*noun, "list") == []
    assert "--l7rule" in play.fails(*noun, "set", "demo", status=1 if play.is_genuine else 2)


def test_what_users_may(run: Any, loadbalancer: str) -> None:
    assert run("loadbalancer", "provider", "list").status == 0
    assert run("loadbalancer", "flavor", "list").status == 0
    assert run("loadbalancer", "availabilityzone", "list").status == 0
    for line in (
        ("flavorprofile", "list"),
        ("amphora", "list"),
        ("provider", "capability", "list", "octavia"),
        ("failover", loadbalancer),
        ("quota", "set", "--pool", "1", "demo"),
    ):
        result = run("loadbalancer", *line)
        assert (result.status, "Policy does not allow" in result.err) == (1, True), line


def test_a_load_balancer_with_a_flavor_in_a_zone(run: Any, name: str) -> None:
    play = Ours(run)
    noun = ("loadbalancer", "flavorprofile", "create", "--name", name, "--provider", "octavia", "--flavor-data")
    play(*noun, '{"compute_flavor": "m1"}')
    play("loadbalancer", "flavor", "create", "--name", name, "--flavorprofile", name)
    noun = ("loadbalancer", "availabilityzoneprofile", "create", "--name", name, "--provider", "octavia")
    play(*noun, "--availability-zone-data", '{"compute_zone": "nova"}')
    play("loadbalancer", "availabilityzone", "create", "--name", name, "--availabilityzoneprofile", name)
    create = ("loadbalancer", "create", "--name", name, "--vip-subnet-id", "private-subnet", "--wait")
    made = play.json(*create, "--flavor", name, "--availability-zone", name)
    assert made["availability_zone"] == name
    chosen = play.json("loadbalancer", "list", "--flavor", name, "--availability-zone", name)
    assert [each["id"] for each in chosen] == [made["id"]]
    [amphora] = play.json("loadbalancer", "amphora", "list", "--loadbalancer", name, "--long")
    assert amphora["cached_zone"] == "nova"
    assert "in use" in play.fails("loadbalancer", "flavor", "delete", name)
    play("loadbalancer", "delete", "--wait", name)
    for noun in (("flavor",), ("flavorprofile",), ("availabilityzone",), ("availabilityzoneprofile",)):
        play("loadbalancer", *noun, "delete", name)


def test_requests_are_few(run: Any, name: str) -> None:
    """A zone's name is its identifier, and an amphora has no name: nothing has to be looked up."""
    for line in (("availabilityzone", "show", name), ("amphora", "show", name), ("amphora", "delete", name)):
        result = run("--os-cloud", "lbclient-admin", "--debug", "loadbalancer", *line)
        assert result.status == 1
        requests = [each for each in result.err.splitlines() if each.startswith("REQ: curl")]
        assert len([each for each in requests if "/load-balancer/" in each]) == 1, requests


def test_all_commands_are_there() -> None:
    entry_points = importlib.metadata.entry_points(group="openstack.load_balancer.v2")
    assert len({each.name for each in entry_points if each.value.startswith("lbclient.")}) >= 82
