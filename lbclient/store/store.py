"""The database, and what the data plane may do with it: read a snapshot, settle it, tell what it observes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import sqlalchemy as sa

from . import engines, history, migrations, network_tables, observing, reading
from .history import Outcome as Outcome
from .materials import Vault
from .observing import Check as Check
from .observing import Key, Totals
from .snapshot import Snapshot
from .tables import LISTENER, LOADBALANCER, MEMBER, POOL, STATISTICS, TABLES


class Store:
    """A database by its SQLAlchemy URL: sqlite:///path or postgresql://…; safe to use from many threads.

    Without a vault (None) it can keep no payloads of secrets.
    """

    def __init__(self, url: str, vault: Vault | None = None) -> None:
        self.engine = engines.engine(url).execution_options(vault=vault)

    def migrate(self) -> None:
        """Bring the schema to the version of this program. Raises migrations.TooNew."""
        with self.writing() as tx:
            migrations.upgrade(tx)

    def close(self) -> None:
        self.engine.dispose()

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """One consistent view of everything; nothing is kept."""
        with self.engine.connect() as tx, tx.begin() as transaction:
            yield tx
            transaction.rollback()

    @contextmanager
    def writing(self, is_lasting: bool = True) -> Iterator[sa.Connection]:
        """One transaction, committed at the end; one at a time. One that need not last may be undone by a power cut."""
        with self.engine.connect() as connection:
            tx = connection.execution_options(is_writing=True, is_lasting=is_lasting)
            with tx.begin():
                yield tx

    def loadbalancer_ids(self) -> list[str]:
        """Every load balancer, also those that are being deleted."""
        with self.reading() as tx:
            return list(tx.scalars(sa.select(LOADBALANCER.c.id).order_by(LOADBALANCER.c.serial)))

    def snapshot(self, loadbalancer_id: str) -> Snapshot | None:
        """The load balancer as it stands; None where there is none (any more)."""
        with self.reading() as tx:
            return reading.snapshot(tx, loadbalancer_id)

    def settle(self, snapshot: Snapshot, error: str | None, outcome: Outcome | None = None) -> bool:
        """End the changes that the snapshot saw: ACTIVE or gone, or ERROR with the reason.

        Rows that were changed since are left to the next round; True says that there are some.
        """
        id_ = snapshot.loadbalancer.id
        if error is None and _is_settled(snapshot) and (outcome is None or outcome.how == "nothing"):
            return False
        with self.writing(is_lasting=False) as tx:
            for (name, revision), ids in _grouped(snapshot).items():
                _settle_rows(tx, TABLES[name], ids, revision, error)
            if snapshot.is_deleted and error is None and not _exists(tx, id_):
                network_tables.release(tx, id_)
                history.forget(tx, id_)
            else:
                _note_fault(tx, id_, error)
                history.settle(tx, id_, snapshot.loadbalancer.revision, outcome, error)
            return _is_pending(tx, id_)

    def observed(
        self,
        loadbalancer_id: str,
        statuses: Mapping[Key, str],
        checks: Mapping[str, Check | None] | None = None,
        reasons: Mapping[Key, str] | None = None,
    ) -> None:
        """Keep operating statuses, {(resource name, id): status}, and what checks of members found, by member.

        A transaction only if some differ. `reasons` tell of statuses why they are so. A check that is None, as all are
        without `checks`, is not known yet, or any more: what was found before stays.
        """
        with self.reading() as tx:
            known = reading.operating_statuses(tx, loadbalancer_id)
            checked = observing.checks(tx, loadbalancer_id)
        changed = {key: status for key, status in statuses.items() if known.get(key, status) != status}
        told = checked if checks is None else {id_: each or checked.get(id_) for id_, each in checks.items()}
        found = {id_: each for id_, each in told.items() if each and ("member", id_) in known}
        if not changed and found == checked:
            return
        with self.writing(is_lasting=False) as tx:
            observing.keep_statuses(tx, loadbalancer_id, changed, reasons or {})
            observing.keep_checks(tx, loadbalancer_id, found, checked)

    def counted(self, loadbalancer_id: str, totals: Totals) -> None:
        """Keep the totals of a load balancer's parts that exist, {part's ID: {counter: total}}."""
        self.all_counted({loadbalancer_id: totals})

    def all_counted(self, totals: Mapping[str, Totals]) -> None:
        """Keep the totals of many load balancers, by ID, in one transaction."""
        with self.writing(is_lasting=False) as tx:
            observing.keep_totals(tx, totals)

    def totals(self, loadbalancer_id: str) -> dict[str, dict[str, int]]:
        """The totals that were kept last, {listener ID: {counter: total}}."""
        with self.reading() as tx:
            return reading.totals(tx, LISTENER.c.loadbalancer_id == loadbalancer_id)


def _grouped(snapshot: Snapshot) -> dict[tuple[str, int], list[str]]:
    """The rows that it saw, by their resource and revision: those of one change are settled together."""
    groups: dict[tuple[str, int], list[str]] = {}
    for (name, id_), revision in snapshot.seen.items():
        groups.setdefault((name, revision), []).append(id_)
    return groups


def _settle_rows(tx: sa.Connection, table: sa.Table, ids: list[str], revision: int, error: str | None) -> None:
    row = table.c.id.in_(ids) & (table.c.revision == revision)
    status = table.c.provisioning_status
    is_gone = False
    if error is None or table is not LOADBALANCER:
        # A part is gone even if HAProxy could not be told yet: otherwise it would be back when the cause has healed.
        is_gone = tx.execute(sa.delete(table).where(row, status == "PENDING_DELETE")).rowcount > 0
    if error is None:
        # ERROR as well: what was refused before has been applied by now.
        tx.execute(sa.update(table).where(row, status != "ACTIVE").values(provisioning_status="ACTIVE"))
    else:
        tx.execute(sa.update(table).where(row, status.like("PENDING_%")).values(provisioning_status="ERROR"))
    if table is LISTENER and is_gone:
        gone = ~sa.exists().where(LISTENER.c.id == STATISTICS.c.listener_id)
        tx.execute(sa.delete(STATISTICS).where(STATISTICS.c.listener_id.in_(ids), gone))
    if table in (POOL, MEMBER) and is_gone:
        observing.forget(tx, table, ids)


def _is_settled(snapshot: Snapshot) -> bool:
    """Whether it saw no change: with nothing done either, there is nothing to write."""
    loadbalancer = snapshot.loadbalancer
    return loadbalancer.provisioning_status == "ACTIVE" and loadbalancer.fault is None and len(snapshot.seen) == 1


def _exists(tx: sa.Connection, loadbalancer_id: str) -> bool:
    return tx.scalar(sa.select(LOADBALANCER.c.id).where(LOADBALANCER.c.id == loadbalancer_id)) is not None


def _note_fault(tx: sa.Connection, loadbalancer_id: str, error: str | None) -> None:
    """Keep why it failed, and show it on the load balancer, which an error of a part is an error of."""
    row = LOADBALANCER.c.id == loadbalancer_id
    tx.execute(sa.update(LOADBALANCER).where(row, LOADBALANCER.c.fault.is_distinct_from(error)).values(fault=error))
    if error is not None:
        active = LOADBALANCER.c.provisioning_status == "ACTIVE"
        tx.execute(sa.update(LOADBALANCER).where(row, active).values(provisioning_status="ERROR"))


def _is_pending(tx: sa.Connection, loadbalancer_id: str) -> bool:
    status = sa.select(LOADBALANCER.c.provisioning_status).where(LOADBALANCER.c.id == loadbalancer_id)
    return (tx.scalar(status) or "").startswith("PENDING_")
