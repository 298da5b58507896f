"""Registrations and leases of hosts, and what becomes of the load balancers of hosts that drain or are silent."""

from __future__ import annotations

import sqlalchemy as sa

from . import placing
from .cluster_tables import AMPHORA, HOST, SERVER
from .prepared import by
from .records import HostRecord
from .tables import LOADBALANCER

LEASE = 10_000  # milliseconds
BEAT = 2.0  # seconds between two extensions of a lease
MOVES = 4  # load balancers that leave a host at the same time


class Fenced(Exception):
    """The report comes from an earlier registration of the host, or its lease has ended: it has to register again."""


class NotYours(Exception):
    """The load balancer is not on the host that asks."""


def register(tx: sa.Connection, host_id: str, version: str) -> int:
    """Begin a new epoch of a host and return it: reports of the earlier one are not accepted any more."""
    lease = placing.clock(tx) + LEASE
    values = {"epoch": HOST.c.epoch + 1, "lease_until": lease, "version": version}
    tx.execute(sa.update(HOST).where(HOST.c.id == host_id).values(values))
    return int(tx.scalar(sa.select(HOST.c.epoch).where(HOST.c.id == host_id)) or 0)


def extend(tx: sa.Connection, host_id: str, epoch: int) -> None:
    """Extend the lease of a host. Raises Fenced."""
    check(tx, host_id, epoch)
    tx.execute(sa.update(HOST).where(HOST.c.id == host_id).values(lease_until=placing.clock(tx) + LEASE))


def check(tx: sa.Connection, host_id: str, epoch: int) -> None:
    """Check that a host may report, until the end of this transaction. Raises Fenced."""
    host = tx.execute(sa.select(HOST).where(HOST.c.id == host_id).with_for_update(read=True)).one_or_none()
    if host is None or host.epoch != epoch or not placing.is_alive(tx, host):
        raise Fenced


def check_owner(tx: sa.Connection, host_id: str, epoch: int, loadbalancer_id: str) -> None:
    """Check that a host may report about a load balancer. Raises Fenced and NotYours."""
    check(tx, host_id, epoch)
    amphora = placing.amphora(tx, loadbalancer_id)
    if amphora is None or amphora.host_id != host_id:
        raise NotYours


def leaving(tx: sa.Connection) -> list[str]:
    """Begin to move load balancers away from hosts that drain, and move those of dead hosts; return their IDs.

    A dead host is one of which an operator has said so. One that is only silent may still hold its addresses: it is
    asked to end its processes before another host takes them over.
    """
    moved: list[str] = []
    for host in tx.execute(sa.select(HOST).where(HOST.c.state != placing.UP)).all():
        mine = AMPHORA.c.host_id == host.id
        under_way = tx.scalar(sa.select(sa.func.count()).where(mine, AMPHORA.c.moving_to.is_not(None))) or 0
        is_dead = host.state == placing.DEAD
        is_free = sa.true() if is_dead else AMPHORA.c.moving_to.is_(None)
        chosen = sa.select(AMPHORA).where(mine, is_free)
        for each in tx.execute(chosen.limit(MOVES if is_dead else max(0, MOVES - under_way))).all():
            try:
                target = each.moving_to or placing.choose(tx, host.id)
            except placing.NoHost:
                break
            values = {"host_id": target, "moving_to": None} if is_dead else {"moving_to": target}
            tx.execute(sa.update(AMPHORA).where(AMPHORA.c.id == each.id).values(values))
            moved.append(each.loadbalancer_id)
    return moved


def is_any_leaving(tx: sa.Connection) -> bool:
    """Whether a load balancer has to leave its host."""
    joined = sa.join(AMPHORA, HOST, AMPHORA.c.host_id == HOST.c.id)
    is_free = AMPHORA.c.moving_to.is_(None) | (HOST.c.state == placing.DEAD)
    wanted = sa.select(AMPHORA.c.id).select_from(joined).where(HOST.c.state != placing.UP, is_free)
    return tx.execute(wanted.limit(1)).first() is not None


def silent(tx: sa.Connection) -> list[tuple[str, str]]:
    """Return the load balancers on hosts whose lease has ended that do not show it yet: (host name, ID)."""
    joined = sa.join(AMPHORA, LOADBALANCER, AMPHORA.c.loadbalancer_id == LOADBALANCER.c.id)
    found = []
    for host in tx.execute(sa.select(HOST).where(HOST.c.id != SERVER)).all():
        if not placing.is_alive(tx, host):
            is_unsettled = LOADBALANCER.c.provisioning_status.like("PENDING_%")
            is_wrong = is_unsettled | (LOADBALANCER.c.operating_status != "ERROR")
            mine = sa.select(LOADBALANCER.c.id).select_from(joined).where(AMPHORA.c.host_id == host.id, is_wrong)
            found += [(host.name, id_) for id_ in tx.scalars(mine)]
    return found


def by_certificate(tx: sa.Connection, host_id: str, certificate: str) -> HostRecord | None:
    """Return the host that an agent's certificate names; None if it was removed, or has a newer certificate."""
    host = by(HOST, "id").first(tx, id=host_id)
    return host if host is not None and host.certificate == certificate else None
