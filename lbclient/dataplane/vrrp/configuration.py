"""The configuration of keepalived for the addresses that this host shares with others; pure, without side effects."""

from __future__ import annotations

import ipaddress
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from ..config.cfg import Refused

Value = TypeVar("Value")
ADVERT_SECONDS = 0.2  # from 0.1 to 1; at 0.05 s, addresses move without a reason on a busy machine
# Never equal: otherwise the winner after a partition does not announce itself.
FIRST_PRIORITY, SECOND_PRIORITY = 250, 249
NUMBERS = range(1, 256)  # of virtual routers, as VRRP has them
NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
PATH = re.compile(r"/[A-Za-z0-9_./+@=,:-]*")
# The options that keep addresses where they are, each with what happens without it, are in the design page on hosts.
GLOBAL = (
    "vrrp_version 3",
    "vrrp_priority -20",
    "vrrp_min_garp true",
    "vrrp_garp_master_delay 1",
    "vrrp_garp_lower_prio_repeat 2",
    "vrrp_higher_prio_send_advert true",
)


@dataclass(frozen=True)
class Group:
    """Addresses that two hosts of a network share, and that move together: one VRRP instance on each of them.

    Both hosts have the same name, number and lead address of a group, and each the other's address as `peer`. The
    other addresses may differ for a moment, while one host has been reloaded and the other has not.
    """

    name: str
    number: int  # of the virtual router, 1 to 255; unique on a host for each IP version
    interface: str
    own: str  # the address of this host, of the IP version of the lead address
    peer: str  # the address of the other host
    is_first: bool  # whether this host takes the addresses if both start at once
    lead: str  # the address that adverts contain
    others: tuple[str, ...] = ()  # of either IP version


def render(host: str, groups: Iterable[Group], tracked_file: str, advert_seconds: float = ADVERT_SECONDS) -> str:
    """Return keepalived's configuration for the groups of a host.

    `tracked_file` is an absolute path: while the file contains a number other than 0, this host holds no address. The
    file of the same name with that of a group behind a dot says so of this group alone.
    Raises Refused if the groups cannot be configured together.
    """
    if not 0.1 <= advert_seconds <= 1:
        raise Refused(f"Adverts every {advert_seconds:g} s: the interval is from 0.1 to 1 second.")
    if not PATH.fullmatch(tracked_file):
        raise Refused(f"The path {tracked_file!r} has characters that keepalived's configuration cannot contain.")
    ordered = sorted(groups, key=lambda each: each.name)
    for each in ordered:
        _check(each)
    _check_all(ordered)
    _check_name(host, "The host's name")
    sections = [
        _block("global_defs", [f"router_id {host}", *GLOBAL]),
        _block("track_file able", [f"file {tracked_file}", "weight 0"]),
        *(_block(f"track_file {_tracked(each)}", [f"file {tracked_file}.{each.name}", "weight 0"]) for each in ordered),
        *(_block(f"vrrp_instance {each.name}", _instance(each, advert_seconds)) for each in ordered),
    ]
    return "\n".join(sections)


def _instance(group: Group, advert_seconds: float) -> list[str]:
    return [
        "state BACKUP",
        "nopreempt",
        f"interface {group.interface}",
        f"virtual_router_id {group.number}",
        f"priority {FIRST_PRIORITY if group.is_first else SECOND_PRIORITY}",
        f"advert_int {advert_seconds:g}",
        f"unicast_src_ip {_canonical(group.own)}",
        *_lines("unicast_peer", [_canonical(group.peer)]),
        *_lines("track_file", ["able", _tracked(group)]),
        *_lines("virtual_ipaddress", [_host_route(group.lead)]),
        *(_lines("virtual_ipaddress_excluded", sorted(map(_host_route, group.others))) if group.others else ()),
    ]


def _tracked(group: Group) -> str:
    return f"able.{group.name}"


def _lines(head: str, lines: Sequence[str]) -> list[str]:
    return [f"{head} {{", *(f"    {each}" for each in lines), "}"]


def _block(head: str, lines: Sequence[str]) -> str:
    return "\n".join(_lines(head, lines)) + "\n"


def _check(group: Group) -> None:
    _check_name(group.name, "The name of a group")
    _check_name(group.interface, "The name of an interface")
    if group.number not in NUMBERS:
        raise Refused(f"Group {group.name}: the number of a virtual router is from 1 to 255, not {group.number}.")
    if _version(group.own) != _version(group.lead) or _version(group.peer) != _version(group.lead):
        raise Refused(f"Group {group.name}: the lead address and those of the hosts are of different IP versions.")
    if _canonical(group.own) == _canonical(group.peer):
        raise Refused(f"Group {group.name}: both hosts have the address {_canonical(group.own)}.")


def _check_all(groups: Sequence[Group]) -> None:
    """Check what must differ between groups. Raises Refused, naming it."""
    for interface, number, _ in _repeated((each.interface, each.number, _version(each.lead)) for each in groups):
        raise Refused(f"Two groups on {interface} have the virtual router {number}.")
    for name in _repeated(each.name for each in groups):
        raise Refused(f"Two groups have the name {name}.")
    for address in _repeated(_canonical(address) for each in groups for address in (each.lead, *each.others)):
        raise Refused(f"Address {address} is shared twice.")


def _repeated(values: Iterable[Value]) -> list[Value]:
    return [each for each, count in Counter(values).items() if count > 1]


def _check_name(name: str, what: str) -> None:
    if not NAME.fullmatch(name):
        raise Refused(f"{what} has other characters than letters, digits, '_', '.' and '-', or too many: {name!r}")


def _host_route(address: str) -> str:
    return f"{_canonical(address)}/{ipaddress.ip_address(address).max_prefixlen}"


def _canonical(address: str) -> str:
    return str(_parsed(address))


def _version(address: str) -> int:
    return _parsed(address).version


def _parsed(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    try:
        if "%" not in address:
            return ipaddress.ip_address(address)
    except ValueError:
        pass
    raise Refused(f"{address!r} is not an IP address.")
