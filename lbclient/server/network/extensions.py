"""The versions and extensions of the network API, and empty answers for what it lacks."""

from __future__ import annotations

from .. import usual_quotas
from ..errors import NotFound
from ..services import Services
from ..web.routing import Answer, Handler, Request

TAGGED = ("floatingip", "network", "policy", "port", "router", "security_group", "security_group_rule", "subnet")
UPDATED = "2026-01-01T00:00:00-00:00"
# Alias -> (Neutron's name, description of the supported part)
EXTENSIONS = {
    "external-net": ("Neutron external network", "Networks that floating IPs come from"),
    "filter-validation": ("Filter parameters validation", "Filters that do not exist are refused"),
    "net-mtu": ("Network MTU", "The MTU of networks"),
    "net-mtu-writable": ("Network MTU (writable)", "The MTU of networks can be changed"),
    "pagination": ("Pagination support", "Lists in pages"),
    "project-id": ("project_id field enabled", "project_id beside tenant_id"),
    "qos": ("Quality of Service", "QoS policies and their rules"),
    "qos-bw-limit-direction": ("Direction for QoS bandwidth limit rule", "Bandwidth limits for each direction"),
    "router": (
        "Neutron L3 Router",
        "Floating IPs and routers; every external network reaches every port, with or without one",
    ),
    "security-group": ("security-group", "Security groups and their rules"),
    "sorting": ("Sorting support", "Lists in an order"),
    "standard-attr-description": ("standard-attr-description", "Descriptions"),
    "standard-attr-revisions": ("Resource revision numbers", "Revision numbers"),
    "standard-attr-tag": ("Tag support for resources with standard attribute: " + ", ".join(TAGGED), "Tags"),
    "standard-attr-timestamp": ("Resource timestamps", "Times of creation and change"),
}


def versions(services: Services, request: Request) -> Answer:
    links = [{"rel": "self", "href": f"{request.base}/v2.0/"}]
    return Answer({"versions": [{"id": "v2.0", "status": "CURRENT", "links": links}]})


def resources(services: Services, request: Request) -> Answer:
    """List the collections of the API version."""
    names = ("networks", "subnets", "ports", "floatingips", "routers", "extensions")
    found = [
        {
            "name": name.removesuffix("s"),
            "collection": name,
            "links": [{"rel": "self", "href": f"{request.base}/v2.0/{name}"}],
        }
        for name in names
    ]
    return Answer({"resources": found})


def list_all(services: Services, request: Request) -> Answer:
    return Answer({"extensions": [_extension(alias) for alias in EXTENSIONS]})


def show(services: Services, request: Request, alias: str) -> Answer:
    if alias not in EXTENSIONS:
        raise NotFound(f"Extension with alias {alias} does not exist", kind="HTTPNotFound")
    return Answer({"extension": _extension(alias)})


def _extension(alias: str) -> dict[str, object]:
    name, description = EXTENSIONS[alias]
    return {"alias": alias, "name": name, "description": description, "updated": UPDATED, "links": []}


QUOTAS = ("floatingip", "network", "port", "rbac_policy", "router", "security_group", "security_group_rule", "subnet")


def quota(services: Services, request: Request, project_id: str) -> Answer:
    """Answer the limits of every project; -1 stands for none."""
    return Answer({"quota": {name: usual_quotas.limit(services, name) for name in QUOTAS}})


def none_of(plural: str, name: str) -> tuple[Handler, Handler]:
    """Return handlers that list and show a resource that clients request but that never has any objects."""

    def list_none(services: Services, request: Request) -> Answer:
        return Answer({plural: []})

    def show_none(services: Services, request: Request, id_: str) -> Answer:
        raise NotFound(f"{name} {id_} could not be found.", kind=f"{name.replace(' ', '')}NotFound")

    return list_none, show_none
