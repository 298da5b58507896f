"""The data plane of another server process, which uses the same database: it is woken and asked by messages."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Iterable, Iterator
from typing import Any, Protocol

from ..store.snapshot import Snapshot
from ..store.store import Tail
from .config.unsupported import impossible, invalid
from .figures import Figures, Reconciled
from .observe.traffic_log import Logged

SILENCE_SECONDS = 5.0
LOG = logging.getLogger(__name__)


class Messages(Protocol):
    """The messages between the processes, as far as the data plane needs them."""

    def post(self, kind: str, **values: Any) -> bool:
        """Send a message soon."""
        ...

    def ask(self, kind: str, **values: Any) -> Any:
        """Ask and return the answer. Raises TimeoutError."""
        ...


class RemoteDataPlane:
    """Passes everything on to the server that carries the traffic.

    If that server does not answer, changes are stored, and it applies them when it is back.
    """

    def __init__(self, messages: Messages) -> None:
        self._messages = messages
        self._silent_until = float("-inf")

    def wake(self, loadbalancer_id: str, project_id: str | None = None) -> None:
        """Pass on the ID; the server that carries the traffic looks the project up."""
        self._messages.post("wake", id=loadbalancer_id)

    def is_idle(self, loadbalancer_id: str) -> bool:
        """Return True: this process does not know what the one that carries the traffic is doing."""
        return True

    def unsupported(self, snapshot: Snapshot) -> str | None:
        """Return why no data plane could run the load balancer; the one that carries it may find more reasons."""
        return impossible(snapshot)

    def invalid(self, snapshot: Snapshot) -> tuple[str, str, str] | None:
        """Return an attribute, its value, and why HAProxy refuses this value; None if it refuses none."""
        return invalid(snapshot)

    def own_addresses(self) -> Iterable[str]:
        return self._ask("own_addresses") or ()

    def address_refusal(self, address: str) -> str | None:
        refusal: str | None = self._ask("address_refusal", address=address)
        return refusal

    def port_refusal(self, port: int) -> str | None:
        refusal: str | None = self._ask("port_refusal", port=port)
        return refusal

    def duplicate(self, address: str) -> str | None:
        """Return that another machine has an address; None if none answers, or if the data plane cannot be asked."""
        duplicate: str | None = self._ask("duplicate", address=address)
        return duplicate

    def active_connections(self, loadbalancer_id: str, pool_id: str, member_id: str) -> int | None:
        count: int | None = self._ask("connections", id=loadbalancer_id, pool_id=pool_id, member_id=member_id)
        return count

    def observe(self, loadbalancer_id: str) -> None:
        self._ask("observe", id=loadbalancer_id)

    def kill(self, loadbalancer_id: str, host_id: str | None = None) -> int:
        return int(self._ask("kill", id=loadbalancer_id, host_id=host_id) or 0)

    def performance(self, loadbalancer_id: str) -> dict[str, dict[str, float | None]] | None:
        """Return requests and response times by ID; None without an answer."""
        found: dict[str, dict[str, float | None]] | None = self._ask("performance", id=loadbalancer_id)
        return found

    def traffic(self, loadbalancer_id: str, listener_ids: Collection[str]) -> Iterator[tuple[str, bytes]]:
        """Return no lines: the server that carries the traffic has its log."""
        return iter(())

    def traffic_tail(self, loadbalancer_id: str) -> Tail[Logged]:
        """Return a log without lines."""
        return Tail()

    def figures(self) -> Figures:
        """Return no counters: the server that carries the traffic shows them."""
        return Reconciled().figures(0, 0, 0)

    def _ask(self, kind: str, **values: Any) -> Any:
        """Return the answer; None if there is none, or if another question got none a moment ago."""
        if time.monotonic() < self._silent_until:
            return None
        try:
            return self._messages.ask(kind, **values)
        except TimeoutError as error:
            LOG.warning("%s; not asked again for %s s", error, SILENCE_SECONDS)
            self._silent_until = time.monotonic() + SILENCE_SECONDS
            return None
