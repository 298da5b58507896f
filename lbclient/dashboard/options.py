"""The choices of a form: the objects that an attribute can refer to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..client import certificates, errors
from ..client.names import KINDS
from ..client.rest import Rest
from ..resources import Field
from .forms import Option
from .visit import Visit

MOST = 200  # objects in a list; where there are more, the name or the ID is typed
PAGE = 100


def of(visit: Visit, each: Field) -> Sequence[Option] | None:
    """Return the choices of an attribute; None where it is typed."""
    if each.in_key_manager:
        return _certificates(visit)
    if each.name == "provider":
        return _listed(visit, "provider", "name")
    if each.name == "availability_zone":
        return _listed(visit, "availabilityzone", "name")
    if each.refers == "project":
        return [(project.id, project.name) for project in visit.session.projects]
    return _listed(visit, each.refers, "id") if each.refers in KINDS else None


def _listed(visit: Visit, kind: str | None, identifier: str) -> Sequence[Option] | None:
    what = KINDS[str(kind)]
    service: Rest = getattr(visit.services, what.service)
    try:
        found = service.get(what.path, {"limit": MOST + 1})[what.collection]
    except errors.Refused:
        return None
    if len(found) > MOST:
        return None
    return [(str(one.get(identifier)), _words(one, what.name)) for one in found]


def _words(one: dict[str, Any], attribute: str) -> str:
    name = str(one.get(attribute) or "")
    more = one.get("cidr") or one.get("fixed_ips") or one.get("protocol_port") or ""
    if isinstance(more, list):
        more = ", ".join(str(each.get("ip_address")) for each in more)
    said = f"{name} ({more})" if name and more else str(name or more)
    return said or str(one.get("id"))


def _certificates(visit: Visit) -> Sequence[Option] | None:
    service = visit.services.key_manager
    try:
        containers = list(certificates.listed(service))
        secrets = service.get("/secrets", {"limit": PAGE})["secrets"]
    except errors.Error:
        return None
    found = [(str(one["container_ref"]), str(one.get("name") or one["container_ref"])) for one in containers]
    within = {str(part["secret_ref"]) for one in containers for part in one["secret_refs"]}
    loose = [one for one in secrets if str(one["secret_ref"]) not in within]
    return [*found, *((str(one["secret_ref"]), f"{one.get('name') or one['secret_ref']} (secret)") for one in loose)]
