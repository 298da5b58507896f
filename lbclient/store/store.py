"""The database, and what the data plane may do with it: read a snapshot, settle it, tell what it observes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa

from .. import resources
from . import migrations, network_tables, reading
from .materials import Vault
from .snapshot import Snapshot
from .tables import LISTENER, LOADBALANCER, STATISTICS, TABLES

SQLITE_BUSY = 30.0  # seconds that a transaction waits for another one


class Store:
    """A database by its SQLAlchemy URL: sqlite:///path or postgresql+…; safe to use from many threads.

    Without a vault (None) it can keep no payloads of secrets.
    """

    def __init__(self, url: str, vault: Vault | None = None) -> None:
        self.engine = _engine(url).execution_options(vault=vault)

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
    def writing(self) -> Iterator[sa.Connection]:
        """One transaction, committed at the end; on SQLite one at a time."""
        with self.engine.connect() as connection:
            tx = connection.execution_options(immediate=True)
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

    def settle(self, snapshot: Snapshot, error: str | None) -> bool:
        """End the changes that the snapshot saw: ACTIVE or gone, or ERROR with the reason.

        Rows that were changed since are left to the next round; True says that there are some.
        """
        with self.writing() as tx:
            for (name, id_), revision in snapshot.seen.items():
                _settle_row(tx, TABLES[name], id_, revision, error)
            if snapshot.is_deleted and error is None and not _exists(tx, snapshot.loadbalancer.id):
                network_tables.release(tx, snapshot.loadbalancer.id)
            else:
                _note_fault(tx, snapshot.loadbalancer.id, error)
            return _is_pending(tx, snapshot.loadbalancer.id)

    def observed(self, loadbalancer_id: str, statuses: Mapping[tuple[str, str], str]) -> None:
        """Keep operating statuses, {(resource name, id): status}; a transaction only if some differ."""
        with self.reading() as tx:
            known = reading.operating_statuses(tx, loadbalancer_id)
        changed = {key: status for key, status in statuses.items() if known.get(key, status) != status}
        if not changed:
            return
        with self.writing() as tx:
            for (name, id_), status in changed.items():
                table = TABLES[name]
                tx.execute(sa.update(table).where(table.c.id == id_).values(operating_status=status))

    def counted(self, loadbalancer_id: str, counters: Mapping[str, Mapping[str, int]]) -> None:
        """Keep the totals of listeners, {listener ID: {counter: total}}, of those that exist."""
        with self.writing() as tx:
            existing = set(tx.scalars(sa.select(LISTENER.c.id).where(LISTENER.c.loadbalancer_id == loadbalancer_id)))
            for listener_id, totals in counters.items():
                if listener_id in existing:
                    _put_totals(tx, listener_id, totals)

    def totals(self, loadbalancer_id: str) -> dict[str, dict[str, int]]:
        """The totals that were kept last, {listener ID: {counter: total}}."""
        with self.reading() as tx:
            return reading.totals(tx, LISTENER.c.loadbalancer_id == loadbalancer_id)


def _engine(url: str) -> sa.Engine:
    engine = sa.create_engine(url, pool_size=16, max_overflow=64)
    if engine.dialect.name == "sqlite":
        sa.event.listen(engine, "connect", _prepare_sqlite)
        sa.event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, record: Any) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves: the driver would begin too late
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",  # an answered write survives a power cut
        f"busy_timeout={int(SQLITE_BUSY * 1000)}",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: sa.Connection) -> None:
    # A transaction that reads first and writes later could find the database changed under it, and fail.
    immediate = connection.get_execution_options().get("immediate")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")


def _settle_row(tx: sa.Connection, table: sa.Table, id_: str, revision: int, error: str | None) -> None:
    row = (table.c.id == id_) & (table.c.revision == revision)
    status = table.c.provisioning_status
    if error is None or table is not LOADBALANCER:
        # A part is gone even if HAProxy could not be told yet: otherwise it would be back when the cause has healed.
        tx.execute(sa.delete(table).where(row, status == "PENDING_DELETE"))
    if error is None:
        # ERROR as well: what was refused before has been applied by now.
        tx.execute(sa.update(table).where(row, status != "ACTIVE").values(provisioning_status="ACTIVE"))
    else:
        tx.execute(sa.update(table).where(row, status.like("PENDING_%")).values(provisioning_status="ERROR"))
    if table is LISTENER:
        gone = ~sa.exists().where(LISTENER.c.id == STATISTICS.c.listener_id)
        tx.execute(sa.delete(STATISTICS).where(STATISTICS.c.listener_id == id_, gone))


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


def _put_totals(tx: sa.Connection, listener_id: str, totals: Mapping[str, int]) -> None:
    values = {name: totals[name] for name in resources.STATISTICS}
    row = STATISTICS.c.listener_id == listener_id
    if tx.execute(sa.update(STATISTICS).where(row).values(values)).rowcount == 0:
        tx.execute(sa.insert(STATISTICS).values(listener_id=listener_id, **values))
