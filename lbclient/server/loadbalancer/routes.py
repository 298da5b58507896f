"""The routes of the load-balancing API, without the prefix of its version."""

from __future__ import annotations

from types import ModuleType

from ...resources import (
    ALL,
    AMPHORA,
    EVENT,
    FLAVORS_AND_ZONES,
    HOST,
    LISTENER,
    LOADBALANCER,
    POOL,
    PROVIDER,
    QUOTA,
    Resource,
)
from ...resources.event import ALL_PATH
from ...resources.provider import CAPABILITIES
from ..web.routing import Route
from . import events, handlers, healthcheck, logs, quotas, stats
from .openapi import description
from .openapi import operations as to
from .operators import amphorae, flavors_and_zones, hosts, providers
from .versions import version, versions
from .writes import batch


def _resource_routes(resource: Resource, verbs: ModuleType = handlers) -> list[Route]:
    one = f"{resource.path}/{{id}}"
    create = handlers.create_loadbalancer if resource is LOADBALANCER else verbs.create(resource)
    return [
        Route("GET", resource.path, verbs.list_of(resource), operation=to.list_all(resource)),
        Route("POST", resource.path, create, operation=to.create(resource)),
        Route("GET", one, verbs.show(resource), operation=to.show(resource)),
        Route("PUT", one, verbs.update(resource), operation=to.update(resource)),
        Route("DELETE", one, verbs.delete(resource), operation=to.delete(resource)),
    ]


def _capability_route(kind: str, collection: str) -> Route:
    operation = to.list_short(PROVIDER, collection, f"what {kind} profiles can tell a provider".replace("_", " "))
    path = f"{PROVIDER.path}/{{provider}}/{collection}"
    return Route("GET", path, providers.list_of(kind), operation=operation)


_STATUS = "/lbaas/loadbalancers/{id}/status"
_QUOTA = "/lbaas/quotas/{project_id}"
_AMPHORA = f"{AMPHORA.path}/{{id}}"
_HOST = f"{HOST.path}/{{id}}"
LOAD_BALANCING = (
    *(route for resource in ALL for route in _resource_routes(resource)),
    Route(
        "GET",
        "/lbaas/loadbalancers/{id}/stats",
        stats.of(LOADBALANCER),
        operation=to.statistics(LOADBALANCER),
        waits=True,
    ),
    Route(
        "GET",
        "/lbaas/loadbalancers/{id}/performance",
        stats.performance,
        operation=to.performance(),
        waits=True,
    ),
    Route("GET", _STATUS, handlers.show_status, operation=to.status("show_status")),
    Route("GET", f"{_STATUS}es", handlers.show_status, operation=to.status("show_statuses")),
    Route(
        "PUT",
        "/lbaas/loadbalancers/{id}/failover",
        amphorae.fail_over_loadbalancer,
        operation=to.do(LOADBALANCER, "failover_loadbalancer", "Put a new proxy in place of its own"),
    ),
    Route("GET", EVENT.path, events.list_of, operation=to.follow(to.list_all(EVENT))),
    Route("GET", ALL_PATH, events.list_all, operation=to.follow(to.list_every(EVENT))),
    Route("GET", "/lbaas/listeners/{id}/stats", stats.of(LISTENER), operation=to.statistics(LISTENER), waits=True),
    Route("GET", "/lbaas/pools/{id}/stats", stats.of(POOL), operation=to.statistics(POOL), waits=True),
    Route("PUT", "/lbaas/pools/{pool_id}/members", batch.update_members, operation=to.update_members(), waits=True),
    Route(
        "GET",
        "/lbaas/pools/{pool_id}/members/{id}/stats",
        stats.of_member,
        operation=to.member_statistics(),
        waits=True,
    ),
    *logs.routes(),
    Route("GET", QUOTA.path, quotas.list_all, operation=to.list_all(QUOTA)),
    Route(
        "GET",
        _QUOTA,
        quotas.show,
        operation=to.show_quota("show_quota", "Show a project's quota; the project defaults has the defaults"),
    ),
    Route(
        "GET",
        f"{_QUOTA}/default",
        quotas.show_defaults,
        operation=to.show_quota("show_quota_default", "Show what a project would have without a quota of its own"),
    ),
    Route("PUT", _QUOTA, quotas.update, operation=to.update_quota()),
    Route("DELETE", _QUOTA, quotas.reset, operation=to.reset_quota()),
    *(route for resource in FLAVORS_AND_ZONES for route in _resource_routes(resource, flavors_and_zones)),
    Route(
        "GET",
        PROVIDER.path,
        providers.list_providers,
        operation=to.list_short(PROVIDER, PROVIDER.collection, "providers"),
    ),
    *(_capability_route(kind, collection) for kind, collection in CAPABILITIES.items()),
    Route("GET", AMPHORA.path, amphorae.list_all, operation=to.list_all(AMPHORA)),
    Route("GET", _AMPHORA, amphorae.show, operation=to.show(AMPHORA)),
    Route("DELETE", _AMPHORA, amphorae.delete, operation=to.delete(AMPHORA)),
    Route("GET", f"{_AMPHORA}/stats", amphorae.statistics, operation=to.amphora_statistics(), waits=True),
    Route(
        "PUT",
        f"{_AMPHORA}/config",
        amphorae.configure,
        operation=to.do(AMPHORA, "configure_amphora", "Check again whether it runs as it should"),
    ),
    Route(
        "PUT",
        f"{_AMPHORA}/failover",
        amphorae.fail_over,
        operation=to.do(AMPHORA, "failover_amphora", "Put a new one in its place"),
    ),
    Route("GET", HOST.path, hosts.list_all, operation=to.list_all(HOST)),
    Route("POST", HOST.path, hosts.create, operation=to.create(HOST)),
    Route("GET", _HOST, hosts.show, operation=to.show(HOST)),
    Route("PUT", _HOST, hosts.update, operation=to.update(HOST)),
    Route("DELETE", _HOST, hosts.delete, operation=to.delete(HOST)),
    Route("POST", f"{_HOST}/enroll", hosts.enroll, operation=to.enroll_host()),
)
DESCRIPTION = description.routes(LOAD_BALANCING)
VERSIONS = (
    *healthcheck.ROUTES,
    Route("GET", "/", versions, is_open=True),
    Route("HEAD", "/", versions, is_open=True),
    Route("GET", "/v2", version, is_open=True),
    Route("GET", "/v2.0", version, is_open=True),
    Route("GET", "/v2/lbaas", version, is_open=True),
    Route("GET", "/v2.0/lbaas", version, is_open=True),
)
