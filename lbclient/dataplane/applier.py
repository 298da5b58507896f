"""Apply snapshots to the HAProxy and the relay of a load balancer, as far as this machine can."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from ..store.snapshot import Snapshot
from ..store.store import Outcome
from ..strings import is_uuid
from . import support
from .config import udp
from .config.cfg import Refused
from .config.render import Configuration, Settings, render
from .haproxy import binary, process_table
from .haproxy.attachments import Attachment, AttachmentFailed, is_local
from .haproxy.binding import Taken
from .haproxy.process import Applied, Instance, Running
from .haproxy.relay_process import RelayProcess
from .haproxy.unprivileged import User

LOG = logging.getLogger(__name__)
BIND_ATTEMPTS = 3


@dataclass(frozen=True)
class State:
    """The result of applying a snapshot: its configuration, None if it could not be rendered, and the error, if any."""

    snapshot: Snapshot
    configuration: Configuration | None
    error: str | None  # of the load balancer as a whole; those of single listeners are in the snapshot
    applied_at: float
    outcome: Outcome | None = None
    running: Running | None = None


Around = Callable[[str, Snapshot], AbstractContextManager[Callable[[str], None]]]


@contextmanager
def nothing_around(id_: str, snapshot: Snapshot) -> Iterator[Callable[[str], None]]:
    yield lambda how: None


class Applier:
    """Applies snapshots in a directory for each load balancer, which belongs to one thread at a time."""

    def __init__(
        self, directory: Path, haproxy_path: str, attachment: Attachment, user: User | None, around: Around
    ) -> None:
        """Create an applier whose processes become `user`, or keep the user of the server.

        Configurations are applied inside a block of around(id, snapshot), which is told how that took effect.
        """
        self._directory = directory.absolute()
        self._binary = haproxy_path
        self._attachment = attachment
        self._settings = Settings(most_files=binary.most_files(), user=user)
        self._user = user
        self._around = around

    def open(self) -> list[str]:
        """Create the directory if it is missing; return the IDs of the load balancers that have one in it."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        return [each.name for each in self._directory.iterdir() if is_uuid(each.name)]

    def remove(self, id_: str) -> None:
        """End the processes of a load balancer and detach its addresses, before others can be given them."""
        self._attachment.announce(id_, ())
        self._instance(id_).remove()
        self._attachment.keep_only(id_, ())

    def retire(self, id_: str) -> None:
        """Let the processes of a load balancer end with their last connections: another host has its addresses."""
        process_table.retire(self._directory / id_)

    def is_running(self, id_: str) -> bool:
        return bool(process_table.family(self._directory / id_))

    def apply(self, id_: str, snapshot: Snapshot, previous: State | None) -> State:
        """Apply a snapshot after the previous one of this load balancer, if any; errors are part of the state."""
        configuration = None
        error = None
        outcome = None
        running = None
        try:
            reason = support.unsupported(snapshot, self._binary)
            if reason:
                raise Refused(reason)
            configuration = render(snapshot, self._settings, previous.configuration if previous else None)
            if configuration.is_needed:
                self._attach(id_, snapshot)
            else:
                self._attachment.announce(id_, ())
            with self._around(id_, snapshot) as report:
                snapshot, configuration, applied = self._listen(id_, snapshot, configuration, previous)
                report(applied.how)
            outcome, running = _logged(id_, applied), applied.running
            is_announced = configuration.is_needed and not snapshot.is_shared
            self._attachment.announce(id_, snapshot.addresses if is_announced else ())
            self._attachment.keep_only(id_, () if snapshot.is_shared else snapshot.addresses)
        except (Refused, AttachmentFailed) as refusal:
            error = str(refusal)
        except OSError as failure:
            what = "HAProxy cannot be run" if failure.filename == self._binary else "The system refuses"
            error = f"{what}: {os.strerror(failure.errno or 0)}."
        except Exception as fault:
            error = f"Internal error: {type(fault).__name__}; the server's log has the details."
            LOG.exception("load balancer %s: could not be applied", id_)
        if error is not None:
            self._start_last_good(id_, snapshot)
        for reason in filter(None, (error, *snapshot.failures.values())):
            if reason not in _errors(previous):
                LOG.warning("load balancer %s: %s", id_, reason)
        return State(snapshot, configuration, error, time.monotonic(), outcome, running)

    def keep_last_good(self, id_: str, snapshot: Snapshot, error: str | None) -> State | None:
        """Start the last good configuration unless it runs; return its state with that error, or None without one."""
        if not self._instance(id_).has_last_good:
            return None
        with self._around(id_, snapshot) as report:
            self._start_last_good(id_, snapshot)
            report("nothing")
        return State(snapshot, None, error, time.monotonic())

    def _attach(self, id_: str, snapshot: Snapshot) -> None:
        """Attach the addresses, so that programs can listen on them. Raises AttachmentFailed."""
        if snapshot.is_shared:
            self._attachment.share(snapshot.addresses)
        else:
            self._attachment.prepare(id_, snapshot.addresses)

    def _listen(
        self, id_: str, snapshot: Snapshot, configuration: Configuration, previous: State | None
    ) -> tuple[Snapshot, Configuration, Applied]:
        """Apply the configuration, without the addresses and ports that cannot be bound.

        Returns the snapshot with what could not be bound, and what was applied. Raises Refused.
        """
        running = previous.running if previous else None
        for _ in range(BIND_ATTEMPTS):  # HAProxy and the relay refuse one after the other
            try:
                return snapshot, configuration, self._instance(id_).apply(configuration, running)
            except Taken as taken:
                snapshot = _without(snapshot, taken)
                configuration = render(snapshot, self._settings, configuration)
        return snapshot, configuration, self._instance(id_).apply(configuration)

    def _start_last_good(self, id_: str, snapshot: Snapshot) -> None:
        """Start the last good configuration when the wanted one cannot be applied, also after a reboot; announce it."""
        try:
            self._attach(id_, snapshot)
            if self._instance(id_).start_last_good():
                LOG.warning("load balancer %s: started with its last good configuration", id_)
        except (Refused, AttachmentFailed, OSError) as failure:
            LOG.debug("load balancer %s: its last good configuration cannot be started either: %s", id_, failure)
        self._announce_last_good(id_, snapshot)

    def _announce_last_good(self, id_: str, snapshot: Snapshot) -> None:
        """Announce the addresses that the last good configuration serves; withdraw them if nothing of it runs."""
        if not self._attachment.is_announcing or snapshot.is_shared:
            return
        directory = self._directory / id_
        try:
            is_serving = process_table.master(directory) is not None or RelayProcess(directory).pid() is not None
            self._attachment.announce(id_, [each for each in snapshot.addresses if is_serving and is_local(each)])
        except (AttachmentFailed, OSError) as failure:
            LOG.warning("load balancer %s: %s", id_, failure)

    def _instance(self, id_: str) -> Instance:
        return Instance(self._directory / id_, self._binary, self._user)


def _errors(state: State | None) -> set[str | None]:
    return {state.error, *state.snapshot.failures.values()} if state else set()


def _without(snapshot: Snapshot, taken: Taken) -> Snapshot:
    """Return the snapshot without the addresses and ports that cannot be bound."""
    unbound = {
        (each.id, address): reason
        for (address, port), reason in taken.reasons.items()
        for each in snapshot.listeners
        if each.protocol_port == port and (each.protocol == udp.PROTOCOL) == taken.is_datagram
    }
    return replace(snapshot, unbound={**snapshot.unbound, **unbound})


def _logged(id_: str, applied: Applied) -> Outcome:
    level = logging.DEBUG if applied.how == "nothing" else logging.INFO
    why = f" ({applied.reason})" if applied.reason else ""
    LOG.log(level, "load balancer %s: %s in %.1f ms%s", id_, applied.how, applied.milliseconds, why)
    return Outcome(applied.how, applied.milliseconds, applied.reason)
