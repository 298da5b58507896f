"""Addresses of load balancers on interfaces, marked as ours, and the interfaces through which addresses are reached.

The mark is the metric, which both families have: `ip addr show` prints it. Needs CAP_NET_ADMIN.
"""

from __future__ import annotations

import ipaddress
import socket
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .local_routes import (
    LOOPBACK_DEVICE,
    METRIC,
    NO_DAD,
    UNICAST,
    USABLE_SECONDS,
    AttachmentFailed,
    is_reachable,
    netlink,
)
from .process_table import wait_until

if TYPE_CHECKING:
    from pyroute2 import IPRoute

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

NO_PREFIX_ROUTE = 0x200  # IFA_F_NOPREFIXROUTE
MAIN_TABLE = 254
FOREVER = 0xFFFFFFFF
ROUTES_SECONDS = 1.0  # for how long routes are remembered: a request may ask for a thousand addresses
UP = 1  # IFF_UP


@dataclass(frozen=True)
class Assignment:
    """A network whose addresses belong on an interface."""

    interface: str
    network: Network

    def __str__(self) -> str:
        return f"{self.interface}={self.network}"


@dataclass(frozen=True)
class Link:
    """The state of an interface; another one means that neighbours may have to be told its addresses again."""

    is_up: bool
    hardware_address: str
    changes: int  # of the carrier


class Places:
    """Where addresses belong: by the assignments if there are any, otherwise on the link that the routes name."""

    def __init__(self, assignments: Sequence[Assignment] = ()) -> None:
        self._assignments = sorted(assignments, key=lambda each: -each.network.prefixlen)
        self._routes: list[tuple[Network, str | None]] = []
        self._expires = 0.0

    def of(self, address: str) -> str | None:
        """Return the interface of an address; None if there is none. Raises AttachmentFailed."""
        wanted = ipaddress.ip_address(address)
        if self._assignments:
            return next((each.interface for each in self._assignments if wanted in each.network), None)
        if time.monotonic() >= self._expires:
            self._routes = _routes()
            self._expires = time.monotonic() + ROUTES_SECONDS
        return next((interface for network, interface in self._routes if wanted in network), None)

    def refusal(self, address: str) -> str | None:
        """Return why an address belongs on no interface; None if it belongs on one. Raises AttachmentFailed."""
        if self.of(address) is not None:
            return None
        if self._assignments:
            return f"No interface has it: the networks of --interface are {', '.join(map(str, self._assignments))}."
        return (
            "No interface has it: this machine has no address in a network on a link with it. "
            "Give one to an interface, or name its network with --interface."
        )

    def check(self) -> None:
        """Raise AttachmentFailed if an interface does not exist, or is a part of another one."""
        with netlink("The interfaces of this machine cannot be read") as routes:
            found = {link.get_attr("IFLA_IFNAME"): link for link in routes.get_links()}
        names = {link["index"]: name for name, link in found.items()}
        for name in dict.fromkeys(each.interface for each in self._assignments):
            if name not in found:
                raise AttachmentFailed(f"There is no interface {name} on this machine: it has {', '.join(found)}.")
            master = names.get(found[name].get_attr("IFLA_MASTER"))
            if master is not None:
                raise AttachmentFailed(f"The interface {name} is a part of {master}: name {master} instead.")


def add(address: str, interface: str) -> None:
    """Add an address with our mark to an interface. Raises AttachmentFailed.

    It has no network of its own, so that no route changes. An IPv6 address is deprecated from the beginning, so that
    the machine's own connections do not come from it.
    """
    with netlink(f"Address {address} cannot be attached to {interface}") as routes:
        place = {"index": _index(routes, interface), "address": address, "prefixlen": _bits(address)}
        if ":" in address:
            place |= {"preferred_lft": 0, "valid_lft": FOREVER, "IFA_FLAGS": NO_DAD | NO_PREFIX_ROUTE}
        routes.addr("replace", **place, IFA_RT_PRIORITY=METRIC)
    if not wait_until(lambda: is_reachable(address), USABLE_SECONDS):
        remove(address, interface)
        raise AttachmentFailed(
            f"Address {address} was attached to {interface} but cannot be listened on: is {interface} down?"
        )


def remove(address: str, interface: str) -> None:
    """Remove an address from an interface if it carries our mark. Raises AttachmentFailed."""
    if interface not in ours().get(address, ()):
        return
    with netlink(f"Address {address} cannot be taken back from {interface}") as routes:
        routes.addr("del", index=_index(routes, interface), address=address, prefixlen=_bits(address))


def ours() -> dict[str, set[str]]:
    """Return the addresses that carry our mark, with the names of the interfaces that have them.

    Raises AttachmentFailed.
    """
    found: dict[str, set[str]] = {}
    with netlink("The addresses of this machine cannot be read") as routes:
        names = _names(routes)
        for each in routes.get_addr():
            if each.get_attr("IFA_RT_PRIORITY") == METRIC:
                text = each.get_attr("IFA_LOCAL") or each.get_attr("IFA_ADDRESS")
                found.setdefault(str(ipaddress.ip_address(text)), set()).add(names.get(each["index"], ""))
    return found


def own(interfaces: Iterable[str]) -> dict[str, list[ipaddress.IPv4Interface | ipaddress.IPv6Interface]]:
    """Return the addresses of the machine itself on these interfaces, in the order of the kernel.

    Those without a network of their own, as load balancers have them, and those of the link alone are left out.
    Raises AttachmentFailed.
    """
    found: dict[str, list[ipaddress.IPv4Interface | ipaddress.IPv6Interface]] = {each: [] for each in interfaces}
    with netlink("The addresses of this machine cannot be read") as routes:
        names = _names(routes)
        for each in routes.get_addr():
            text = each.get_attr("IFA_LOCAL") or each.get_attr("IFA_ADDRESS")
            address = ipaddress.ip_interface(f"{text}/{each['prefixlen']}")
            is_own = each["prefixlen"] < address.max_prefixlen and not address.is_link_local
            if is_own and (name := names.get(each["index"], "")) in found:
                found[name].append(address)
    return found


def have(addresses: Iterable[str]) -> set[str]:
    """Return which of these addresses the interfaces of this machine have. Raises AttachmentFailed."""
    with netlink("The addresses of this machine cannot be read") as routes:
        lo = routes.link_lookup(ifname=LOOPBACK_DEVICE)[0]
        texts = [
            each.get_attr("IFA_LOCAL") or each.get_attr("IFA_ADDRESS")
            for each in routes.get_addr()
            if each["index"] != lo
        ]
    return set(addresses) & {str(ipaddress.ip_address(text)) for text in texts}


def states() -> dict[str, Link]:
    """Return the state of each interface, by name. Raises AttachmentFailed."""
    with netlink("The interfaces of this machine cannot be read") as routes:
        return {link.get_attr("IFLA_IFNAME"): _state(link) for link in routes.get_links()}


def _state(link: Any) -> Link:
    changes = link.get_attr("IFLA_CARRIER_CHANGES") or 0
    return Link(bool(link["flags"] & UP), link.get_attr("IFLA_ADDRESS") or "", changes)


def _bits(address: str) -> int:
    return 128 if ":" in address else 32


def _index(routes: IPRoute, interface: str) -> int:
    found = routes.link_lookup(ifname=interface)
    if not found:
        raise AttachmentFailed(f"There is no interface {interface} on this machine.")
    return int(found[0])


def _names(routes: IPRoute) -> dict[int, str]:
    return {link["index"]: link.get_attr("IFLA_IFNAME") for link in routes.get_links()}


def on_links() -> list[str]:
    """Return the IPv6 networks on links of this machine, as "eth0 (2001:db8::/64)". Raises AttachmentFailed."""
    return [f"{interface} ({network})" for network, interface in _routes() if interface and network.version == 6]


def _routes() -> list[tuple[Network, str | None]]:
    """Return the networks of the main table, the smallest first, with the interface of those that are on a link."""
    with netlink("The routes of this machine cannot be read") as routes:
        names = _names(routes)
        found = [
            (network, interface, route.get_attr("RTA_PRIORITY") or 0)
            for family in (socket.AF_INET, socket.AF_INET6)
            for route in routes.get_routes(family=family, table=MAIN_TABLE)
            for network, interface in _meaning(route, family, names)
        ]
    found.sort(key=lambda each: (-each[0].prefixlen, each[2]))
    return [(network, interface) for network, interface, _ in found]


def _meaning(route: Any, family: int, names: dict[int, str]) -> Iterator[tuple[Network, str | None]]:
    default = "0.0.0.0" if family == socket.AF_INET else "::"
    network = ipaddress.ip_network(f"{route.get_attr('RTA_DST') or default}/{route['dst_len']}")
    interface = names.get(route.get_attr("RTA_OIF"))
    if network.is_link_local or network.is_multicast or interface == LOOPBACK_DEVICE:
        return  # every interface has the former; the latter are addresses of this machine itself
    hops = (route.get_attr("RTA_GATEWAY"), route.get_attr("RTA_VIA"), route.get_attr("RTA_MULTIPATH"))
    is_on_link = route["type"] == UNICAST and route["dst_len"] and not any(hops)
    yield network, interface if is_on_link else None
