"""Quotas: show, set and reset the limits of projects, and enforce them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from ...resources import QUOTA, Resource
from ...resources.quota import LIMITS, SPELLINGS, UNLIMITED
from ...store import engines
from ...store.prepared import Prepared
from ...store.tables import QUOTA as QUOTAS
from ...store.tables import TABLES
from ..errors import BadRequest, QuotaMet
from ..services import Services
from ..web.routing import Answer, Request
from . import bodies, listing, policy

DEFAULTS_NAME = "defaults"

_MINE: sa.BindParameter[str] = sa.bindparam("project_id")
_LIMIT = {name: Prepared(sa.select(QUOTAS.c[name]).where(QUOTAS.c.project_id == _MINE)) for name in TABLES}
_USED = {
    name: Prepared(
        sa.select(sa.func.count())
        .select_from(table)
        .where(table.c.project_id == _MINE, table.c.provisioning_status != "PENDING_DELETE")
    )
    for name, table in TABLES.items()
}


def check(services: Services, tx: sa.Connection, resource: Resource, project_id: str) -> None:
    """Check that the project may have one more object of this kind. Raises QuotaMet."""
    room = remaining(services, tx, resource, project_id)
    if room is not None and room <= 0:
        raise QuotaMet(resource.title)


def remaining(services: Services, tx: sa.Connection, resource: Resource, project_id: str) -> int | None:
    """Return how many more objects of this kind a project may have; None if unlimited.

    Without authentication, nothing is limited. A limited project is locked, so that concurrent requests cannot both
    take the last one.
    """
    if services.config.auth == "noauth":
        return None
    limit = _LIMIT[resource.name].scalar(tx, project_id=project_id)
    if limit is None:
        limit = defaults(services)[resource.name]
    if limit == UNLIMITED:
        return None
    engines.lock(tx, f"quota of {project_id}")
    return int(limit) - int(_USED[resource.name].scalar(tx, project_id=project_id))


def defaults(services: Services) -> dict[str, int]:
    """Return the limits of projects without limits of their own."""
    return {name: services.usual_quotas.get(name, UNLIMITED) for name in LIMITS}


def list_all(services: Services, request: Request) -> Answer:
    """GET of the quotas of all projects that differ from the defaults."""
    wanted = listing.page(QUOTA, QUOTAS, request.query, unique="project_id")
    with services.store.reading() as tx:
        rows = listing.rows(tx, QUOTA, QUOTAS, wanted, policy.scope(services, request.who, QUOTA))
    found = [_present(services, row._mapping["project_id"], dict(row._mapping)) for row in rows]
    chosen = [{name: each[name] for name in each if name in wanted.fields} if wanted.fields else each for each in found]
    return Answer({"quotas": chosen, "quotas_links": listing.links(request, QUOTA.path, wanted, rows)})


def show(services: Services, request: Request, project_id: str) -> Answer:
    """GET of a project's quota; limits that were never set show their defaults.

    The project name "defaults" shows the defaults: clients use it for that.
    """
    if project_id == DEFAULTS_NAME:
        return show_defaults(services, request)
    policy.check(services, request.who, "quota:get_one", project_id)
    with services.store.reading() as tx:
        return Answer({"quota": _present(services, project_id, _limits(tx, project_id))})


def show_defaults(services: Services, request: Request, project_id: str | None = None) -> Answer:
    """GET of the default quota."""
    policy.check(services, request.who, "quota:get_defaults", project_id)
    return Answer({"quota": _present(services, project_id or DEFAULTS_NAME, {})})


def update(services: Services, request: Request, project_id: str) -> Answer:
    """PUT of some limits; null restores the default."""
    policy.check(services, request.who, "quota:put", project_id)
    body = _with_one_spelling(request.body)
    values = bodies.changed(QUOTA, body)
    chosen = {name: None if body["quota"][name] is None else values[name] for name in values}
    bodies.check(QUOTA["project_id"], project_id)
    with services.store.writing() as tx:
        limits = {**_limits(tx, project_id), **chosen}
        tx.execute(sa.delete(QUOTAS).where(QUOTAS.c.project_id == project_id))
        if any(limit not in (None, defaults(services)[name]) for name, limit in limits.items()):
            tx.execute(sa.insert(QUOTAS).values(project_id=project_id, **limits))
    return Answer({"quota": _present(services, project_id, limits)}, 202)


def reset(services: Services, request: Request, project_id: str) -> Answer:
    """DELETE of a project's quota, which restores the defaults."""
    policy.check(services, request.who, "quota:delete", project_id)
    with services.store.writing() as tx:
        tx.execute(sa.delete(QUOTAS).where(QUOTAS.c.project_id == project_id))
    return Answer(None, 202)


def _limits(tx: sa.Connection, project_id: str) -> dict[str, int | None]:
    """Return the limits that were set for a project; None stands for the default."""
    row = tx.execute(sa.select(QUOTAS).where(QUOTAS.c.project_id == project_id)).one_or_none()
    return {} if row is None else {name: row._mapping[name] for name in LIMITS}


def _present(services: Services, project_id: str, chosen: Mapping[str, Any]) -> dict[str, Any]:
    limits = {
        name: default if chosen.get(name) is None else chosen[name] for name, default in defaults(services).items()
    }
    answer: dict[str, Any] = {"project_id": project_id}
    for name in LIMITS:
        answer[name] = limits[name]
        if name in SPELLINGS:
            answer[SPELLINGS[name]] = limits[name]
    return {**answer, "tenant_id": project_id}


def _with_one_spelling(body: Any) -> Any:
    """Rename load_balancer to loadbalancer and health_monitor to healthmonitor.

    Raises BadRequest if both names are given with different values.
    """
    if not isinstance(body, dict) or not isinstance(body.get("quota"), dict):
        return body
    limits = dict(body["quota"])
    for name, former in SPELLINGS.items():
        if former in limits:
            value = limits.pop(former)
            if repr(limits.setdefault(name, value)) != repr(value):  # False is not 0
                raise BadRequest(f"{name} and {former} are the same limit, and cannot be {limits[name]} and {value}.")
    return {**body, "quota": limits}
