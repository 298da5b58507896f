"""Rules across an L7 policy's fields, and its place among its listener's, in Octavia's words."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from ...store.snapshot import Record
from ...store.tables import L7POLICY
from ..errors import ValidationFailure

Values = dict[str, Any]

# Which field each action needs.
REDIRECTS = {
    "redirect_pool_id": "REDIRECT_TO_POOL",
    "redirect_url": "REDIRECT_TO_URL",
    "redirect_prefix": "REDIRECT_PREFIX",
}


def complete(values: Values, current: Record | None) -> Values:
    """What the action needs and nothing else; a new target of a PUT decides the action."""
    given = {name for name in REDIRECTS if values.get(name) is not None}
    if len(given) > 1:
        raise ValidationFailure(f"{' and '.join(sorted(given))} cannot be given together: an action has one target.")
    merged = {**({} if current is None else current._mapping), **values}
    if current is not None and given and "action" not in values:
        merged["action"] = REDIRECTS[next(iter(given))]
    action = merged["action"]
    for name, owner in REDIRECTS.items():
        if owner == action and merged[name] is None:
            raise ValidationFailure(f"{name} must not be None: {action} needs it.")
        if owner != action:
            if name in given:
                raise ValidationFailure(f"{name} is not possible with action {action}.")
            merged[name] = None
    return {**merged, "redirect_http_code": _redirect_code(action, values, merged)}


def _redirect_code(action: str, values: Values, merged: Values) -> int | None:
    if action in ("REDIRECT_TO_URL", "REDIRECT_PREFIX"):
        return merged["redirect_http_code"] or 302
    if values.get("redirect_http_code") is not None:
        raise ValidationFailure(f"redirect_http_code is not possible with action {action}.")
    return None


def move(tx: sa.Connection, listener_id: str, policy_id: str, position: int) -> int:
    """Put a policy at its place among its listener's, and number them from 1. Returns its position."""
    others = list(
        tx.scalars(
            sa.select(L7POLICY.c.id)
            .where(L7POLICY.c.listener_id == listener_id, L7POLICY.c.id != policy_id)
            .order_by(L7POLICY.c.position, L7POLICY.c.serial)
        )
    )
    others.insert(position - 1, policy_id)
    _number(tx, others)
    return others.index(policy_id) + 1


def close_gap(tx: sa.Connection, listener_id: str, policy_id: str) -> None:
    """Number the policies that stay when one is deleted; the deleted one stands last until it is gone."""
    move(tx, listener_id, policy_id, 2**31)


def _number(tx: sa.Connection, ids: list[str]) -> None:
    for position, id_ in enumerate(ids, start=1):
        row = (L7POLICY.c.id == id_) & (L7POLICY.c.position != position)
        tx.execute(sa.update(L7POLICY).where(row).values(position=position))
