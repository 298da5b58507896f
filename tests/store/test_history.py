"""History, checks and counters in a database of either kind."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from lbclient.store import history, observing
from lbclient.store.history import Event, Outcome
from lbclient.store.observed_tables import CHECK, EVENT, PART_STATISTICS
from lbclient.store.store import Check, Store
from lbclient.store.tables import LOADBALANCER, MEMBER, POOL

COUNTED = {
    "active_connections": 1,
    "bytes_in": 2**40,
    "bytes_out": 3,
    "request_errors": 0,
    "total_connections": 4,
}


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    """With a load balancer that is being created, a pool and a member."""
    store = Store(database_url)
    store.migrate()
    common = {"serial": 1, "revision": 1, "provisioning_status": "PENDING_CREATE", "operating_status": "OFFLINE"}
    with store.writing() as tx:
        balancer = {"id": "lb", "additional_vips": [], "vip_address": "10.0.0.100"}
        tx.execute(sa.insert(LOADBALANCER).values({**balancer, **common}))
        tx.execute(sa.insert(POOL).values({"id": "pool", "loadbalancer_id": "lb", **common}))
        tx.execute(sa.insert(MEMBER).values({"id": "member", "pool_id": "pool", "loadbalancer_id": "lb", **common}))
    yield store
    store.close()


def told(store: Store) -> list[sa.Row[tuple[object, ...]]]:
    with store.reading() as tx:
        return list(tx.execute(sa.select(EVENT).order_by(EVENT.c.serial)))


def test_only_the_last_events_are_kept(store: Store) -> None:
    with store.writing() as tx:
        history.record(tx, "other", [Event("create", "pool", "x")])
        for number in range(history.KEPT):
            history.record(tx, "lb", [Event("update", "pool", f"{number}")])
        history.record(tx, "lb", [Event("delete", "pool", f"{number}") for number in range(3)])
        history.record(tx, "lb", [])
    mine = [each for each in told(store) if each.loadbalancer_id == "lb"]
    assert [each.resource_id for each in mine] == [*(str(number) for number in range(3, history.KEPT)), "0", "1", "2"]
    assert len(told(store)) == history.KEPT + 1


def test_a_change_is_told_how_it_was_applied_once(store: Store) -> None:
    with store.writing() as tx:
        history.record(tx, "lb", [Event("create", "pool", "pool", {"name": "é", "tags": ["a"]}, "u", revision=1)])
        history.record(tx, "lb", [Event("update", "pool", "pool", {"name": None}, "u", revision=2)])
    snapshot = store.snapshot("lb")
    assert snapshot is not None
    store.settle(snapshot, None, Outcome("reloaded", 0.2))
    first, second = told(store)
    assert (first.how, first.milliseconds, first.attributes) == ("reloaded", 1, {"name": "é", "tags": '["a"]'})
    assert (second.how, second.attributes) == (None, {"name": None})


def test_nothing_done_is_nothing_told(store: Store) -> None:
    for _ in range(2):
        snapshot = store.snapshot("lb")
        assert snapshot is not None
        store.settle(snapshot, None, Outcome("nothing", 0.4))
    assert told(store) == []
    store.settle(snapshot, "no", Outcome("nothing", 0.4))
    [event] = told(store)
    assert (event.action, event.how, event.reason) == ("apply", "refused", "no")


def test_checks_and_counters_are_replaced_and_go_with_what_they_are_of(store: Store) -> None:
    for check in (Check("L4OK", "well"), Check("L4CON", "ill"), Check("L4CON", "ill")):
        store.observed("lb", {("member", "member"): "ERROR"}, {"member": check})
    with store.reading() as tx:
        assert observing.checks(tx, "lb") == {"member": Check("L4CON", "ill")}
    store.observed("lb", {}, {"member": None})  # one that has been started a moment ago has found nothing yet
    with store.reading() as tx:
        assert observing.checks(tx, "lb") == {"member": Check("L4CON", "ill")}
    for total in (1, 2):
        store.all_counted({"lb": {id_: {**COUNTED, "bytes_out": total} for id_ in ("pool", "member", "gone")}})
    with store.reading() as tx:
        assert observing.part_totals(tx, "pool") == {**COUNTED, "bytes_out": 2}
        assert observing.part_totals(tx, "gone") == dict.fromkeys(COUNTED, 0)
    with store.writing() as tx:
        tx.execute(sa.update(POOL).values(provisioning_status="PENDING_DELETE"))
        tx.execute(sa.update(MEMBER).values(provisioning_status="PENDING_DELETE"))
    snapshot = store.snapshot("lb")
    assert snapshot is not None
    store.settle(snapshot, None)
    with store.reading() as tx:
        assert [tx.execute(sa.select(table)).all() for table in (CHECK, PART_STATISTICS)] == [[], []]


def test_statuses_that_change_are_told_but_those_of_policies(store: Store) -> None:
    store.observed("lb", {("pool", "pool"): "ONLINE", ("pool", "gone"): "ONLINE"}, None, {("pool", "pool"): "why"})
    [event] = told(store)
    assert (event.action, event.resource_id, event.status, event.reason) == ("observe", "pool", "ONLINE", "why")
    store.observed("lb", {("pool", "pool"): "ONLINE"})
    assert len(told(store)) == 1
