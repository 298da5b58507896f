"""Roles, which are assigned to users in projects, in domains and in the system."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from ...store.identity_tables import ASSIGNMENT
from ..attributes import Values
from ..services import Services
from ..web.routing import Answer, Request
from . import attributes, objects
from .attributes import ROLES


def present(request: Request, row: Any) -> Values:
    return {
        "id": row.id,
        "name": row.name,
        "domain_id": None,
        "description": row.description,
        "options": {},
        "links": objects.link(request, ROLES, row.id),
    }


def list_all(services: Services, request: Request) -> Answer:
    objects.admin_only(request, "list_roles")
    with services.store.reading() as tx:
        return objects.listed(tx, ROLES, request, present)


def show(services: Services, request: Request, role_id: str) -> Answer:
    objects.admin_only(request, "get_role")
    with services.store.reading() as tx:
        return Answer({"role": present(request, objects.find(tx, ROLES, role_id))})


def create(services: Services, request: Request) -> Answer:
    objects.admin_only(request, "create_role")
    values = attributes.values(ROLES, request.body, is_new=True)
    with services.tokens.changing() as tx:
        return Answer({"role": present(request, objects.add(tx, ROLES, values))}, 201)


def update(services: Services, request: Request, role_id: str) -> Answer:
    objects.admin_only(request, "update_role")
    values = attributes.values(ROLES, request.body, is_new=False)
    with services.tokens.changing() as tx:
        return Answer({"role": present(request, objects.change(tx, ROLES, role_id, values))})


def delete(services: Services, request: Request, role_id: str) -> Answer:
    objects.admin_only(request, "delete_role")
    with services.tokens.changing() as tx:
        objects.find(tx, ROLES, role_id)
        tx.execute(sa.delete(ASSIGNMENT).where(ASSIGNMENT.c.role_id == role_id))
        tx.execute(sa.delete(ROLES.table).where(ROLES.table.c.id == role_id))
    return Answer(status=204)
