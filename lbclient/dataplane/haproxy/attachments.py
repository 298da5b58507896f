"""Attachments: ways to make addresses of load balancers local to this machine, and to take them back."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, Protocol

from . import links, local_routes, shared_addresses
from .announced import Announced
from .holders import Holders
from .links import Assignment
from .local_routes import AttachmentFailed as AttachmentFailed
from .local_routes import is_local as is_local
from .on_interfaces import OnInterfaces, duplicate, refuse_duplicate

LOG = logging.getLogger(__name__)
Kind = Literal["lab", "loopback", "anyip", "interface"]


class Attachment(Protocol):
    """A way to attach addresses to this machine. The holder of an address is a load balancer, given by its ID."""

    def check(self) -> None:
        """Check the permissions and the interfaces that this needs; change nothing. Raises AttachmentFailed."""

    def start(self, wanted: Mapping[str, Sequence[str]]) -> None:
        """Take over attached addresses that are wanted, by holder, and detach the rest. Raises AttachmentFailed."""

    def stop(self) -> None:
        """Stop; attached addresses stay attached."""

    def prepare(self, holder: str, addresses: Sequence[str]) -> None:
        """Attach the addresses for a holder, so that they can be bound; idempotent. Raises AttachmentFailed."""

    def share(self, addresses: Sequence[str]) -> None:
        """Let programs listen on addresses that keepalived adds and removes; idempotent. Raises AttachmentFailed."""

    def keep_only(self, holder: str, addresses: Sequence[str]) -> None:
        """Detach all other addresses of a holder that no other holder has. Raises AttachmentFailed."""

    @property
    def is_announcing(self) -> bool:
        """Whether routers are told which addresses are served here."""

    def announce(self, holder: str, addresses: Sequence[str]) -> None:
        """Tell routers that exactly these addresses of a holder are served here; idempotent. Raises AttachmentFailed.

        Nothing happens unless is_announcing.
        """

    def own_addresses(self) -> Iterable[str]:
        """Return the machine's own addresses that could be mistaken for addresses of load balancers."""

    def refusal(self, address: str) -> str | None:
        """Return why an address can never be attached here; None if it may be."""

    def duplicate(self, address: str) -> str | None:
        """Return that another machine answers for an address, after up to a second; None if none answers."""


class Loopback:
    """Addresses of 127.0.0.0/8, all of which are local to any Linux machine, or others that the machine has."""

    is_announcing = False

    def check(self) -> None:
        return

    def start(self, wanted: Mapping[str, Sequence[str]]) -> None:
        return

    def stop(self) -> None:
        return

    def prepare(self, holder: str, addresses: Sequence[str]) -> None:
        for why in filter(None, map(self.refusal, addresses)):
            raise AttachmentFailed(why)

    def share(self, addresses: Sequence[str]) -> None:
        raise AttachmentFailed("Hosts cannot share addresses with the attachment 'loopback'.")

    def keep_only(self, holder: str, addresses: Sequence[str]) -> None:
        return

    def announce(self, holder: str, addresses: Sequence[str]) -> None:
        return

    def own_addresses(self) -> Iterable[str]:
        return ()

    def refusal(self, address: str) -> str | None:
        if is_local(address):
            return None
        return (
            f"Address {address} is not one of this machine; "
            "with the attachment 'loopback', subnets lie within 127.0.0.0/8."
        )

    def duplicate(self, address: str) -> str | None:
        return None


class AnyIP:
    """Any addresses: those that are not local to the machine yet are routed to it. Needs CAP_NET_ADMIN.

    In a lab whole subnets are already local, so that only addresses outside them are routed. The kernel answers ARP
    requests for such IPv4 addresses, and no neighbour solicitations for such IPv6 addresses: a router has to send these
    here. Routers learn from BIRD which addresses are served here, if they are announced.
    """

    def __init__(self, is_alone: bool = True, is_announcing: bool = False) -> None:
        """Create the attachment; with is_alone, all addresses marked as ours in the namespace belong to this server."""
        self._is_alone = is_alone
        self._announced = Announced(is_announcing)
        self._lock = threading.Lock()
        self._holders = Holders()
        self._claim: socket.socket | None = None

    def check(self) -> None:
        self._announced.check()
        local_routes.check_rights()

    def start(self, wanted: Mapping[str, Sequence[str]]) -> None:
        self.check()
        if self._is_alone:
            self._claim = local_routes.claim_namespace()
            _warn_of_neighbours()
        with self._lock:
            self._holders.add_all(wanted)
            if self._is_alone:
                unwanted = local_routes.ours() - set(self._holders)
                for address in unwanted | local_routes.misplaced():
                    local_routes.remove(address)
        if self._is_alone:
            self._announced.start(wanted)

    def stop(self) -> None:
        self._announced.stop()
        if self._claim:
            self._claim.close()

    def prepare(self, holder: str, addresses: Sequence[str]) -> None:
        for address in addresses:
            if not is_local(address):
                refuse_duplicate(local_routes.link_of(address), address)
        with self._lock:
            for address in addresses:
                if not is_local(address):
                    local_routes.add(address)
                self._holders.add(holder, address)

    def share(self, addresses: Sequence[str]) -> None:
        shared_addresses.prepare_kernel()

    def keep_only(self, holder: str, addresses: Sequence[str]) -> None:
        with self._lock:
            for address in self._holders.give_up(holder, addresses):
                local_routes.remove(address)

    @property
    def is_announcing(self) -> bool:
        return self._announced.is_enabled

    def announce(self, holder: str, addresses: Sequence[str]) -> None:
        self._announced.announce(holder, addresses)

    def own_addresses(self) -> Iterable[str]:
        return local_routes.foreign() if self._is_alone else ()

    def refusal(self, address: str) -> str | None:
        return None

    def duplicate(self, address: str) -> str | None:
        return None if is_local(address) else duplicate(local_routes.link_of(address), address)


def _warn_of_neighbours() -> None:
    """Warn if machines on a link may expect IPv6 addresses here that AnyIP does not answer for."""
    found = links.on_links()
    if found:
        LOG.warning(
            "machines on the link of %s get no answers for IPv6 addresses of load balancers with the attachment anyip: "
            "a router has to send these addresses here; the attachment interface answers for them",
            ", ".join(found),
        )


def attachment(kind: Kind, assignments: Sequence[Assignment] = (), is_announcing: bool = False) -> Attachment:
    """Return the attachment of a kind; the assignments of networks to interfaces are those of `interface`.

    Only `anyip` can announce addresses.
    """
    if kind == "interface":
        return OnInterfaces(assignments)
    if kind == "loopback":
        return Loopback()
    return AnyIP(is_alone=kind == "anyip", is_announcing=is_announcing and kind == "anyip")
