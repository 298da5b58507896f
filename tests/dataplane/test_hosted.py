"""The data plane of a host runs the load balancers that have an amphora there, and no others."""

from __future__ import annotations

import sqlalchemy as sa
import trees
from members import until
from world import DataPlaneRig

from lbclient.store.cluster_tables import AMPHORA, HOST, SERVER
from lbclient.store.hosted import Hosted

OTHER = trees.identity("another host")


def _move(world: DataPlaneRig, host_id: str) -> None:
    with world.store.writing() as tx:
        tx.execute(sa.update(AMPHORA).where(AMPHORA.c.loadbalancer_id == world.id).values(host_id=host_id))
    world.reconciler.wake(world.id)


def test_a_load_balancer_that_moves_away_ends_here_and_starts_when_it_comes_back(world: DataPlaneRig) -> None:
    assert world.change({"listeners": {"web": {"protocol": "HTTP", "protocol_port": 8080}}}) == "ACTIVE"
    assert world.instance.directory.exists()
    _move(world, OTHER)
    until(lambda: not world.instance.directory.exists())
    assert (Hosted(world.store).roster(), Hosted(world.store).addresses()) == ([], {})
    assert [id_ for id_, _, _ in Hosted(world.store, OTHER).roster()] == [world.id]
    _move(world, SERVER)
    until(world.instance.directory.exists)
    assert [id_ for id_, _, _ in Hosted(world.store).roster()] == [world.id]


def test_a_load_balancer_without_an_amphora_is_settled_by_the_server(world: DataPlaneRig) -> None:
    assert world.change({}) == "ACTIVE"
    with world.store.writing() as tx:
        tx.execute(sa.delete(AMPHORA))
    assert [id_ for id_, _, _ in Hosted(world.store).roster()] == [world.id]
    assert Hosted(world.store, OTHER).roster() == []
    snapshot = Hosted(world.store).snapshot(world.id)
    assert snapshot is not None
    assert (snapshot.amphora_id, snapshot.host_id) == (None, None)


def test_a_deleted_load_balancer_leaves_no_amphora(world: DataPlaneRig) -> None:
    assert world.change({}) == "ACTIVE"
    assert world.change({"is_deleted": True}) is None
    with world.store.reading() as tx:
        assert tx.scalar(sa.select(sa.func.count()).select_from(AMPHORA)) == 0
        assert tx.scalars(sa.select(HOST.c.id)).all() == [SERVER]
