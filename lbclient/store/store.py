"""The database, and what the data plane may do with it: read a snapshot, settle it, tell what it observes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from typing import TYPE_CHECKING

import sqlalchemy as sa

from . import engines, haste, migrations, noop, observing, prepared, reading, settling
from .history import Outcome as Outcome
from .observing import Check as Check
from .observing import Key, Totals
from .snapshot import Snapshot
from .tables import LISTENER, LOADBALANCER, SCHEMA

if TYPE_CHECKING:
    from ..vault.sealing import Vault

Statuses = Mapping[Key, str]  # operating statuses, by resource name and ID
CHECKPOINT_EVERY = 50  # times that somebody has waited for the disk


class Store:
    """A database by its SQLAlchemy URL: sqlite:///path or postgresql://…; safe to use from many threads.

    Without a vault (None) it can keep no payloads of secrets.
    """

    def __init__(self, url: str, vault: Vault | None = None) -> None:
        self.engine = engines.engine(url).execution_options(vault=vault)
        self._group_commit = engines.group_commit(self.engine)
        self._kept = count(1)
        self._turn = threading.Lock()  # those that wait for it get it at once; SQLite would have them sleep and look

    @property
    def is_local(self) -> bool:
        """Whether reading waits for nobody: neither for the network nor for those who write."""
        return self.engine.dialect.name == "sqlite"

    def migrate(self) -> None:
        """Bring the schema to the version of this program. Raises migrations.Unfit."""
        with self.writing() as tx:
            migrations.upgrade(tx)

    def database_id(self) -> str:
        """The mark that the database got when it was made."""
        with self.reading() as tx:
            return str(tx.scalar(sa.select(SCHEMA.c.database_id)))

    def close(self) -> None:
        self.engine.dispose()

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """One consistent view of everything; nothing is written.

        Raises haste.TakesLong in a thread that must not wait, where SQLite works for longer than a moment.
        """
        with self.engine.connect() as tx:
            engines.begin_reading(tx)
            with engines.limited(tx):
                yield tx
            engines.end_reading(tx)

    @contextmanager
    def writing(self, is_durable: bool = True) -> Iterator[sa.Connection]:
        """One transaction, committed at the end; one at a time. One that need not last may be undone by a power cut.

        Raises haste.WouldWait where another one is under way and there is no time.
        """
        with haste.holding(self._turn), self.engine.connect() as tx:
            engines.begin_writing(tx, is_durable)
            yield tx
            prepared.commit(tx)
        if is_durable and self._group_commit:
            haste.pay(self._flush)

    def _flush(self) -> None:
        """To disk. Raises sa.exc.OperationalError."""
        assert self._group_commit is not None
        try:
            self._group_commit.flush()
        except OSError as error:
            raise sa.exc.OperationalError("to disk", {}, error) from error
        if next(self._kept) % CHECKPOINT_EVERY == 0:  # those in haste have left that to others
            with self.engine.connect() as tx:
                engines.checkpoint_log(tx)

    def loadbalancer_ids(self) -> list[str]:
        """Every load balancer, also those that are being deleted."""
        with self.reading() as tx:
            return list(tx.scalars(sa.select(LOADBALANCER.c.id).order_by(LOADBALANCER.c.serial)))

    def addresses(self) -> dict[tuple[str, str], tuple[str, ...]]:
        """The addresses of every load balancer, by its ID and its provider's name."""
        with self.reading() as tx:
            rows = tx.execute(sa.select(LOADBALANCER)).all()
            return {(row.id, row.provider): reading.addresses(tx, row) for row in rows}

    def roster(self) -> list[tuple[str, str, bool]]:
        """Every load balancer: its ID, its project, and whether somebody waits for it."""
        columns = (LOADBALANCER.c.id, LOADBALANCER.c.project_id, LOADBALANCER.c.provisioning_status)
        with self.reading() as tx:
            rows = tx.execute(sa.select(*columns).order_by(LOADBALANCER.c.serial)).all()
        return [(row.id, row.project_id, row.provisioning_status.startswith("PENDING")) for row in rows]

    def project_of(self, loadbalancer_id: str) -> str | None:
        """The project of a load balancer; None where there is none (any more)."""
        with self.reading() as tx:
            row = prepared.by(LOADBALANCER, "id").first(tx, id=loadbalancer_id)
        return None if row is None else row.project_id

    def snapshot(self, loadbalancer_id: str) -> Snapshot | None:
        """The load balancer as it stands; None where there is none (any more)."""
        with self.reading() as tx:
            return reading.snapshot(tx, loadbalancer_id)

    def settle(
        self,
        snapshot: Snapshot,
        error: str | None,
        outcome: Outcome | None = None,
        expect: Callable[[Statuses], Statuses] = dict,
    ) -> bool:
        """End the changes that the snapshot saw: ACTIVE or gone, or ERROR with the reason.

        What is ACTIVE has the operating status that expect(those that are known) gives, from this moment on. Rows that
        were changed since are left to the next round; True says that there are some.
        """
        is_nothing_new = error is None and _is_settled(snapshot)
        if is_nothing_new and (outcome is None or outcome.how == "nothing"):
            return False
        with self.writing(is_durable=False) as tx:
            known = reading.operating_statuses(tx, snapshot.loadbalancer.id)
            changed = _changed(known, expect(known)) if error is None else {}
            return settling.settle(tx, snapshot.loadbalancer, snapshot.seen, error, outcome, changed)

    def settle_noop(self, loadbalancer_id: str, reported: Mapping[str, str] = noop.NOTHING) -> None:
        """End all changes of a load balancer that nothing runs for; members show the statuses that are reported."""
        with self.reading() as tx:
            if noop.is_settled(tx, loadbalancer_id):
                return
        with self.writing(is_durable=False) as tx:
            noop.settle(tx, loadbalancer_id, reported)

    def observed(
        self,
        loadbalancer_id: str,
        statuses: Statuses,
        checks: Mapping[str, Check | None] | None = None,
        reasons: Mapping[Key, str] | None = None,
        revision: int | None = None,
    ) -> None:
        """Keep operating statuses, {(resource name, id): status}, and what checks of members found, by member.

        A transaction only if some differ. `reasons` tell of statuses why they are so. A check that is None, as all are
        without `checks`, is not known yet, or any more: what was found before stays. Nothing is kept of a load balancer
        that has been changed since the revision that was observed: what is settled next says more.
        """
        with self.reading() as tx:
            known = reading.operating_statuses(tx, loadbalancer_id)
            checked = observing.checks(tx, loadbalancer_id)
        changed = _changed(known, statuses)
        told = checked if checks is None else {id_: each or checked.get(id_) for id_, each in checks.items()}
        found = {id_: each for id_, each in told.items() if each and ("member", id_) in known}
        if not changed and found == checked:
            return
        with self.writing(is_durable=False) as tx:
            if revision not in (None, settling.revision(tx, loadbalancer_id)):
                return
            observing.keep_statuses(tx, loadbalancer_id, changed, reasons or {})
            observing.keep_checks(tx, loadbalancer_id, found, checked)

    def counted(self, loadbalancer_id: str, totals: Totals) -> None:
        """Keep the totals of a load balancer's parts that exist, {part's ID: {counter: total}}."""
        self.all_counted({loadbalancer_id: totals})

    def all_counted(self, totals: Mapping[str, Totals]) -> None:
        """Keep the totals of many load balancers, by ID, in one transaction."""
        with self.writing(is_durable=False) as tx:
            observing.keep_totals(tx, totals)

    def totals(self, loadbalancer_id: str) -> dict[str, dict[str, int]]:
        """The totals that were kept last, {listener ID: {counter: total}}."""
        with self.reading() as tx:
            return reading.totals(tx, LISTENER.c.loadbalancer_id == loadbalancer_id)


def _changed(known: Statuses, wanted: Statuses) -> dict[Key, str]:
    """The statuses of what exists that differ from those that are known."""
    return {key: status for key, status in wanted.items() if known.get(key, status) != status}


def _is_settled(snapshot: Snapshot) -> bool:
    """Whether it saw no change: with nothing done either, there is nothing to write."""
    loadbalancer = snapshot.loadbalancer
    return loadbalancer.provisioning_status == "ACTIVE" and loadbalancer.fault is None and len(snapshot.seen) == 1
