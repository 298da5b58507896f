"""The listener: a port and a protocol on a load balancer's addresses."""

from __future__ import annotations

from . import shared
from .fields import ALL, EDIT, FIXED, INPUT, Cli, Field, Resource, Type

PROTOCOLS = ("TCP", "HTTP", "HTTPS", "TERMINATED_HTTPS", "UDP", "SCTP", "PROMETHEUS")
# Listener protocol -> the pool protocols that go with it.
POOL_PROTOCOLS = {
    "HTTP": ("HTTP", "PROXY", "PROXYV2"),
    "HTTPS": ("HTTPS", "PROXY", "PROXYV2", "TCP"),
    "TERMINATED_HTTPS": ("HTTP", "PROXY", "PROXYV2"),
    "TCP": ("HTTP", "HTTPS", "PROXY", "PROXYV2", "TCP"),
    "UDP": ("UDP",),
    "SCTP": ("SCTP",),
    "PROMETHEUS": (),
}
TLS_VERSIONS = ("SSLv3", "TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")
OLD_TLS_VERSIONS = TLS_VERSIONS[:3]
ALPN_PROTOCOLS = ("http/1.0", "http/1.1", "h2")
TLS_CIPHERS = r"[A-Za-z0-9\-+!:@=_.]+"
TIMEOUT_MAXIMUM = 2073600000  # ms: 24 days

HTTP_HEADERS = (
    "X-Forwarded-For",
    "X-Forwarded-Port",
    "X-Forwarded-Proto",
    "X-Forwarded-IP",
    "X-Client-IP",
    "X-Real-IP",
)
TLS_HEADERS = (
    "X-SSL-Client-Verify",
    "X-SSL-Client-Has-Cert",
    "X-SSL-Client-DN",
    "X-SSL-Client-CN",
    "X-SSL-Issuer",
    "X-SSL-Client-SHA1",
    "X-SSL-Client-Not-Before",
    "X-SSL-Client-Not-After",
)
INSERTED_HEADERS = {"HTTP": HTTP_HEADERS, "TERMINATED_HTTPS": HTTP_HEADERS + TLS_HEADERS}  # by protocol
NEED_TERMINATION = (
    "default_tls_container_ref",
    "sni_container_refs",
    "client_ca_tls_container_ref",
    "client_authentication",
    "hsts_max_age",
)


def timeout(name: str, help: str, default: int) -> Field:
    return Field(name, Type.INTEGER, help, since=1, default=default, minimum=0, maximum=TIMEOUT_MAXIMUM)


LISTENER = Resource(
    name="listener",
    title="Listener",
    key="listener",
    collection="listeners",
    path="/lbaas/listeners",
    fields=(
        shared.ID,
        shared.name("listener", ALL | Cli.LIST),
        shared.description("listener"),
        shared.provisioning_status(),
        shared.operating_status(),
        shared.admin_state_up("listener", EDIT | Cli.LIST),
        Field(
            "protocol",
            Type.CHOICE,
            "The protocol of the listener.",
            api=FIXED,
            cli=Cli.CREATE,
            required=True,
            choices=PROTOCOLS,
        ),
        Field(
            "protocol_port",
            Type.INTEGER,
            "The port that clients connect to.",
            api=FIXED,
            cli=Cli.CREATE,
            required=True,
            minimum=1,
            maximum=65535,
        ),
        Field(
            "connection_limit",
            Type.INTEGER,
            "The most connections at a time (-1: no limit).",
            default=-1,
            minimum=-1,
            maximum=2147483647,
        ),
        Field(
            "default_tls_container_ref",
            Type.STRING,
            "The key manager's reference of the certificate for TERMINATED_HTTPS.",
            in_key_manager=True,
        ),
        Field(
            "sni_container_refs",
            Type.STRINGS,
            "Key manager references of more certificates, chosen by SNI.",
            default=(),
            in_key_manager=True,
        ),
        shared.project_id(Cli.LIST),
        Field(
            "default_pool_id",
            Type.UUID,
            "The pool for requests that no policy decides (name or ID).",
            flag="default-pool",
            refers="pool",
        ),
        Field(
            "loadbalancer_id",
            Type.UUID,
            "The load balancer of the listener (name or ID).",
            api=INPUT,
            cli=Cli.CREATE | Cli.LIST,
            required=True,
            flag="loadbalancer",
            refers="loadbalancer",
            positional=True,
        ),
        shared.references("l7policies", "Its L7 policies."),
        Field(
            "insert_headers",
            Type.MAPPING,
            "Headers to add for the members, as <header>=true[,<header>=true].",
            default={},
            choices=HTTP_HEADERS + TLS_HEADERS,
        ),
        shared.CREATED_AT,
        shared.UPDATED_AT,
        shared.references("loadbalancers", "The load balancer."),
        timeout("timeout_client_data", "How long a client may be silent, in ms (50000).", 50000),
        timeout("timeout_member_connect", "How long connecting to a member may take, in ms (5000).", 5000),
        timeout("timeout_member_data", "How long a member may be silent, in ms (50000).", 50000),
        timeout("timeout_tcp_inspect", "How long to wait for content to inspect, in ms (0).", 0),
        shared.tags("listener"),
        Field(
            "client_ca_tls_container_ref",
            Type.STRING,
            "The key manager's reference of the CA that client certificates must be signed by.",
            since=8,
            clear_words=True,
            in_key_manager=True,
        ),
        Field(
            "client_authentication",
            Type.CHOICE,
            "Whether TLS clients show a certificate (NONE).",
            since=8,
            default="NONE",
            choices=("NONE", "OPTIONAL", "MANDATORY"),
        ),
        Field(
            "client_crl_container_ref",
            Type.STRING,
            "The key manager's reference of the revocation list for client certificates.",
            since=8,
            clear_words=True,
            in_key_manager=True,
        ),
        Field(
            "allowed_cidrs",
            Type.STRINGS,
            "A network that may connect, as CIDR (all may).",
            since=12,
            flag="allowed-cidr",
            unset_flag="allowed-cidrs",
        ),
        Field(
            "tls_ciphers",
            Type.STRING,
            "The TLS ciphers, in OpenSSL's notation.",
            since=15,
            length=2048,
            pattern=TLS_CIPHERS,
            filled=True,
        ),
        Field(
            "tls_versions",
            Type.STRINGS,
            "A TLS version that is spoken.",
            since=17,
            choices=TLS_VERSIONS,
            flag="tls-version",
            unset_flag="tls-versions",
            filled=True,
        ),
        Field(
            "alpn_protocols",
            Type.STRINGS,
            "A protocol that is offered through ALPN.",
            since=20,
            choices=ALPN_PROTOCOLS,
            flag="alpn-protocol",
            unset_flag="alpn-protocols",
            filled=True,
        ),
        Field(
            "hsts_max_age",
            Type.INTEGER,
            "The max-age of the HSTS header, in seconds.",
            since=27,
            minimum=0,
            maximum=2147483647,
        ),
        Field(
            "hsts_include_subdomains",
            Type.BOOLEAN,
            "Add includeSubDomains to the HSTS header.",
            since=27,
            default=False,
        ),
        Field("hsts_preload", Type.BOOLEAN, "Add preload to the HSTS header.", since=27, default=False),
    ),
    columns=("id", "default_pool_id", "name", "project_id", "protocol", "protocol_port", "admin_state_up"),
    rows=(
        "admin_state_up",
        "connection_limit",
        "created_at",
        "default_pool_id",
        "default_tls_container_ref",
        "description",
        "id",
        "insert_headers",
        "l7policies",
        "loadbalancers",
        "name",
        "operating_status",
        "project_id",
        "protocol",
        "protocol_port",
        "provisioning_status",
        "sni_container_refs",
        "timeout_client_data",
        "timeout_member_connect",
        "timeout_member_data",
        "timeout_tcp_inspect",
        "updated_at",
        "client_ca_tls_container_ref",
        "client_authentication",
        "client_crl_container_ref",
        "allowed_cidrs",
        "tls_ciphers",
        "tls_versions",
        "alpn_protocols",
        "tags",
        "hsts_max_age",
        "hsts_include_subdomains",
        "hsts_preload",
    ),
)
