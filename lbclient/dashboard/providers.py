"""The providers of load balancers, and what flavors and availability zones can ask of them."""

from __future__ import annotations

from contextlib import suppress

from ..client import errors
from ..resources import PROVIDER
from ..resources.provider import CAPABILITIES
from .visit import Reply, Visit


def show(visit: Visit) -> Reply:
    found = []
    for one in visit.api.list(PROVIDER):
        offers = {}
        for kind in CAPABILITIES:
            with suppress(errors.Refused):  # the policy shows them to admins
                offers[kind] = visit.api.capabilities(one["name"], kind)
        found.append({"one": one, "offers": offers})
    return visit.page("providers.html", found=found)
