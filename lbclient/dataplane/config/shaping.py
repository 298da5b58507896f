"""Bandwidth limits and DSCP marks of QoS policies, for HAProxy."""

from __future__ import annotations

from collections.abc import Iterator

from ...store.snapshot import Shaping
from . import cfg

TABLE = "bandwidth"
KEY = "int(1)"  # the same for all: the streams of all listeners share the limit
IS_TUNNEL_ASKED = ("{", "req.hdr(upgrade)", "-m", "found", "}", "||", "{", "method", "CONNECT", "}")
FILTERS = {  # the filter, and the rule that turns it on
    "egress": ("bwlim-out", "http-response", "{", "status", "101", "}", "||", "{", "method", "CONNECT", "}"),
    "ingress": ("bwlim-in", "http-request", *IS_TUNNEL_ASKED),
}
BYTES = 125  # of a kilobit
MOST = 2**32 - 1  # bytes per second; HAProxy accepts no greater limit, and is never that fast
DSCP_SHIFT = 2  # DSCP are the upper six bits of the traffic class


def table(wanted: Shaping) -> tuple[cfg.Section, ...]:
    """Return the section with the counters that streams share; none without a limit."""
    if not wanted.has_limits:
        return ()
    kept = "store", "bytes_in_rate(1s),bytes_out_rate(1s)"
    line = cfg.line("stick-table", "type", "integer", "size", 1, "expire", "1h", *kept)
    return (cfg.Section(("backend", TABLE), (line,)),)


def lines(wanted: Shaping, is_http: bool) -> Iterator[cfg.Line]:
    """Yield the lines of a frontend; its connections to clients are marked.

    Only HTTP is limited. Where HAProxy passes bytes on as they are, the filter loses the last ones when a side closes
    (HAProxy's issue 3457): in TCP mode, and in the tunnels that follow an upgrade or CONNECT.
    """
    if wanted.dscp is not None:
        yield cfg.line("tcp-request", "connection", "set-tos", wanted.dscp << DSCP_SHIFT)
    if not is_http:
        return
    for name, (filter_, *rule) in FILTERS.items():
        limit = bytes_per_second(getattr(wanted, name))
        if limit:
            yield cfg.line("filter", filter_, name, "limit", limit, "key", KEY, "table", TABLE)
            yield cfg.line(rule[0], "set-bandwidth-limit", name, "unless", *rule[1:])


def bytes_per_second(kbps: int | None) -> int:
    """Convert a limit in kbit/s; 0 for none."""
    return min((kbps or 0) * BYTES, MOST)
