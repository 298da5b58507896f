"""JSON that the database writes: what Python would make of the same row."""

from __future__ import annotations

import json

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lbclient.store.json_sql import Id, Ids, JsonObject
from lbclient.store.prepared import Prepared, insert
from lbclient.store.store import Store
from lbclient.store.tables import LISTENER, LOADBALANCER, TABLES
from quick import examples
from random_rows import row_of


def put(tx: sa.Connection, table: sa.Table, **row: object) -> None:
    insert(table, *row).run(tx, **row)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=examples(25), deadline=None)
@given(data=st.data())
@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_whatever_is_in_a_row(store: Store, table: sa.Table, data: st.DataObject) -> None:
    row = data.draw(row_of(table))
    document = JsonObject(dict(table.c.items())).label("document")
    with store.reading() as tx:
        put(tx, table, **row)
        found = json.loads(Prepared(sa.select(table.c.id, document)).one(tx).document)
        tx.connection.rollback()  # nothing is kept, which is quicker
    assert found == row
    assert list(found) == table.c.keys()


def test_what_is_related(store: Store) -> None:
    with store.writing() as tx:
        for id_ in ("one", "two"):
            put(tx, LOADBALANCER, id=id_, serial=1, revision=1)
        for serial, id_ in ((3, "c"), (1, 'a"'), (2, "b")):
            put(tx, LISTENER, id=id_, serial=serial, revision=1, loadbalancer_id="one")
        mine = sa.select(LISTENER.c.id).where(LISTENER.c.loadbalancer_id == LOADBALANCER.c.id)
        related = {"own": Id(LOADBALANCER.c.id), "parts": Ids(mine.order_by(LISTENER.c.serial).correlate(LOADBALANCER))}
        rows = Prepared(sa.select(LOADBALANCER.c.id, JsonObject(related).label("document"))).all(tx)
    assert {row.id: json.loads(row.document) for row in rows} == {
        "one": {"own": [{"id": "one"}], "parts": [{"id": 'a"'}, {"id": "b"}, {"id": "c"}]},
        "two": {"own": [{"id": "two"}], "parts": []},
    }
