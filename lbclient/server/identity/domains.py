"""Domains, in which the names of projects and users are unique."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from ...store.identity_tables import ASSIGNMENT, PROJECT, USER
from .. import errors
from ..attributes import Values
from ..services import Services
from ..web.routing import Answer, Request
from . import attributes, objects, projects, users
from .attributes import DOMAINS
from .tokens import revoke


def present(request: Request, row: Any) -> Values:
    return {
        "id": row.id,
        "name": row.name,
        "description": row.description or "",
        "enabled": row.enabled,
        "tags": row.tags,
        "options": {},
        "links": objects.link(request, DOMAINS, row.id),
    }


def list_all(services: Services, request: Request) -> Answer:
    objects.admin_only(request, "list_domains")
    with services.store.reading() as tx:
        return objects.listed(tx, DOMAINS, request, present)


def show(services: Services, request: Request, domain_id: str) -> Answer:
    if request.who.domain_id != domain_id:
        objects.admin_only(request, "get_domain")
    with services.store.reading() as tx:
        return Answer({"domain": present(request, objects.find(tx, DOMAINS, domain_id))})


def create(services: Services, request: Request) -> Answer:
    objects.admin_only(request, "create_domain")
    values = attributes.values(DOMAINS, request.body, is_new=True)
    with services.tokens.changing() as tx:
        return Answer({"domain": present(request, objects.add(tx, DOMAINS, values))}, 201)


def update(services: Services, request: Request, domain_id: str) -> Answer:
    objects.admin_only(request, "update_domain")
    values = attributes.values(DOMAINS, request.body, is_new=False)
    with services.tokens.changing() as tx:
        row = objects.change(tx, DOMAINS, domain_id, values)
        if values.get("enabled") is False:
            _revoke_all(tx, domain_id)
        return Answer({"domain": present(request, row)})


def delete(services: Services, request: Request, domain_id: str) -> Answer:
    """Delete a disabled domain with all its projects and users."""
    objects.admin_only(request, "delete_domain")
    with services.tokens.changing() as tx:
        if objects.find(tx, DOMAINS, domain_id).enabled:
            raise errors.Forbidden("Cannot delete a domain that is enabled, please disable it first.")
        _revoke_all(tx, domain_id)
        for id_ in _inside(tx, PROJECT, domain_id):
            projects.remove(tx, id_)
        for id_ in _inside(tx, USER, domain_id):
            users.remove(tx, id_)
        tx.execute(sa.delete(ASSIGNMENT).where(ASSIGNMENT.c.scope_id == domain_id))
        tx.execute(sa.delete(DOMAINS.table).where(DOMAINS.table.c.id == domain_id))
    return Answer(status=204)


def _inside(tx: sa.Connection, table: sa.Table, domain_id: str) -> list[str]:
    return list(tx.scalars(sa.select(table.c.id).where(table.c.domain_id == domain_id)))


def _revoke_all(tx: sa.Connection, domain_id: str) -> None:
    revoke(tx, "scope", domain_id)
    for id_ in _inside(tx, PROJECT, domain_id):
        revoke(tx, "scope", id_)
    for id_ in _inside(tx, USER, domain_id):
        revoke(tx, "user", id_)
