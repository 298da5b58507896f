"""Listeners: a frontend each, with its policies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ..store.snapshot import Record, Snapshot
from . import cfg, policies
from .backends import Backend, endpoint

FROM_CONNECTION = {
    "X-Forwarded-Port": "%[dst_port]",
    "X-Forwarded-Proto": "http",
    "X-Forwarded-IP": "%[src]",
    "X-Client-IP": "%[src]",
    "X-Real-IP": "%[src]",
}

Chosen = Mapping[tuple[str, str], Backend]


def section(listener: Record, snapshot: Snapshot, chosen: Chosen, most_connections: int) -> cfg.Section:
    return cfg.Section(
        ("frontend", listener.id),
        (
            *_socket(listener, snapshot, most_connections),
            *_allowed(listener),
            *(_http(listener, snapshot, chosen) if is_http(listener) else ()),
            *_default(listener, chosen),
        ),
    )


def is_http(listener: Record) -> bool:
    return bool(listener.protocol == "HTTP")


def _socket(listener: Record, snapshot: Snapshot, most_connections: int) -> Iterator[cfg.Line]:
    yield cfg.line("mode", "http" if is_http(listener) else "tcp")
    for address in snapshot.addresses:
        yield cfg.line("bind", endpoint(address, listener.protocol_port))
    limit = listener.connection_limit
    if limit == 0:
        yield cfg.line("tcp-request", "connection", "reject")  # to HAProxy, "maxconn 0" is no limit
    elif limit > 0:
        yield cfg.line("maxconn", min(limit, most_connections))
    yield cfg.line("timeout", "client", listener.timeout_client_data)
    if listener.timeout_tcp_inspect:
        yield cfg.line("tcp-request", "inspect-delay", listener.timeout_tcp_inspect)


def _allowed(listener: Record) -> Iterator[cfg.Line]:
    """Others are refused: with 403 where HTTP is spoken, else by closing the connection."""
    if not listener.allowed_cidrs:
        return
    for cidr in listener.allowed_cidrs:
        yield cfg.line("acl", "allowed", "src", "--", cidr)
    refuse = ("http-request", "deny") if is_http(listener) else ("tcp-request", "connection", "reject")
    yield cfg.line(*refuse, "if", "!allowed")


def _http(listener: Record, snapshot: Snapshot, chosen: Chosen) -> Iterator[cfg.Line]:
    yield from policies.lines(listener, snapshot)
    # After the policies, which judge the request as the client sent it.
    yield from _headers(listener)
    for pool_id in policies.pools(listener, snapshot):
        yield cfg.line("use_backend", chosen[listener.id, pool_id].name, "if", *policies.choice(pool_id))


def _headers(listener: Record) -> Iterator[cfg.Line]:
    wanted = {name for name, value in (listener.insert_headers or {}).items() if str(value).lower() == "true"}
    if "X-Forwarded-For" in wanted:
        yield cfg.line("option", "forwardfor")
    for name, value in FROM_CONNECTION.items():
        if name in wanted:
            yield cfg.line("http-request", "set-header", name, value)


def _default(listener: Record, chosen: Chosen) -> Iterator[cfg.Line]:
    """Without a default pool, HTTP clients are told 503 and TCP connections are closed."""
    backend = chosen.get((listener.id, listener.default_pool_id))
    if backend:
        yield cfg.line("default_backend", backend.name)
