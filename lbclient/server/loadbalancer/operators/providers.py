"""Providers, and the options that a flavor or an availability zone can set for them."""

from __future__ import annotations

from typing import Any

from ....resources.provider import CAPABILITIES
from ...services import Services
from ...web.routing import Answer, Handler, Request
from .. import capabilities, listing, policy

Values = dict[str, Any]

FILTERS = ("name", "description")
RULES = {"flavor": "provider-flavor:get_all", "availability_zone": "provider-availability-zone:get_all"}


def list_providers(services: Services, request: Request) -> Answer:
    """GET of the enabled providers."""
    policy.check(services, request.who, "provider:get_all")
    found = [{"name": name, "description": each.description} for name, each in services.config.providers.items()]
    return Answer({"providers": _chosen(request, found)})


def list_of(kind: str) -> Handler:
    """GET of the options that a flavor or an availability zone can set for a provider."""

    def handler(services: Services, request: Request, provider: str) -> Answer:
        policy.check(services, request.who, RULES[kind])
        capabilities.check_enabled(services, provider)
        is_noop = services.config.providers[provider].is_noop
        known = [each for each in capabilities.BY_KIND[kind] if each.name in capabilities.OF_NOOP or not is_noop]
        found = [{"name": each.name, "description": each.description} for each in known]
        return Answer({CAPABILITIES[kind]: _chosen(request, found)})

    return handler


def _chosen(request: Request, found: list[Values]) -> list[Values]:
    """Return the objects that match the query's filters, with the attributes that it selects."""
    wanted = {name: value for name, value in request.query if name in FILTERS}
    kept = [each for each in found if all(each[name] == value for name, value in wanted.items())]
    fields = listing.fields(request.query)
    return [{name: each[name] for name in each if name in fields} if fields else each for each in kept]
