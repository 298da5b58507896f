"""Bootstrap of the identity service: the default domain, the roles, the admin, and the demo user of the guide."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

import sqlalchemy as sa

from ...store.identity_tables import DOMAIN, PROJECT, ROLE, USER
from . import assignments, objects, passwords
from .tokens import touch

DEFAULT_DOMAIN = "default"  # the ID of the domain, as in Keystone
ROLES = (
    "admin",
    "manager",
    "member",
    "reader",
    "service",
    "load-balancer_observer",
    "load-balancer_global_observer",
    "load-balancer_member",
    "load-balancer_quota_admin",
    "load-balancer_admin",
)


@dataclass(frozen=True)
class Login:
    """A user in a project of the same name."""

    name: str
    project_id: str
    password: str | None  # None: the user existed before, and its password is unknown


def bootstrap(tx: sa.Connection) -> Login:
    """Create the domain, the roles and the admin as far as they are missing; return the admin's login."""
    if tx.scalar(sa.select(DOMAIN.c.id).where(DOMAIN.c.id == DEFAULT_DOMAIN)) is None:
        tx.execute(sa.insert(DOMAIN).values(id=DEFAULT_DOMAIN, name="Default"))
    known = set(tx.scalars(sa.select(ROLE.c.name)))
    for name in ROLES:
        if name not in known:
            tx.execute(sa.insert(ROLE).values(id=objects.new_id(), name=name))
    login = _user_in_project(tx, "admin", "admin")
    if login.password is not None:
        user_id = tx.scalar(sa.select(USER.c.id).where(_default(USER, "admin"))) or ""
        assignments.give(tx, user_id, "system", assignments.SYSTEM, _role_id(tx, "admin"))
    return login


def create_demo(tx: sa.Connection) -> Login:
    """Create the project demo and its member, the user demo, as far as they are missing; return the login."""
    return _user_in_project(tx, "demo", "member")


def _user_in_project(tx: sa.Connection, name: str, role: str) -> Login:
    project_id = tx.scalar(sa.select(PROJECT.c.id).where(_default(PROJECT, name))) or _new_project(tx, name)
    if tx.scalar(sa.select(USER.c.id).where(_default(USER, name))) is not None:
        return Login(name, project_id, None)
    password = secrets.token_urlsafe(24)
    user = {
        "id": objects.new_id(),
        "name": name,
        "domain_id": DEFAULT_DOMAIN,
        "default_project_id": project_id,
        "password": passwords.make_hash(password),
    }
    tx.execute(sa.insert(USER).values(user))
    assignments.give(tx, user["id"], "project", project_id, _role_id(tx, role))
    touch(tx)
    return Login(name, project_id, password)


def _new_project(tx: sa.Connection, name: str) -> str:
    id_ = objects.new_id()
    row = {"id": id_, "name": name, "domain_id": DEFAULT_DOMAIN, "parent_id": DEFAULT_DOMAIN}
    tx.execute(sa.insert(PROJECT).values(row))
    return id_


def _default(table: sa.Table, name: str) -> sa.ColumnElement[bool]:
    return (table.c.name == name) & (table.c.domain_id == DEFAULT_DOMAIN)


def _role_id(tx: sa.Connection, name: str) -> str:
    return str(tx.scalars(sa.select(ROLE.c.id).where(ROLE.c.name == name)).one())
