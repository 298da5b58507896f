"""Why a change was refused or has failed, as far as the server tells: asked only after it went wrong."""

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
PARTS = {  # key in a status tree -> the kind of what is there
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
    """The refusal with which change holds the load balancer, and since when; the server may not tell."""
    holder = refusal.holder or _holder(api, refusal)
    if not holder:
        return refusal.hinting(f"It is busy with another change: {advice}")
    status = holder["provisioning_status"]
    advice = ERROR_ADVICE if status == "ERROR" else advice
    since = f" since {str(holder['since']).replace('T', ' ')} UTC" if holder.get("since") else ""
    what = _called(str(holder["resource"]), holder)
    return refusal.hinting(f"{what[0].upper()}{what[1:]} is {status}{since}: {advice}")


def can_pass(api: Api, refusal: errors.Busy) -> bool:
    """Whether waiting may help: some servers take no change to what is in ERROR, either."""
    if refusal.holder:
        return True
    id_ = _loadbalancer(refusal)
    try:
        return id_ is None or api.show(LOADBALANCER, id_)["provisioning_status"] != "ERROR"
    except errors.Error:
        return True


def failure(api: Api, loadbalancer_id: str) -> str:
    """What is in ERROR in a load balancer, and the reason if the server gives one; nothing where it tells neither."""
    try:
        tree = api.status(LOADBALANCER, loadbalancer_id)["loadbalancer"]
    except (errors.Error, KeyError, TypeError):
        return ""
    broken = [_called(kind, one) for kind, one in _parts(tree) if one.get("provisioning_status") == "ERROR"]
    more = [f"and {len(broken) - SHOWN_AT_MOST} more"] if len(broken) > SHOWN_AT_MOST else []
    listed = f"In ERROR: {', '.join([*broken[:SHOWN_AT_MOST], *more])}." if broken else ""
    return " ".join(filter(None, (tree.get("fault"), listed)))


def _holder(api: Api, refusal: errors.Busy) -> Mapping[str, Any] | None:
    """The part of a load balancer that a status tree shows as PENDING, the innermost one."""
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
        return None  # it has ended meanwhile
    return {**one, "resource": kind, "since": record.get("updated_at") or record.get("created_at")}


def _loadbalancer(refusal: errors.Busy) -> str | None:
    """The ID in the text of the refusal."""
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
