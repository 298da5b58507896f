"""Attachments: how the addresses of load balancers come to be this machine's own."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from typing import Literal, Protocol

Kind = Literal["lab", "loopback", "anyip"]
LOOPBACK_DEVICE = "lo"


class AttachmentFailed(Exception):
    """An address cannot be made usable; the text says which, and why."""


class Attachment(Protocol):
    """A way of attaching addresses."""

    def prepare(self, addresses: Sequence[str]) -> None:
        """Makes the addresses ones that can be listened on; idempotent. Raises AttachmentFailed."""


class Loopback:
    """Addresses of 127.0.0.0/8, all of which Linux accepts as they are (or any others that the machine has)."""

    def prepare(self, addresses: Sequence[str]) -> None:
        for address in addresses:
            if not is_local(address):
                raise AttachmentFailed(
                    f"Address {address} is not one of this machine; "
                    "with the attachment 'loopback', subnets lie within 127.0.0.0/8."
                )


class AnyIP:
    """Any addresses: those that are not the machine's own yet are routed to it. Needs CAP_NET_ADMIN.

    In a lab whole subnets are routed already, so that nothing is left to do.
    """

    def prepare(self, addresses: Sequence[str]) -> None:
        for address in addresses:
            if not is_local(address):
                make_local(address)


def attachment(kind: Kind) -> Attachment:
    return Loopback() if kind == "loopback" else AnyIP()


def is_local(address: str) -> bool:
    """Whether a program can listen on the address."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as trial:
        try:
            trial.bind((address, 0))
        except OSError:
            return False
    return True


def make_local(address: str) -> None:
    """A local route to an IPv4 address; an IPv6 one has to be configured to be listened on."""
    from pyroute2 import IPRoute, NetlinkError  # slow to import, and mostly not needed

    try:
        with IPRoute() as routes:
            device = routes.link_lookup(ifname=LOOPBACK_DEVICE)[0]
            if ":" in address:
                routes.addr("replace", index=device, address=address, prefixlen=128)
            else:
                routes.route("replace", dst=f"{address}/32", oif=device, type="local", table=255, scope="host")
    except (NetlinkError, OSError, IndexError) as error:
        raise AttachmentFailed(f"Address {address} cannot be attached to this machine: {error}") from error
    if not is_local(address):
        raise AttachmentFailed(f"Address {address} was attached to this machine but cannot be listened on.")
