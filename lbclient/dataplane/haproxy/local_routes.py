"""Addresses that are routed to this machine itself, marked as ours. Needs CAP_NET_ADMIN."""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...strings import reason
from .process_table import wait_until

if TYPE_CHECKING:
    from pyroute2 import IPRoute

LOOPBACK_DEVICE = "lo"
LOCAL_TABLE = 255
UNICAST = 1  # RTN_UNICAST
PROTOCOL = 108  # of our IPv4 routes: `ip route show table local proto 108`
METRIC = 27746  # of our addresses of interfaces: see `ip addr show`. IPv6 addresses of `lo` have to be configured.
LOCAL = 2  # RTN_LOCAL
BIND_ANYWHERE = {4: Path("/proc/sys/net/ipv4/ip_nonlocal_bind"), 6: Path("/proc/sys/net/ipv6/ip_nonlocal_bind")}
NO_DAD = 0x02  # IFA_F_NODAD: usable at once
USABLE_SECONDS = 5.0
DISCARD_PORT = 9
NO_ADDRESS = "0.0.0.1"  # nothing has a route to it
NO_RIGHTS = (
    "Addresses cannot be attached to this machine without CAP_NET_ADMIN: "
    "run the server as root, or inside `lbclient lab`."
)
NAMESPACE_CLAIM = "\0lbclient-anyip"


class AttachmentFailed(Exception):
    """An address cannot be attached or detached; the text gives the address and the reason."""


def is_local(address: str) -> bool:
    """Return whether this machine has the address and a program can listen on it."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as trial:
        try:
            trial.bind((address, 0))
        except OSError:
            return False
    return not _may_bind_anywhere(address) or _is_routed_here(address)


def _may_bind_anywhere(address: str) -> bool:
    """Return whether programs can listen on addresses that this machine does not have."""
    with contextlib.suppress(OSError):
        return BIND_ANYWHERE[6 if ":" in address else 4].read_text().strip() != "0"
    return False


def _is_routed_here(address: str) -> bool:
    """Return whether the routes deliver packets for the address to this machine itself."""
    try:
        with netlink("The routes of this machine cannot be read") as routes:
            return any(route["type"] == LOCAL for route in routes.route("get", dst=address))
    except AttachmentFailed:
        return False  # no route leads there


def is_reachable(address: str) -> bool:
    """Return whether a program can listen on the address and be reached; an IPv6 route appears with a short delay."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as trial:
        try:
            trial.connect((address, DISCARD_PORT))  # sends nothing
        except OSError:
            return False
    return is_local(address)


def add(address: str) -> None:
    """Route an address to this machine. Raises AttachmentFailed."""
    with netlink(f"Address {address} cannot be attached to this machine") as routes:
        device = routes.link_lookup(ifname=LOOPBACK_DEVICE)[0]
        if ":" in address:
            wanted = {"index": device, "address": address, "prefixlen": 128}
            routes.addr("replace", **wanted, IFA_FLAGS=NO_DAD, IFA_RT_PRIORITY=METRIC)
        else:
            routes.route("replace", **_route(address, device))
    if not wait_until(lambda: is_reachable(address), USABLE_SECONDS):
        raise AttachmentFailed(f"Address {address} was attached to this machine but cannot be listened on.")


def remove(address: str) -> None:
    """Detach an address if it carries our mark, from wherever it is. Raises AttachmentFailed."""
    with netlink(f"Address {address} cannot be taken back") as routes:
        device = routes.link_lookup(ifname=LOOPBACK_DEVICE)[0]
        for index, found, is_ours in list(_addresses(routes)):
            if is_ours and found == address:
                routes.addr("del", index=index, address=address, prefixlen=128 if ":" in address else 32)
        if address in set(_our_routes(routes)):
            routes.route("del", **_route(address, device))


def ours() -> set[str]:
    """Return the addresses that carry our mark. Raises AttachmentFailed."""
    with netlink("The routes of this machine cannot be read") as routes:
        return {*_our_routes(routes), *(address for _, address, is_ours in _addresses(routes) if is_ours)}


def misplaced() -> set[str]:
    """Return the addresses with our mark that another attachment has given to an interface. Raises AttachmentFailed."""
    with netlink("The addresses of this machine cannot be read") as routes:
        device = routes.link_lookup(ifname=LOOPBACK_DEVICE)[0]
        return {address for index, address, is_ours in _addresses(routes) if is_ours and index != device}


def foreign() -> set[str]:
    """Return the addresses of this machine that do not carry our mark. Raises AttachmentFailed."""
    with netlink("The addresses of this machine cannot be read") as routes:
        return {address for _, address, is_ours in _addresses(routes) if not is_ours}


def link_of(address: str) -> str | None:
    """Return the interface whose link the address belongs to; None if it is behind a router or has no route."""
    from pyroute2 import NetlinkError

    with netlink("The routes of this machine cannot be read") as routes:
        try:
            (route,) = routes.route("get", dst=address)
        except NetlinkError:
            return None
        is_direct = route["type"] == UNICAST and not route.get_attr("RTA_GATEWAY") and not route.get_attr("RTA_VIA")
        (link,) = routes.get_links(route.get_attr("RTA_OIF"))
        return str(link.get_attr("IFLA_IFNAME")) if is_direct else None


def check_rights() -> None:
    """Raise AttachmentFailed if this process may not change routes."""
    with netlink("Addresses cannot be attached to this machine") as routes:
        device = routes.link_lookup(ifname=LOOPBACK_DEVICE)[0]
        try:
            routes.route("del", **_route(NO_ADDRESS, device))
        except Exception as error:
            code = getattr(error, "code", None)
            if code in (errno.EPERM, errno.EACCES):
                raise AttachmentFailed(NO_RIGHTS) from None
            if code != errno.ESRCH:
                raise


def claim_namespace() -> socket.socket:
    """Claim this network namespace as the only server that attaches addresses, until the socket is closed.

    Raises AttachmentFailed if another server has claimed it.
    """
    claim = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        claim.bind(NAMESPACE_CLAIM)
    except OSError:
        claim.close()
        raise AttachmentFailed(
            "Another lbclient server attaches addresses in this network namespace: "
            "there can be one with anyip or interface."
        ) from None
    return claim


def _route(address: str, device: int) -> dict[str, Any]:
    place = {"dst": f"{address}/32", "oif": device, "table": LOCAL_TABLE}
    return {**place, "type": "local", "scope": "host", "proto": PROTOCOL}


def _our_routes(routes: IPRoute) -> Iterator[str]:
    for route in routes.get_routes(family=socket.AF_INET, table=LOCAL_TABLE):
        if route["proto"] == PROTOCOL:
            yield str(ipaddress.ip_address(route.get_attr("RTA_DST")))


def _addresses(routes: IPRoute) -> Iterator[tuple[int, str, bool]]:
    """Yield the interface of every address of the machine, the address, and whether it is marked as ours."""
    for found in routes.get_addr():
        text = found.get_attr("IFA_LOCAL") or found.get_attr("IFA_ADDRESS")
        yield found["index"], str(ipaddress.ip_address(text)), found.get_attr("IFA_RT_PRIORITY") == METRIC


@contextlib.contextmanager
def netlink(trouble: str) -> Iterator[IPRoute]:
    """Open a netlink connection for routes. Raises AttachmentFailed, with a text that begins with `trouble`."""
    from pyroute2 import IPRoute, NetlinkError  # slow to import and rarely needed

    try:
        with IPRoute() as routes:
            yield routes
    except (NetlinkError, OSError, IndexError) as error:
        code = getattr(error, "code", None)  # of the kernel, in NetlinkError
        raise AttachmentFailed(f"{trouble}: {os.strerror(code) if code else reason(error)}.") from error
