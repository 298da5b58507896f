"""Validation rules across a pool's fields and for references to pools, with Octavia's error texts."""

from __future__ import annotations

import re
from typing import Any

import sqlalchemy as sa

from ....resources.pool import COOKIE_NAME
from ....store.prepared import by
from ....store.records import LoadBalancerRecord, Record
from ....store.tables import L7POLICY, POOL
from ...errors import Conflict, InvalidInput, NotFound, ValidationFailure
from .listener import DATAGRAM_PROTOCOLS

Values = dict[str, Any]


def check(values: Values) -> None:
    """Check a pool's fields against each other. Raises ValidationFailure and InvalidInput."""
    if values["session_persistence"] is not None:
        _check_persistence(values["protocol"], values["session_persistence"])
    if values["crl_container_ref"] and not values["ca_tls_container_ref"]:
        raise ValidationFailure("crl_container_ref needs ca_tls_container_ref.")
    for name in ("tls_versions", "alpn_protocols"):
        if values[name] is not None and not values[name]:
            raise ValidationFailure(f"{name} must not be an empty list; null means the default.")


def persistence(given: dict[str, str | None], current: dict[str, Any] | None) -> dict[str, Any]:
    """Complete a given session persistence; one without a type keeps the current type. Raises InvalidInput."""
    if not given.get("type"):
        if current is None:
            raise InvalidInput("session_persistence", given, "It needs a type: SOURCE_IP, HTTP_COOKIE or APP_COOKIE.")
        given = {**given, "type": current["type"]}
    seconds = {
        name: _persistence_number(name, given.get(name)) for name in ("persistence_timeout", "persistence_granularity")
    }
    whole = {"type": given["type"], "cookie_name": given.get("cookie_name"), **seconds}
    if seconds["persistence_granularity"] is None:
        whole["persistence_granularity"] = given.get("persistence_granularity")
    return whole


def _persistence_number(name: str, value: str | None) -> int | None:
    if value is None or name == "persistence_granularity":
        return None  # granularity is a netmask, as text
    if not (value.isascii() and value.isdecimal()) or int(value) > 2147483647:
        raise InvalidInput(name, value, "Value should be a number of seconds.")
    return int(value)


def _check_persistence(protocol: str, whole: dict[str, Any]) -> None:
    kind = whole["type"]
    if kind not in ("SOURCE_IP", "HTTP_COOKIE", "APP_COOKIE"):
        raise InvalidInput("type", kind, "Value should be one of: SOURCE_IP, HTTP_COOKIE, APP_COOKIE")
    if kind == "APP_COOKIE":
        if not whole["cookie_name"]:
            raise ValidationFailure("Session persistence of type APP_COOKIE needs cookie_name.")
        if not re.fullmatch(COOKIE_NAME, whole["cookie_name"]):
            raise InvalidInput("cookie_name", whole["cookie_name"], "It is not a valid cookie name (RFC 6265).")
    elif whole["cookie_name"]:
        raise ValidationFailure(f"cookie_name is only used with APP_COOKIE session persistence, not with {kind}.")
    is_datagram = protocol in DATAGRAM_PROTOCOLS
    if is_datagram and kind != "SOURCE_IP":
        raise ValidationFailure(f"session_persistence of type {kind} is not possible with protocol {protocol}.")
    if not is_datagram and (whole["persistence_timeout"] or whole["persistence_granularity"]):
        raise ValidationFailure(
            "persistence_timeout and persistence_granularity are only possible with protocols UDP and SCTP and "
            "type SOURCE_IP."
        )


def check_is_unused(tx: sa.Connection, pool_id: str) -> None:
    """Check that no L7 policy redirects to the pool. Raises Conflict."""
    user = by(L7POLICY, "redirect_pool_id").first(tx, redirect_pool_id=pool_id)
    if user:
        raise Conflict(f"Pool {pool_id} is in use by L7 policy {user.id}")


def of(tx: sa.Connection, loadbalancer: LoadBalancerRecord, pool_id: str) -> Record:
    """Return the pool if it belongs to the load balancer. Raises NotFound."""
    return _found(tx, pool_id, loadbalancer_id=loadbalancer.id)


def of_project(tx: sa.Connection, project_id: str, pool_id: str) -> Record:
    """Return the pool if it belongs to the project. Raises NotFound."""
    return _found(tx, pool_id, project_id=project_id)


def _found(tx: sa.Connection, pool_id: str, **owner: str) -> Record:
    pool = by(POOL, "id", *owner).first(tx, id=pool_id, **owner)
    if pool is None:
        raise NotFound.named("Pool", pool_id)
    return pool
