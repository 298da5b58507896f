"""Run keepalived for the groups of addresses that this host shares with others, and report their states."""

from __future__ import annotations

import ipaddress
import logging
import os
import selectors
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ..config.cfg import Refused
from ..haproxy import links, shared_addresses
from ..haproxy.local_routes import AttachmentFailed
from . import keepalived
from .configuration import ADVERT_SECONDS, Group, render
from .netlink_events import NetlinkEvents

LOG = logging.getLogger(__name__)
State = Literal["MASTER", "BACKUP", "FAULT"]
WATCH_SECONDS = 1.0  # between two checks, if the kernel reports nothing
DIRECTORY_MODE = 0o700


@dataclass(frozen=True)
class Wanted:
    """A group as the server wants it on this host."""

    name: str
    number: int
    peer: str
    is_first: bool
    lead: str
    others: tuple[str, ...] = ()
    yields: bool = False  # whether this host is to give the addresses to the other one

    @property
    def addresses(self) -> tuple[str, ...]:
        return (self.lead, *self.others)


def wanted(found: Mapping[str, Any]) -> Wanted:
    """Return the group that a server describes."""
    return Wanted(**{**found, "others": tuple(found.get("others", ()))})


class Holder:
    """The keepalived of this host, and what it holds. Thread-safe.

    keepalived outlives the holder; which host has an address is decided by it alone.
    """

    def __init__(
        self,
        name: str,
        directory: Path,
        interfaces: Sequence[str],
        on_change: Callable[[], None] = lambda: None,
        advert_seconds: float = ADVERT_SECONDS,
        watch_seconds: float = WATCH_SECONDS,
    ) -> None:
        """Create the holder of a host; on_change() is called when a group has another state.

        Groups are on these interfaces, and keepalived sends from their own addresses.
        """
        self._name = name
        self._directory = directory.absolute()
        self._interfaces = tuple(interfaces)
        self._on_change = on_change
        self._advert_seconds = advert_seconds
        self._watch_seconds = watch_seconds
        path = keepalived.find()
        self.keepalived = keepalived.Keepalived(path, self._directory) if path else None
        self._lock = threading.Lock()
        self._groups: dict[str, Wanted] | None = None  # None: not known yet; keepalived runs on as it is
        self._refusal: str | None = None
        self._states: dict[str, State] = {}
        self._is_over = threading.Event()
        self._wakeup = os.eventfd(0, os.EFD_NONBLOCK)
        self._thread = threading.Thread(target=self._watch, name="shared-addresses", daemon=True)

    def refusal(self) -> str | None:
        """Return why this host cannot share addresses; None if it can."""
        if self.keepalived is None:
            return keepalived.MISSING
        if not self._interfaces:
            return "No network is assigned to an interface (--interface)."
        return shared_addresses.refusal()

    def own_addresses(self) -> dict[str, list[str]]:
        """Return this host's own addresses with their networks, by interface. Raises AttachmentFailed."""
        return {name: list(map(str, each)) for name, each in links.own(self._interfaces).items()}

    def start(self, is_able: bool = True) -> None:
        """Start watching keepalived. A host that is not able yet takes no address until set_able()."""
        self._directory.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
        if self.keepalived is not None and self.keepalived.pid() is None:
            self.keepalived.set_able(is_able)
        self._thread.start()

    def stop(self) -> None:
        """Stop watching; keepalived keeps running."""
        self._is_over.set()
        if self._thread.is_alive():
            os.eventfd_write(self._wakeup, 1)
            self._thread.join()

    def set_able(self, is_able: bool) -> None:
        """Set whether this host can serve the addresses that it shares."""
        if self.keepalived is not None:
            self.keepalived.set_able(is_able)
            self._look()

    def want(self, groups: Sequence[Wanted]) -> None:
        """Share the addresses of exactly these groups. Failures are logged, and tried again."""
        with self._lock:
            self._groups = {each.name: each for each in groups}
        self._look()

    def group(self, name: str) -> Wanted | None:
        with self._lock:
            return (self._groups or {}).get(name)

    def place(self, group: Wanted) -> tuple[str, str]:
        """Return the interface of a group and this host's own address there. Raises Refused and AttachmentFailed."""
        lead, peer = ipaddress.ip_address(group.lead), ipaddress.ip_address(group.peer)
        for interface, found in links.own(self._interfaces).items():
            for each in found:
                if lead in each.network and peer in each.network:
                    return interface, str(each.ip)
        raise Refused(f"This host has no address in a network with {group.lead} and the other host, {group.peer}.")

    def states(self) -> dict[str, State]:
        """Return the state of each group: MASTER if this host has its addresses, FAULT if it cannot have them."""
        with self._lock:
            return dict(self._states)

    def _look(self) -> None:
        """Bring keepalived in line with the wanted groups, and find out which of them this host holds."""
        with self._lock:
            if self._groups is None:
                return
            self._settle(self._groups)
            before, self._states = self._states, self._found(self._groups)
            is_news = before != self._states
        if is_news:
            self._on_change()

    def _settle(self, groups: Mapping[str, Wanted]) -> None:
        refusal = None
        try:
            self._apply(groups)
        except (Refused, AttachmentFailed) as refused:
            refusal = str(refused)
        except OSError as error:
            refusal = f"keepalived cannot be run: {error.strerror or error}."
        if refusal and refusal != self._refusal:
            LOG.warning("addresses cannot be shared: %s", refusal)
        self._refusal = refusal

    def _apply(self, groups: Mapping[str, Wanted]) -> None:
        """Apply the groups to the kernel and to keepalived. Raises Refused, AttachmentFailed and OSError."""
        if not groups:
            if self.keepalived is not None and self.keepalived.stop() == "stopped":
                LOG.info("no addresses are shared any more: keepalived has ended")
            return
        if self.keepalived is None:
            raise Refused(keepalived.MISSING)
        shared_addresses.prepare_kernel()
        for each in groups.values():
            self.keepalived.set_able(not each.yields, each.name)
        rendered = [
            Group(each.name, each.number, *self.place(each), each.peer, each.is_first, each.lead, each.others)
            for each in groups.values()
        ]
        text = render(self._name, rendered, self.keepalived.tracked_file, self._advert_seconds)
        how = self.keepalived.apply(text)
        self.keepalived.keep_only(groups)
        if how != "nothing":
            LOG.info("keepalived: %s, for %s groups", how, len(groups))

    def _found(self, groups: Mapping[str, Wanted]) -> dict[str, State]:
        """Return the states of the groups, from the addresses of this machine."""
        try:
            here = links.have(each.lead for each in groups.values()) if groups else set()
        except AttachmentFailed as error:
            LOG.warning("%s", error)
            here = set()
        runs = self.keepalived is not None and self.keepalived.pid() is not None and self._refusal is None

        def state(group: Wanted) -> State:
            if group.lead in here:
                return "MASTER"
            is_able = runs and self.keepalived is not None and self.keepalived.is_able(group.name)
            return "BACKUP" if is_able else "FAULT"

        return {name: state(group) for name, group in groups.items()}

    def _watch(self) -> None:
        """Check whenever an address has changed or keepalived has ended, and every watch_seconds."""
        events = NetlinkEvents()
        try:
            while not self._is_over.is_set():
                self._wait(events)
                if self._is_over.is_set():
                    return
                try:
                    self._look()
                except Exception:
                    LOG.exception("shared addresses could not be looked at, will try again")
        finally:
            events.close()

    def _wait(self, events: NetlinkEvents) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(events, selectors.EVENT_READ)
            selector.register(self._wakeup, selectors.EVENT_READ)
            descriptor = self._opened()
            try:
                if descriptor is not None:
                    selector.register(descriptor, selectors.EVENT_READ)
                selector.select(self._watch_seconds)
                events.drain()
            finally:
                if descriptor is not None:
                    os.close(descriptor)

    def _opened(self) -> int | None:
        """Return a descriptor that is readable when keepalived has ended; None if it does not run."""
        pid = self.keepalived.pid() if self.keepalived is not None else None
        try:
            return None if pid is None else os.pidfd_open(pid)
        except OSError:
            return None
