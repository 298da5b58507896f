"""The attachment `interface`: addresses of load balancers on interfaces of this machine, announced to their links."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Iterable, Mapping, Sequence

from . import links, local_routes, neighbours, shared_addresses
from .announced import Announced
from .holders import Holders
from .links import Assignment, Link, Places
from .local_routes import AttachmentFailed, is_local

LOG = logging.getLogger(__name__)
WATCH_SECONDS = 2.0
ANNOUNCEMENTS = 2  # the first at once, further ones WATCH_SECONDS later (RFC 5227)
NO_RAW_RIGHTS = (
    "Addresses cannot be attached to interfaces without CAP_NET_RAW, which finds other machines with an address and "
    "announces it."
)


class OnInterfaces:
    """Addresses on the interfaces of their networks. Needs CAP_NET_ADMIN and CAP_NET_RAW.

    An address that the machine has already without our mark is used as it is, and stays.
    """

    is_announcing = False

    def __init__(
        self,
        assignments: Sequence[Assignment] = (),
        watch_seconds: float = WATCH_SECONDS,
        probe_seconds: float = neighbours.PROBE_SECONDS,
    ) -> None:
        """Create the attachment; without assignments, the routes of the machine say where an address belongs."""
        self._places = Places(assignments)
        self._watch_seconds = watch_seconds
        self._probe_seconds = probe_seconds
        self._lock = threading.Lock()
        self._holders = Holders()
        self._attached: dict[str, str] = {}  # {address: interface}
        self._announcements: dict[str, int] = {}  # {address: how many are still to be sent}
        self._links: dict[str, Link] = {}
        self._failures: dict[str, str] = {}  # {lost address: why it cannot be attached again}
        self._claim: socket.socket | None = None
        self._is_over = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="interfaces", daemon=True)

    def check(self) -> None:
        local_routes.check_rights()
        try:
            neighbours.check_rights()
        except PermissionError:
            raise AttachmentFailed(NO_RAW_RIGHTS) from None
        self._places.check()

    def start(self, wanted: Mapping[str, Sequence[str]]) -> None:
        self.check()
        self._claim = local_routes.claim_namespace()
        with self._lock:
            self._holders.add_all(wanted)
            self._take_over(links.ours())
            self._links = links.states()
        Announced(is_enabled=False).start({})
        self._watcher.start()

    def _take_over(self, there: Mapping[str, set[str]]) -> None:
        """Keep and announce the addresses that are wanted where they are; detach all others that carry our mark."""
        for address in local_routes.ours():
            place = self._places.of(address) if address in self._holders else None
            for interface in there.get(address, set()) - {place}:
                links.remove(address, interface)
            if place not in there.get(address, ()):
                local_routes.remove(address)
            elif place is not None:
                self._attached[address] = place
                self._announce(address)

    def stop(self) -> None:
        self._is_over.set()
        if self._watcher.is_alive():
            self._watcher.join()
        if self._claim:
            self._claim.close()

    def prepare(self, holder: str, addresses: Sequence[str]) -> None:
        for address in addresses:
            if not is_local(address):
                self._check(address)
        with self._lock:
            for address in addresses:
                self._holders.add(holder, address)
                if not is_local(address):
                    self._attach(address)

    def share(self, addresses: Sequence[str]) -> None:
        for why in filter(None, map(self._places.refusal, addresses)):
            raise AttachmentFailed(why)
        shared_addresses.prepare_kernel()

    def keep_only(self, holder: str, addresses: Sequence[str]) -> None:
        with self._lock:
            for address in self._holders.give_up(holder, addresses):
                self._detach(address)

    def announce(self, holder: str, addresses: Sequence[str]) -> None:
        return

    def own_addresses(self) -> Iterable[str]:
        return local_routes.foreign()

    def refusal(self, address: str) -> str | None:
        return self._places.refusal(address)

    def duplicate(self, address: str) -> str | None:
        return None if is_local(address) else duplicate(self._places.of(address), address, self._probe_seconds)

    def _check(self, address: str) -> None:
        """Raise AttachmentFailed if the address belongs on no interface, or another machine answers for it."""
        refusal = self._places.refusal(address)
        if refusal:
            raise AttachmentFailed(f"Address {address} cannot be attached. {refusal}")
        refuse_duplicate(self._places.of(address), address, self._probe_seconds)

    def _attach(self, address: str) -> None:
        place = self._places.of(address)
        if place is not None:
            links.add(address, place)
            self._attached[address] = place
            self._announcements[address] = ANNOUNCEMENTS
            self._announce(address)
            LOG.info("attached %s to %s", address, place)

    def _detach(self, address: str) -> None:
        local_routes.remove(address)
        place = self._attached.pop(address, None)
        self._announcements.pop(address, None)
        self._failures.pop(address, None)
        if place:
            LOG.info("took %s back from %s", address, place)

    def _announce(self, address: str) -> None:
        place = self._attached[address]
        left = self._announcements.get(address, ANNOUNCEMENTS) - 1
        self._announcements[address] = left
        if left <= 0:
            del self._announcements[address]
        try:
            neighbours.announce(place, address)
        except OSError as error:  # for example while the link is down; it is announced again when it comes up
            LOG.warning("cannot announce %s on %s: %s", address, place, error)

    def _watch(self) -> None:
        while not self._is_over.wait(self._watch_seconds):
            try:
                self._announce_again()
                self._attach_lost()
            except AttachmentFailed as error:
                LOG.warning("%s", error)
            except Exception:
                LOG.exception("the interfaces could not be watched")

    def _announce_again(self) -> None:
        """Announce new addresses a further time, and all addresses of an interface that has come up or changed."""
        with self._lock:
            now = links.states()
            changed = {name for name, state in now.items() if state.is_up and state != self._links.get(name)}
            self._links = now
            for address, place in self._attached.items():
                if place in changed:
                    self._announcements[address] = ANNOUNCEMENTS
            for address in list(self._announcements):
                self._announce(address)

    def _attach_lost(self) -> None:
        """Attach addresses again that someone has removed from their interface, as taking the interface down does."""
        there = links.ours()
        with self._lock:
            lost = [address for address, place in self._attached.items() if place not in there.get(address, ())]
        for address in lost:
            try:
                self._check(address)
                with self._lock:
                    if address in self._attached and not is_local(address):
                        LOG.warning("%s has lost the address %s", self._attached[address], address)
                        self._attach(address)
                        self._failures.pop(address, None)
            except AttachmentFailed as error:
                if self._failures.get(address) != str(error):
                    LOG.warning("%s", error)
                self._failures[address] = str(error)


def refuse_duplicate(interface: str | None, address: str, seconds: float = neighbours.PROBE_SECONDS) -> None:
    """Raise AttachmentFailed if another machine on the interface's link, if any, answers for the address."""
    why = duplicate(interface, address, seconds)
    if why:
        raise AttachmentFailed(why)


def duplicate(interface: str | None, address: str, seconds: float = neighbours.PROBE_SECONDS) -> str | None:
    """Return that another machine on the interface's link answers for the address; None if none does in `seconds`."""
    if interface is None:
        return None
    try:
        found = neighbours.find(interface, address, seconds)
    except OSError as error:  # for example without CAP_NET_RAW
        LOG.warning("cannot ask on %s whether another machine has %s: %s", interface, address, error)
        return None
    if found is None:
        return None
    return (
        f"Address {address} is in use by another machine: {found.hardware_address} answers for it on {found.interface}."
    )
