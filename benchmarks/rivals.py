"""What others are told to do the same: three ports, for HTTP, TCP and TLS, before two members."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

STREAM_MODULE = "/usr/lib/nginx/modules/ngx_stream_module.so"
HAPROXY = """
global
 nbthread 1
 maxconn 5000
defaults
 mode http
 timeout client 50s
 timeout connect 5s
 timeout server 50s
frontend clients
 bind 127.0.0.1:{http}
 bind 127.0.0.1:{tls} ssl crt {secret}/both.pem alpn h2,http/1.1
 default_backend members
frontend lines
 mode tcp
 bind 127.0.0.1:{tcp}
 default_backend machines
backend members
 balance roundrobin
 server one 127.0.0.1:{first}
 server two 127.0.0.1:{second}
backend machines
 mode tcp
 balance roundrobin
 server one 127.0.0.1:{first}
 server two 127.0.0.1:{second}
"""
NGINX = """
daemon off; master_process off; error_log stderr error; pid nginx.pid;
{module}
events {{ worker_connections 10000; }}
http {{
 access_log off;
 upstream members {{ server 127.0.0.1:{first}; server 127.0.0.1:{second}; keepalive 64; }}
 server {{
  listen 127.0.0.1:{http};
  listen 127.0.0.1:{tls} ssl;
  ssl_protocols TLSv1.2 TLSv1.3;
  ssl_certificate {secret}/cert.pem; ssl_certificate_key {secret}/key.pem;
  keepalive_requests 1000000000;
  location / {{ proxy_pass http://members; proxy_http_version 1.1; proxy_set_header Connection ""; }}
 }}
}}
stream {{
 upstream members {{ server 127.0.0.1:{first}; server 127.0.0.1:{second}; }}
 server {{ listen 127.0.0.1:{tcp}; proxy_pass members; }}
}}
"""


class Ports(NamedTuple):
    http: int
    tcp: int
    tls: int


def haproxy(ports: Ports, to: tuple[int, int], secret: Path) -> str:
    return HAPROXY.format(**ports._asdict(), first=to[0], second=to[1], secret=secret)


def nginx(ports: Ports, to: tuple[int, int], secret: Path) -> str:
    module = os.environ.get("NGINX_STREAM", STREAM_MODULE)
    load = f"load_module {module};" if Path(module).exists() else ""
    return NGINX.format(**ports._asdict(), first=to[0], second=to[1], secret=secret, module=load)


def envoy(ports: Ports, to: tuple[int, int], secret: Path) -> str:
    """JSON is YAML, too."""
    texts = {"certificate_chain": "cert.pem", "private_key": "key.pem"}
    pair = {name: {"filename": str(secret / file)} for name, file in texts.items()}
    tls = {"common_tls_context": {"tls_certificates": [pair], "alpn_protocols": ["h2", "http/1.1"]}}
    wrapped = {"name": "tls", "typed_config": _typed("transport_sockets.tls.v3.DownstreamTlsContext", tls)}
    manager = {
        "stat_prefix": "http",
        "http_filters": [{"name": "router", "typed_config": _typed("filters.http.router.v3.Router", {})}],
        "route_config": {
            "virtual_hosts": [
                {
                    "name": "all",
                    "domains": ["*"],
                    "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "members"}}],
                }
            ]
        },
    }
    http = _typed("filters.network.http_connection_manager.v3.HttpConnectionManager", manager)
    tcp = _typed("filters.network.tcp_proxy.v3.TcpProxy", {"stat_prefix": "tcp", "cluster": "members"})
    listeners = [_listening(ports.http, http), _listening(ports.tcp, tcp), _listening(ports.tls, http, wrapped)]
    endpoints = [{"endpoint": {"address": _address(port)}} for port in to]
    cluster = {
        "name": "members",
        "type": "STATIC",
        "load_assignment": {"cluster_name": "members", "endpoints": [{"lb_endpoints": endpoints}]},
    }
    return json.dumps({"static_resources": {"listeners": listeners, "clusters": [cluster]}})


def _typed(kind: str, values: dict[str, Any]) -> dict[str, Any]:
    return {"@type": f"type.googleapis.com/envoy.extensions.{kind}", **values}


def _address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def _listening(port: int, what: dict[str, Any], wrapped: dict[str, Any] | None = None) -> dict[str, Any]:
    chain = {"filters": [{"name": "proxy", "typed_config": what}], **({"transport_socket": wrapped} if wrapped else {})}
    return {"name": str(port), "address": _address(port), "filter_chains": [chain]}


CONFIGURATIONS: dict[str, Callable[[Ports, tuple[int, int], Path], str]] = {
    "HAProxy by hand": haproxy,
    "nginx": nginx,
    "Envoy": envoy,
}
