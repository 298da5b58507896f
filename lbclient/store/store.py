"""The database, and the operations that the data plane needs: read a snapshot, settle it, record observed status."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

import sqlalchemy as sa

from . import (
    engines,
    history,
    migrations,
    nonblocking,
    noop,
    observing,
    pairs,
    prepared,
    reading,
    serials,
    settling,
)
from .checkpoints import Checkpoints
from .cluster_tables import SERVER
from .fair_lock import FairLock
from .feed import Feed
from .feed import Tail as Tail
from .figures import Figures
from .history import Outcome as Outcome
from .observing import Check as Check
from .observing import Key as Key
from .observing import Totals as Totals
from .snapshot import Snapshot
from .tables import LISTENER, LOADBALANCER, SCHEMA

if TYPE_CHECKING:
    from ..vault.sealing import Vault

Statuses = Mapping[Key, str]  # operating statuses, by resource name and ID
PAUSE = 0.001  # seconds between the parts of a long change, in which other transactions take their turn
Guard = Callable[[sa.Connection], None]  # raises an exception within a transaction, which is then rolled back


def _everybody(tx: sa.Connection) -> None:
    """Refuse nothing."""


class Store:
    """A database, given by its SQLAlchemy URL (sqlite:///path or postgresql://…). Safe to use from many threads.

    Without a vault (None) it cannot read or write the payloads of secrets.
    """

    def __init__(self, url: str, vault: Vault | None = None) -> None:
        self.engine = engines.engine(url).execution_options(vault=vault)
        self._group_commit = engines.group_commit(self.engine)
        self.feed = Feed()
        self.figures = Figures()
        self._turn = FairLock()  # passed on at once; SQLite's own lock makes waiters sleep and poll
        self._checkpoints = Checkpoints(self.engine, self._turn) if self._group_commit else None

    def unlock(self, vault: Vault) -> None:
        """Read and write the payloads of secrets with this vault from now on."""
        self.engine = self.engine.execution_options(vault=vault)

    @property
    def has_one_writer(self) -> bool:
        """Whether changing() is as exclusive as writing()."""
        return self.engine.dialect.name == "sqlite"

    @property
    def is_local(self) -> bool:
        """Whether reads never block, neither on the network nor on writers."""
        return self.engine.dialect.name == "sqlite"

    def migrate(self) -> None:
        """Bring the schema to the version of this program. Raises migrations.Unfit."""
        with self.writing() as tx:
            migrations.upgrade(tx)

    def database_id(self) -> str:
        """Return the identifier that the database was given when it was created."""
        with self.reading() as tx:
            return str(tx.scalar(sa.select(SCHEMA.c.database_id)))

    def close(self) -> None:
        if self._checkpoints:
            self._checkpoints.close()
        self.engine.dispose()

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """Open a read-only transaction with one consistent view of the whole database.

        Raises nonblocking.TakesLong in a thread that must not block, if SQLite needs more than engines.SHARE
        instructions.
        """
        with self.engine.connect() as tx:
            engines.begin_reading(tx)
            with engines.limited(tx):
                yield tx
            engines.end_reading(tx)

    @contextmanager
    def writing(self, is_durable: bool = True) -> Iterator[sa.Connection]:
        """Open a write transaction and commit it at the end. Only one runs at a time.

        A power cut may undo a transaction that is not durable. Raises nonblocking.TakesLong in a thread that must not
        block.
        """
        nonblocking.check_may_take_long()
        with self.figures.turn(self._turn), self._begun(is_durable) as tx:
            yield tx
        if self._checkpoints:
            self._checkpoints.note()
        if is_durable and self._group_commit:
            self._flush()

    @contextmanager
    def changing(self, is_durable: bool = True) -> Iterator[sa.Connection]:
        """Open a write transaction that changes load balancers.

        On PostgreSQL it runs beside others of its kind, in any number of processes, but not beside writing(). It has to
        lock what it depends on, before reading it: the load balancer's row, and whatever engines.lock() names. On
        SQLite it is the same as writing().
        """
        if self.has_one_writer:
            with self.writing(is_durable) as tx:
                yield tx
            return
        with self.figures.turn(None), self._begun(is_durable, is_shared=True) as tx:
            yield tx

    @contextmanager
    def _begun(self, is_durable: bool, is_shared: bool = False) -> Iterator[sa.Connection]:
        with self.engine.connect() as tx:
            engines.begin_writing(tx, is_durable, is_shared)
            tx.info.pop(history.TOLD, None)  # of a transaction that was rolled back
            serials.forget(tx)
            yield tx
            told = tx.info.pop(history.TOLD, ())
            prepared.commit(tx)
            self.feed.publish(told)

    def _flush(self) -> None:
        """Flush everything that has been committed to disk. Raises sa.exc.OperationalError."""
        assert self._group_commit is not None
        try:
            self._group_commit.flush()
        except OSError as error:
            raise sa.exc.OperationalError("to disk", {}, error) from error

    def loadbalancer_ids(self) -> list[str]:
        """Return the IDs of all load balancers, including those that are being deleted."""
        with self.reading() as tx:
            return list(tx.scalars(sa.select(LOADBALANCER.c.id).order_by(LOADBALANCER.c.serial)))

    def project_of(self, loadbalancer_id: str) -> str | None:
        """Return the project ID of a load balancer; None if the load balancer does not exist."""
        with self.reading() as tx:
            row = prepared.by(LOADBALANCER, "id").first(tx, id=loadbalancer_id)
        return None if row is None else row.project_id

    def snapshot(
        self, loadbalancer_id: str, before: Snapshot | None = None, host_id: str | None = None
    ) -> Snapshot | None:
        """Return the current state of a load balancer, for one of its hosts; None if it does not exist.

        After an earlier snapshot whose changes are all settled, only the members that have changed are read.
        """
        with self.reading() as tx:
            found = reading.continued(tx, before) if before is not None else None
            return found or reading.snapshot(tx, loadbalancer_id, host_id=host_id)

    def settle(
        self,
        snapshot: Snapshot,
        error: str | None,
        outcome: Outcome | None = None,
        expect: Callable[[Statuses], Statuses] = dict,
        check: Guard = _everybody,
    ) -> bool:
        """Settle the changes that the snapshot saw: mark rows ACTIVE or delete them, or set ERROR with the reason.

        Listeners that cannot listen, as the snapshot says, are set to ERROR alone. On success, operating statuses
        become those that `expect` returns when given the current ones, except where newer ones were stored meanwhile.
        Rows that have changed since the snapshot are left for the next round. Returns whether the load balancer has
        changed since the snapshot and is PENDING_*. Of one on two hosts, nothing is settled until both have applied it,
        or one is not waited for. check(tx) may refuse, by an exception.
        """
        is_nothing_new = error is None and not snapshot.failures and _is_settled(snapshot)
        if is_nothing_new and not snapshot.peers and (outcome is None or outcome.how == "nothing"):
            return False
        rest = snapshot.seen if snapshot.peers else self._settle_parts(snapshot, error, check)
        known, changed = self._predicted(snapshot, expect) if error is None else ({}, {})
        with self.changing(is_durable=False) as tx:
            settling.lock(tx, snapshot.loadbalancer.id)
            check(tx)
            if snapshot.peers:
                is_awaited, error = pairs.applied(tx, snapshot, error)
                if is_awaited:
                    return False
            newest = observing.current_statuses(tx, changed) if error is None else {}
            changed = {key: status for key, status in changed.items() if newest.get(key) == known[key]}
            reasons: Mapping[Key, str] = {}
            if snapshot.peers:
                found, reasons = pairs.shown(tx, snapshot.loadbalancer.id, changed)
                changed = _changed(known, found)
            failures = {} if error is not None else snapshot.failures
            return settling.settle(tx, snapshot.loadbalancer, rest, error, outcome, changed, failures, reasons)

    def _predicted(self, snapshot: Snapshot, expect: Callable[[Statuses], Statuses]) -> tuple[Statuses, dict[Key, str]]:
        """Return the stored operating statuses, and those that applying the snapshot has changed."""
        with self.reading() as tx:
            known = _known(tx, snapshot)
        return known, _changed(known, expect(known))

    def _settle_parts(self, snapshot: Snapshot, error: str | None, check: Guard) -> settling.Seen:
        """Settle the members of large pools in short transactions, so that others can write; return what is left."""
        parts, rest = settling.divided(snapshot.seen)
        for part in parts:
            with self.changing(is_durable=False) as tx:
                settling.lock(tx, snapshot.loadbalancer.id)
                check(tx)
                settling.settle_part(tx, part, error is not None)
            time.sleep(PAUSE)
        return rest

    def settle_noop(self, loadbalancer_id: str, reported: Mapping[str, str] = noop.NOTHING) -> None:
        """Settle all changes of a load balancer of the no-op provider, whose members get the reported statuses.

        The members of a large one are settled in short transactions, so that others can write in between.
        """
        with self.reading() as tx:
            if noop.is_settled(tx, loadbalancer_id):
                return
            parts = settling.member_parts(tx, loadbalancer_id)
        for first, last in parts:
            with self.changing(is_durable=False) as tx:
                settling.lock(tx, loadbalancer_id)
                noop.settle_part(tx, loadbalancer_id, first, last)
        with self.changing(is_durable=False) as tx:
            settling.lock(tx, loadbalancer_id)
            noop.settle(tx, loadbalancer_id, reported)

    def observed(
        self,
        loadbalancer_id: str,
        statuses: Statuses,
        checks: Mapping[str, Check | None] | None = None,
        reasons: Mapping[Key, str] | None = None,
        revision: int | None = None,
        check: Guard = _everybody,
    ) -> None:
        """Store observed operating statuses, {(resource name, id): status}, and check results, by member ID.

        Writes only if something differs. `reasons` explains statuses in the event history. A check that is None, as
        all are without `checks`, is unknown at the moment: the earlier result stays. Nothing is stored if the load
        balancer has changed since the observed `revision`, because the next round settles newer statuses.
        """
        with self.reading() as tx:
            known = reading.operating_statuses(tx, loadbalancer_id)
            checked = observing.checks(tx, loadbalancer_id)
        changed = _changed(known, statuses)
        told = checked if checks is None else {id_: each or checked.get(id_) for id_, each in checks.items()}
        found = {id_: each for id_, each in told.items() if each and ("member", id_) in known}
        if not changed and found == checked:
            return
        with self.changing(is_durable=False) as tx:
            settling.lock(tx, loadbalancer_id)
            check(tx)
            if revision not in (None, settling.revision(tx, loadbalancer_id)):
                return
            observing.keep_statuses(tx, loadbalancer_id, changed, reasons or {})
            observing.keep_checks(tx, loadbalancer_id, found, checked)

    def counted(self, loadbalancer_id: str, totals: Totals) -> None:
        """Store the totals of a load balancer's parts, {part ID: {counter: total}}. Deleted parts are skipped."""
        self.all_counted({loadbalancer_id: totals})

    def all_counted(self, totals: Mapping[str, Totals], host_id: str = SERVER) -> None:
        """Store what a host has counted for many load balancers, by load balancer ID, in one transaction."""
        with self.writing(is_durable=False) as tx:
            observing.keep_totals(tx, totals, host_id)

    def totals(self, loadbalancer_id: str) -> dict[str, dict[str, int]]:
        """Return the stored totals of a load balancer's listeners, {listener ID: {counter: total}}."""
        with self.reading() as tx:
            return reading.totals(tx, LISTENER.c.loadbalancer_id == loadbalancer_id)


def _known(tx: sa.Connection, snapshot: Snapshot) -> Statuses:
    """Return the current operating statuses that the snapshot's changes can have changed, or that decide others."""
    id_ = snapshot.loadbalancer.id
    if snapshot.touched is None:
        return reading.operating_statuses(tx, id_)
    return reading.changeable_statuses(tx, id_, snapshot.touched)


def _changed(known: Statuses, wanted: Statuses) -> dict[Key, str]:
    """Return the wanted statuses that differ from the known ones, leaving out resources that do not exist."""
    return {key: status for key, status in wanted.items() if known.get(key, status) != status}


def _is_settled(snapshot: Snapshot) -> bool:
    """Whether the snapshot contains no unsettled changes, so that settling it writes nothing."""
    loadbalancer = snapshot.loadbalancer
    return loadbalancer.provisioning_status == "ACTIVE" and loadbalancer.fault is None and len(snapshot.seen) == 1
