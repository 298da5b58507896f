"""Hosts as operators see and manage them."""

from __future__ import annotations

import hashlib
import secrets
import uuid
from typing import Any

import sqlalchemy as sa

from . import departures, placing, times, vip_groups
from .cluster_tables import AMPHORA, HOST, SERVER, VIP_GROUP
from .records import HostRecord

TOKEN_VALID = 3_600_000  # milliseconds


class Refused(Exception):
    """A host cannot be changed so; the text says why."""


def _count(*conditions: sa.ColumnElement[bool]) -> sa.ScalarSelect[int]:
    mine = AMPHORA.c.host_id == HOST.c.id
    return sa.select(sa.func.count(AMPHORA.c.id)).where(mine, *conditions).correlate(HOST).scalar_subquery()


def is_heard() -> sa.ColumnElement[bool]:
    """Whether the host of a joined row is heard."""
    return sa.or_(HOST.c.id == SERVER, placing.has_lease())


# A row for each host, with the columns that the resource has.
HOSTS = sa.select(
    *(HOST.c.id, HOST.c.name, HOST.c.state, HOST.c.weight, HOST.c.zone, HOST.c.networks),
    *(HOST.c.address, HOST.c.version, HOST.c.epoch, HOST.c.created_at, HOST.c.serial),
    is_heard().label("heard"),
    sa.case((HOST.c.fault_until < times.DatabaseTime(), None), else_=HOST.c.fault).label("fault"),
    _count().label("loadbalancer_count"),
    _count(AMPHORA.c.moving_to.is_not(None)).label("leaving_count"),
).subquery("hosts")


def add(tx: sa.Connection, name: str, weight: int, zone: str | None) -> str:
    """Add a host that has not registered yet, and return its ID. Raises Refused if the name is taken."""
    if tx.scalar(sa.select(HOST.c.id).where(HOST.c.name == name)):
        raise Refused(f"A host of the name {name} already exists.")
    row = placing.new_host(tx, str(uuid.uuid4()), name)
    tx.execute(sa.insert(HOST).values({**row, "weight": weight, "zone": zone or None}))
    return str(row["id"])


def find(tx: sa.Connection, host_id: str) -> HostRecord | None:
    """Return a host and lock its row; None if it does not exist."""
    found: HostRecord | None = tx.execute(sa.select(HOST).where(HOST.c.id == host_id).with_for_update()).one_or_none()
    return found


def change(tx: sa.Connection, host: HostRecord, values: dict[str, Any]) -> None:
    """Change the state, the weight or the zone of a host. Raises Refused if its load balancers have nowhere to go."""
    state = values.get("state", placing.UP)
    if state == placing.DEAD and host.id == SERVER:
        raise Refused("The server itself runs on this host: drain it instead.")
    if state != placing.UP:
        _check_others(tx, host)
    if state == placing.DRAINING:
        _check_substitutes(tx, host)
    if "zone" in values:
        values = {**values, "zone": values["zone"] or None}
    if values:
        tx.execute(sa.update(HOST).where(HOST.c.id == host.id).values(values))


def remove(tx: sa.Connection, host: HostRecord) -> None:
    """Remove a host that has no load balancers. Raises Refused."""
    if host.id == SERVER:
        raise Refused("The host of the server itself cannot be removed.")
    is_used = (AMPHORA.c.host_id == host.id) | (AMPHORA.c.moving_to == host.id)
    count = tx.scalar(sa.select(sa.func.count()).select_from(AMPHORA).where(is_used)) or 0
    if count:
        raise Refused(f"{host.name} has {count} load balancers: drain it first, or say that it is dead.")
    for group in vip_groups.of_host(tx, host.id):
        tx.execute(sa.delete(VIP_GROUP).where(VIP_GROUP.c.id == group.id))
    tx.execute(sa.delete(HOST).where(HOST.c.id == host.id))


def note_authority(tx: sa.Connection, fingerprint: str) -> None:
    """Keep the fingerprint of the authority of the server that serves agents, which tokens carry."""
    is_other = sa.func.coalesce(HOST.c.certificate, "") != fingerprint
    tx.execute(sa.update(HOST).where(HOST.c.id == SERVER, is_other).values(certificate=fingerprint))


def invite(tx: sa.Connection, host: HostRecord) -> tuple[str, int]:
    """Return a token with which an agent gets a certificate for a host, once, and the end of its validity.

    The end is in milliseconds since 1970. An earlier token of the host is not valid any more; a certificate is, until
    the token is used. Raises Refused.
    """
    if host.id == SERVER:
        raise Refused(f"{host.name} is the host of the server itself, which needs no agent.")
    fingerprint = tx.scalar(sa.select(HOST.c.certificate).where(HOST.c.id == SERVER))
    if fingerprint is None:
        raise Refused("No server serves agents yet: start one with --agents.")
    secret = secrets.token_hex(16)
    until = times.of_database(tx) + TOKEN_VALID
    values = {"enrolment": _hashed(secret), "enrolment_until": until}
    tx.execute(sa.update(HOST).where(HOST.c.id == host.id).values(values))
    return f"{secret}.{fingerprint}", until


def is_valid(tx: sa.Connection, secret: str) -> bool:
    """Return whether a token can be used at this moment."""
    until = tx.scalar(sa.select(HOST.c.enrolment_until).where(HOST.c.enrolment == _hashed(secret)))
    return until is not None and until >= times.of_database(tx)


def redeem(tx: sa.Connection, secret: str) -> tuple[HostRecord, str] | None:
    """Use up the token of a host; return the host and the name of its new certificate. None: the token is not valid.

    Certificates of other names are not accepted from then on.
    """
    is_meant = HOST.c.enrolment == _hashed(secret)
    host = tx.execute(sa.select(HOST).where(is_meant).with_for_update()).one_or_none()
    if host is None or host.enrolment_until < times.of_database(tx):
        return None
    name = str(uuid.uuid4())
    values = {"certificate": name, "enrolment": None, "enrolment_until": None}
    tx.execute(sa.update(HOST).where(HOST.c.id == host.id).values(values))
    return host, name


def _hashed(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _check_others(tx: sa.Connection, host: HostRecord) -> None:
    """Check that load balancers can leave a host. Raises Refused."""
    others = placing.candidates(tx, host.id)
    try:
        for each in {needs for _, needs in placing.placed_on(tx, host.id)} or {placing.Needs()}:
            placing.choose(tx, each, others)
    except placing.NoHost as error:
        raise Refused(f"No other host can take the load balancers of {host.name}. {error}") from None


def _check_substitutes(tx: sa.Connection, host: HostRecord) -> None:
    """Check that another host can take the place of one in its groups. Raises Refused.

    A dead host needs none: the other of the group serves alone until there is one.
    """
    try:
        for group in vip_groups.of_host(tx, host.id):
            if vip_groups.loadbalancers(tx, group.id):
                departures.substitute(tx, group, host.id)
    except placing.NoHost as error:
        raise Refused(f"Load balancers on two hosts cannot leave {host.name}. {error}") from None
