"""Providers, and what a flavor or an availability zone can tell one: anything else is refused, never dropped."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson
import sqlalchemy as sa

from ....resources.provider import CAPABILITIES
from ...errors import BadRequest, UnsupportedOption
from ...network import mode
from ...services import Services
from ...web.routing import Answer, Handler, Request
from .. import drivers, listing, policy

Values = dict[str, Any]

FILTERS = ("name", "description")
RULES = {"flavor": "provider-flavor:get_all", "availability_zone": "provider-availability-zone:get_all"}


@dataclass(frozen=True)
class Capability:
    """One key of a profile's data; objection(value) says why a value cannot be, or nothing."""

    name: str
    description: str
    objection: Callable[[Any], str | None]


def _text(value: Any) -> str | None:
    return None if isinstance(value, str) else "is not a string"


def _topology(value: Any) -> str | None:
    if value == "ACTIVE_STANDBY":
        return "ACTIVE_STANDBY would need a second machine, and there is one only"
    return None if value == "SINGLE" else "is not one of SINGLE, ACTIVE_STANDBY"


def _off(value: Any) -> str | None:
    if not isinstance(value, bool):
        return "is not true or false"
    return "cannot be true: there are no SR-IOV ports here" if value else None


def _texts(value: Any) -> str | None:
    good = isinstance(value, list) and all(isinstance(each, str) for each in value)
    return None if good else "is not a list of strings"


FLAVOR = (
    Capability("loadbalancer_topology", "How many amphorae a load balancer has: SINGLE is one.", _topology),
    Capability("compute_flavor", "The size of the machine; kept and shown, as there are no virtual machines.", _text),
    Capability("amp_image_tag", "The image of the machine; kept, as there are no virtual machines.", _text),
    Capability("sriov_vip", "Whether the VIP is on an SR-IOV port; false only.", _off),
    Capability("allow_member_sriov", "Whether members may be behind SR-IOV ports; false only.", _off),
)
ZONE = (
    Capability("compute_zone", "The zone of the machine; kept and shown, as there is one machine only.", _text),
    Capability("volume_zone", "The zone of the machine's disk; kept, as there is one machine only.", _text),
    Capability("management_network", "The network that the machine is managed in; kept, as there is none.", _text),
    Capability("valid_vip_networks", "The IDs of the networks that a VIP may be in; all without it.", _texts),
)
BY_KIND = {"flavor": FLAVOR, "availability_zone": ZONE}
OF_IDLE = ("amp_image_tag", "compute_zone", "volume_zone")  # what Octavia's own no-op driver names


def list_providers(services: Services, request: Request) -> Answer:
    """GET of the providers that can be named."""
    policy.check(services, request.who, "provider:get_all")
    found = [{"name": name, "description": each.description} for name, each in services.config.providers.items()]
    return Answer({"providers": _chosen(request, found)})


def list_of(kind: str) -> Handler:
    """GET of what a flavor or an availability zone can tell a provider."""

    def handler(services: Services, request: Request, provider: str) -> Answer:
        policy.check(services, request.who, RULES[kind])
        check_enabled(services, provider)
        is_idle = services.config.providers[provider].is_idle
        known = [each for each in BY_KIND[kind] if each.name in OF_IDLE or not is_idle]
        found = [{"name": each.name, "description": each.description} for each in known]
        return Answer({CAPABILITIES[kind]: _chosen(request, found)})

    return handler


def _chosen(request: Request, found: list[Values]) -> list[Values]:
    """Those that the query asks for, with the attributes that it asks for."""
    wanted = {name: value for name, value in request.query if name in FILTERS}
    kept = [each for each in found if all(each[name] == value for name, value in wanted.items())]
    fields = listing.fields(request.query)
    return [{name: each[name] for name in each if name in fields} if fields else each for each in kept]


def check_enabled(services: Services, provider: str) -> None:
    """Raises BadRequest."""
    if provider not in services.config.providers:
        raise BadRequest(f"Provider '{provider}' is not enabled.")


def flavor(services: Services, provider: str, text: str) -> Values:
    """What the data of a flavor profile says. Raises BadRequest and UnsupportedOption."""
    return _checked(services, provider, FLAVOR, "flavor_data", text)


def zone(services: Services, provider: str, text: str) -> Values:
    """What the data of an availability zone profile says. Raises BadRequest and UnsupportedOption."""
    return _checked(services, provider, ZONE, "availability_zone_data", text)


def check_networks(tx: sa.Connection, services: Services, zone: Values) -> None:
    """The networks of an availability zone exist. Raises BadRequest."""
    for network_id in zone.get("valid_vip_networks", ()):
        if not mode.network(services).network_exists(tx, network_id):
            raise BadRequest(f"Network {network_id} not found.")


def _checked(services: Services, provider: str, known: tuple[Capability, ...], name: str, text: str) -> Values:
    try:
        data = orjson.loads(text)
    except ValueError:
        raise BadRequest(f"{text} is not a valid option for {name}") from None
    is_idle = drivers.is_idle(services.config.providers, provider)
    if is_idle and not isinstance(data, dict):
        raise BadRequest(f"{text} is not a valid option for {name}")
    reason = _objection(known, data, is_idle)
    if reason:
        raise UnsupportedOption(f"Provider '{provider}' does not support a requested option: {reason}.")
    found: Values = data
    return found


def _objection(known: tuple[Capability, ...], data: Any, is_idle: bool) -> str | None:
    """What the provider cannot be told; one that carries no traffic can be told anything."""
    if not isinstance(data, dict):
        return "the data is not a JSON object"
    if is_idle:
        return None
    by_name = {each.name: each for each in known}
    for name, value in data.items():
        if name not in by_name:
            return f"{name} is not one of {', '.join(by_name)}"
        objection = by_name[name].objection(value)
        if objection:
            return f"{name} {objection}"
    return None
