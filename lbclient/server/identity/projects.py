"""Projects, which own load balancers, networks and addresses."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from ...store.identity_tables import APPLICATION_CREDENTIAL, ASSIGNMENT, PROJECT
from .. import errors
from ..attributes import Values
from ..services import Services
from ..web.routing import Answer, Request
from . import attributes, objects
from .attributes import DOMAINS, PROJECTS
from .tokens import revoke


def present(request: Request, row: Any) -> Values:
    return {
        "id": row.id,
        "name": row.name,
        "domain_id": row.domain_id,
        "parent_id": row.parent_id,
        "description": row.description or "",
        "enabled": row.enabled,
        "is_domain": False,
        "tags": row.tags,
        "options": {},
        "links": objects.link(request, PROJECTS, row.id),
    }


def list_all(services: Services, request: Request) -> Answer:
    objects.admin_only(request, "list_projects")
    with services.store.reading() as tx:
        return objects.listed(tx, PROJECTS, request, present)


def list_of_user(services: Services, request: Request, user_id: str = "") -> Answer:
    """List the projects in which a user has a role: the caller, unless the path names a user."""
    if user_id and user_id != request.who.user_id:
        objects.admin_only(request, "list_user_projects")
    with services.store.reading() as tx:
        return objects.listed(tx, PROJECTS, request, present, is_member(user_id or request.who.user_id))


def is_member(user_id: str) -> sa.ColumnElement[bool]:
    """Match the projects in which a user has a role."""
    given = (ASSIGNMENT.c.user_id == user_id) & (ASSIGNMENT.c.scope == "project")
    return PROJECT.c.id.in_(sa.select(ASSIGNMENT.c.scope_id).where(given))


def show(services: Services, request: Request, project_id: str) -> Answer:
    if request.who.project_id != project_id:
        objects.admin_only(request, "get_project")
    with services.store.reading() as tx:
        return Answer({"project": present(request, objects.find(tx, PROJECTS, project_id))})


def create(services: Services, request: Request) -> Answer:
    objects.admin_only(request, "create_project")
    values = attributes.values(PROJECTS, request.body, is_new=True)
    with services.tokens.changing() as tx:
        row = objects.add(tx, PROJECTS, _placed(tx, request, values))
        return Answer({"project": present(request, row)}, 201)


def _placed(tx: sa.Connection, request: Request, values: Values) -> Values:
    """Add the domain and the parent if the values do not have them. Raises errors.BadRequest or errors.NotFound."""
    parent_id = values.get("parent_id")
    domain_id = values.get("domain_id") or request.who.domain_id
    if parent_id and parent_id != domain_id:
        parent = objects.find(tx, PROJECTS, parent_id)
        domain_id = values.get("domain_id") or parent.domain_id
        if domain_id != parent.domain_id:
            raise errors.BadRequest("A project has to be in the domain of its parent.")
    objects.find(tx, DOMAINS, domain_id)
    return {**values, "domain_id": domain_id, "parent_id": parent_id or domain_id}


def update(services: Services, request: Request, project_id: str) -> Answer:
    objects.admin_only(request, "update_project")
    values = attributes.values(PROJECTS, request.body, is_new=False)
    with services.tokens.changing() as tx:
        row = objects.change(tx, PROJECTS, project_id, values)
        if values.get("enabled") is False:
            revoke(tx, "scope", project_id)
        return Answer({"project": present(request, row)})


def delete(services: Services, request: Request, project_id: str) -> Answer:
    objects.admin_only(request, "delete_project")
    with services.tokens.changing() as tx:
        objects.find(tx, PROJECTS, project_id)
        if tx.scalar(sa.select(PROJECT.c.id).where(PROJECT.c.parent_id == project_id).limit(1)) is not None:
            raise errors.Forbidden(f"Cannot delete project {project_id}: other projects are below it.")
        remove(tx, project_id)
    return Answer(status=204)


def remove(tx: sa.Connection, project_id: str) -> None:
    """Delete a project with its role assignments and application credentials; revoke its tokens."""
    revoke(tx, "scope", project_id)
    tx.execute(sa.delete(ASSIGNMENT).where(ASSIGNMENT.c.scope == "project", ASSIGNMENT.c.scope_id == project_id))
    tx.execute(sa.delete(APPLICATION_CREDENTIAL).where(APPLICATION_CREDENTIAL.c.project_id == project_id))
    tx.execute(sa.delete(PROJECT).where(PROJECT.c.id == project_id))
