"""Any load balancer that is accepted makes a configuration that HAProxy takes."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import Any

import instances
import trees
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from test_quoting import TOKEN, VALUES
from test_regexes import compiles, random_pattern

from lbclient import resources
from lbclient.dataplane import haproxy as binary
from lbclient.dataplane.cfg import Refused
from lbclient.dataplane.render import render
from lbclient.dataplane.support import unsupported

POOL_PROTOCOLS = {"HTTP": ("HTTP", "PROXY", "PROXYV2"), "TCP": ("TCP", "HTTP", "HTTPS", "PROXY", "PROXYV2")}
POOL_PROTOCOLS["HTTPS"] = ("HTTPS", "TCP", "PROXY", "PROXYV2")
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
)
POLICIES = fields(
    resources.L7POLICY,
    action=st.sampled_from(("REJECT", "REDIRECT_TO_URL", "REDIRECT_TO_POOL", "REDIRECT_PREFIX")),
    redirect_pool=st.sampled_from(POOLS),
    redirect_url=VALUES.map(lambda text: f"http://{text}"),
    redirect_prefix=VALUES.map(lambda text: f"http://{text}"),
    redirect_http_code=st.sampled_from((None, 301, 302, 303, 307, 308)),
    rules=st.lists(RULES, max_size=4),
)
MEMBERS = fields(
    resources.MEMBER,
    address=ADDRESSES,
    monitor_address=st.none() | ADDRESSES,
    monitor_port=st.none() | st.integers(1, 65535),
)
MONITORS = fields(
    resources.HEALTHMONITOR,
    type=st.sampled_from(("HTTP", "HTTPS", "TCP", "TLS-HELLO", "PING")),
    http_method=st.none() | st.sampled_from(resources.healthmonitor.METHODS),
    http_version=st.sampled_from((None, "1.0", "1.1")),
    url_path=st.none() | PATHS,
    domain_name=st.sampled_from((None, "example.com", "a-b.c.")),
    expected_codes=st.sampled_from((None, "200", "200, 202,404", "100-599")),
)
PERSISTENCE = st.one_of(
    st.none(),
    st.sampled_from(({"type": "SOURCE_IP"}, {"type": "HTTP_COOKIE"})),
    TOKEN.map(lambda name: {"type": "APP_COOKIE", "cookie_name": name}),
)


@st.composite
def load_balancers(draw: st.DrawFn) -> dict[str, Any]:
    kind = draw(st.sampled_from(tuple(POOL_PROTOCOLS)))
    pool = fields(
        resources.POOL,
        protocol=st.sampled_from(POOL_PROTOCOLS[kind]),
        lb_algorithm=st.sampled_from(("ROUND_ROBIN", "LEAST_CONNECTIONS", "SOURCE_IP")),
        session_persistence=PERSISTENCE,
        tls_enabled=st.just(False),
        members=st.lists(MEMBERS, max_size=3),
        healthmonitor=st.none() | MONITORS,
    )
    listener = fields(
        resources.LISTENER,
        protocol=st.just(kind),
        default_pool=st.none() | st.sampled_from(POOLS),
        timeout_client_data=TIMEOUTS,
        timeout_member_connect=TIMEOUTS,
        timeout_member_data=TIMEOUTS,
        timeout_tcp_inspect=TIMEOUTS,
        allowed_cidrs=st.lists(st.sampled_from(("10.0.0.0/8", "0.0.0.0/0", "fd00::/8", "::/0")), max_size=70),
        insert_headers=st.dictionaries(
            st.sampled_from(resources.listener.HTTP_HEADERS), st.sampled_from(("true", "false"))
        )
        if kind == "HTTP"
        else st.just({}),
        l7policies=st.lists(POLICIES, max_size=4) if kind == "HTTP" else st.just([]),
    )
    return tree(
        draw(st.lists(listener, max_size=3)), [draw(pool) for _ in POOLS], draw(st.lists(ADDRESSES, max_size=3))
    )


def tree(listeners: list[dict[str, Any]], pools: list[dict[str, Any]], addresses: list[str]) -> dict[str, Any]:
    """Lists as the named things that trees are made of."""
    result: dict[str, Any] = {"addresses": ["127.0.0.1", *addresses], "listeners": {}, "pools": {}}
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


@settings(max_examples=250, deadline=None)
@given(given_tree=load_balancers())
def test_what_is_accepted_is_taken(given_tree: dict[str, Any]) -> None:
    snapshot = trees.snapshot(given_tree)
    reason = unsupported(snapshot)
    if reason is not None:
        assert any(word in reason for word in ("regular expression", "session persistence", "type PING")), reason
        return
    try:
        text = render(snapshot).text
    except Refused as refusal:
        raise AssertionError("what is supported is not refused") from refusal
    with tempfile.TemporaryDirectory() as directory:
        (Path(directory) / "haproxy.cfg").write_text(text)
        (Path(directory) / "states").write_text("1\n")
        assert binary.objection(BINARY, Path(directory), "haproxy.cfg") is None, text


BINARY = instances.binary()
