"""Statements that PostgreSQL keeps prepared for a connection: repeated ones are not planned again."""

from __future__ import annotations

from contextlib import closing

import pytest
import sqlalchemy as sa

from lbclient.store import reading
from lbclient.store.prepared import by, update
from lbclient.store.store import Store
from lbclient.store.tables import LOADBALANCER

PREPARED = sa.text("SELECT statement FROM pg_prepared_statements")
NOBODY = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
def url(request: pytest.FixtureRequest, database_url: str) -> str:
    if request.config.getoption("database") != "postgresql":
        pytest.skip("for --database=postgresql")
    return database_url


def test_statements_stay_prepared_from_one_transaction_to_the_next(url: str) -> None:
    with closing(Store(url)) as store:
        for _ in range(4):
            with store.reading() as tx:
                reading.operating_statuses(tx, NOBODY)
            with store.writing() as tx:
                update(LOADBALANCER, "name").run(tx, row_id=NOBODY, name="x")
        with store.reading() as tx:
            kept = list(tx.scalars(PREPARED))
    assert [each for each in kept if "UNION ALL" in each]
    assert [each for each in kept if each.startswith("UPDATE loadbalancer SET name")]


def test_a_plan_made_for_an_empty_table_uses_its_indices(url: str) -> None:
    question = by(LOADBALANCER, "id")
    with closing(Store(url)) as store:
        for _ in range(8):
            with store.reading() as tx:
                assert question.first(tx, id=NOBODY) is None
        with store.reading() as tx:
            plan = "\n".join(tx.scalars(sa.text("EXPLAIN SELECT name FROM loadbalancer WHERE id = ''")))
    assert "Index" in plan
    assert "Seq Scan" not in plan


def test_a_scan_is_not_compiled_to_machine_code(url: str) -> None:
    """That takes longer than the scan of any table here."""
    with closing(Store(url)) as store, store.reading() as tx:
        plan = "\n".join(tx.scalars(sa.text("EXPLAIN ANALYZE SELECT description FROM loadbalancer")))
    assert "Seq Scan" in plan
    assert "JIT" not in plan
