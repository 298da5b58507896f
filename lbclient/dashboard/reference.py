"""The description of the API for readers: every request with its attributes, and an example to run."""

from __future__ import annotations

from typing import Any

from ..openapi_reader import Reader
from . import calls
from .visit import Reply, Visit


def show(visit: Visit) -> Reply:
    service = calls.services(visit.calls_as({})).loadbalancer
    document = service.get("/openapi.json")
    reader = Reader(document)
    groups: dict[str, list[dict[str, Any]]] = {tag["name"]: [] for tag in document["tags"]}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            for tag in operation["tags"]:
                groups[tag].append(reader.operation(method, path, operation))
    return visit.page(
        "api.html",
        info=document["info"],
        address=document["servers"][0]["url"],
        groups={name: found for name, found in groups.items() if found},
        count=sum(map(len, groups.values())),
    )
