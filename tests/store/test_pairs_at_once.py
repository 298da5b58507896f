"""Load balancers on two hosts that are placed at the same moment, through two engines on one PostgreSQL database."""

from __future__ import annotations

import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING

import sqlalchemy as sa

from lbclient.store import leases, placing, times, vip_groups
from lbclient.store.cluster_tables import AMPHORA, HOST, VIP_GROUP
from lbclient.store.store import Store

if TYPE_CHECKING:
    from databases import Cluster

HOSTS, THREADS, EACH = 6, 8, 10


def _add_host(store: Store, number: int) -> None:
    with store.writing() as tx:
        row = placing.new_host(tx, str(uuid.uuid4()), f"host{number}")
        tx.execute(sa.insert(HOST).values(row))
        addresses = {"eth1": [f"192.0.2.{number}/24"]}
        clock = times.of_database(tx)
        agent = leases.Agent("x", str(uuid.uuid4()), "127.0.0.1", clock, None, (vip_groups.VRRP,), addresses)
        leases.register(tx, row["id"], agent)
        tx.execute(sa.update(HOST).where(HOST.c.id == row["id"]).values(lease_until=clock + 600_000))


def test_numbers_and_ports_are_unique(postgresql: Cluster) -> None:
    """Those of virtual routers in a network, and those of session tables on a host; two hosts have one group."""
    url = postgresql.new_database()
    with closing(Store(url)) as one, closing(Store(url)) as other:
        for number in range(1, HOSTS + 1):
            _add_host(one, number)

        def place(turn: int) -> None:
            with (one, other)[turn % 2].changing() as tx:
                vip_groups.place(tx, str(uuid.uuid4()), ["192.0.2.100"], {"cached_zone": None, "compute_flavor": None})

        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(place, range(THREADS * EACH)))
        with one.reading() as tx:
            groups = tx.execute(sa.select(VIP_GROUP)).all()
            ports = Counter(map(tuple, tx.execute(sa.select(AMPHORA.c.host_id, AMPHORA.c.peer_port))))
    assert sum(ports.values()) == 2 * THREADS * EACH
    assert set(ports.values()) == {1}
    assert len(groups) > 1
    assert len({frozenset((each.first_host_id, each.second_host_id)) for each in groups}) == len(groups)
    assert len({each.number for each in groups}) == len(groups)
