"""The addresses that this host announces: a routing table of the kernel that BIRD reads, and nothing else uses.

BIRD hears of each change at once, and announces what is there by BGP. No file is shared with it, its configuration is
never reloaded, and a reboot empties the table. Needs CAP_NET_ADMIN.
"""

from __future__ import annotations

import errno
import ipaddress
import logging
import socket
import threading
from collections.abc import Mapping, Sequence
from typing import Any

from .binary import find_program
from .holders import Holders
from .local_routes import PROTOCOL, AttachmentFailed, netlink

LOG = logging.getLogger(__name__)
TABLE = 108  # `ip route show table 108`; BIRD's configuration names it
BLACKHOLE = 6  # RTN_BLACKHOLE
WATCH_SECONDS = 2.0
MISSING = "BIRD not found: install it (on Debian, the package bird2)."


class Announced:
    """The routes of the announced addresses. Thread-safe. The holder of an address is a load balancer, given by its ID.

    They stay when the server stops, as the HAProxy processes do. Routes that others remove are added again.
    """

    def __init__(self, is_enabled: bool, watch_seconds: float = WATCH_SECONDS) -> None:
        """Create the list; unless enabled, it stays empty, and what an earlier server has announced is withdrawn."""
        self.is_enabled = is_enabled
        self._watch_seconds = watch_seconds
        self._lock = threading.Lock()
        self._holders = Holders()
        self._is_over = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="announced", daemon=True)

    def check(self) -> None:
        """Raise AttachmentFailed if nothing could announce addresses on this machine."""
        if self.is_enabled and find() is None:
            raise AttachmentFailed(MISSING)

    def start(self, wanted: Mapping[str, Sequence[str]]) -> None:
        """Take over announced addresses that are wanted, by holder, and withdraw the rest. Raises AttachmentFailed."""
        with self._lock:
            there = routes()
            for holder, addresses in wanted.items() if self.is_enabled else ():
                for address in there.intersection(addresses):
                    self._holders.add(holder, address)
            for address in there - set(self._holders):
                remove(address)
        if self.is_enabled:
            self._watcher.start()

    def stop(self) -> None:
        """Stop watching; announced addresses stay announced."""
        self._is_over.set()
        if self._watcher.is_alive():
            self._watcher.join()

    def announce(self, holder: str, addresses: Sequence[str]) -> None:
        """Announce exactly these addresses of a holder; withdraw its others, unless another holder announces them.

        Idempotent. Raises AttachmentFailed.
        """
        if not self.is_enabled:
            return
        with self._lock:
            for address in addresses:
                if address not in self._holders:
                    add(address)
                    LOG.info("announced %s", address)
                self._holders.add(holder, address)
            for address in self._holders.give_up(holder, addresses):
                remove(address)
                LOG.info("withdrew %s", address)

    def _watch(self) -> None:
        while not self._is_over.wait(self._watch_seconds):
            try:
                with self._lock:
                    for address in set(self._holders) - routes():
                        add(address)
                        LOG.warning("the route of %s was gone from table %s; announced it again", address, TABLE)
            except AttachmentFailed as error:
                LOG.warning("%s", error)
            except Exception:
                LOG.exception("the announced addresses could not be watched")


def find() -> str | None:
    """Return the path of BIRD; None if it is not installed."""
    return find_program("bird")


def routes() -> set[str]:
    """Return the addresses whose routes are there. Raises AttachmentFailed."""
    with netlink("The announced addresses cannot be read") as kernel:
        return {
            str(ipaddress.ip_address(route.get_attr("RTA_DST")))
            for family in (socket.AF_INET, socket.AF_INET6)
            for route in kernel.get_routes(family=family, table=TABLE)
            if (route["proto"], route["type"]) == (PROTOCOL, BLACKHOLE) and route.get_attr("RTA_DST")
        }


def add(address: str) -> None:
    """Add the route of an address; idempotent. Raises AttachmentFailed."""
    with netlink(f"Address {address} cannot be announced") as kernel:
        kernel.route("replace", **_route(address))


def remove(address: str) -> None:
    """Remove the route of an address, if it is there. Raises AttachmentFailed."""
    from pyroute2 import NetlinkError  # slow to import and rarely needed

    with netlink(f"Address {address} cannot be withdrawn") as kernel:
        try:
            kernel.route("del", **_route(address))
        except NetlinkError as error:
            if error.code != errno.ESRCH:
                raise


def _route(address: str) -> dict[str, Any]:
    """Return a route that no packet takes: no rule of the kernel leads to its table."""
    bits, family = (128, socket.AF_INET6) if ":" in address else (32, socket.AF_INET)
    return {
        "dst": f"{address}/{bits}",
        "family": family,
        "table": TABLE,
        "type": "blackhole",
        "proto": PROTOCOL,
    }
