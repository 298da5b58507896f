"""Any load balancer that is accepted makes a configuration that HAProxy takes.

TEST_TREES=10000 tries as many; each that is accepted counts.
"""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path
from typing import Any

import instances
import trees
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from test_quoting import TOKEN, VALUES
from test_regexes import compiles, random_pattern

from lbclient import resources
from lbclient.dataplane.config.cfg import Refused
from lbclient.dataplane.config.render import render
from lbclient.dataplane.haproxy import binary, pem
from lbclient.dataplane.relay.plan import Plan, dumps, loads
from lbclient.dataplane.relay.pool import Pool
from lbclient.dataplane.support import unsupported
from lbclient.server.errors import InvalidInput
from lbclient.server.loadbalancer import bodies
from lbclient.server.loadbalancer.rules import healthmonitor

POOL_PROTOCOLS = {"HTTP": ("HTTP", "PROXY", "PROXYV2"), "TCP": ("TCP", "HTTP", "HTTPS", "PROXY", "PROXYV2")}
POOL_PROTOCOLS["HTTPS"] = ("HTTPS", "TCP", "PROXY", "PROXYV2")
POOL_PROTOCOLS["TERMINATED_HTTPS"] = POOL_PROTOCOLS["HTTP"]
POOL_PROTOCOLS["UDP"] = ("UDP",)
HEADERS = {"HTTP": resources.listener.HTTP_HEADERS}
HEADERS["TERMINATED_HTTPS"] = resources.listener.HTTP_HEADERS + resources.listener.TLS_HEADERS
ADDRESSES = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)).map(str)
PATHS = VALUES.map(lambda text: "/" + re.sub(r"\s", "", text)[:200])
TIMEOUTS = st.sampled_from((0, 1, 50000, 2073600000))
POOLS = ("p0", "p1", "p2")


def fields(resource: resources.Resource, **given: SearchStrategy[Any]) -> SearchStrategy[dict[str, Any]]:
    """Any values of the resource's choices, numbers and switches, and the given ones."""
    found = dict(given)
    for field in resource.fields:
        if field.name in found or not field.api & resources.Api.POST or field.name == "position":
            continue
        if field.type is resources.Type.BOOLEAN and field.stored:
            found[field.name] = st.booleans()
        elif field.type is resources.Type.INTEGER and field.minimum is not None and not field.choices:
            found[field.name] = st.sampled_from((field.minimum, field.minimum + 1, field.maximum))
    return st.fixed_dictionaries(found)


RULES = st.one_of(
    fields(
        resources.L7RULE,
        type=st.sampled_from(("HOST_NAME", "PATH", "HEADER", "COOKIE")),
        compare_type=st.sampled_from(("STARTS_WITH", "ENDS_WITH", "CONTAINS", "EQUAL_TO")),
        key=TOKEN,
        value=VALUES,
    ),
    fields(
        resources.L7RULE,
        type=st.sampled_from(("HOST_NAME", "PATH", "HEADER", "COOKIE", "FILE_TYPE")),
        compare_type=st.just("REGEX"),
        key=TOKEN,
        value=st.randoms(use_true_random=False).map(random_pattern).filter(compiles),
    ),
    fields(
        resources.L7RULE,
        type=st.just("SSL_DN_FIELD"),
        compare_type=st.sampled_from(("STARTS_WITH", "ENDS_WITH", "CONTAINS", "EQUAL_TO")),
        key=st.from_regex(r"[a-zA-Z][A-Za-z0-9-]{0,9}", fullmatch=True),
        value=VALUES,
    ),
    st.sampled_from(
        (("SSL_CONN_HAS_CERT", "true"), ("SSL_VERIFY_RESULT", "0"), ("SSL_VERIFY_RESULT", "2147483647"))
    ).map(lambda given: {"type": given[0], "compare_type": "EQUAL_TO", "value": given[1]}),
)
CERTIFICATES = {
    "shop": {"host": "shop.example", "by": "ca/one"},
    "wild": {"host": "*.example"},
    "us": {"host": "us.example"},
    "ca": {"authority": "ca"},
    "crl": {"revocations": "ca", "revoked": ["mallory"]},
}
OF_LISTENERS = {
    "default_tls_container_ref": st.sampled_from(("shop", "wild")),
    "sni_container_refs": st.lists(st.sampled_from(("shop", "wild", "us")), max_size=4),
    "client_authentication": st.sampled_from(("NONE", "OPTIONAL", "MANDATORY")),
    "client_ca_tls_container_ref": st.just("ca"),
    "client_crl_container_ref": st.sampled_from((None, "crl")),
    "hsts_max_age": st.sampled_from((None, 0, 31536000)),
}
OF_POOLS = {
    "tls_container_ref": st.sampled_from((None, "us", "shop")),
    "ca_tls_container_ref": st.sampled_from((None, "ca")),
    "crl_container_ref": st.sampled_from((None, "crl")),
}
OF_BOTH = {
    "tls_versions": st.none() | st.lists(st.sampled_from(resources.tls_settings.TLS_VERSIONS[1:]), min_size=1),
    "tls_ciphers": st.sampled_from(
        (
            None,
            "DEFAULT",
            "ALL:!aNULL:@SECLEVEL=1",
            "TLS_AES_128_GCM_SHA256",
            "kRSA:TLS_AES_256_GCM_SHA384",
            "+HIGH:MD5",
        )
    ),
    "alpn_protocols": st.none() | st.lists(st.sampled_from(resources.tls_settings.ALPN_PROTOCOLS), min_size=1),
}
REASONS = ("regular expression", "session persistence", "type PING", "tls_versions", "tls_ciphers")
MEMBERS = fields(
    resources.MEMBER,
    address=ADDRESSES,
    monitor_address=st.none() | ADDRESSES,
    monitor_port=st.none() | st.integers(1, 65535),
)


def policies(fitting: list[str]) -> SearchStrategy[dict[str, Any]]:
    to_pool = {"redirect_pool": st.sampled_from(fitting)} if fitting else {}
    return fields(
        resources.L7POLICY,
        action=st.sampled_from(("REJECT", "REDIRECT_TO_URL", "REDIRECT_PREFIX", *["REDIRECT_TO_POOL"] * len(to_pool))),
        redirect_url=VALUES.map(lambda text: f"http://{text}"),
        redirect_prefix=VALUES.map(lambda text: f"http://{text}"),
        redirect_http_code=st.sampled_from((None, 301, 302, 303, 307, 308)),
        rules=st.lists(RULES, max_size=4),
        **to_pool,
    )


def is_accepted(**texts: str) -> bool:
    """Whether the API takes these texts of a monitor."""
    body = {"pool_id": trees.identity("p0"), "type": "HTTP", "delay": 5, "timeout": 3, "max_retries": 3}
    try:
        values = bodies.created(resources.HEALTHMONITOR, {"healthmonitor": {**body, "http_version": "1.1", **texts}})
        healthmonitor.check(values, "HTTP")
    except InvalidInput:
        return False
    return True


def of_definition(name: str) -> SearchStrategy[str]:
    """Random texts that fit the definition of a monitor's field and that the API accepts."""
    pattern = str(resources.HEALTHMONITOR[name].pattern)
    return st.from_regex(pattern, fullmatch=True).filter(lambda text: is_accepted(**{name: text}))


def monitors(*types: str) -> SearchStrategy[dict[str, Any]]:
    return fields(
        resources.HEALTHMONITOR,
        type=st.sampled_from(types),
        http_method=st.none() | st.sampled_from(resources.healthmonitor.METHODS),
        http_version=st.sampled_from((None, "1.0", "1.1")),
        url_path=st.none() | PATHS | of_definition("url_path"),
        domain_name=st.none() | of_definition("domain_name"),
        expected_codes=st.none() | of_definition("expected_codes"),
    )


MONITORS = monitors("HTTP", "HTTPS", "TCP", "TLS-HELLO", "PING")
DATAGRAM_MONITORS = monitors("UDP-CONNECT", "TCP", "HTTP")
GRANULARITIES = (None, "255.255.255.0", "0.0.0.0", "0", "128", "17")
PERSISTENCE = st.one_of(
    st.none(),
    st.sampled_from(({"type": "SOURCE_IP"}, {"type": "HTTP_COOKIE"})),
    TOKEN.map(lambda name: {"type": "APP_COOKIE", "cookie_name": name}),
)
DATAGRAM_PERSISTENCE = st.none() | st.fixed_dictionaries(
    {
        "type": st.just("SOURCE_IP"),
        "persistence_timeout": st.sampled_from((None, 0, 1, 2147483647)),
        "persistence_granularity": st.sampled_from(GRANULARITIES),
    }
)


@st.composite
def load_balancers(draw: st.DrawFn) -> dict[str, Any]:
    """Listeners of any protocols side by side, before pools that fit them and that they may share."""
    kinds = draw(st.lists(st.sampled_from(tuple(POOL_PROTOCOLS)), min_size=1, max_size=3))
    protocols = draw(st.tuples(*(st.sampled_from(kinds).flatmap(_pool_protocols) for _ in POOLS)))
    made = tree(
        [draw(listeners(kind, protocols)) for kind in kinds],
        [draw(pools(protocol)) for protocol in protocols],
        draw(st.lists(ADDRESSES, max_size=3)),
    )
    if draw(st.booleans()):
        made["listeners"]["metrics"] = {
            "protocol": "PROMETHEUS",
            "protocol_port": 9000,
            "admin_state_up": draw(st.booleans()),
        }
    return made


def _pool_protocols(kind: str) -> SearchStrategy[str]:
    return st.sampled_from(POOL_PROTOCOLS[kind])


def pools(protocol: str) -> SearchStrategy[dict[str, Any]]:
    is_datagram = protocol == "UDP"
    return fields(
        resources.POOL,
        protocol=st.just(protocol),
        lb_algorithm=st.sampled_from(("ROUND_ROBIN", "LEAST_CONNECTIONS", "SOURCE_IP", "SOURCE_IP_PORT")),
        session_persistence=DATAGRAM_PERSISTENCE if is_datagram else PERSISTENCE,
        tls_enabled=st.just(False) if is_datagram else st.booleans(),
        **OF_POOLS,
        **OF_BOTH,
        members=st.lists(MEMBERS, max_size=3),
        healthmonitor=st.none() | (DATAGRAM_MONITORS if is_datagram else MONITORS),
    )


def listeners(kind: str, protocols: tuple[str, ...]) -> SearchStrategy[dict[str, Any]]:
    fitting = [name for name, protocol in zip(POOLS, protocols, strict=True) if protocol in POOL_PROTOCOLS[kind]]
    return fields(
        resources.LISTENER,
        protocol=st.just(kind),
        default_pool=st.sampled_from((None, *fitting)),
        timeout_client_data=TIMEOUTS,
        timeout_member_connect=TIMEOUTS,
        timeout_member_data=TIMEOUTS,
        timeout_tcp_inspect=TIMEOUTS,
        allowed_cidrs=st.lists(st.sampled_from(("10.0.0.0/8", "0.0.0.0/0", "fd00::/8", "::/0")), max_size=70),
        insert_headers=st.dictionaries(st.sampled_from(HEADERS[kind]), st.sampled_from(("true", "false")))
        if kind in HEADERS
        else st.just({}),
        l7policies=st.lists(policies(fitting), max_size=4) if kind in HEADERS else st.just([]),
        **(OF_LISTENERS | OF_BOTH if kind == "TERMINATED_HTTPS" else {}),
    )


def tree(listeners: list[dict[str, Any]], pools: list[dict[str, Any]], addresses: list[str]) -> dict[str, Any]:
    """Lists as the named things that trees are made of."""
    result: dict[str, Any] = {"addresses": ["127.0.0.1", *addresses], "listeners": {}, "pools": {}}
    result["certificates"] = CERTIFICATES
    for number, listener in enumerate(listeners):
        policies = {f"l{number} policy {place}": each for place, each in enumerate(listener["l7policies"])}
        result["listeners"][f"l{number}"] = {**listener, "protocol_port": 80 + number, "l7policies": policies}
        if listener["default_pool"] is None:
            del result["listeners"][f"l{number}"]["default_pool"]
    for name, pool in zip(POOLS, pools, strict=True):
        members = {f"{name} member {place}": each for place, each in enumerate(pool["members"])}
        result["pools"][name] = {**pool, "members": members}
        if pool["healthmonitor"] is None:
            del result["pools"][name]["healthmonitor"]
    return result


@settings(max_examples=int(os.environ.get("TEST_TREES", "250")), deadline=None, suppress_health_check=list(HealthCheck))
@given(given_tree=load_balancers())
def test_what_is_accepted_is_taken(given_tree: dict[str, Any]) -> None:
    snapshot = trees.snapshot(given_tree)
    reason = unsupported(snapshot)
    if reason is not None:
        assert any(word in reason for word in REASONS), reason
        reject()
    try:
        configuration = render(snapshot)
    except Refused as refusal:
        raise AssertionError("what is supported is not refused") from refusal
    with tempfile.TemporaryDirectory() as directory:
        pem.store(Path(directory), configuration)
        (Path(directory) / "haproxy.cfg").write_text(configuration.text)
        (Path(directory) / "states").write_text("1\n")
        assert binary.objection(BINARY, Path(directory), "haproxy.cfg") is None, configuration.text
    assert_can_choose(configuration.relay)


def assert_can_choose(wanted: Plan) -> None:
    """A relay reads its plan, and finds a member for every client where there is one."""
    assert loads(dumps(wanted)) == wanted
    for each in wanted.pools:
        is_served = any(member.is_enabled and member.weight for member in each.members)
        pool = Pool(each)
        for client in (("10.1.2.3", 5), ("fe80::1%lo", 5, 0, 1)):
            assert (pool.choose(client, 0.0) is not None) == is_served


BINARY = instances.binary()
