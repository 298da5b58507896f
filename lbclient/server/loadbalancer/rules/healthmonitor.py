"""Validation rules across a health monitor's fields and its pool's protocol, with Octavia's error texts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

from ....resources.healthmonitor import HTTP_OPTIONS, HTTP_TYPES
from ....store.prepared import by
from ....store.records import Record
from ....store.tables import HEALTHMONITOR
from ...errors import BadRequest, Conflict, InvalidInput, ValidationFailure
from .listener import DATAGRAM_PROTOCOLS

Values = dict[str, Any]


def check(values: Values, pool_protocol: str) -> None:
    """Check a health monitor's fields against each other and its pool's protocol.

    Raises ValidationFailure, InvalidInput and BadRequest.
    """
    kind = values["type"]
    is_datagram = pool_protocol in DATAGRAM_PROTOCOLS
    if is_datagram and kind not in ("UDP-CONNECT", "SCTP", "TCP", "HTTP"):
        raise ValidationFailure(
            f"A pool of protocol {pool_protocol} can be checked by UDP-CONNECT, SCTP, TCP and HTTP, not by {kind}."
        )
    if not is_datagram and kind in ("UDP-CONNECT", "SCTP"):
        raise ValidationFailure(f"{kind} checks pools of protocol UDP and SCTP, not {pool_protocol}.")
    if kind == "UDP-CONNECT" and values["delay"] < 3:
        raise ValidationFailure("delay must be 3 or more with type UDP-CONNECT.")
    if values["domain_name"] and values["http_version"] != "1.1":
        raise ValidationFailure("http_version 1.1 is needed with domain_name: it is the Host header of HTTP/1.1.")
    _check_codes(values["expected_codes"])
    check_options(kind, [name for name in HTTP_OPTIONS if values[name] is not None])


def _check_codes(codes: str | None) -> None:
    """Check that a range of codes is ascending: HAProxy accepts no other. Raises InvalidInput."""
    first, dash, last = (codes or "").partition("-")
    if dash and first > last:
        raise InvalidInput("expected_codes", codes, f"A range runs from the lower code to the higher: {last}-{first}")


def check_options(kind: str, given: Iterable[str]) -> None:
    """Check that options of HTTP checks are given only to those; an update of another must not name them, even as null.

    Raises BadRequest with Octavia's text.
    """
    for name in HTTP_OPTIONS:
        if name in given and kind not in HTTP_TYPES:
            raise BadRequest(f"{name} is not a valid option for health monitors of type {kind}")


def with_defaults(values: Values) -> Values:
    """Fill in the method, path and codes of an HTTP check; other types have none of these."""
    if values["type"] not in HTTP_TYPES:
        return values
    defaults = {"http_method": "GET", "url_path": "/", "expected_codes": "200"}
    return {**values, **{name: values[name] or default for name, default in defaults.items()}}


def of_pool(tx: sa.Connection, pool_id: str) -> Record | None:
    """Return a pool's health monitor, or None."""
    return by(HEALTHMONITOR, "pool_id").first(tx, pool_id=pool_id)


def check_is_first(tx: sa.Connection, pool_id: str) -> None:
    if of_pool(tx, pool_id) is not None:
        raise Conflict("This pool already has a health monitor")
