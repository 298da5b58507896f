"""The network API's paths."""

from __future__ import annotations

from types import ModuleType

from ..http import Route
from . import extensions, floating_ips, networks, objects, ports, present, subnets
from .attributes import FLOATING_IPS, NETWORKS, PORTS, SUBNETS, Kind
from .listing import Presenter


def _routes(kind: Kind, module: ModuleType, presenter: Presenter) -> tuple[Route, ...]:
    path = f"/v2.0/{kind.plural}"
    one, tags = f"{path}/{{id_}}", f"{path}/{{id_}}/tags"
    return (
        Route("GET", path, objects.list_of(kind, presenter)),
        Route("POST", path, module.create),
        Route("GET", one, objects.show(kind, presenter)),
        Route("PUT", one, module.update),
        Route("DELETE", one, module.delete),
        Route("GET", tags, objects.tags(kind)),
        Route("PUT", tags, objects.replace_tags(kind)),
        Route("DELETE", tags, objects.clear_tags(kind)),
        Route("PUT", f"{tags}/{{tag}}", objects.add_tag(kind)),
        Route("DELETE", f"{tags}/{{tag}}", objects.remove_tag(kind)),
    )


def _none_of(path: str, plural: str, name: str) -> tuple[Route, ...]:
    list_none, show_none = extensions.none_of(plural, name)
    return Route("GET", path, list_none), Route("GET", f"{path}/{{id_}}", show_none)


ROUTES: tuple[Route, ...] = (
    Route("GET", "", extensions.versions, is_open=True),
    Route("GET", "/v2.0", extensions.resources),
    Route("GET", "/v2.0/extensions", extensions.list_all),
    Route("GET", "/v2.0/extensions/{alias}", extensions.show),
    *_routes(NETWORKS, networks, present.networks),
    *_routes(SUBNETS, subnets, present.subnets),
    *_routes(PORTS, ports, present.ports),
    *_routes(FLOATING_IPS, floating_ips, present.floating_ips),
    Route("GET", "/v2.0/quotas/{project_id}", extensions.quota),
    Route("GET", "/v2.0/quotas/{project_id}/default", extensions.quota),
    *_none_of("/v2.0/routers", "routers", "Router"),
    *_none_of("/v2.0/agents", "agents", "Agent"),
    *_none_of("/v2.0/security-groups", "security_groups", "Security Group"),
    *_none_of("/v2.0/security-group-rules", "security_group_rules", "Security Group Rule"),
    *_none_of("/v2.0/qos/policies", "policies", "Policy"),
)
