"""Reasons for refused and failed changes, as far as the server can name them. Needed only after a failure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ..resources import LOADBALANCER
from . import errors
from .api import Api
from .names import KINDS
from .rest import Json

ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
PARTS = {  # key in a status tree -> kind of the objects under it
    "listeners": "listener",
    "pools": "pool",
    "members": "member",
    "health_monitor": "healthmonitor",
    "l7policies": "l7policy",
    "rules": "l7rule",
}
SHOWN_AT_MOST = 5
ERROR_ADVICE = "what is in ERROR can be deleted or failed over."


def busy(api: Api, refusal: errors.Busy, advice: str = errors.Busy.advice) -> errors.Busy:
    """Add to a refusal which change keeps the load balancer busy and since when, if the server knows."""
    holder = refusal.holder or _holder(api, refusal)
    if not holder:
        return refusal.hinting(f"It is busy with another change: {advice}")
    status = holder["provisioning_status"]
    advice = ERROR_ADVICE if status == "ERROR" else advice
    since = f" since {str(holder['since']).replace('T', ' ')} UTC" if holder.get("since") else ""
    what = _called(str(holder["resource"]), holder)
    return refusal.hinting(f"{what[0].upper()}{what[1:]} is {status}{since}: {advice}")


def can_pass(api: Api, refusal: errors.Busy) -> bool:
    """Whether waiting may help. It does not if the load balancer is in ERROR and the server refuses all changes."""
    if refusal.holder:
        return True
    id_ = _loadbalancer(refusal)
    try:
        return id_ is None or api.show(LOADBALANCER, id_)["provisioning_status"] != "ERROR"
    except errors.Error:
        return True


def failure(api: Api, loadbalancer_id: str) -> str:
    """Return the reason why a load balancer failed and its parts in ERROR, as sentences; "" if neither is known."""
    try:
        tree = api.status(LOADBALANCER, loadbalancer_id)["loadbalancer"]
    except (errors.Error, KeyError, TypeError):
        return ""
    broken = [_called(kind, one) for kind, one in _parts(tree) if one.get("provisioning_status") == "ERROR"]
    more = [f"and {len(broken) - SHOWN_AT_MOST} more"] if len(broken) > SHOWN_AT_MOST else []
    listed = f"In ERROR: {', '.join([*broken[:SHOWN_AT_MOST], *more])}." if broken else ""
    return " ".join(filter(None, (tree.get("fault"), listed)))


def _holder(api: Api, refusal: errors.Busy) -> Mapping[str, Any] | None:
    """Return the last part that a load balancer's status tree shows as PENDING; None if there is none."""
    id_ = _loadbalancer(refusal)
    if id_ is None:
        return None
    try:
        record = api.show(LOADBALANCER, id_)
        tree = api.status(LOADBALANCER, id_)["loadbalancer"]
    except (errors.Error, KeyError, TypeError):
        return None
    pending = [(kind, one) for kind, one in _parts(tree) if str(one.get("provisioning_status")).startswith("PENDING_")]
    kind, one = pending[-1] if pending else ("loadbalancer", record)
    if one.get("provisioning_status") == "ACTIVE":
        return None  # the change has ended in the meantime
    return {**one, "resource": kind, "since": record.get("updated_at") or record.get("created_at")}


def _loadbalancer(refusal: errors.Busy) -> str | None:
    """Return the load balancer ID in the text of a refusal; None if there is none."""
    found = ID.search(refusal.words) if "oad" in refusal.words else None
    return found[0] if found else None


def _parts(tree: Json, kind: str = "loadbalancer") -> Iterator[tuple[str, Json]]:
    yield kind, tree
    for key, inner in PARTS.items():
        found = tree.get(key) or []
        for one in [found] if isinstance(found, dict) else found:
            yield from _parts(one, inner)


def _called(kind: str, one: Mapping[str, Any]) -> str:
    return f"{KINDS[kind].title if kind in KINDS else kind} {one.get('name') or one.get('id')}"
