"""Traffic logs: each request or connection becomes a line of JSON, which a ring buffer sends to the server."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ...store.records import ListenerRecord
from ...store.snapshot import Snapshot
from ..relay.interface import TRAFFIC_SOCKET
from . import cfg

RING = "traffic"
LONGEST_LINE = 16384  # bytes, of the worst case: every character of the path and the headers escaped
LONGEST_PATH = 1024  # bytes
LONGEST_HEADER = 256
KEPT = 1024 * 1024  # bytes, while the server is not running
KEPT_WHILE_OFF = 10  # megabytes of a listener whose traffic is not logged any more
PATH = "txn.log_path"
TRACE, FLAGS = "txn.trace", "txn.trace_flags"
VALID_TRACE = "^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$"

Setting = Mapping[str, Any]  # the fields of resources.logging.LOGGING


def setting(listener: ListenerRecord, snapshot: Snapshot) -> Setting | None:
    """Return the setting of a listener, its own or else the load balancer's; None if its traffic is not logged."""
    found: Setting | None = snapshot.loadbalancer.logging if listener.logging is None else listener.logging
    return found if found and found["enabled"] else None


def ring(listeners: Sequence[ListenerRecord], snapshot: Snapshot) -> tuple[cfg.Section, ...]:
    """Return the ring buffer, through which nothing is lost in reloads; none if nothing is logged."""
    if not any(setting(each, snapshot) for each in listeners):
        return ()
    lines = (
        cfg.line("format", "raw"),
        cfg.line("maxlen", LONGEST_LINE),
        cfg.line("size", KEPT),
        cfg.line("timeout", "connect", "1s"),
        cfg.line("timeout", "server", "10s"),
        cfg.line("server", "reader", f"unix@{TRAFFIC_SOCKET}", "log-proto", "octet-count"),
    )
    return (cfg.Section(("ring", RING), lines),)


def lines(listener: ListenerRecord, snapshot: Snapshot, is_http: bool) -> Iterator[cfg.Line]:
    """Yield the lines of a frontend that log its traffic. They go first: denied requests are logged, too."""
    wanted = setting(listener, snapshot)
    if wanted is None:
        return
    is_sampled = wanted["sampling"] > 1
    sample = ("sample", f"1:{wanted['sampling']}") if is_sampled and not is_http else ()
    yield cfg.line("log", f"ring@{RING}", "len", LONGEST_LINE, "format", "raw", *sample, "local0", "info")
    yield cfg.line("log-format", _line(listener, _http(wanted) if is_http else _TCP))
    yield cfg.line("error-log-format", _line(listener, {**_FAILED, **(_BAD if is_http else {})}))
    if is_http:
        if is_sampled:
            # The sampling of HAProxy's log line drops lines after it has built them, which saves little of their cost.
            chosen = ("{", f"rand({wanted['sampling']})", "eq", "0", "}")
            yield cfg.line("http-request", "set-log-level", "silent", "unless", *chosen)
        for name in wanted["headers"]:
            yield cfg.line("capture", "request", "header", name, "len", LONGEST_HEADER)
        path = "pathq" if wanted["query"] else "path"
        yield cfg.line("http-request", f"set-var({PATH})", f"{path},bytes(0,{LONGEST_PATH})")
        if wanted["trace"]:
            yield from _trace()


def _trace() -> Iterator[cfg.Line]:
    """Yield the rules that continue the client's trace with a new span, or begin a trace."""
    valid = ("{", "req.hdr(traceparent)", "-m", "reg", VALID_TRACE, "}")
    set_trace, set_flags = f"set-var({TRACE})", f"set-var({FLAGS})"
    yield cfg.line("http-request", set_trace, "uuid,regsub(-,,g)")
    yield cfg.line("http-request", set_flags, "str(01)")
    yield cfg.line("http-request", set_flags, "req.hdr(traceparent),field(4,-)", "if", *valid)
    yield cfg.line("http-request", set_trace, "req.hdr(traceparent),field(2,-)", "if", *valid)
    span = "%[uuid,regsub(-,,g),bytes(0,16)]"
    yield cfg.line("http-request", "set-header", "traceparent", f"00-%[var({TRACE})]-{span}-%[var({FLAGS})]")


def _json(expression: str) -> str:
    """Return a JSON string of what a client controls, whatever bytes are in it."""
    return f'"%[{expression},json(utf8s)]"'


_FROM = {"ts": "%Ts.%ms", "client": '"%ci"', "client_port": "%cp"}
_TO = {"backend": '"%b"', "server": '"%s"', "bytes_in": "%U", "bytes_out": "%B", "ended": '"%ts"'}
_TCP = {**_FROM, **_TO, "connect_ms": "%Tc", "milliseconds": "%Tt"}
_FAILED = {**_FROM, "error": _json("fc_err_str"), "tls_error": _json("ssl_fc_err_str")}
_BAD = {"status": "%ST", "bytes_in": "%U", "bytes_out": "%B", "ended": '"%ts"'}  # a request that is not HTTP


def _http(wanted: Setting) -> dict[str, str]:
    headers = ",".join(f'"{name}":{_json(f"capture.req.hdr({place})")}' for place, name in enumerate(wanted["headers"]))
    return {
        **_FROM,
        "method": _json("capture.req.method"),
        "path": _json(f"var({PATH})"),
        "status": "%ST",
        **_TO,
        "connect_ms": "%Tc",
        "response_ms": "%Tr",
        "milliseconds": "%Ta",
        "headers": f"{{{headers}}}",
        **({"trace": _json(f"var({TRACE})")} if wanted["trace"] else {}),
    }


def _line(listener: ListenerRecord, values: Mapping[str, str]) -> str:
    """Return the log format of a line: the listener's ID, by which the server files it, a blank, and JSON."""
    members = ",".join(f'"{name}":{value}' for name, value in values.items())
    return f"{listener.id} {{{members}}}"
