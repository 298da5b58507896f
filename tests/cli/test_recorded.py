"""The requests that python-octaviaclient sends and those that lbclient sends for the same words, side by side.

Changes have to be the same requests with the same bodies. What is only read has to be the same in the end; on the way
there, fewer requests are a gain. No request of ours is made twice.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

import genuine_openstack
from command_lines import SURFACE, lines_of, options_of
from lbclient.client import wait
from lbclient.client.connect import connect
from lbclient.client.services import Services
from lbclient.resources import AMPHORA, BY_NAME, LOADBALANCER
from players import Lbclient
from recording import SERVICE, Recorder, Sent, recorder

QOS_POLICY = {"id": "5f0a6c11-7d3e-4a0c-8a44-0b5d6f6f7a01", "name": "recorded policy"}
# What the short way leaves out; and where HAProxy checks a member of another test that had the recorder's port.
LOGGING_IN = ("/identity/v3/auth/tokens", "/identity", "/health")
SECURITY_GROUP = {"id": "7b0a6c11-7d3e-4a0c-8a44-0b5d6f6f7a02", "name": "recorded group"}


class World:
    """One object of each kind, made through the client."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self.names: dict[str, str] = {}
        self.ids: dict[str, str] = {}

    def build(self) -> None:
        [subnet] = self.services.network.get("/subnets", {"name": "private-subnet"})["subnets"]
        self._note("subnet", subnet["id"], subnet["name"])
        network = self.services.network.get(f"/networks/{subnet['network_id']}")["network"]
        self._note("network", network["id"], network["name"])
        balancer = self._make("loadbalancer", vip_subnet_id=self.ids["subnet"], tags=["first", "second"])
        self._note("port", balancer["vip_port_id"], balancer["vip_port_id"])
        self._note("qos_policy", QOS_POLICY["id"], QOS_POLICY["name"])
        self._note("security_group", SECURITY_GROUP["id"], SECURITY_GROUP["name"])
        on = {"loadbalancer_id": balancer["id"]}
        self._make("listener", protocol="HTTP", protocol_port=8123, **on)
        self._make("pool", protocol="HTTP", lb_algorithm="ROUND_ROBIN", listener_id=self.ids["listener"])
        self._make("member", "pool", address="192.0.2.9", protocol_port=80)
        monitor: dict[str, Any] = {"type": "TCP", "delay": 60, "timeout": 1, "max_retries": 3}
        self._make("healthmonitor", pool_id=self.ids["pool"], **monitor)
        self._make("l7policy", listener_id=self.ids["listener"], action="REJECT")
        self._make("l7rule", "l7policy", compare_type="EQUAL_TO", type="PATH", value="/")
        self._make("flavorprofile", provider_name="octavia", flavor_data="{}")
        self._make("flavor", flavor_profile_id=self.ids["flavorprofile"])
        self._make("availabilityzoneprofile", provider_name="octavia", availability_zone_data="{}")
        self._make("availabilityzone", availability_zone_profile_id=self.ids["availabilityzoneprofile"])
        amphora = next(self.services.api.list(AMPHORA, filters=on))["id"]
        self._note("amphora", amphora, amphora)

    def remove(self) -> None:
        balancer = self.ids["loadbalancer"]
        self.services.api.delete(LOADBALANCER, balancer, options={"cascade": True})
        wait.until_gone(self.services.api, LOADBALANCER, balancer, wait.Deadline(20))
        for kind in ("flavor", "flavorprofile", "availabilityzone", "availabilityzoneprofile"):
            self.services.api.delete(BY_NAME[kind], self.ids[kind])

    def _note(self, kind: str, id_: str, name: str) -> None:
        self.ids[kind], self.names[kind] = id_, name

    def _make(self, kind: str, parent: str | None = None, **values: Any) -> Any:
        resource, name = BY_NAME[kind], f"recorded {kind} é"
        parents = {f"{parent}_id": self.ids[parent]} if parent else None
        if resource.named or kind.startswith("availabilityzone"):
            values["name"] = name
        made = self.services.api.create(resource, values, parents)
        id_ = made.get("id", name)
        self._note(kind, id_, name if "name" in values else id_)
        if "provisioning_status" in resource:
            wait.until_settled(self.services.api, LOADBALANCER, {"id": self.ids["loadbalancer"]}, wait.Deadline(20))
        return made


@dataclass
class Stage:
    """Both clients in front of one recorder."""

    recorder: Recorder
    environment: dict[str, str]
    run: Any
    world: World

    def both(self, words: Sequence[str]) -> tuple[list[Sent], list[Sent]]:
        """Return the requests of python-octaviaclient and those of lbclient; both commands have to succeed."""
        self.recorder.taken()
        ended = genuine_openstack.openstack(self.environment, *words, hidden="lbclient")
        assert ended.returncode == 0, (words, ended.stderr)
        theirs = self.recorder.taken()
        result = self.run(*words)
        assert result.status == 0, (words, result.err)
        return theirs, self.recorder.taken()


@pytest.fixture(scope="module")
def world(cloud: Any) -> Iterator[World]:
    made = World(connect({"cloud": "lbclient-admin", "auth_cache": "off"}, cloud.environment()))
    made.build()
    yield made
    made.remove()


@pytest.fixture(scope="module")
def recording(cloud: Any) -> Iterator[Recorder]:
    network = "/networking/v2.0"  # not all of which the server has
    known = {
        f"{network}/qos/policies": {"policies": [QOS_POLICY]},
        f"{network}/security-groups": {"security_groups": [SECURITY_GROUP]},
    }
    with recorder(cloud.url, known) as started:
        yield started


@pytest.fixture(scope="module")
def environment(cloud: Any, recording: Recorder, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("recorded")
    clouds = folder / "clouds.yaml"
    clouds.write_text((cloud.state_directory / "clouds.yaml").read_text().replace(cloud.url, recording.url))
    own = {"OS_CLIENT_CONFIG_FILE": str(clouds), "OS_CLOUD": "lbclient-admin", "XDG_CACHE_HOME": str(folder)}
    return {**cloud.environment(), **own}


@pytest.fixture
def stage(
    recording: Recorder, run: Any, world: World, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> Stage:
    for name in ("OS_CLIENT_CONFIG_FILE", "OS_CLOUD", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, environment[name])
    return Stage(recording, environment, run, world)


def changes(sent: Sequence[Sent]) -> list[Sent]:
    return [each for each in sent if each.path.startswith(SERVICE) and each.method != "GET"]


def reads(sent: Sequence[Sent]) -> list[Sent]:
    return [each for each in sent if each.path.startswith(SERVICE) and each.method == "GET"]


# What is another body on purpose. Everything else has to be the same.


def without_defaults(command: str, body: Any) -> Any:
    """python-octaviaclient says `admin_state_up: true` of most that it creates; that is the server's default."""
    if command.endswith(" create") and body.get("admin_state_up") is True:
        return {name: value for name, value in body.items() if name != "admin_state_up"}
    return body


def without_order(command: str, body: Any) -> Any:
    """Tags are a set: in python-octaviaclient's order, or its repetitions, there is no meaning."""
    return {**body, "tags": sorted(set(body["tags"]))} if "tags" in body else body


def by_todays_names(command: str, body: Any) -> Any:
    """`quota unset` of python-octaviaclient says the names that the API has for old clients only."""
    if command != "loadbalancer quota unset":
        return body
    return {{"healthmonitor": "health_monitor", "loadbalancer": "load_balancer"}.get(k, k): v for k, v in body.items()}


def as_numbers(command: str, body: Any) -> Any:
    """Numbers that one of the two sends in quotes; the API takes both."""
    quoted = ("connection_limit", "http_version")
    return {name: float(value) if name in quoted and value is not None else value for name, value in body.items()}


DIFFERENCES = (without_defaults, without_order, by_todays_names, as_numbers)


def plain(command: str, sent: Sequence[Sent]) -> list[str]:
    """Requests, and each attribute that they send, where only what matters can differ."""
    found = []
    for each in sent:
        found.append(f"{each.method} {each.path} {each.query}")
        for key, body in (json.loads(each.body) if each.body else {}).items():
            for difference in DIFFERENCES:
                body = difference(command, body)
            found += [f"  {key}: {name}={json.dumps(body[name], sort_keys=True)}" for name in sorted(body)]
    return found


@pytest.mark.parametrize("command", sorted(SURFACE))
def test_both_send_the_same(command: str, stage: Stage) -> None:
    for number, line in enumerate(lines_of(command)):
        for called in (stage.world.names,) if number else (stage.world.names, stage.world.ids):
            words = [*command.split(), *(word.format(**called) for word in line)]
            theirs, ours = stage.both(words)
            assert plain(command, changes(ours)) == plain(command, changes(theirs)), words
            assert set(reads(ours)) <= set(reads(theirs)), words
            # Who looks a name up is told what is to be shown.
            if not changes(theirs) and (called is stage.world.ids or not command.endswith(" show")):
                assert reads(ours)[-1] == reads(theirs)[-1], words
            assert len(ours) == len(set(ours)), words


@pytest.fixture(scope="module")
def ways(world: World, environment: dict[str, str]) -> Iterator[tuple[Lbclient, Lbclient]]:
    """lbclient as it starts, with a cached login, and in full."""
    short, full = Lbclient(environment, in_full=False), Lbclient(environment, in_full=True)
    assert short.run(["loadbalancer", "list"])[0] == 0  # logs in
    yield short, full
    short.end()
    full.end()


def outputs_of(command: str) -> Iterator[list[str]]:
    """Lines of a command: one that succeeds, in several formats if it shows something, and mistakes."""
    line = [*command.split(), *list(lines_of(command))[-1]]
    yield line
    if command.endswith((" list", " show")):
        yield from ([*line, "-f", output] for output in ("json", "value", "yaml"))
        yield [*line, "-c", "nothing"]
    yield [*line, "--no-such-option"]
    yield command.split()
    yield [*command.split(), "--help"]


@pytest.mark.parametrize("command", sorted(SURFACE))
def test_the_short_way_says_and_sends_the_same(command: str, ways, recording, world, environment) -> None:
    for line in outputs_of(command):
        words = [word.format(**world.names) for word in line]
        said, sent = [], []
        for way in ways:
            recording.taken()
            said.append(way.run(words))
            sent.append([each for each in recording.taken() if each.path not in LOGGING_IN])
        assert said[0] == said[1], words
        assert sent[0] == sent[1], words


def test_every_option_is_typed() -> None:
    missing = {
        (command, option)
        for command in SURFACE
        for option in options_of(command)
        if not any(option in line for line in lines_of(command))
    }
    assert missing == set()
