"""The routes of the network API."""

from __future__ import annotations

from types import ModuleType

from ..attributes import Kind
from ..web.routing import Handler, Route
from . import (
    extensions,
    floating_ips,
    networks,
    objects,
    ports,
    present,
    qos,
    routers,
    security_group_rules,
    security_groups,
    subnets,
)
from .attributes import (
    FLOATING_IPS,
    NETWORKS,
    PORTS,
    QOS_POLICIES,
    ROUTERS,
    SECURITY_GROUP_RULES,
    SECURITY_GROUPS,
    SUBNETS,
)
from .listing import Presenter


def _routes(kind: Kind, module: ModuleType, presenter: Presenter) -> tuple[Route, ...]:
    path = f"/v2.0/{kind.path or kind.plural}"
    one, tags = f"{path}/{{id_}}", f"{path}/{{id_}}/tags"
    return (
        Route("GET", path, getattr(module, "list_all", None) or objects.list_of(kind, presenter)),
        Route("POST", path, getattr(module, "create", None) or _create(kind, module, presenter)),
        Route("GET", one, objects.show(kind, presenter)),
        *((Route("PUT", one, module.update),) if hasattr(module, "update") else ()),
        Route("DELETE", one, module.delete),
        *_tags(kind, tags),
        # Neutron serves the tags of a QoS policy below /policies, where some clients look; others use /qos/policies.
        *(_tags(kind, f"/v2.0/{kind.plural}/{{id_}}/tags") if kind.path == "qos/policies" else ()),
    )


def _create(kind: Kind, module: ModuleType, presenter: Presenter) -> Handler:
    affected, warnings = getattr(module, "affected", None), getattr(module, "warnings", lambda values: ())
    return objects.create(kind, module.add, presenter, affected, warnings)


def _tags(kind: Kind, path: str) -> tuple[Route, ...]:
    return (
        Route("GET", path, objects.tags(kind)),
        Route("PUT", path, objects.replace_tags(kind)),
        Route("POST", path, objects.add_tags(kind)),
        Route("DELETE", path, objects.clear_tags(kind)),
        Route("GET", f"{path}/{{tag}}", objects.has_tag(kind)),
        Route("PUT", f"{path}/{{tag}}", objects.add_tag(kind)),
        Route("DELETE", f"{path}/{{tag}}", objects.remove_tag(kind)),
    )


def _qos_rules(type_: str) -> tuple[Route, ...]:
    path = f"/v2.0/qos/policies/{{policy_id}}/{qos.RULES[type_].plural}"
    one = f"{path}/{{id_}}"
    return (
        Route("GET", path, qos.list_rules(type_)),
        Route("POST", path, qos.add_rule(type_)),
        Route("GET", one, qos.show_rule(type_)),
        Route("PUT", one, qos.update_rule(type_)),
        Route("DELETE", one, qos.delete_rule(type_)),
    )


def _none_of(path: str, plural: str, name: str) -> tuple[Route, ...]:
    list_none, show_none = extensions.none_of(plural, name)
    return Route("GET", path, list_none), Route("GET", f"{path}/{{id_}}", show_none)


# Resources that clients request but that never have any objects: (path, key, title in errors).
NONE = (
    ("address-groups", "address_groups", "Address Group"),
    ("address-scopes", "address_scopes", "Address Scope"),
    ("agents", "agents", "Agent"),
    ("availability_zones", "availability_zones", "Availability Zone"),
    ("flavors", "flavors", "Flavor"),
    ("local_ips", "local_ips", "Local IP"),
    ("log/loggable-resources", "loggable_resources", "Loggable Resource"),
    ("log/logs", "logs", "Log"),
    ("metering/metering-label-rules", "metering_label_rules", "Metering Label Rule"),
    ("metering/metering-labels", "metering_labels", "Metering Label"),
    ("ndp_proxies", "ndp_proxies", "NDP Proxy"),
    ("network_segment_ranges", "network_segment_ranges", "Network Segment Range"),
    ("rbac-policies", "rbac_policies", "RBAC Policy"),
    ("segments", "segments", "Segment"),
    ("service-providers", "service_providers", "Service Provider"),
    ("service_profiles", "service_profiles", "Service Profile"),
    ("subnetpools", "subnetpools", "Subnet Pool"),
    ("trunks", "trunks", "Trunk"),
)
ROUTES: tuple[Route, ...] = (
    Route("GET", "", extensions.versions, is_open=True),
    Route("GET", "/v2.0", extensions.resources),
    Route("GET", "/v2.0/extensions", extensions.list_all),
    Route("GET", "/v2.0/extensions/{alias}", extensions.show),
    *_routes(NETWORKS, networks, present.networks),
    *_routes(SUBNETS, subnets, present.subnets),
    *_routes(PORTS, ports, present.ports),
    *_routes(FLOATING_IPS, floating_ips, present.floating_ips),
    *_routes(SECURITY_GROUPS, security_groups, present.security_groups),
    *_routes(SECURITY_GROUP_RULES, security_group_rules, present.security_group_rules),
    *_routes(QOS_POLICIES, qos, present.qos_policies),
    *(route for type_ in qos.RULES for route in _qos_rules(type_)),
    Route("GET", "/v2.0/qos/rule-types", qos.list_types),
    *_routes(ROUTERS, routers, present.routers),
    Route("PUT", "/v2.0/routers/{id_}/add_router_interface", routers.add_interface),
    Route("PUT", "/v2.0/routers/{id_}/remove_router_interface", routers.remove_interface),
    Route("GET", "/v2.0/quotas/{project_id}", extensions.quota),
    Route("GET", "/v2.0/quotas/{project_id}/default", extensions.quota),
    *(route for path, plural, name in NONE for route in _none_of(f"/v2.0/{path}", plural, name)),
)
