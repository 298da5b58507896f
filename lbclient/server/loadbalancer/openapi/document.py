"""Build the OpenAPI document from the table of routes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from ....resources import BY_NAME, Resource
from ...web import sse
from ...web.operation import Operation, Parameter, Schema
from ...web.routing import Route
from . import schemas
from .operations import plural
from .schemas import TEXT, name_of, ref

Document = dict[str, Any]

JSON = "application/json"
METHODS_WITH_BODY = ("POST", "PUT")
REFUSALS = {
    400: "It does not fit: an attribute, a filter, a limit, the JSON itself.",
    401: "There is no valid token.",
    403: "The rules do not allow it, or a quota is met.",
    404: "There is none, or none that the sender may know of.",
    406: "The client does not accept JSON.",
    409: "The load balancer is busy, or something is in the way.",
    413: "The body is too large.",
    415: "The body is not JSON.",
    501: "The provider cannot do it.",
    503: "The proxy, or the database, cannot answer now.",
}
BODIES = {
    400: ("Fault", "Refusal"),
    401: ("Unauthorized",),
    404: ("Fault", "Refusal"),
    406: ("Refusal",),
    409: ("Fault", "Busy"),
}


class Undescribed(Exception):
    """A route has no operation that describes it; the message names the route."""


def build(routes: Sequence[Route], *, is_open: bool = False) -> Document:
    """Build the document, without servers. Raises Undescribed.

    is_open: the server trusts headers instead of requiring tokens.
    """
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, routes)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Load balancing",
            "version": "2.30",
            "summary": "Version 2 of the load-balancer API of Octavia, as lbclient speaks it.",
            "license": {"name": "Apache 2.0", "identifier": "Apache-2.0"},
        },
        "tags": [{"name": each.title, "description": f"Operations on {plural(each)}."} for each in BY_NAME.values()],
        "paths": paths,
        "components": {
            "schemas": schemas.components(),
            "securitySchemes": _HEADERS if is_open else _TOKEN,
            "responses": {str(status): _refusal(status) for status in REFUSALS},
            "headers": {"RequestId": {"description": "The ID of the request in the log.", "schema": TEXT}},
        },
        "security": [{}, {"project": [], "user": [], "roles": []}] if is_open else [{"token": []}],
    }


_TOKEN: Schema = {
    "token": {"type": "apiKey", "in": "header", "name": "X-Auth-Token", "description": "A token of Keystone."}
}
_HEADERS: Schema = {
    name: {
        "type": "apiKey",
        "in": "header",
        "name": header,
        "description": "Trusted: this server requires no tokens.",
    }
    for name, header in (("project", "X-Project-Id"), ("user", "X-User-Id"), ("roles", "X-Roles"))
}


def _operation(route: Route, routes: Sequence[Route]) -> Document:
    told = route.operation
    if told is None:
        raise Undescribed(f"{route.method} {route.path} has no operation that describes it.")
    body = {"requestBody": {"required": True, "content": _content(told.body)}} if told.body else {}
    has_body = route.method in METHODS_WITH_BODY
    refusals = sorted({*told.refusals, *((413, 415) if has_body else ())})
    return {
        "operationId": told.id,
        "summary": told.summary,
        "tags": [told.resource.title],
        "parameters": [*_places(route.path), *map(_asked, told.query)],
        **body,
        "responses": {
            str(told.status): _answer(route, told, routes),
            **{str(status): {"$ref": f"#/components/responses/{status}"} for status in refusals},
        },
    }


def _answer(route: Route, told: Operation, routes: Sequence[Route]) -> Document:
    found: Document = {
        "description": told.resource.title if told.answer else "Done.",
        "headers": {"x-openstack-request-id": {"$ref": "#/components/headers/RequestId"}},
    }
    if told.answer:
        found["content"] = _content(told.answer)
        if told.is_streamed:
            found["content"][sse.MEDIA_TYPE] = {"schema": {"type": "string"}}
    links = _links(route, told, routes) if told.makes else {}
    return {**found, "links": links} if links else found


def _links(route: Route, told: Operation, routes: Sequence[Route]) -> Document:
    """Return links from an operation that creates an object to the operations on the new object."""
    resource = told.resource
    begin = re.compile(re.escape(route.path) + r"/{(\w+)}(/\w+)?(/{\w+})?")
    parents = {name: f"$request.path.{name}" for name in re.findall(r"{(\w+)}", route.path)}
    found = {}
    for other in routes:
        match = begin.fullmatch(other.path)
        if match and other.operation and not match[3]:
            place = {match[1]: f"$response.body#/{resource.key}/{resource.identifier}"}
            found[other.operation.id] = {"operationId": other.operation.id, "parameters": {**parents, **place}}
    return found


def _places(path: str) -> list[Document]:
    """Describe the parameters in a path."""
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for name in re.findall(r"{(\w+)}", path)
    ]


def _asked(parameter: Parameter) -> Document:
    return {"name": parameter.name, "in": "query", "description": parameter.help, "schema": parameter.schema}


def _refusal(status: int) -> Document:
    kinds = [ref(kind) for kind in BODIES.get(status, ("Fault",))]
    return {
        "description": REFUSALS[status],
        "headers": {"x-openstack-request-id": {"$ref": "#/components/headers/RequestId"}},
        "content": _content(kinds[0] if len(kinds) == 1 else {"anyOf": kinds}),
    }


def _content(schema: Schema) -> Document:
    return {JSON: {"schema": schema}}


def of_resource(document: Document, resource: Resource) -> list[tuple[str, str, Document]]:
    """Return (method, path, operation) for each operation of a resource, in the document's order."""
    return [
        (method.upper(), path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if resource.title in operation["tags"]
    ]


__all__ = ["Document", "Undescribed", "build", "name_of", "of_resource"]
