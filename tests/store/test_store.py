"""The store as the data plane meets it: snapshots, settling, observations; and what a crash leaves."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import sqlalchemy as sa

from lbclient.store import migrations
from lbclient.store.store import Statuses, Store
from lbclient.store.tables import LISTENER, LOADBALANCER, SCHEMA, STATISTICS


def add(store: Store, table: sa.Table, id_: str, revision: int = 1, **values: Any) -> None:
    row = {"id": id_, "serial": hash(id_), "revision": revision, "provisioning_status": "PENDING_CREATE", **values}
    if table is LOADBALANCER:
        row |= {"additional_vips": [], "vip_address": "10.0.0.100"}
    with store.writing() as tx:
        tx.execute(sa.insert(table).values(row))


def change(store: Store, table: sa.Table, id_: str, **values: Any) -> None:
    with store.writing() as tx:
        tx.execute(sa.update(table).where(table.c.id == id_).values(values))


def status(store: Store, table: sa.Table, id_: str) -> str | None:
    with store.reading() as tx:
        return tx.scalar(sa.select(table.c.provisioning_status).where(table.c.id == id_))


@pytest.fixture
def pair(store: Store) -> Store:
    """A load balancer and a listener that are being created."""
    add(store, LOADBALANCER, "lb")
    add(store, LISTENER, "li", loadbalancer_id="lb")
    return store


def test_settled_rows_are_active(pair: Store) -> None:
    snapshot = pair.snapshot("lb")
    assert snapshot is not None
    assert pair.settle(snapshot, None) is False
    assert (status(pair, LOADBALANCER, "lb"), status(pair, LISTENER, "li")) == ("ACTIVE", "ACTIVE")


def test_a_change_after_the_snapshot_stays_pending(pair: Store) -> None:
    snapshot = pair.snapshot("lb")
    assert snapshot is not None
    change(pair, LISTENER, "li", revision=2, provisioning_status="PENDING_UPDATE")
    change(pair, LOADBALANCER, "lb", revision=2, provisioning_status="PENDING_UPDATE")
    assert pair.settle(snapshot, None) is True
    assert status(pair, LISTENER, "li") == "PENDING_UPDATE"


def test_a_failure_is_an_error_with_its_reason_and_the_next_success_heals_it(pair: Store) -> None:
    snapshot = pair.snapshot("lb")
    assert snapshot is not None
    pair.settle(snapshot, "port 80 is taken")
    assert (status(pair, LOADBALANCER, "lb"), status(pair, LISTENER, "li")) == ("ERROR", "ERROR")
    again = pair.snapshot("lb")
    assert again is not None
    assert again.loadbalancer.fault == "port 80 is taken"
    pair.settle(again, None)
    healed = pair.snapshot("lb")
    assert healed is not None
    assert healed.loadbalancer.fault is None
    assert (status(pair, LOADBALANCER, "lb"), status(pair, LISTENER, "li")) == ("ACTIVE", "ACTIVE")


def test_a_failure_without_a_change_shows_on_the_load_balancer(pair: Store) -> None:
    first = pair.snapshot("lb")
    assert first is not None
    pair.settle(first, None)
    later = pair.snapshot("lb")
    assert later is not None
    pair.settle(later, "HAProxy is gone")
    assert (status(pair, LOADBALANCER, "lb"), status(pair, LISTENER, "li")) == ("ERROR", "ACTIVE")


def test_what_is_being_deleted_is_not_in_the_snapshot_and_vanishes(pair: Store) -> None:
    change(pair, LISTENER, "li", provisioning_status="PENDING_DELETE")
    snapshot = pair.snapshot("lb")
    assert snapshot is not None
    assert (snapshot.listeners, snapshot.is_deleted) == ((), False)
    pair.settle(snapshot, None)
    assert status(pair, LISTENER, "li") is None
    change(pair, LOADBALANCER, "lb", provisioning_status="PENDING_DELETE")
    snapshot = pair.snapshot("lb")
    assert snapshot is not None
    assert snapshot.is_deleted
    pair.settle(snapshot, None)
    assert pair.snapshot("lb") is None
    assert pair.loadbalancer_ids() == []


def test_a_deleted_part_does_not_come_back_when_applying_fails(pair: Store) -> None:
    change(pair, LISTENER, "li", provisioning_status="PENDING_DELETE")
    snapshot = pair.snapshot("lb")
    assert snapshot is not None
    pair.settle(snapshot, "refused")
    assert (status(pair, LISTENER, "li"), status(pair, LOADBALANCER, "lb")) == (None, "ERROR")


def test_a_load_balancer_that_cannot_be_ended_can_be_deleted_again(pair: Store) -> None:
    change(pair, LOADBALANCER, "lb", provisioning_status="PENDING_DELETE")
    snapshot = pair.snapshot("lb")
    assert snapshot is not None
    pair.settle(snapshot, "refused")
    assert status(pair, LOADBALANCER, "lb") == "ERROR"


def test_what_is_observed_while_a_change_is_settled_stays(pair: Store) -> None:
    def expected(known: Statuses) -> Statuses:
        pair.observed("lb", {("listener", "li"): "DEGRADED"})
        return dict.fromkeys(known, "ONLINE")

    add(pair, LISTENER, "other", loadbalancer_id="lb")
    snapshot = pair.snapshot("lb")
    assert snapshot is not None
    assert pair.settle(snapshot, None, expect=expected) is False
    with pair.reading() as tx:
        found = {row.id: row.operating_status for row in tx.execute(sa.select(LISTENER))}
    assert found == {"li": "DEGRADED", "other": "ONLINE"}


def test_observations_touch_no_desired_column(pair: Store) -> None:
    before = pair.snapshot("lb")
    pair.observed("lb", {("loadbalancer", "lb"): "ONLINE", ("listener", "li"): "DEGRADED", ("pool", "gone"): "ONLINE"})
    after = pair.snapshot("lb")
    assert before is not None
    assert after is not None
    assert after.loadbalancer.operating_status == "ONLINE"
    [listener] = after.listeners
    assert listener.operating_status == "DEGRADED"
    assert dict(after.seen) == dict(before.seen)


def test_totals_are_kept_for_listeners_that_exist_and_go_with_them(pair: Store) -> None:
    counters = dict.fromkeys(("bytes_in", "bytes_out", "active_connections", "total_connections", "request_errors"), 3)
    pair.counted("lb", {"li": counters, "gone": counters})
    pair.counted("lb", {"li": {**counters, "bytes_in": 4}})
    assert pair.totals("lb") == {"li": {**counters, "bytes_in": 4}}
    change(pair, LISTENER, "li", provisioning_status="PENDING_DELETE")
    snapshot = pair.snapshot("lb")
    assert snapshot is not None
    pair.settle(snapshot, None)
    with pair.reading() as tx:
        assert tx.execute(sa.select(STATISTICS)).all() == []


def test_a_transaction_that_fails_leaves_nothing(store: Store) -> None:
    with pytest.raises(sa.exc.IntegrityError), store.writing() as tx:
        tx.execute(sa.insert(LOADBALANCER), [{"id": "lb", "serial": 1, "revision": 1}] * 2)
    assert store.loadbalancer_ids() == []


def test_concurrent_writers_lose_nothing(store: Store) -> None:
    add(store, LOADBALANCER, "lb", revision=0)

    def count() -> None:
        for _ in range(20):
            with store.writing() as tx:
                revision = tx.scalar(sa.select(LOADBALANCER.c.revision)) or 0
                tx.execute(sa.update(LOADBALANCER).values(revision=revision + 1))

    threads = [threading.Thread(target=count) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    with store.reading() as tx:
        assert tx.scalar(sa.select(LOADBALANCER.c.revision)) == 100


def test_migrating_again_changes_nothing_and_a_newer_schema_is_refused(store: Store) -> None:
    store.migrate()
    with store.writing() as tx:
        tx.execute(sa.update(SCHEMA).values(version=99))
    with pytest.raises(migrations.Unfit, match="99"):
        store.migrate()
