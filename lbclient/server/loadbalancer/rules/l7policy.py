"""Validation rules across an L7 policy's fields, with Octavia's error texts, and positions within a listener."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from ....resources.l7policy import REDIRECTS
from ....store.prepared import Prepared, update
from ....store.records import Record
from ....store.tables import L7POLICY, L7RULE
from ...errors import BadRequest

Values = dict[str, Any]

# The fields that a given action ignores, though the request may contain them.
LEFT_ASIDE = {
    "REJECT": ("redirect_pool_id", "redirect_url"),
    "REDIRECT_TO_URL": ("redirect_pool_id",),
    "REDIRECT_TO_POOL": ("redirect_url",),
}
DEFAULT_CODE = 302


def check_is_a_change(values: Values) -> None:
    """Refuse an empty update, which only L7 policies do. Raises BadRequest."""
    if not values:
        raise BadRequest("Invalid L7 Policy arguments: there is nothing to change.")


def complete(values: Values, current: Record | None) -> Values:
    """Return all values of a policy, with only the target that its action needs. Raises BadRequest.

    As in Octavia, a given target determines the action.
    """
    merged = {**({} if current is None else current._mapping), **values}
    aside = LEFT_ASIDE.get(values.get("action", ""), ())
    given = [name for name in REDIRECTS if values.get(name) is not None and name not in aside]
    if "redirect_pool_id" in given and len(given) > 1:
        raise BadRequest(f"Invalid L7 Policy arguments: {' and '.join(given)} cannot be given together.")
    _check_target(values.get("action"), merged)
    chosen = _chosen(given)
    action = REDIRECTS[chosen] if chosen else merged["action"]
    _check_target(action, merged)
    for name, owner in REDIRECTS.items():
        merged[name] = merged[name] if owner == action else None
    return {**merged, "action": action, "redirect_http_code": _redirect_code(action, merged)}


def _check_target(action: str | None, merged: Values) -> None:
    for name, owner in REDIRECTS.items():
        if owner == action and merged[name] is None:
            raise BadRequest(f"Invalid L7 Policy arguments: {name} must not be None: {action} needs it.")


def _chosen(given: list[str]) -> str | None:
    """Return the field that determines the action: redirect_url wins over the others, the last one given otherwise."""
    return "redirect_url" if "redirect_url" in given else given[-1] if given else None


def _redirect_code(action: str, merged: Values) -> int | None:
    code: int | None = merged["redirect_http_code"]
    if action == "REDIRECT_TO_POOL":
        return None
    return code if action == "REJECT" else code or DEFAULT_CODE


def is_at_work() -> sa.ColumnElement[bool]:
    """The SQL condition that a policy is in effect: it is enabled and has at least one rule."""
    return L7POLICY.c.admin_state_up & sa.exists().where(L7RULE.c.l7policy_id == L7POLICY.c.id)


_OTHERS = (L7POLICY.c.listener_id == sa.bindparam("listener_id")) & (L7POLICY.c.id != sa.bindparam("policy_id"))
_COUNT_OTHERS = Prepared(sa.select(sa.func.count()).select_from(L7POLICY).where(_OTHERS))
# Policies with equal positions are ordered by creation.
_RANKED = (
    sa.select(L7POLICY.c.id, sa.func.row_number().over(order_by=(L7POLICY.c.position, L7POLICY.c.serial)).label("rank"))
    .where(_OTHERS)
    .subquery()
)
_NEW_POSITION = _RANKED.c.rank + sa.case((_RANKED.c.rank >= sa.bindparam("place"), 1), else_=0)
_MOVE_OTHERS = Prepared(
    sa.update(L7POLICY)
    .where(L7POLICY.c.id == _RANKED.c.id, L7POLICY.c.position != _NEW_POSITION)
    .values(position=_NEW_POSITION)
)


def move(tx: sa.Connection, listener_id: str, policy_id: str, position: int) -> int:
    """Move a policy to a position within its listener, renumber the others from 1 and return the actual position."""
    others: int = _COUNT_OTHERS.scalar(tx, listener_id=listener_id, policy_id=policy_id)
    place = min(position, others + 1)
    _MOVE_OTHERS.run(tx, listener_id=listener_id, policy_id=policy_id, place=place)
    update(L7POLICY, "position").run(tx, row_id=policy_id, position=place)
    return place


def close_gap(tx: sa.Connection, listener_id: str, policy_id: str) -> None:
    """Renumber the remaining policies when one is deleted; the deleted one stays last until its row is removed."""
    move(tx, listener_id, policy_id, 2**31)
