"""Operations of the testing API on load balancers: set health, kill processes, save and restore everything."""

from __future__ import annotations

import sqlalchemy as sa

from ...store import noop, prepared
from ...store.cluster_tables import AMPHORA
from ...store.tables import LOADBALANCER, MEMBER
from .. import errors
from ..loadbalancer import drivers
from ..services import Services
from . import bodies, snapshots
from .kit import Kit

INITIAL = "initial"  # the snapshot that reset restores


def set_health(services: Services, kit: Kit, member_id: str, status: str | None) -> None:
    """Set the status that a no-op provider reports for a member. Raises NotFound and Conflict."""
    with services.store.writing() as tx:
        row = tx.execute(
            sa.select(MEMBER.c.loadbalancer_id, LOADBALANCER.c.provider)
            .join(LOADBALANCER, LOADBALANCER.c.id == MEMBER.c.loadbalancer_id)
            .where(MEMBER.c.id == member_id)
        ).one_or_none()
        if row is None:
            raise errors.NotFound.named("Member", member_id)
        if not drivers.is_noop(services.config.providers, row.provider):
            raise errors.Conflict(
                f"Member {member_id} carries real traffic (provider {row.provider}): stop its server instead."
            )
        kit.health.set(member_id, status)
        noop.show_health(tx, row.loadbalancer_id, kit.health.statuses)


def check_loadbalancer(services: Services, loadbalancer_id: str | None) -> None:
    """Raise InvalidInput if there is no such load balancer."""
    if loadbalancer_id is not None and services.store.project_of(loadbalancer_id) is None:
        raise bodies.invalid(
            "loadbalancer_id", loadbalancer_id, "Value should be the ID of a load balancer that exists"
        )


def kill(services: Services, amphora_id: str) -> int:
    """Kill the processes of an amphora and return how many there were. Raises NotFound."""
    with services.store.reading() as tx:
        found = prepared.by(AMPHORA, "id").first(tx, id=amphora_id)
    if found is None:
        raise errors.NotFound.named("Amphora", amphora_id)
    return services.dataplane.kill(found.loadbalancer_id, found.host_id)


def prepare(services: Services, kit: Kit) -> None:
    """Save the snapshot that reset restores, at the first start."""
    if INITIAL not in kit.snapshots.names():
        save(services, kit, INITIAL)


def save(services: Services, kit: Kit, name: str) -> None:
    """Save a snapshot under a name."""
    with services.store.reading() as tx:
        kit.snapshots.save(name, tx, {"health": dict(kit.health.statuses), "holds": kit.paces.saved()})


def restore(services: Services, kit: Kit, name: str, *, keeps_paces: bool = True) -> None:
    """Restore a snapshot and wake the data plane for every load balancer that exists before or after.

    keeps_paces: whether the paces that are set now stay.
    """
    content = kit.snapshots.load(name)
    if not keeps_paces:
        kit.paces.remove()
    with services.tokens.changing(is_durable=False) as tx:
        woken = snapshots.restore(tx, content["tables"])
        kit.paces.restore(content.get("holds", {}))  # before anything restored can be settled
    kit.health.replace(content["health"])
    for id_, project_id in woken.items():
        services.dataplane.wake(id_, project_id)
