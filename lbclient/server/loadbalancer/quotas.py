"""Quotas: what they are, and that they hold."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from ...resources import QUOTA, Resource
from ...resources.quota import SPELLINGS, UNLIMITED
from ...store.prepared import Prepared
from ...store.tables import QUOTA as QUOTAS
from ...store.tables import TABLES
from ..errors import BadRequest, QuotaMet
from ..services import Services
from ..web.routing import Answer, Request
from . import bodies, listing, policy

LIMITS = [field.name for field in QUOTA.fields if field.name != "project_id"]
DEFAULTS = dict.fromkeys(LIMITS, UNLIMITED)
DEFAULTS_NAME = "defaults"

_MINE: sa.BindParameter[str] = sa.bindparam("project_id")
_LIMIT = {
    name: Prepared(sa.select(QUOTAS.c[name]).where(QUOTAS.c.project_id == _MINE).with_for_update()) for name in TABLES
}
_USED = {
    name: Prepared(
        sa.select(sa.func.count())
        .select_from(table)
        .where(table.c.project_id == _MINE, table.c.provisioning_status != "PENDING_DELETE")
    )
    for name, table in TABLES.items()
}


def check(services: Services, tx: sa.Connection, resource: Resource, project_id: str) -> None:
    """One more object of the kind is allowed; always so without authentication. Raises QuotaMet.

    The project's row is locked, so that two requests at once cannot both take the last place. A project without a row
    has no limits.
    """
    if services.config.auth == "noauth":
        return
    limit = _LIMIT[resource.name].scalar(tx, project_id=project_id)
    if limit is None or limit == UNLIMITED:
        return
    if _USED[resource.name].scalar(tx, project_id=project_id) >= limit:
        raise QuotaMet(resource.title)


def list_all(services: Services, request: Request) -> Answer:
    """GET of the projects whose quotas are not the defaults."""
    wanted = listing.page(QUOTA, QUOTAS, request.query, unique="project_id")
    with services.store.reading() as tx:
        rows = listing.rows(tx, QUOTA, QUOTAS, wanted, policy.scope(services, request.who, QUOTA))
    found = [_present(row._mapping["project_id"], dict(row._mapping)) for row in rows]
    chosen = [{name: each[name] for name in each if name in wanted.fields} if wanted.fields else each for each in found]
    return Answer({"quotas": chosen, "quotas_links": listing.links(request, QUOTA.path, wanted, rows)})


def show(services: Services, request: Request, project_id: str) -> Answer:
    """GET of a project's quota, which is the default where nobody has said otherwise.

    Clients ask for the project "defaults" to see the defaults.
    """
    if project_id == DEFAULTS_NAME:
        return show_defaults(services, request)
    policy.check(services, request.who, "quota:get_one", project_id)
    with services.store.reading() as tx:
        return Answer({"quota": _present(project_id, _limits(tx, project_id))})


def show_defaults(services: Services, request: Request, project_id: str | None = None) -> Answer:
    """GET of what a project has whose quota nobody has set."""
    policy.check(services, request.who, "quota:get_defaults", project_id)
    return Answer({"quota": _present(project_id or DEFAULTS_NAME, DEFAULTS)})


def update(services: Services, request: Request, project_id: str) -> Answer:
    """PUT of some limits; null puts the default back."""
    policy.check(services, request.who, "quota:put", project_id)
    values = bodies.changed(QUOTA, _with_one_spelling(request.body))
    bodies.check(QUOTA["project_id"], project_id)
    with services.store.writing() as tx:
        limits = {**_limits(tx, project_id), **values}
        tx.execute(sa.delete(QUOTAS).where(QUOTAS.c.project_id == project_id))
        if limits != DEFAULTS:
            tx.execute(sa.insert(QUOTAS).values(project_id=project_id, **limits))
    return Answer({"quota": _present(project_id, limits)}, 202)


def reset(services: Services, request: Request, project_id: str) -> Answer:
    """DELETE: the defaults again."""
    policy.check(services, request.who, "quota:delete", project_id)
    with services.store.writing() as tx:
        tx.execute(sa.delete(QUOTAS).where(QUOTAS.c.project_id == project_id))
    return Answer(None, 202)


def _limits(tx: sa.Connection, project_id: str) -> dict[str, int]:
    row = tx.execute(sa.select(QUOTAS).where(QUOTAS.c.project_id == project_id)).one_or_none()
    return dict(DEFAULTS) if row is None else {name: row._mapping[name] for name in LIMITS}


def _present(project_id: str, limits: dict[str, Any]) -> dict[str, Any]:
    answer: dict[str, Any] = {"project_id": project_id}
    for name in LIMITS:
        answer[name] = limits[name]
        if name in SPELLINGS:
            answer[SPELLINGS[name]] = limits[name]
    return {**answer, "tenant_id": project_id}


def _with_one_spelling(body: Any) -> Any:
    """load_balancer is loadbalancer, and health_monitor is healthmonitor. Raises BadRequest."""
    if not isinstance(body, dict) or not isinstance(body.get("quota"), dict):
        return body
    limits = dict(body["quota"])
    for name, former in SPELLINGS.items():
        if former in limits:
            value = limits.pop(former)
            if repr(limits.setdefault(name, value)) != repr(value):  # False is not 0
                raise BadRequest(f"{name} and {former} are the same limit, and cannot be {limits[name]} and {value}.")
    return {**body, "quota": limits}
