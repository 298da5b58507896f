"""Attachments: how the addresses of load balancers come to be this machine's own, and cease to be."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, Protocol

from . import local_routes, neighbours
from .local_routes import AttachmentFailed as AttachmentFailed
from .local_routes import is_local

LOG = logging.getLogger(__name__)
Kind = Literal["lab", "loopback", "anyip"]


class Attachment(Protocol):
    """A way of attaching addresses. What they are attached for is called a holder: the ID of a load balancer."""

    def start(self, wanted: Mapping[str, Sequence[str]]) -> None:
        """Take over what was attached before, by holder, and take back the rest. Raises AttachmentFailed."""

    def stop(self) -> None:
        """Leave what is attached as it is."""

    def prepare(self, holder: str, addresses: Sequence[str]) -> None:
        """Make the addresses ones that can be listened on; idempotent. Raises AttachmentFailed."""

    def keep_only(self, holder: str, addresses: Sequence[str]) -> None:
        """Take back the other addresses of a holder, unless another one has them, too. Raises AttachmentFailed."""

    def own_addresses(self) -> Iterable[str]:
        """The addresses that the machine has for itself, where those of load balancers could be taken for them."""

    def refusal(self, address: str) -> str | None:
        """Why an address can never be attached here; None if it may be."""


class Loopback:
    """Addresses of 127.0.0.0/8, all of which Linux accepts as they are (or any others that the machine has)."""

    def start(self, wanted: Mapping[str, Sequence[str]]) -> None:
        return

    def stop(self) -> None:
        return

    def prepare(self, holder: str, addresses: Sequence[str]) -> None:
        for why in filter(None, map(self.refusal, addresses)):
            raise AttachmentFailed(why)

    def keep_only(self, holder: str, addresses: Sequence[str]) -> None:
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


class AnyIP:
    """Any addresses: those that are not the machine's own yet are routed to it. Needs CAP_NET_ADMIN.

    In a lab whole subnets are routed already, so that only others are left to do.
    """

    def __init__(self, is_alone: bool = True) -> None:
        """is_alone: no other server shares the network namespace, so that what is marked as ours is this one's."""
        self._is_alone = is_alone
        self._lock = threading.Lock()
        self._holders: dict[str, set[str]] = {}
        self._claim: socket.socket | None = None

    def start(self, wanted: Mapping[str, Sequence[str]]) -> None:
        local_routes.check_rights()
        if self._is_alone:
            self._claim = local_routes.claim_namespace()
        with self._lock:
            for holder, addresses in wanted.items():
                for address in addresses:
                    self._holders.setdefault(address, set()).add(holder)
            if self._is_alone:
                for address in local_routes.ours() - set(self._holders):
                    local_routes.remove(address)

    def stop(self) -> None:
        if self._claim:
            self._claim.close()

    def prepare(self, holder: str, addresses: Sequence[str]) -> None:
        for address in addresses:
            if not is_local(address):
                _refuse_duplicate(address)
        with self._lock:
            for address in addresses:
                if not is_local(address):
                    local_routes.add(address)
                self._holders.setdefault(address, set()).add(holder)

    def keep_only(self, holder: str, addresses: Sequence[str]) -> None:
        with self._lock:
            given_up = [
                address for address, holders in self._holders.items() if holder in holders and address not in addresses
            ]
            for address in given_up:
                self._holders[address].discard(holder)
                if not self._holders[address]:
                    local_routes.remove(address)
                    del self._holders[address]

    def own_addresses(self) -> Iterable[str]:
        return local_routes.foreign() if self._is_alone else ()

    def refusal(self, address: str) -> str | None:
        return None


def _refuse_duplicate(address: str) -> None:
    """Raises AttachmentFailed where another machine answers for the address."""
    interface = local_routes.link_of(address)
    if interface is None:
        return
    try:
        found = neighbours.find(interface, address)
    except OSError as error:  # without CAP_NET_RAW, say
        LOG.warning("cannot ask on %s whether another machine has %s: %s", interface, address, error)
        return
    if found:
        raise AttachmentFailed(
            f"Address {address} is in use by another machine: "
            f"{found.hardware_address} answers for it on {found.interface}."
        )


def attachment(kind: Kind) -> Attachment:
    return Loopback() if kind == "loopback" else AnyIP(is_alone=kind == "anyip")
