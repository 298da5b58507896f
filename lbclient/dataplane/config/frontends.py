"""Translation of listeners into frontends, with their policies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ...store.records import ListenerRecord
from ...store.snapshot import Snapshot
from ..relay.interface import EXPORTER_SOCKET, METRICS_SOCKET
from . import cfg, policies, shaping, tls, traffic
from .backends import HTTP_LISTENERS, Backend, endpoint
from .udp import PROMETHEUS

FROM_CONNECTION = {
    "X-Forwarded-Port": "%[dst_port]",
    "X-Forwarded-IP": "%[src]",
    "X-Client-IP": "%[src]",
    "X-Real-IP": "%[src]",
}
# The values of Octavia's amphorae. HAProxy 2.8 applies +Q, which adds quotes, only in logs: these headers have none.
FROM_CLIENT_CERTIFICATE = {
    "X-SSL-Client-Verify": "%[ssl_c_verify]",
    "X-SSL-Client-Has-Cert": "%[ssl_c_used]",
    "X-SSL-Client-DN": "%{+Q}[ssl_c_s_dn]",
    "X-SSL-Client-CN": "%{+Q}[ssl_c_s_dn(cn)]",
    "X-SSL-Issuer": "%{+Q}[ssl_c_i_dn]",
    "X-SSL-Client-SHA1": "%{+Q}[ssl_c_sha1,hex]",
    "X-SSL-Client-Not-Before": "%{+Q}[ssl_c_notbefore]",
    "X-SSL-Client-Not-After": "%{+Q}[ssl_c_notafter]",
}

Chosen = Mapping[tuple[str, str], Backend]


def section(listener: ListenerRecord, snapshot: Snapshot, chosen: Chosen, most_connections: int) -> cfg.Section:
    return cfg.Section(
        ("frontend", listener.id),
        (
            *_socket(listener, snapshot, most_connections),
            *shaping.lines(snapshot.shaping, is_http(listener)),
            *traffic.lines(listener, snapshot, is_http(listener)),
            *_allowed(listener, snapshot.clients(listener)),
            *(_http(listener, snapshot, chosen) if is_http(listener) else ()),
            *_default(listener, chosen),
        ),
    )


def is_http(listener: ListenerRecord) -> bool:
    return bool(listener.protocol in (*HTTP_LISTENERS, PROMETHEUS))


def _socket(listener: ListenerRecord, snapshot: Snapshot, most_connections: int) -> Iterator[cfg.Line]:
    yield cfg.line("mode", "http" if is_http(listener) else "tcp")
    for address in snapshot.bound(listener):
        # Without it HAProxy does not recognize the sockets of its old worker and loses connections, also IPv4 ones.
        only = ("v6only",) if ":" in address else ()
        yield cfg.line("bind", endpoint(address, listener.protocol_port), *only, *tls.bind(listener))
    limit = listener.connection_limit
    if limit == 0:
        yield cfg.line("tcp-request", "connection", "reject")  # in HAProxy, "maxconn 0" means no limit
    elif limit > 0:
        yield cfg.line("maxconn", min(limit, most_connections))
    yield cfg.line("timeout", "client", listener.timeout_client_data)
    if listener.timeout_tcp_inspect:
        yield cfg.line("tcp-request", "inspect-delay", listener.timeout_tcp_inspect)


def _allowed(listener: ListenerRecord, clients: tuple[str, ...] | None) -> Iterator[cfg.Line]:
    """Yield the rules that refuse clients outside these networks, with 403 for HTTP, else by closing the connection.

    Each address family is compared only with its own networks: HAProxy would otherwise match 10.0.0.1 with ::/0, and
    2002:a00:1:: with 10.0.0.0/8.
    """
    if clients is None:
        return
    refuse = ("http-request", "deny") if is_http(listener) else ("tcp-request", "connection", "reject")
    yield cfg.line("acl", "ipv6", "src", "-m", "sub", "--", ":")
    for name, is_family, networks in (
        ("allowed4", "!ipv6", [each for each in clients if ":" not in each]),
        ("allowed6", "ipv6", [each for each in clients if ":" in each]),
    ):
        for network in networks:
            yield cfg.line("acl", name, "src", "--", network)
        yield cfg.line(*refuse, "if", is_family, *((f"!{name}",) if networks else ()))


def _http(listener: ListenerRecord, snapshot: Snapshot, chosen: Chosen) -> Iterator[cfg.Line]:
    yield from tls.transport_security(listener)
    yield from policies.lines(listener, snapshot)
    # After the policies, which judge the request as the client sent it.
    yield from _headers(listener)
    names = {pool_id: backend.name for (owner, pool_id), backend in chosen.items() if owner == listener.id}
    yield from policies.chosen_backends(listener, snapshot, names)


def _headers(listener: ListenerRecord) -> Iterator[cfg.Line]:
    wanted = {name for name, value in (listener.insert_headers or {}).items() if str(value).lower() == "true"}
    if "X-Forwarded-For" in wanted:
        yield cfg.line("option", "forwardfor")
    scheme = "https" if tls.is_terminated(listener) else "http"
    for name, value in {"X-Forwarded-Proto": scheme, **FROM_CONNECTION, **FROM_CLIENT_CERTIFICATE}.items():
        if name in wanted:
            yield cfg.line("http-request", "set-header", name, value)


def metrics(listeners: Sequence[ListenerRecord], socket_options: Sequence[object]) -> tuple[cfg.Section, ...]:
    """Return the sections that serve PROMETHEUS listeners; none if there is no such listener.

    The relay reads HAProxy's metrics and answers with the names of Octavia's.
    """
    if all(each.protocol != PROMETHEUS for each in listeners):
        return ()
    return (
        cfg.Section(
            ("backend", "metrics"),
            (
                cfg.line("mode", "http"),
                cfg.line("timeout", "connect", "5s"),
                cfg.line("timeout", "server", "15s"),
                cfg.line("server", "relay", f"unix@{METRICS_SOCKET}"),
            ),
        ),
        cfg.Section(
            ("frontend", "exporter"),
            (
                cfg.line("mode", "http"),
                cfg.line("bind", f"unix@{EXPORTER_SOCKET}", *socket_options),
                cfg.line("timeout", "client", "10s"),
                cfg.line("http-request", "use-service", "prometheus-exporter"),
            ),
        ),
    )


def _default(listener: ListenerRecord, chosen: Chosen) -> Iterator[cfg.Line]:
    """Yield the default backend. Without one, HTTP clients get 503 and TCP connections are closed."""
    if listener.protocol == PROMETHEUS:
        yield cfg.line("default_backend", "metrics")
        return
    backend = chosen.get((listener.id, listener.default_pool_id)) if listener.default_pool_id else None
    if backend:
        yield cfg.line("default_backend", backend.name)
