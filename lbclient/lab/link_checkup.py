"""Checks whether load balancers can have addresses of this machine's interfaces, with advice."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

from ..client.checkup import OK, SKIPPED, WARNING, Finding

CONF = Path("/proc/sys/net/ipv4/conf")
STATUS = Path("/proc/self/status")
CAPABILITIES = {"CAP_NET_BIND_SERVICE": 10, "CAP_NET_ADMIN": 12, "CAP_NET_RAW": 13}
SILENT = (2, 8)  # values of arp_ignore with which addresses of a prefix of 32 bits are not answered for
ADDRESSES6 = Path("/proc/net/if_inet6")
GLOBAL = "00"  # the scope of an address, as written there
STRICT = 1  # the value of rp_filter


def of_links() -> Iterator[Finding]:
    """Yield the findings about rights and interfaces; nothing is changed."""
    names = sorted(name for _, name in socket.if_nameindex() if name != "lo")
    yield _rights()
    yield _arp(names)
    yield _reverse_path(names)
    yield _solicitations()


def _rights() -> Finding:
    lines = dict(line.split(":", 1) for line in STATUS.read_text().splitlines())
    has = int(lines["CapEff"], 16)
    missing = [name for name, number in CAPABILITIES.items() if not has >> number & 1]
    if not missing:
        return Finding("addresses", OK, "This user may attach addresses to interfaces (--attachment interface, anyip).")
    return Finding(
        "addresses",
        SKIPPED,
        f"This user may not attach addresses to interfaces: {', '.join(missing)} missing.",
        "--attachment loopback and `lbclient lab` need no such rights; a service gets them from its unit.",
    )


def _arp(names: list[str]) -> Finding:
    silent = {name: value for name in names if (value := _setting(name, "arp_ignore")) in SILENT}
    if not silent:
        return Finding("ARP", OK, "Interfaces answer for the addresses of load balancers.")
    found = ", ".join(f"{name} ({value})" for name, value in silent.items())
    return Finding(
        "ARP",
        WARNING,
        f"No answers for the addresses of load balancers, because of arp_ignore: {found}.",
        f"With --attachment interface: sudo sysctl net.ipv4.conf.all.arp_ignore=1 "
        f"net.ipv4.conf.{next(iter(silent))}.arp_ignore=1",
    )


def _solicitations() -> Finding:
    """Name the links on which anyip does not answer for IPv6 addresses. That is no problem of the machine."""
    linked = sorted({name for name, scope in _addresses6() if scope == GLOBAL and name != "lo"})
    if not linked:
        return Finding("IPv6 neighbours", OK, "No interface has an IPv6 network.")
    return Finding(
        "IPv6 neighbours",
        OK,
        f"Machines on the link of {', '.join(linked)} are answered with --attachment interface, and not with anyip: a "
        "router has to send the addresses of the latter here.",
    )


def _addresses6() -> list[tuple[str, str]]:
    """Return the interface and the scope of each IPv6 address of this machine."""
    try:
        rows = [line.split() for line in ADDRESSES6.read_text().splitlines()]
    except OSError:  # the kernel has no IPv6
        return []
    return [(row[5], row[3]) for row in rows]


def _reverse_path(names: list[str]) -> Finding:
    strict = [name for name in names if _setting(name, "rp_filter") == STRICT]
    if not strict or len(names) < 2:
        return Finding("reverse path", OK, "Clients may reach addresses through any interface.")
    return Finding(
        "reverse path",
        WARNING,
        f"Packets that would be answered through another interface are dropped (rp_filter 1): {', '.join(strict)}.",
        "If clients come by several interfaces: sudo sysctl net.ipv4.conf.all.rp_filter=2",
    )


def _setting(interface: str, name: str) -> int:
    """Return the value in effect, which is the greater one of the interface's and that of all."""
    return max(_read(CONF / each / name) for each in ("all", interface))


def _read(path: Path) -> int:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return 0
