"""The requests that are compared beyond single attributes: rules across them, and between objects."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

from tests.outside.differences import Pair
from tests.outside.differing_requests import BASE, LEAST, PROJECT, SUBNET, UNKNOWN, Kept, attempt, create

from lbclient.resources import HEALTHMONITOR, L7POLICY, L7RULE, LISTENER, LOADBALANCER, POOL
from lbclient.resources.healthmonitor import TYPES as CHECKS
from lbclient.resources.l7rule import COMPARE_TYPES
from lbclient.resources.l7rule import TYPES as RULES
from lbclient.resources.listener import PROTOCOLS
from lbclient.resources.pool import PERSISTENCE_TYPES
from lbclient.resources.pool import PROTOCOLS as POOL_PROTOCOLS

CERTIFICATE = "http://barbican.example/v1/containers/11111111-1111-4111-8111-111111111111"


def compare_protocols(pair: Pair) -> None:
    """Every listener with every pool, every pool with every check and every persistence."""
    with ExitStack() as stack:
        for protocol in POOL_PROTOCOLS:
            body = {"loadbalancer_id": "<lb>", "protocol": protocol, "lb_algorithm": "ROUND_ROBIN"}
            pool = stack.enter_context(Kept(pair, create(POOL, body, f"p{protocol}")))
            _compare_pool(pair, pool, body)
        for protocol in PROTOCOLS:
            _compare_listener(pair, protocol)


def _compare_pool(pair: Pair, pool: Kept, body: dict[str, Any]) -> None:
    for kind in CHECKS:
        check = {"pool_id": pool.path.rpartition("/")[2], "type": kind, "delay": 5, "timeout": 3, "max_retries": 3}
        attempt(pair, create(HEALTHMONITOR, check, "new"), f"{BASE}/healthmonitors/<new>")
    for kind in PERSISTENCE_TYPES:
        for more in (
            {},
            {"cookie_name": "a"},
            {"persistence_timeout": 5},
            {"persistence_granularity": "255.0.0.0"},
        ):
            persistence = {"session_persistence": {"type": kind, **more}}
            attempt(pair, create(POOL, {**body, **persistence}, "new"), f"{BASE}/pools/<new>")
            pool.change(persistence)
    for algorithm in ("LEAST_CONNECTIONS", "SOURCE_IP", "SOURCE_IP_PORT"):
        attempt(pair, create(POOL, {**body, "lb_algorithm": algorithm}, "new"), f"{BASE}/pools/<new>")


def _compare_listener(pair: Pair, protocol: str) -> None:
    least: dict[str, Any] = {"loadbalancer_id": "<lb>", "protocol": protocol, "protocol_port": 8000}
    tls = {"default_tls_container_ref": CERTIFICATE} if protocol == "TERMINATED_HTTPS" else {}
    for other in POOL_PROTOCOLS:
        body = {**least, **tls, "default_pool_id": f"<p{other}>"}
        attempt(pair, create(LISTENER, body, "new"), f"{BASE}/listeners/<new>")
    with Kept(pair, create(LISTENER, {**least, **tls}, "some")) as some:
        for other in POOL_PROTOCOLS:
            some.change({"default_pool_id": f"<p{other}>"})
            some.change({"default_pool_id": None})
            body = {"listener_id": "<some>", "protocol": other, "lb_algorithm": "ROUND_ROBIN"}
            attempt(pair, create(POOL, body, "new"), f"{BASE}/pools/<new>")
            redirect = {"listener_id": "<some>", "action": "REDIRECT_TO_POOL", "redirect_pool_id": f"<p{other}>"}
            attempt(pair, create(L7POLICY, redirect, "new"), f"{BASE}/l7policies/<new>")
        for extra in listener_extras():
            body = {**least, "protocol_port": 8001, **tls, **extra}
            attempt(pair, create(LISTENER, body, "new"), f"{BASE}/listeners/<new>")
            some.change(extra)
        for other in PROTOCOLS:
            more = {"default_tls_container_ref": CERTIFICATE} if other == "TERMINATED_HTTPS" else {}
            attempt(pair, create(LISTENER, {**least, **more, "protocol": other}, "new"), f"{BASE}/listeners/<new>")


def listener_extras() -> Iterator[dict[str, Any]]:
    certificate, sni = {"default_tls_container_ref": CERTIFICATE}, {"sni_container_refs": [CERTIFICATE]}
    authority, revoked = {"client_ca_tls_container_ref": CERTIFICATE}, {"client_crl_container_ref": CERTIFICATE}
    yield from (certificate, sni, {**certificate, **sni}, authority, revoked, {**authority, **revoked})
    for how in ("NONE", "OPTIONAL", "MANDATORY"):
        yield from ({"client_authentication": how}, {"client_authentication": how, **certificate})
        yield {"client_authentication": how, **certificate, **authority}
        yield {"client_authentication": how, **authority}
    yield from ({**certificate, **authority}, {**certificate, **authority, **revoked}, {**certificate, **revoked})
    yield from ({"default_tls_container_ref": None}, {"sni_container_refs": None}, {"sni_container_refs": []})
    yield from ({"tls_versions": ["TLSv1.2"]}, {"tls_versions": []}, {"tls_versions": None}, {"alpn_protocols": ["h2"]})
    yield from ({"alpn_protocols": []}, {"alpn_protocols": None}, {"tls_ciphers": "AES"}, {"tls_ciphers": None})
    yield from ({"tls_versions": ["SSLv3"]}, {"tls_versions": ["TLSv1.2"], **certificate})
    yield from ({"hsts_max_age": 5}, {"hsts_preload": True}, {"hsts_include_subdomains": True}, {"hsts_max_age": None})
    yield from ({"hsts_max_age": 5, "hsts_preload": True, "hsts_include_subdomains": True}, {"hsts_max_age": 0})
    yield from ({"hsts_max_age": None, "hsts_preload": True}, {"hsts_preload": False}, {"hsts_preload": None})
    for name in (
        "X-Forwarded-For",
        "X-Forwarded-Port",
        "X-Forwarded-Proto",
        "X-Forwarded-IP",
        "X-Client-IP",
        "X-Real-IP",
    ):
        yield {"insert_headers": {name: "true"}}
    yield from ({"insert_headers": {"X-SSL-Client-CN": "true"}}, {"insert_headers": {}}, {"insert_headers": None})
    yield from ({"allowed_cidrs": ["10.0.0.0/8"]}, {"allowed_cidrs": ["2001:db8::/32"]}, {"allowed_cidrs": []})
    yield from (
        {"allowed_cidrs": None},
        {"timeout_client_data": 5},
        {"connection_limit": 5},
        {"connection_limit": None},
    )


def compare_monitors(pair: Pair) -> None:
    """Every check with what it has and with what only others have."""
    for kind in CHECKS:
        least = {"pool_id": "<free>", "type": kind, "delay": 5, "timeout": 3, "max_retries": 3}
        for extra in monitor_extras():
            attempt(pair, create(HEALTHMONITOR, {**least, **extra}, "new"), f"{BASE}/healthmonitors/<new>")
        with Kept(pair, create(HEALTHMONITOR, least, "some")) as some:
            for extra in monitor_extras():
                some.change(extra)
            pair.ask(create(HEALTHMONITOR, least))


def compare_policies(pair: Pair) -> None:
    """Every action with every target, and every change from one to another."""
    targets: dict[str, tuple[Any, ...]] = {
        "redirect_pool_id": ("<free>", None),
        "redirect_url": ("http://e.example/", None),
        "redirect_prefix": ("https://e.example", None),
        "redirect_http_code": (301, None),
    }
    sets: list[dict[str, Any]] = [{}]
    for count in (1, 2, 3):
        for names in itertools.combinations(targets, count):
            sets += [
                dict(zip(names, chosen, strict=True)) for chosen in itertools.product(*(targets[n] for n in names))
            ]
    for action in ("REJECT", "REDIRECT_TO_URL", "REDIRECT_TO_POOL", "REDIRECT_PREFIX"):
        for more in sets:
            body = {"listener_id": "<listener>", "action": action, **more}
            attempt(pair, create(L7POLICY, body, "new"), f"{BASE}/l7policies/<new>")
        own = {
            "REJECT": {},
            "REDIRECT_TO_URL": {"redirect_url": "http://x.example/"},
            "REDIRECT_TO_POOL": {"redirect_pool_id": "<free>"},
            "REDIRECT_PREFIX": {"redirect_prefix": "http://x.example"},
        }[action]
        body = {"listener_id": "<listener>", "action": action, **own}
        for change in (
            *sets[:FEW],
            *(
                {"action": other, **more}
                for other in ("REJECT", "REDIRECT_TO_URL", "REDIRECT_TO_POOL", "REDIRECT_PREFIX")
                for more in sets[:9]
            ),
        ):
            with Kept(pair, create(L7POLICY, body, "some")) as policy:
                policy.change(change)


FEW = 33  # of the sets, those with two targets at most


def compare_rules(pair: Pair) -> None:
    """Every type with every comparison, with and without a key."""
    for kind, compare, key, value in itertools.product(
        RULES,
        COMPARE_TYPES,
        (None, "", "X-A", "a b"),
        ("a", "True", "0", "a b", "[", ""),
    ):
        body = {"type": kind, "compare_type": compare, "value": value, **({} if key is None else {"key": key})}
        attempt(pair, create(L7RULE, body, "new"), f"{BASE}/l7policies/<policy>/rules/<new>")
    with Kept(pair, create(L7RULE, LEAST["l7rule"], "some")) as rule:
        for change in RULE_CHANGES:
            rule.change(change)


def compare_pools(pair: Pair) -> None:
    """TLS towards members, and whose a pool is."""
    for extra in pool_extras():
        attempt(pair, create(POOL, {**LEAST["pool"], **extra}, "new"), f"{BASE}/pools/<new>")
        with Kept(pair, create(POOL, LEAST["pool"], "some")) as pool:
            pool.change(extra)


def compare_balancers(pair: Pair) -> None:
    """Where a VIP is, who provides it, and of which flavor."""
    for extra in balancer_extras():
        body = {"project_id": PROJECT, **extra}
        attempt(pair, create(LOADBALANCER, body, "new"), f"{BASE}/loadbalancers/<new>")


RULE_CHANGES: tuple[dict[str, Any], ...] = (
    {"type": "HEADER"}, {"type": "HEADER", "key": "X-A"}, {"type": "PATH"}, {"type": "PATH", "key": None},
    {"compare_type": "REGEX", "value": "["}, {"compare_type": "REGEX", "value": "a.*"}, {"value": "a b"},
    {"compare_type": "EQUAL_TO"}, {"type": "FILE_TYPE"}, {"type": "FILE_TYPE", "compare_type": "STARTS_WITH"},
    {"type": "SSL_CONN_HAS_CERT", "value": "true"}, {"key": "x"}, {"type": "COOKIE", "key": "a", "value": "b"},
    {"type": "SSL_VERIFY_RESULT", "value": "0", "key": None}, {"type": "SSL_DN_FIELD", "key": "O"},
)  # fmt: skip


def monitor_extras() -> Iterator[dict[str, Any]]:
    yield from ({}, {"http_method": "HEAD"}, {"url_path": "/a"}, {"expected_codes": "200-204"}, {"http_version": 1.1})
    yield from (
        {"domain_name": "e.example"},
        {"domain_name": "e.example", "http_version": 1.1},
        {"delay": 2},
        {"delay": 3},
    )
    yield from ({"domain_name": "e.example", "http_version": 1.0}, {"http_method": None}, {"url_path": None})
    yield from ({"expected_codes": None}, {"http_version": None}, {"domain_name": None}, {"timeout": 9}, {"delay": 0})
    yield from ({"max_retries_down": None}, {"max_retries": None}, {"timeout": 0}, {"http_version": "1.1"})


def pool_extras() -> Iterator[dict[str, Any]]:
    own, authority = {"tls_container_ref": CERTIFICATE}, {"ca_tls_container_ref": CERTIFICATE}
    revoked = {"crl_container_ref": CERTIFICATE}
    for enabled in ({}, {"tls_enabled": True}, {"tls_enabled": False}, {"tls_enabled": None}):
        yield from (enabled, {**enabled, **own}, {**enabled, **authority}, {**enabled, **revoked})
        yield from ({**enabled, **authority, **revoked}, {**enabled, "tls_versions": ["TLSv1.2"]})
        yield from (
            {**enabled, "tls_versions": []},
            {**enabled, "tls_ciphers": "AES"},
            {**enabled, "alpn_protocols": ["h2"]},
        )
        yield from (
            {**enabled, "alpn_protocols": []},
            {**enabled, "tls_versions": None},
            {**enabled, "tls_ciphers": None},
        )
        yield {**enabled, "alpn_protocols": None}
    yield from ({"loadbalancer_id": None}, {"listener_id": "<listener>"}, {"listener_id": UNKNOWN})
    yield from ({"loadbalancer_id": "<away>", "listener_id": "<listener>"}, {"loadbalancer_id": UNKNOWN})
    yield {"loadbalancer_id": None, "listener_id": "<listener>"}


def balancer_extras() -> Iterator[dict[str, Any]]:
    address, port, network, subnet = (
        {"vip_address": "10.0.0.9"},
        {"vip_port_id": UNKNOWN},
        {"vip_network_id": UNKNOWN},
        {"vip_subnet_id": SUBNET},
    )
    whole = (address, port, network, subnet)
    for count in range(5):
        for parts in itertools.combinations(whole, count):
            body = {key: value for part in parts for key, value in part.items()}
            yield body
            yield {**body, "additional_vips": [{"subnet_id": UNKNOWN}]}
    yield from (
        {**subnet, "vip_address": "10.0.0.9", "additional_vips": [{"subnet_id": SUBNET}]},
        {**subnet, "project_id": None},
    )
    yield from (
        {**subnet, "vip_sg_ids": [UNKNOWN]},
        {**subnet, "vip_qos_policy_id": UNKNOWN},
        {**subnet, "vip_address": "::9"},
    )
    yield from (
        {**subnet, "flavor_id": "<flavor>", "provider": name} for name in ("noop_driver", "noop_driver-alt", "nope")
    )
    yield from (
        {**subnet, "availability_zone": "<zone>", "provider": name} for name in ("noop_driver", "noop_driver-alt")
    )
