"""Statements that are composed once: they give what SQLAlchemy gives, and fail as it fails."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lbclient.store import prepared
from lbclient.store.prepared import by, insert, update
from lbclient.store.store import Store
from lbclient.store.tables import LOADBALANCER, STATISTICS, TABLES
from quick import examples
from random_rows import row_of, value_of


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=examples(25), deadline=None)
@given(data=st.data())
@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_what_is_written_and_read_is_what_sqlalchemy_reads(store: Store, table: sa.Table, data: st.DataObject) -> None:
    row = data.draw(row_of(table))
    changed = data.draw(st.sets(st.sampled_from([name for name in row if name != "id"]), min_size=1))
    after = {**row, **{name: data.draw(value_of(table.c[name])) for name in changed}}
    with store.reading() as tx:
        insert(table, *row).run(tx, **row)
        assert update(table, *changed).run(tx, row_id=row["id"], **{name: after[name] for name in changed}) == 1
        [found] = by(table, "id").all(tx, id=row["id"])
        assert dict(found._mapping) == after == dict(tx.execute(sa.select(table)).one()._mapping)
        assert tuple(found) == tuple(after[column.name] for column in table.c)
        tx.connection.rollback()  # nothing is kept, which is quicker


def test_a_row_that_is_not_there(store: Store) -> None:
    with store.reading() as tx:
        assert by(LOADBALANCER, "id").all(tx, id="x") == []
        assert by(LOADBALANCER, "id").first(tx, id="x") is None
        assert by(LOADBALANCER, "id").scalar(tx, id="x") is None
        with pytest.raises(sa.exc.NoResultFound):
            by(LOADBALANCER, "id").one(tx, id="x")


def test_it_fails_as_sqlalchemy_fails(store: Store) -> None:
    row = {"id": "same", "serial": 1, "revision": 1}
    with pytest.raises(sa.exc.IntegrityError), store.writing() as tx:
        insert(LOADBALANCER, *row).run_each(tx, [row, row])
    with pytest.raises(sa.exc.DBAPIError), store.writing() as tx:
        prepared.execute(tx, "SELECT nonsense")
    assert store.loadbalancer_ids() == []


def test_a_connection_that_was_lost_is_not_used_again(store: Store) -> None:
    if store.engine.dialect.name != "postgresql":
        pytest.skip("SQLite has no connection that could be lost")
    with store.reading() as tx:
        own = prepared.execute(tx, "SELECT pg_backend_pid()").fetchone()[0]
        with store.reading() as other:
            prepared.execute(other, f"SELECT pg_terminate_backend({own})").fetchall()
        with pytest.raises(sa.exc.OperationalError):
            by(LOADBALANCER).all(tx)
        with pytest.raises(sa.exc.PendingRollbackError):
            prepared.commit(tx)
    assert store.loadbalancer_ids() == []


@pytest.mark.parametrize("count", [0, 1, prepared.CHUNK - 1, prepared.CHUNK, 2 * prepared.CHUNK + 3])
def test_many_rows_are_inserted_each_as_it_is(store: Store, count: int) -> None:
    usual = {**dict.fromkeys(STATISTICS.c.keys(), 0), "host_id": "h, ' :x ?"}
    rows = [{**usual, "listener_id": f"l{n}", "bytes_in": n, "bytes_out": -n} for n in range(count)]
    with store.writing() as tx:
        assert insert(STATISTICS, *usual).run_each(tx, rows) == count
    with store.reading() as tx:
        found = tx.execute(sa.select(STATISTICS).order_by(STATISTICS.c.bytes_in)).all()
    assert [row._asdict() for row in found] == rows
