"""Hooks of schemathesis: random requests would hardly ever meet an object that exists, so that many are led to one.

IDs in a request are replaced by such as the server has answered before; a part of the requests stays as it is.
Requests for a stream, whose answer has no end, are for other tests.
"""

from __future__ import annotations

import random
import re
from typing import Any

import schemathesis
from schemathesis import GenerationMode

CHANCE = random.Random(1)
COLLECTION = re.compile(r"(.*)/{(\w+)}")
# Attribute of a body -> the collection whose IDs it takes.
OWNERS = {
    "loadbalancer_id": "/lbaas/loadbalancers",
    "listener_id": "/lbaas/listeners",
    "pool_id": "/lbaas/pools",
    "default_pool_id": "/lbaas/pools",
    "redirect_pool_id": "/lbaas/pools",
    "flavor_id": "/lbaas/flavors",
    "flavor_profile_id": "/lbaas/flavorprofiles",
    "availability_zone_profile_id": "/lbaas/availabilityzoneprofiles",
    "availability_zone": "/lbaas/availabilityzones",
}
DATA = ("flavor_data", "availability_zone_data")

living: dict[str, list[dict[str, str]]] = {}  # collection -> what its paths take


@schemathesis.hook
def filter_query(context: Any, query: Any) -> bool:
    return "follow" not in (query or {})


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    case.query.pop("follow", None)
    if CHANCE.random() < (0.6 if case.method == "DELETE" else 0.2):
        return
    places = _places(case.path)
    if places and case.path_parameters:
        case.path_parameters.update(places)
    if isinstance(case.body, dict) and case.meta and case.meta.generation.mode is GenerationMode.POSITIVE:
        for attributes in case.body.values():
            if isinstance(attributes, dict):
                _lead(attributes)


@schemathesis.hook
def after_call(context: Any, case: Any, response: Any) -> None:
    if case.method == "POST" and response.status_code == 201:
        [answer] = response.json().values()
        id_ = answer.get("id") or answer["name"]
        living.setdefault(case.path, []).append({**(case.path_parameters or {}), "": id_})
    if case.path_parameters and response.status_code in (204, 404):
        gone = set(case.path_parameters.values()) if response.status_code == 404 else {case.path_parameters.get("id")}
        for found in living.values():
            found[:] = [places for places in found if places[""] not in gone]


def _places(path: str) -> dict[str, str]:
    """Path parameters that lead to something that lives, in the deepest collection of the path that has it."""
    begin = path
    while match := COLLECTION.match(begin):
        begin = match[1]
        if living.get(begin):
            chosen = CHANCE.choice(living[begin][-20:])
            return {name or match[2]: id_ for name, id_ in chosen.items()}
    return {}


def _lead(attributes: dict[str, Any]) -> None:
    """Owners that live, and nothing else that a load balancer would have to find."""
    for name, collection in OWNERS.items():
        if name in attributes:
            found = living.get(collection)
            if found and CHANCE.random() < 0.8:
                attributes[name] = CHANCE.choice(found[-20:])[""]
            elif name.startswith(("flavor_id", "availability_zone", "default_", "redirect_")):
                del attributes[name]
    for name in DATA:
        if name in attributes:
            attributes[name] = "{}"
    if "provider_name" in attributes or CHANCE.random() < 0.7:
        for name in {"provider", "provider_name"} & attributes.keys():
            attributes[name] = "noop_driver"
