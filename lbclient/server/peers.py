"""The other server processes on the same PostgreSQL database: what they tell each other."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from sqlalchemy.exc import SQLAlchemyError

from ..store.feed import Told
from ..store.messages import Handler, Messages
from ..store.store import Store
from ..strings import reason
from .services import DataPlane

LOG = logging.getLogger(__name__)
SWEEP_SECONDS = 10.0  # between looks for changes whose message was lost, while there are other processes


class Carrier(DataPlane, Protocol):
    """A data plane in this process."""

    def wake_pending(self) -> None:
        """Queue the load balancers with pending changes that are neither queued nor being reconciled."""
        ...

    def on_reconciled(self, tell: Callable[[str], None]) -> None:
        """Register a callback for load balancers that have been reconciled."""
        ...


class Peers:
    """Exchanges messages with the other processes: what has changed, what has settled, and events.

    With a data plane of its own, this process applies the changes of all, and answers their questions.
    """

    def __init__(self, store: Store, dataplane: Carrier | None) -> None:
        self._feed = store.feed
        self._dataplane = dataplane
        self._is_over = threading.Event()
        self._sweeper = threading.Thread(target=self._sweep, daemon=True)
        self._watchers: list[Callable[[str], None]] = []
        self.messages = Messages(store.engine, self._handlers(dataplane), self._wake_pending)
        store.feed.share = self._share
        if dataplane:
            dataplane.on_reconciled(self._tell_settled)

    def start(self) -> None:
        self.messages.start()
        if self._dataplane:
            self._sweeper.start()

    def stop(self) -> None:
        self._is_over.set()
        self.messages.stop()
        if self._sweeper.is_alive():
            self._sweeper.join()

    def on_reconciled(self, tell: Callable[[str], None]) -> None:
        """Register a callback: tell(id) is called once another process has reconciled a load balancer."""
        self._watchers.append(tell)

    def _handlers(self, dataplane: Carrier | None) -> dict[str, Handler]:
        common: dict[str, Handler] = {"settled": self._settled, "event": self._event}
        if dataplane is None:
            return common
        return {
            **common,
            "wake": lambda said: dataplane.wake(said["id"]),
            "observe": lambda said: dataplane.observe(said["id"]),
            "connections": lambda said: dataplane.active_connections(said["id"], said["pool_id"], said["member_id"]),
            "performance": lambda said: dataplane.performance(said["id"]),
            "kill": lambda said: dataplane.kill(said["id"], said["host_id"]),
            "own_addresses": lambda said: list(dataplane.own_addresses()),
            "address_refusal": lambda said: dataplane.address_refusal(said["address"]),
            "duplicate": lambda said: dataplane.duplicate(said["address"]),
            "port_refusal": lambda said: dataplane.port_refusal(said["port"]),
        }

    def _settled(self, said: Mapping[str, Any]) -> None:
        for tell in self._watchers:
            tell(said["id"])

    def _tell_settled(self, loadbalancer_id: str) -> None:
        if self.messages.has_others:
            self.messages.post("settled", id=loadbalancer_id)

    def _event(self, said: Mapping[str, Any]) -> None:
        told = Told(said["serial"], said["loadbalancer_id"], said["project_id"], said["values"])
        self._feed.publish([told], is_shared=False)

    def _share(self, told: Sequence[Told]) -> None:
        """Send events to the other processes, without the attributes of a request if these are too long."""
        if self.messages.has_others:
            for each in told:
                owner = {"loadbalancer_id": each.loadbalancer_id, "project_id": each.project_id}
                if not self.messages.post("event", serial=each.serial, **owner, values=dict(each.values)):
                    values = {**each.values, "attributes": None}
                    self.messages.post("event", serial=each.serial, **owner, values=values)

    def _sweep(self) -> None:
        while not self._is_over.wait(SWEEP_SECONDS):
            if self.messages.has_others:
                self._wake_pending()

    def _wake_pending(self) -> None:
        if self._dataplane is None:
            return
        try:
            self._dataplane.wake_pending()
        except SQLAlchemyError as error:
            LOG.warning("pending changes cannot be read, will try again: %s", reason(error))
        except Exception:
            LOG.exception("pending changes cannot be read, will try again")
