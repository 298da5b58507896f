"""Which host gets a load balancer, and which hosts may report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
import sqlalchemy as sa

from lbclient.store import leases, placing, times
from lbclient.store.cluster_tables import AMPHORA, HOST, SERVER
from lbclient.store.store import Store
from lbclient.store.tables import LOADBALANCER

VIP = "192.0.2.1"


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    with closing(Store(database_url)) as made:
        yield made


def _agent(tx: sa.Connection, instance: str = "one", **values: Any) -> leases.Agent:
    return leases.Agent("x", instance, "192.0.2.9", times.of_database(tx), **values)


def _add(store: Store, name: str, networks: tuple[str, ...] | None = None, **values: Any) -> str:
    with store.writing() as tx:
        tx.execute(sa.insert(HOST).values({**placing.new_host(tx, name, name), **values}))
        leases.register(tx, name, _agent(tx, networks=networks))
    return name


def _create(tx: sa.Connection, id_: str) -> None:
    values = {"provisioning_status": "ACTIVE", "operating_status": "ONLINE", "revision": 1, "serial": 1}
    tx.execute(sa.insert(LOADBALANCER).values(id=id_, vip_address=VIP, additional_vips=[], **values))


def _place(store: Store, count: int, zone: str | None = None) -> Counter[str]:
    with store.writing() as tx:
        before = tx.scalar(sa.select(sa.func.count()).select_from(AMPHORA)) or 0
        for number in range(before, before + count):
            _create(tx, f"lb{number}")
            placing.place(tx, f"lb{number}", [VIP], {"cached_zone": zone})
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
        leases.extend(tx, "first", 1, times.of_database(tx))
        tx.execute(sa.update(HOST).where(HOST.c.id == "first").values(lease_until=times.of_database(tx) - 1))
        with pytest.raises(leases.Fenced):
            leases.extend(tx, "first", 1, times.of_database(tx))
        assert leases.register(tx, "first", _agent(tx)) == 2
        leases.extend(tx, "first", 2, times.of_database(tx))
        with pytest.raises(leases.Fenced):
            leases.extend(tx, "first", 1, times.of_database(tx))
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
        [moved] = placing.amphorae(tx, leaving[0])
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
            placing.choose(tx, placing.Needs(), placing.candidates(tx))


def test_a_host_gets_the_load_balancers_that_it_reaches(store: Store) -> None:
    _add(store, "first", networks=("198.51.100.0/24", "192.0.2.0/24"))
    _add(store, "second", networks=("2001:db8::/64",))
    assert _place(store, 8) == {"first": 4, SERVER: 4}
    with store.writing() as tx:
        assert placing.choose(tx, placing.Needs(addresses=("2001:db8::1",)), placing.candidates(tx, SERVER)) == "second"
        with pytest.raises(placing.NoHost, match=r"reaches the network of 203\.0\.113\.1\."):
            placing.choose(tx, placing.Needs(addresses=(VIP, "203.0.113.1")), placing.candidates(tx, SERVER))


def test_a_host_with_a_zone_gets_only_load_balancers_of_that_zone(store: Store) -> None:
    _add(store, "first", zone="east")
    _add(store, "second", zone="west")
    assert _place(store, 6, "east") == {"first": 3, SERVER: 3}
    with store.writing() as tx:
        with pytest.raises(placing.NoHost, match="No host of the zone north can"):
            placing.choose(tx, placing.Needs("north"), placing.candidates(tx, SERVER))
        tx.execute(sa.update(HOST).where(HOST.c.id == SERVER).values(zone="west"))
    assert _place(store, 3, "east") == {"first": 6, SERVER: 3}


def test_only_one_agent_has_the_lease_of_a_host(store: Store) -> None:
    _add(store, "first")
    with store.writing() as tx:
        with pytest.raises(leases.Taken):
            leases.register(tx, "first", _agent(tx, "two"))
        leases.check(tx, "first", 1)
        assert leases.register(tx, "first", _agent(tx)) == 2
        tx.execute(sa.update(HOST).where(HOST.c.id == "first").values(lease_until=times.of_database(tx) - 1))
        assert leases.register(tx, "first", _agent(tx, "two")) == 3


def test_a_host_whose_load_balancers_cannot_leave_says_why(store: Store) -> None:
    _add(store, "first", zone="east", weight=10_000)
    _place(store, 6, "east")
    _place(store, 2)

    def first() -> Any:
        return tx.execute(sa.select(HOST).where(HOST.c.id == "first")).one()

    with store.writing() as tx:
        tx.execute(sa.update(HOST).where(HOST.c.id == SERVER).values(zone="west"))
        tx.execute(sa.update(HOST).where(HOST.c.id == "first").values(state=placing.DRAINING))
        assert sorted(leases.leaving(tx)) == ["lb6", "lb7"]  # those that can leave do not wait for those that cannot
        why = "Load balancers cannot leave: No host of the zone east can take a load balancer."
        assert placing.fault(tx, first()) == why
        tx.execute(sa.update(HOST).where(HOST.c.id == "first").values(fault_until=times.of_database(tx) - 1))
        assert placing.fault(tx, first()) is None
        tx.execute(sa.update(HOST).where(HOST.c.id == SERVER).values(zone=None))
        assert len(leases.leaving(tx)) == leases.MOVES - 2
