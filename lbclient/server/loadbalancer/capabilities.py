"""The options that a flavor or an availability zone can set for a provider; any other option is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson
import sqlalchemy as sa

from ...store import placing, vip_groups
from ..errors import BadRequest, UnsupportedOption
from ..network import mode
from ..services import Services
from . import drivers

Values = dict[str, Any]
PAIR = "ACTIVE_STANDBY"
TOPOLOGIES = ("SINGLE", PAIR)


@dataclass(frozen=True)
class Capability:
    """One key of a profile's data; objection(value) returns why a value is not allowed, None if it is."""

    name: str
    description: str
    objection: Callable[[Any], str | None]


def _text(value: Any) -> str | None:
    return None if isinstance(value, str) else "is not a string"


def _topology(value: Any) -> str | None:
    return None if value in TOPOLOGIES else f"is not one of {', '.join(TOPOLOGIES)}"


def _off(value: Any) -> str | None:
    if not isinstance(value, bool):
        return "is not true or false"
    return "cannot be true: there are no SR-IOV ports here" if value else None


def _texts(value: Any) -> str | None:
    good = isinstance(value, list) and all(isinstance(each, str) for each in value)
    return None if good else "is not a list of strings"


FLAVOR = (
    Capability(
        "loadbalancer_topology",
        "How many amphorae a load balancer has: ACTIVE_STANDBY is two, on two hosts.",
        _topology,
    ),
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
OF_NOOP = ("amp_image_tag", "compute_zone", "volume_zone")  # the keys that Octavia's own no-op driver lists


def check_enabled(services: Services, provider: str) -> None:
    """Check that a provider is configured. Raises BadRequest."""
    if provider not in services.config.providers:
        raise BadRequest(f"Provider '{provider}' is not enabled.")


def flavor(services: Services, provider: str, text: str) -> Values:
    """Parse and check the data of a flavor profile. Raises BadRequest and UnsupportedOption."""
    return _checked(services, provider, FLAVOR, "flavor_data", text)


def zone(services: Services, provider: str, text: str) -> Values:
    """Parse and check the data of an availability zone profile. Raises BadRequest and UnsupportedOption."""
    return _checked(services, provider, ZONE, "availability_zone_data", text)


def check_topology(tx: sa.Connection, services: Services, provider: str, flavor: Values) -> None:
    """Check that there are hosts for the topology of a flavor. Raises UnsupportedOption."""
    if flavor.get("loadbalancer_topology") == PAIR and not drivers.is_noop(services.config.providers, provider):
        try:
            vip_groups.check_possible(tx)
        except placing.NoHost as error:
            raise UnsupportedOption(
                f"Provider '{provider}' does not support a requested option: loadbalancer_topology {error}."
            ) from None


def check_networks(tx: sa.Connection, services: Services, zone: Values) -> None:
    """Check that the networks of an availability zone exist. Raises BadRequest."""
    for network_id in zone.get("valid_vip_networks", ()):
        if not mode.network(services).network_exists(tx, network_id):
            raise BadRequest(f"Network {network_id} not found.")


def _checked(services: Services, provider: str, known: tuple[Capability, ...], name: str, text: str) -> Values:
    try:
        data = orjson.loads(text)
    except ValueError:
        raise BadRequest(f"{text} is not a valid option for {name}") from None
    is_noop = drivers.is_noop(services.config.providers, provider)
    if is_noop and not isinstance(data, dict):
        raise BadRequest(f"{text} is not a valid option for {name}")
    reason = _objection(known, data, is_noop)
    if reason:
        raise UnsupportedOption(f"Provider '{provider}' does not support a requested option: {reason}.")
    found: Values = data
    return found


def _objection(known: tuple[Capability, ...], data: Any, is_noop: bool) -> str | None:
    """Return why the provider does not support the data, or None; a no-op provider accepts every JSON object."""
    if not isinstance(data, dict):
        return "the data is not a JSON object"
    if is_noop:
        return None
    by_name = {each.name: each for each in known}
    for name, value in data.items():
        if name not in by_name:
            return f"{name} is not one of {', '.join(by_name)}"
        objection = by_name[name].objection(value)
        if objection:
            return f"{name} {objection}"
    return None
