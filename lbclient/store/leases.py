"""Registrations and leases of hosts, and what becomes of the load balancers of hosts that drain or are silent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import sqlalchemy as sa

from . import placing, times, vip_groups
from .cluster_tables import AMPHORA, HOST, SERVER
from .prepared import by
from .records import HostRecord
from .tables import LOADBALANCER

LEASE = 10_000  # milliseconds
BEAT = 2.0  # seconds between two extensions of a lease
CLOCK_LIMIT = 30_000  # milliseconds by which a host's clock may differ before that is a fault
MOVES = 4  # load balancers that leave a host at the same time


class Fenced(Exception):
    """The report comes from an earlier registration of the host, or its lease has ended: it has to register again."""


class Taken(Exception):
    """Another agent that is alive has registered with the same certificate."""


@dataclass(frozen=True)
class Agent:
    """An agent as it registers: its machine, what it can reach (None: everything), and its clock in milliseconds.

    Its own addresses have prefixes and are by the names of interfaces.
    """

    version: str
    instance: str
    address: str
    clock: int
    networks: tuple[str, ...] | None = None
    features: tuple[str, ...] = ()
    addresses: Mapping[str, Sequence[str]] = field(default_factory=dict)


class NotYours(Exception):
    """The load balancer is not on the host that asks."""


def register(tx: sa.Connection, host_id: str, agent: Agent) -> int:
    """Begin a new epoch of a host and return it: reports of the earlier one are not accepted any more.

    Raises Taken while an agent on another machine holds the lease: two would run the same load balancers.
    """
    host = tx.execute(sa.select(HOST).where(HOST.c.id == host_id).with_for_update()).one()
    now = times.of_database(tx)
    if host.instance not in (None, agent.instance) and placing.is_alive(tx, host):
        raise Taken
    values = {
        "epoch": HOST.c.epoch + 1,
        "lease_until": now + LEASE,
        "version": agent.version,
        "instance": agent.instance,
        "address": agent.address,
        "networks": None if agent.networks is None else ",".join(agent.networks),
        "features": list(agent.features),
        "addresses": {name: list(each) for name, each in agent.addresses.items()},
        "fault": None,
        "fault_until": None,
        **_clock_fault(now, agent.clock),
    }
    tx.execute(sa.update(HOST).where(HOST.c.id == host_id).values(values))
    vip_groups.readdress(tx, host_id, agent.addresses)
    return int(host.epoch) + 1


def extend(tx: sa.Connection, host_id: str, epoch: int, agent_clock: int) -> None:
    """Extend the lease of a host, and note whether its clock (milliseconds since 1970) is wrong. Raises Fenced."""
    check(tx, host_id, epoch)
    now = times.of_database(tx)
    values = {"lease_until": now + LEASE, **_clock_fault(now, agent_clock)}
    tx.execute(sa.update(HOST).where(HOST.c.id == host_id).values(values))


def note_fault(tx: sa.Connection, host_id: str, fault: str, is_passing: bool = True) -> None:
    """Show a fault of a host, until it registers; one that is passing ends after the length of a lease."""
    until = times.of_database(tx) + LEASE if is_passing else None
    tx.execute(sa.update(HOST).where(HOST.c.id == host_id).values(fault=fault, fault_until=until))


def _clock_fault(now: int, agent_clock: int) -> dict[str, str | int]:
    """Return the columns of a fault if a host's clock differs from the database's; else none."""
    seconds = (agent_clock - now) // 1000
    if abs(agent_clock - now) <= CLOCK_LIMIT:
        return {}
    fault = f"Its clock is {abs(seconds)} s {'ahead' if seconds > 0 else 'late'}."
    return {"fault": fault, "fault_until": now + LEASE}


def check(tx: sa.Connection, host_id: str, epoch: int) -> None:
    """Check that a host may report, until the end of this transaction. Raises Fenced."""
    host = tx.execute(sa.select(HOST).where(HOST.c.id == host_id).with_for_update(read=True)).one_or_none()
    if host is None or host.epoch != epoch or not placing.is_alive(tx, host):
        raise Fenced


def check_owner(tx: sa.Connection, host_id: str, epoch: int, loadbalancer_id: str) -> None:
    """Check that a host may report about a load balancer. Raises Fenced and NotYours."""
    check(tx, host_id, epoch)
    if placing.amphora(tx, loadbalancer_id, host_id) is None:
        raise NotYours


def leaving(tx: sa.Connection) -> list[str]:
    """Begin to move load balancers away from hosts that drain, and move those of dead hosts; return their IDs.

    A dead host is one of which an operator has said so. One that is only silent may still hold its addresses: it is
    asked to end its processes before another host takes them over.
    """
    moved: list[str] = []
    obstacles: dict[str, str] = {}
    for host in tx.execute(sa.select(HOST).where(HOST.c.state != placing.UP)).all():
        mine = AMPHORA.c.host_id == host.id
        under_way = tx.scalar(sa.select(sa.func.count()).where(mine, AMPHORA.c.moving_to.is_not(None))) or 0
        is_dead = host.state == placing.DEAD
        is_free = sa.true() if is_dead else AMPHORA.c.moving_to.is_(None)
        limit = len(moved) + (MOVES if is_dead else MOVES - under_way)
        if len(moved) >= limit:
            continue
        others = placing.candidates(tx, host.id)
        for each, needs in placing.placed_on(tx, host.id, is_free):
            if len(moved) >= limit:
                break
            try:
                target = each.moving_to or placing.choose(tx, needs, others)
            except placing.NoHost as error:
                obstacles.setdefault(host.id, f"Load balancers cannot leave: {error}")
                continue
            values = {"host_id": target, "moving_to": None} if is_dead else {"moving_to": target}
            tx.execute(sa.update(AMPHORA).where(AMPHORA.c.id == each.id).values(values))
            moved.append(each.loadbalancer_id)
    for host_id, obstacle in obstacles.items():
        note_fault(tx, host_id, obstacle)
    return moved


def is_any_leaving(tx: sa.Connection) -> bool:
    """Whether a load balancer has to leave its host."""
    joined = sa.join(AMPHORA, HOST, AMPHORA.c.host_id == HOST.c.id)
    is_free = AMPHORA.c.vip_group_id.is_(None) & (AMPHORA.c.moving_to.is_(None) | (HOST.c.state == placing.DEAD))
    wanted = sa.select(AMPHORA.c.id).select_from(joined).where(HOST.c.state != placing.UP, is_free)
    return tx.execute(wanted.limit(1)).first() is not None


def silent(tx: sa.Connection) -> list[tuple[str, str]]:
    """Return the load balancers on hosts whose lease has ended that do not show it yet: (host name, ID).

    Those on two hosts are among them only if neither is heard.
    """
    joined = sa.join(AMPHORA, LOADBALANCER, AMPHORA.c.loadbalancer_id == LOADBALANCER.c.id)
    found = []
    is_carried = sa.exists().where(
        vip_groups.OTHER.c.loadbalancer_id == AMPHORA.c.loadbalancer_id,
        vip_groups.OTHER.c.host_id == HOST.c.id,
        vip_groups.is_agent_heard(),
    )
    for host in tx.execute(sa.select(HOST).where(HOST.c.id != SERVER)).all():
        if not placing.is_alive(tx, host):
            is_unsettled = LOADBALANCER.c.provisioning_status.like("PENDING_%")
            is_wrong = is_unsettled | (LOADBALANCER.c.operating_status != "ERROR")
            mine = (
                sa.select(LOADBALANCER.c.id)
                .select_from(joined)
                .where(AMPHORA.c.host_id == host.id, is_wrong, ~is_carried)
            )
            found += [(host.name, id_) for id_ in tx.scalars(mine)]
    return found


def by_certificate(tx: sa.Connection, host_id: str, certificate: str) -> HostRecord | None:
    """Return the host that an agent's certificate names; None if it was removed, or has a newer certificate."""
    host = by(HOST, "id").first(tx, id=host_id)
    return host if host is not None and host.certificate == certificate else None
