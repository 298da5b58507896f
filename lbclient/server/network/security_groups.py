"""Security groups; each project has one named default, which is created when it is first needed."""

from __future__ import annotations

import uuid
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from ...store import admission
from ...store.network_tables import PORT, SECURITY_GROUP, SECURITY_GROUP_RULE
from ...store.tables import LOADBALANCER
from .. import errors
from ..services import Services
from ..web.routing import Answer, Handler, Request
from . import bodies, objects, present, rows, unkept
from .attributes import SECURITY_GROUPS
from .bodies import Values

DEFAULT = "default"
ETHERTYPES = ("IPv4", "IPv6")


def default_of(tx: sa.Connection, project_id: str) -> str:
    """Return the ID of a project's default group, creating the group if it does not exist."""
    id_ = _default_id(project_id)
    if not _exists(tx, id_):
        try:
            with tx.begin_nested():
                _insert(tx, {"id": id_, "project_id": project_id, "name": DEFAULT, "is_default": True})
        except IntegrityError:  # a concurrent request has created it
            return id_
        for ethertype in ETHERTYPES:
            _add_rule(tx, project_id, id_, direction="ingress", ethertype=ethertype, remote_group_id=id_)
    return id_


def _default_id(project_id: str) -> str:
    """Return an ID derived from the project's, so that concurrent requests cannot create two default groups."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"default security group of {project_id}"))


def _exists(tx: sa.Connection, id_: str) -> bool:
    return tx.scalar(sa.select(SECURITY_GROUP.c.id).where(SECURITY_GROUP.c.id == id_)) is not None


def _insert(tx: sa.Connection, values: Values) -> str:
    """Insert a group with rules that allow all outgoing traffic, and return its ID."""
    values.setdefault("description", "Default security group" if values.get("is_default") else "")
    id_ = str(values.setdefault("id", str(uuid.uuid4())))
    rows.new(tx, SECURITY_GROUP, **values)
    for ethertype in ETHERTYPES:
        _add_rule(tx, values["project_id"], id_, direction="egress", ethertype=ethertype)
    return id_


def _add_rule(tx: sa.Connection, project_id: str, group_id: str, **values: Any) -> str:
    return rows.new(tx, SECURITY_GROUP_RULE, project_id, security_group_id=group_id, **values)


def list_all(services: Services, request: Request) -> Answer:
    """List the groups that the project may see, including its default group, which is created if necessary."""
    project_id = request.who.project_id
    if project_id is not None:
        with services.store.reading() as tx:
            is_there = _exists(tx, _default_id(project_id))
        if not is_there:
            with services.store.writing() as tx:
                default_of(tx, project_id)
    return _LIST(services, request)


_LIST: Handler = objects.list_of(SECURITY_GROUPS, present.security_groups)


def add(tx: sa.Connection, request: Request, values: Values) -> str:
    """Create a security group and return its ID."""
    if values.get("name", "").lower() == DEFAULT:
        raise errors.Conflict("Default security group already exists.", kind="SecurityGroupDefaultAlreadyExists")
    default_of(tx, values["project_id"])
    return _insert(tx, objects.columns(SECURITY_GROUPS, values))


def warnings(values: Values) -> list[str]:
    """Return the warnings about values of a group that have no effect."""
    return unkept.of_group(values)


def update(services: Services, request: Request, id_: str) -> Answer:
    values = bodies.changed(SECURITY_GROUPS, request.body, request.who)
    with services.store.writing() as tx:
        row = objects.own(tx, SECURITY_GROUPS, id_, request.who, "update")
        if row.is_default and values.get("name", row.name) != row.name:
            raise errors.Conflict("Updating default security group not allowed.", "SecurityGroupCannotUpdateDefault")
        changed = objects.change(tx, SECURITY_GROUPS, row, objects.columns(SECURITY_GROUPS, values))
        return Answer(
            {"security_group": present.security_groups(tx, [changed])[0]}, headers=unkept.warning(*warnings(values))
        )


def delete(services: Services, request: Request, id_: str) -> Answer:
    """DELETE of a group with its rules and other groups' rules that refer to it; Conflict if it is in use."""
    with services.store.writing() as tx:
        row = objects.own(tx, SECURITY_GROUPS, id_, request.who, "delete")
        if row.is_default:
            why = "Insufficient rights for removing default security group."
            raise errors.Conflict(why, "SecurityGroupCannotRemoveDefault")
        if _is_used(tx, id_):
            raise errors.Conflict(f"Security Group {id_} in use.", "SecurityGroupInUse")
        woken = admission.concerned(tx, [id_])  # by a rule about it, in another group
        rule = SECURITY_GROUP_RULE.c
        tx.execute(
            sa.delete(SECURITY_GROUP_RULE).where((rule.security_group_id == id_) | (rule.remote_group_id == id_))
        )
        tx.execute(sa.delete(SECURITY_GROUP).where(SECURITY_GROUP.c.id == id_))
    services.wake(woken)
    return Answer(status=204)


def _is_used(tx: sa.Connection, id_: str) -> bool:
    """Whether a port, or a load balancer for its VIP, uses the group."""
    return any(
        tx.scalar(sa.select(table.c.id).where(sa.cast(column, sa.Text).contains(id_, autoescape=True)).limit(1))
        for table, column in ((PORT, PORT.c.security_groups), (LOADBALANCER, LOADBALANCER.c.vip_sg_ids))
    )
