"""The routes of the key manager."""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType

from ..services import Services
from ..web.routing import Answer, Body, Handler, Request, Route
from . import access, acls, consumers, containers, secrets, versions
from .access import CONTAINERS, SECRETS, Kind


def _add_consumer(kind: Kind, module: ModuleType) -> Handler:
    def handle(services: Services, request: Request, id_: str) -> Answer:
        given = consumers.key(kind, request.body)
        with services.store.writing() as tx:
            row = access.visible(tx, kind, id_, request.who, "Consumer creation")
            consumers.add(tx, request, row.id, given)
            return Answer(module.one(tx, request, row))

    return handle


def _remove_consumer(kind: Kind, module: ModuleType) -> Handler:
    def handle(services: Services, request: Request, id_: str) -> Answer:
        given = consumers.key(kind, request.body)
        with services.store.writing() as tx:
            row = access.visible(tx, kind, id_, request.who, "Consumer deletion")
            consumers.remove(tx, request, row, given)
            return Answer(module.one(tx, request, row))

    return handle


def _routes(kind: Kind, module: ModuleType) -> tuple[Route, ...]:
    path = f"/v1/{kind.plural}"
    one = f"{path}/{{id_}}"
    return (
        Route("GET", path, module.list_all),
        Route("POST", path, module.create),
        Route("GET", one, module.show),
        Route("DELETE", one, module.delete),
        Route("GET", f"{one}/acl", acls.show(kind)),
        Route("PUT", f"{one}/acl", acls.replace(kind)),
        Route("PATCH", f"{one}/acl", acls.change(kind)),
        Route("DELETE", f"{one}/acl", acls.delete(kind)),
        Route("GET", f"{one}/consumers", consumers.list_of(kind)),
        Route("POST", f"{one}/consumers", _add_consumer(kind, module)),
        Route("DELETE", f"{one}/consumers", _remove_consumer(kind, module), body=Body.JSON),
    )


ROUTES: tuple[Route, ...] = tuple(
    replace(route, handler=versions.told(route.handler))
    for route in (
        Route("GET", "", versions.versions, is_open=True),
        Route("GET", "/v1", versions.version, is_open=True),
        *_routes(SECRETS, secrets),
        Route("PUT", "/v1/secrets/{id_}", secrets.put_payload, body=Body.BYTES),
        Route("GET", "/v1/secrets/{id_}/payload", secrets.show_payload),
        *_routes(CONTAINERS, containers),
        Route("POST", "/v1/containers/{id_}/secrets", containers.add_secret),
        Route("DELETE", "/v1/containers/{id_}/secrets", containers.remove_secret, body=Body.JSON),
    )
)
