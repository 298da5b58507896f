"""The service catalog. Its URLs have the host that the client used in its request."""

from __future__ import annotations

import uuid
from typing import Any

from .. import errors
from ..services import Services
from ..web.routing import Answer, Handler, Request
from . import objects

REGION = "RegionOne"
# type, name, path
SERVICES = (
    ("identity", "keystone", "/identity"),
    ("network", "neutron", "/networking"),
    ("load-balancer", "octavia", "/load-balancer"),
    ("key-manager", "barbican", "/key-manager"),
)
INTERFACES = ("public", "internal", "admin")


def _id(*words: str) -> str:
    return uuid.uuid5(uuid.NAMESPACE_OID, " ".join(words)).hex


def root(request: Request) -> str:
    """Return the root URL of the server, with the host from the request."""
    return request.base.removesuffix("/identity")


def catalog(request: Request) -> list[dict[str, Any]]:
    """Return the catalog in the format that tokens have."""
    return [
        {
            "id": _id(kind),
            "type": kind,
            "name": name,
            "endpoints": [_endpoint(request, kind, path, interface) for interface in INTERFACES],
        }
        for kind, name, path in SERVICES
    ]


def _endpoint(request: Request, kind: str, path: str, interface: str) -> dict[str, Any]:
    return {
        "id": _id(kind, interface),
        "interface": interface,
        "region": REGION,
        "region_id": REGION,
        "url": root(request) + path,
    }


def show(services: Services, request: Request) -> Answer:
    return objects.collection(request, "catalog", catalog(request))


def _services(request: Request) -> list[dict[str, Any]]:
    return [
        {"id": _id(kind), "type": kind, "name": name, "description": "", "enabled": True, "links": {}}
        for kind, name, _ in SERVICES
    ]


def _endpoints(request: Request) -> list[dict[str, Any]]:
    return [
        {**_endpoint(request, kind, path, interface), "service_id": _id(kind), "enabled": True, "links": {}}
        for kind, _, path in SERVICES
        for interface in INTERFACES
    ]


def _regions(request: Request) -> list[dict[str, Any]]:
    return [{"id": REGION, "description": "", "parent_region_id": None, "links": {}}]


FIXED = {"service": _services, "endpoint": _endpoints, "region": _regions}  # cannot be changed through the API


def list_of(kind: str) -> Handler:
    """Return the handler that lists the services, endpoints or regions that match the query."""

    def handle(services: Services, request: Request) -> Answer:
        objects.admin_only(request, f"list_{kind}s")
        found = [
            object_
            for object_ in FIXED[kind](request)
            if all(str(object_[name]) == value for name, value in request.query if name in object_)
        ]
        return objects.collection(request, f"{kind}s", found)

    return handle


def show_one(kind: str) -> Handler:
    def handle(services: Services, request: Request, id_: str) -> Answer:
        objects.admin_only(request, f"get_{kind}")
        for object_ in FIXED[kind](request):
            if object_["id"] == id_:
                return Answer({kind: object_})
        raise errors.NotFound(f"Could not find {kind}: {id_}.")

    return handle
