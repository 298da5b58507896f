"""Which host gets a load balancer, and which hosts may report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
import sqlalchemy as sa

from lbclient.store import leases, placing
from lbclient.store.cluster_tables import AMPHORA, HOST, SERVER
from lbclient.store.store import Store


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    with closing(Store(database_url)) as made:
        yield made


def _add(store: Store, name: str, **values: Any) -> str:
    with store.writing() as tx:
        tx.execute(sa.insert(HOST).values({**placing.new_host(tx, name, name, "1"), **values}))
        leases.register(tx, name, "x")
    return name


def _place(store: Store, count: int) -> Counter[str]:
    with store.writing() as tx:
        before = tx.scalar(sa.select(sa.func.count()).select_from(AMPHORA)) or 0
        for number in range(before, before + count):
            placing.place(tx, f"lb{number}", {})
        return Counter(tx.scalars(sa.select(AMPHORA.c.host_id)))


def test_hosts_get_load_balancers_by_their_weights(store: Store) -> None:
    _add(store, "first", weight=200)
    _add(store, "second")
    assert _place(store, 8) == {"first": 4, "second": 2, SERVER: 2}


@pytest.mark.parametrize("values", [{"state": placing.DRAINING}, {"state": placing.DEAD}, {"weight": 0}])
def test_a_host_that_is_not_wanted_gets_none(store: Store, values: dict[str, Any]) -> None:
    _add(store, "first", **values)
    assert _place(store, 4) == {SERVER: 4}


def test_a_host_whose_lease_has_ended_gets_none_and_may_not_report(store: Store) -> None:
    _add(store, "first")
    with store.writing() as tx:
        leases.extend(tx, "first", 1)
        tx.execute(sa.update(HOST).where(HOST.c.id == "first").values(lease_until=placing.clock(tx) - 1))
        with pytest.raises(leases.Fenced):
            leases.extend(tx, "first", 1)
        assert leases.register(tx, "first", "x") == 2
        leases.extend(tx, "first", 2)
        with pytest.raises(leases.Fenced):
            leases.extend(tx, "first", 1)
        tx.execute(sa.update(HOST).where(HOST.c.id == "first").values(lease_until=None))
    assert _place(store, 2) == {SERVER: 2}


def test_a_move_is_over_once_the_old_host_has_let_go(store: Store) -> None:
    _add(store, "first")
    _place(store, 12)
    with store.writing() as tx:
        tx.execute(sa.update(HOST).where(HOST.c.id == "first").values(state=placing.DRAINING))
        leaving = leases.leaving(tx)
        assert len(leaving) == leases.MOVES
        assert leases.leaving(tx) == []  # as many as may move at the same time are under way
        assert not placing.released(tx, leaving[0], SERVER)
        assert placing.released(tx, leaving[0], "first")
        moved = placing.amphora(tx, leaving[0])
        assert moved is not None
        assert (moved.host_id, moved.moving_to) == (SERVER, None)
        assert len(leases.leaving(tx)) == 1
        tx.execute(sa.update(HOST).where(HOST.c.id == "first").values(state=placing.DEAD))
        while leases.is_any_leaving(tx):
            assert leases.leaving(tx)
        assert set(tx.scalars(sa.select(AMPHORA.c.host_id))) == {SERVER}


def test_without_a_host_nothing_is_placed(store: Store) -> None:
    with store.writing() as tx:
        tx.execute(sa.update(HOST).values(weight=0))
        with pytest.raises(placing.NoHost, match="No host can take"):
            placing.choose(tx)
