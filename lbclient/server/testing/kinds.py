"""Classify requests for faults, by service, resource and operation."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

SERVICES = {"/identity": "identity", "/networking": "network", "/key-manager": "key-manager"}
VERBS = {"POST": "create", "PUT": "update", "PATCH": "update", "DELETE": "delete"}
IRREGULAR = {"amphorae": "amphora", "rules": "l7rule"}
NOT_PLURAL = ("status", "stats", "statuses", "lbaas", "address")


@dataclass(frozen=True)
class Kind:
    """The service, resource and operation of a route."""

    service: str
    resource: str
    operation: str


class Kinds:
    """The resources and operations of all routes, which faults can name."""

    def __init__(self) -> None:
        self.resources: set[str] = set()
        self.operations: set[str] = set()

    def learn(self, kinds: Iterable[Kind]) -> None:
        """Add the resources and operations of these kinds."""
        for kind in kinds:
            self.resources.add(kind.resource)
            self.operations.add(kind.operation)


def kind_of(mount: str, method: str, path: str) -> Kind:
    """Return the kind of a route below a service's mount: POST /lbaas/pools/{id}/members creates a member."""
    service = next((name for prefix, name in SERVICES.items() if mount.startswith(prefix)), "load-balancer")
    words = [word for word in path.split("/") if word]
    names = [word for word in words if not word.startswith("{")]
    is_one = bool(words) and words[-1].startswith("{")
    if not names:
        return Kind(service, "version", "show")
    if is_one or _is_plural(names[-1]):
        operation = VERBS.get(method) or ("show" if is_one else "list")
        return Kind(service, _singular(names[-1]), operation)
    owner = names[-2] if len(names) > 1 else names[-1]
    return Kind(service, _singular(owner), names[-1])


def _is_plural(word: str) -> bool:
    return word.endswith("s") and word not in NOT_PLURAL


def _singular(word: str) -> str:
    if word in IRREGULAR:
        return IRREGULAR[word]
    if word.endswith("ies"):
        return re.sub(r"ies$", "y", word)
    return word.removesuffix("s")
