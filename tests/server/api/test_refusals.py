"""Refused requests, with status and text; texts that scripts match on are Octavia's."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any

import pytest

from lbclient import resources

UNKNOWN = "00000000-0000-0000-0000-000000000007"
SIBLING = "<sibling>"  # stands for the ID of another pool of the load balancer

REFUSED: list[tuple[str, dict[str, Any], int, str]] = [
    # (kind, attributes that replace good ones, status, a part of the text)
    (
        "listener",
        {"protocol": "BAD"},
        400,
        "Invalid input for field/attribute protocol. Value: 'BAD'. Value should be one of: ",
    ),
    ("listener", {"protocol": None}, 400, "attribute protocol. Value: 'None'. Mandatory field missing."),
    ("listener", {"protocol_port": 99999}, 400, "Value: '99999'. Value should be lower or equal to 65535"),
    ("listener", {"protocol_port": 0}, 400, "Value should be greater or equal to 1"),
    ("listener", {"protocol_port": "eighty"}, 400, "protocol_port. Value: 'eighty'. Value should be an integer."),
    ("listener", {"protocol_port": [80]}, 400, "Expected an integer, got a list"),
    ("listener", {"bogus": 1}, 400, "Unknown attribute for argument listener_.listener: bogus"),
    ("listener", {"loadbalancer_id": UNKNOWN}, 404, f"Load Balancer {UNKNOWN} not found."),
    ("listener", {"loadbalancer_id": "x"}, 400, "Value should be UUID format"),
    (
        "listener",
        {"protocol": "TCP"},
        409,
        "Another Listener on this Load Balancer is already using protocol HTTP and protocol_port 80",
    ),
    ("listener", {"connection_limit": -2, "protocol_port": 81}, 400, "greater or equal to -1"),
    ("listener", {"timeout_client_data": 2073600001, "protocol_port": 81}, 400, "timeout_client_data"),
    ("listener", {"insert_headers": {"X-Bogus": "true"}, "protocol_port": 81}, 400, "X-Bogus"),
    ("listener", {"insert_headers": {"X-Forwarded-For": "perhaps"}, "protocol_port": 81}, 400, "true, false"),
    ("listener", {"insert_headers": {"X-Forwarded-For": "true"}, "protocol": "TCP", "protocol_port": 81}, 400, "TCP"),
    ("listener", {"allowed_cidrs": ["10.0.0.0/33"], "protocol_port": 81}, 400, "10.0.0.0/33"),
    ("listener", {"allowed_cidrs": ["2001:db8::/32"], "protocol_port": 81}, 400, "IP version"),
    ("listener", {"name": "x" * 256, "protocol_port": 81}, 400, "255"),
    ("listener", {"name": "a\x00b", "protocol_port": 81}, 400, "control characters"),
    (
        "listener",
        {"protocol": "SCTP", "protocol_port": 81},
        501,
        "Provider 'octavia' does not support a requested option: listeners of protocol SCTP",
    ),
    (
        "listener",
        {"protocol": "TERMINATED_HTTPS", "default_tls_container_ref": "x", "protocol_port": 81},
        400,
        "Could not retrieve certificate: ['x']",
    ),
    ("listener", {"default_pool_id": UNKNOWN, "protocol_port": 81}, 404, f"Pool {UNKNOWN} not found."),
    (
        "listener",
        {"default_pool_id": SIBLING, "protocol_port": 81, "protocol": "HTTPS"},
        400,
        "The pool protocol 'HTTP' is invalid while the listener protocol is 'HTTPS'.",
    ),
    ("listener", {"tags": [1], "protocol_port": 81}, 400, "Expected a string, got a number"),
    ("listener", {"tags": "a", "protocol_port": 81}, 400, "Expected a list of strings, got a string"),
    ("pool", {"loadbalancer_id": None}, 400, "Validation failure: "),
    ("pool", {"protocol": "SCTP"}, 501, "pools of protocol SCTP"),
    (
        "pool",
        {"lb_algorithm": "RANDOM"},
        400,
        "Value should be one of: ROUND_ROBIN, LEAST_CONNECTIONS, SOURCE_IP, SOURCE_IP_PORT",
    ),
    ("pool", {"tls_enabled": True, "tls_versions": ["SSLv3"]}, 501, "the TLS version SSLv3"),
    ("pool", {"tls_enabled": True, "tls_versions": ["TLSv1.1", "TLSv1.3"]}, 501, "tls_versions with a gap"),
    ("pool", {"tls_enabled": True, "tls_ciphers": "FOO"}, 501, "tls_ciphers 'FOO', which select no cipher"),
    ("pool", {"session_persistence": {"type": "X"}}, 400, "SOURCE_IP, HTTP_COOKIE, APP_COOKIE"),
    ("pool", {"session_persistence": {"type": "APP_COOKIE"}}, 400, "cookie_name"),
    ("pool", {"session_persistence": {"type": "SOURCE_IP", "cookie_name": "a"}}, 400, "cookie_name"),
    ("pool", {"session_persistence": {"type": "APP_COOKIE", "cookie_name": "a b"}}, 400, "a b"),
    ("pool", {"session_persistence": {"type": "SOURCE_IP", "persistence_timeout": 5}}, 400, "UDP"),
    (
        "pool",
        {"protocol": "UDP", "session_persistence": {"type": "SOURCE_IP", "persistence_timeout": "٦"}},
        400,
        "Value should be a number of seconds.",
    ),
    ("pool", {"session_persistence": {"kind": "SOURCE_IP"}}, 400, "kind"),
    ("pool", {"session_persistence": {}}, 400, "session_persistence"),
    ("pool", {"crl_container_ref": "x"}, 400, "ca_tls_container_ref"),
    ("member", {}, 409, "Another member on this pool is already using ip 10.0.0.4 on protocol_port 80"),
    ("member", {"address": "10.0.0.256"}, 400, "Value: '10.0.0.256'. Value should be IPv4 or IPv6 format"),
    ("member", {"address": "169.254.169.254"}, 400, "169.254.169.254"),
    ("member", {"weight": 257, "protocol_port": 81}, 400, "Value should be lower or equal to 256"),
    ("member", {"weight": -1, "protocol_port": 81}, 400, "Value should be greater or equal to 0"),
    ("member", {"subnet_id": UNKNOWN, "protocol_port": 81}, 400, f"Subnet {UNKNOWN} not found."),
    ("member", {"request_sriov": True, "protocol_port": 81}, 400, "does not allow SR-IOV member ports"),
    ("healthmonitor", {}, 409, "This pool already has a health monitor"),
    ("healthmonitor", {"pool_id": SIBLING, "max_retries": 11}, 400, "Value should be lower or equal to 10"),
    ("healthmonitor", {"pool_id": SIBLING, "type": "TCP", "url_path": "/x"}, 400, "url_path"),
    ("healthmonitor", {"pool_id": SIBLING, "type": "UDP-CONNECT"}, 400, "UDP-CONNECT"),
    ("healthmonitor", {"pool_id": SIBLING, "url_path": "health"}, 400, "url_path"),
    ("healthmonitor", {"pool_id": SIBLING, "url_path": "/a b"}, 400, "url_path"),
    ("healthmonitor", {"pool_id": SIBLING, "url_path": "/a\nb"}, 400, "url_path"),
    ("healthmonitor", {"pool_id": SIBLING, "expected_codes": "2xx"}, 400, "expected_codes"),
    ("healthmonitor", {"pool_id": SIBLING, "expected_codes": "204-200"}, 400, "from the lower code to the higher"),
    ("healthmonitor", {"pool_id": SIBLING, "type": "HTTPS", "expected_codes": "599-000"}, 400, "000-599"),
    ("healthmonitor", {"pool_id": SIBLING, "expected_codes": "200-"}, 400, "expected_codes"),
    ("healthmonitor", {"pool_id": SIBLING, "expected_codes": "٢٠٠"}, 400, "expected_codes"),
    ("healthmonitor", {"pool_id": SIBLING, "expected_codes": "200-２０４"}, 400, "expected_codes"),
    ("healthmonitor", {"pool_id": SIBLING, "expected_codes": "200,²⁰⁰"}, 400, "expected_codes"),
    ("healthmonitor", {"pool_id": SIBLING, "domain_name": "a.example"}, 400, "http_version"),
    ("healthmonitor", {"pool_id": SIBLING, "domain_name": "a_b", "http_version": "1.1"}, 400, "domain_name"),
    ("healthmonitor", {"pool_id": SIBLING, "delay": None}, 400, "Mandatory field missing"),
    ("l7policy", {"action": "REDIRECT_TO_URL"}, 400, "redirect_url must not be None"),
    ("l7policy", {"action": "REDIRECT_TO_POOL"}, 400, "redirect_pool_id must not be None"),
    ("l7policy", {"action": "REDIRECT_TO_URL", "redirect_url": "ftp://x/"}, 400, "redirect_url"),
    ("l7policy", {"action": "REDIRECT_TO_URL", "redirect_url": "http://x/ y"}, 400, "redirect_url"),
    ("l7policy", {"action": "REDIRECT_TO_URL", "redirect_url": "http://x/\n"}, 400, "redirect_url"),
    ("l7policy", {"action": "REDIRECT_TO_POOL", "redirect_pool_id": UNKNOWN}, 404, UNKNOWN),
    (
        "l7policy",
        {"action": "REDIRECT_TO_URL", "redirect_url": "http://x/", "redirect_http_code": 304},
        400,
        "301, 302",
    ),
    ("l7policy", {"position": 0}, 400, "position"),
    ("l7policy", {"listener_id": UNKNOWN}, 404, f"Listener {UNKNOWN} not found."),
    ("l7rule", {"type": "HEADER"}, 400, "key"),
    ("l7rule", {"type": "COOKIE", "key": "a b"}, 400, "a b"),
    ("l7rule", {"type": "FILE_TYPE", "compare_type": "CONTAINS"}, 400, "compare_type"),
    ("l7rule", {"compare_type": "REGEX", "value": "("}, 400, "regular expression"),
    ("l7rule", {"value": "a\nb"}, 400, "value"),
    ("l7rule", {"value": "a b"}, 400, "a b"),
    ("l7rule", {"value": ""}, 400, "requires a value"),
    ("l7rule", {"type": "COOKIE", "key": "k", "value": "a;b"}, 400, "a;b"),
    ("l7rule", {"value": None}, 400, "Mandatory field missing"),
    ("l7rule", {"type": "SSL_VERIFY_RESULT", "compare_type": "EQUAL_TO", "value": "٣"}, 400, "a number from 0"),
    (
        "l7rule",
        {"type": "SSL_VERIFY_RESULT", "compare_type": "EQUAL_TO", "value": "2147483648"},
        400,
        "Value: '2147483648'. HAProxy cannot use it: a verify result is at most 2147483647.",
    ),
    ("l7rule", {"compare_type": "REGEX", "value": r"(a)\1"}, 400, r"Value: '(a)\1'. HAProxy cannot use it: a group "),
    ("l7rule", {"compare_type": "REGEX", "value": "(?a)b"}, 400, "not known to PCRE"),
]


@pytest.mark.parametrize(("kind", "attributes", "status", "text"), REFUSED)
def test_refused_with_a_reason_and_nothing_changes(
    api: Any, tree: SimpleNamespace, kind: str, attributes: dict[str, Any], status: int, text: str
) -> None:
    sibling = api.pool(tree.loadbalancer)["id"]
    given = {name: sibling if value is SIBLING else value for name, value in attributes.items()}
    before = everything(api, tree)
    path, key, usual = good(tree, kind)
    assert text in api.fails("POST", path, {key: {**usual, **given}}, status)
    assert everything(api, tree) == before


@pytest.mark.parametrize(
    ("attributes", "status", "text"),
    [
        ({"vip_subnet_id": "notuuid"}, 400, "vip_subnet_id. Value: 'notuuid'. Value should be UUID format"),
        (
            {"vip_subnet_id": None},
            400,
            "Validation failure: VIP must contain one of: vip_port_id, vip_network_id, vip_subnet_id.",
        ),
        ({"vip_subnet_id": UNKNOWN}, 400, UNKNOWN),
        ({"vip_address": "192.0.2.1"}, 400, "192.0.2.1"),
        ({"bogus": 1}, 400, "Unknown attribute for argument load_balancer.loadbalancer: bogus"),
        ({"admin_state_up": "maybe"}, 400, "Value not an unambiguous boolean: maybe"),
        ({"provider": "nope"}, 400, "Provider 'nope' is not enabled."),
        ({"flavor_id": UNKNOWN}, 400, "flavor_id"),
        ({"availability_zone": "nova"}, 400, "Invalid availability zone."),
        ({"vip_qos_policy_id": UNKNOWN}, 400, UNKNOWN),
        ({"vip_sg_ids": [UNKNOWN]}, 400, UNKNOWN),
        ({"additional_vips": [{}]}, 400, "subnet_id"),
        ({"additional_vips": [{"subnet_id": UNKNOWN, "colour": "red"}]}, 400, "colour"),
        ({"project_id": "f" * 32}, 403, "Policy does not allow this request to be performed."),
        ({"project_id": "f" * 37}, 400, "36"),
    ],
)
def test_load_balancers_that_are_refused(
    api: Any, tree: SimpleNamespace, attributes: dict[str, Any], status: int, text: str
) -> None:
    usual = {"vip_subnet_id": tree.loadbalancer["vip_subnet_id"]}
    assert text in api.fails("POST", "/loadbalancers", {"loadbalancer": {**usual, **attributes}}, status)
    assert len(api.get("/loadbalancers")["loadbalancers"]) == 1


def test_attributes_that_never_change_are_unknown_to_put(api: Any, tree: SimpleNamespace) -> None:
    text = api.fails("PUT", tree.paths["loadbalancer"], {"loadbalancer": {"vip_address": "1.2.3.4"}}, 400)
    assert text == "Unknown attribute for argument load_balancer.loadbalancer: vip_address"
    for kind, name, value in (
        ("listener", "protocol", "TCP"),
        ("member", "address", "10.0.0.9"),
        ("pool", "protocol", "TCP"),
    ):
        assert name in api.fails("PUT", tree.paths[kind], {kind: {name: value}}, 400)


def test_objects_that_do_not_exist(api: Any, tree: SimpleNamespace) -> None:
    for kind, title in (
        ("loadbalancer", "Load Balancer"),
        ("listener", "Listener"),
        ("pool", "Pool"),
        ("member", "Member"),
        ("healthmonitor", "Health Monitor"),
        ("l7policy", "L7 Policy"),
        ("l7rule", "L7 Rule"),
    ):
        for id_ in (UNKNOWN, "nonuuid"):
            path = tree.paths[kind].rpartition("/")[0] + "/" + id_
            assert api.fails("GET", path, None, 404) == f"{title} {id_} not found."
            assert api.fails("DELETE", path, None, 404) == f"{title} {id_} not found."


@pytest.mark.parametrize("field", [each for one in resources.BY_NAME.values() for each in one.fields if each.pattern])
def test_digits_of_a_definition_are_ascii(field: resources.Field) -> None:
    r"""\d is any digit of Unicode to Python, and an ASCII one to those who read the pattern as JSON Schema."""
    assert not re.search(r"\\[dDwWbB]", field.pattern or "")


def test_what_the_framework_refuses_has_the_other_format(api: Any) -> None:
    for method, path, options, status in (
        ("GET", "//nonexist", {}, 404),
        ("GET", "/nonexist", {}, 404),
        ("PATCH", "/loadbalancers", {}, 405),
        ("HEAD", "/loadbalancers", {}, 405),
        ("GET", "/loadbalancers", {"headers": {"Accept": "text/html"}}, 406),
        ("GET", "/loadbalancers?limit=bad", {}, 400),
        ("GET", "/loadbalancers?sort=name:up", {}, 400),
    ):
        result = api.request(method, path, **options)
        assert result.status_code == status
        if method != "HEAD":
            assert set(result.json) == {"code", "title", "description"}
    assert "GET" in api.request("PATCH", "/loadbalancers").headers["Allow"]


def test_bodies_that_are_no_json(api: Any) -> None:
    def post(body: bytes, kind: str = "application/json") -> Any:
        return api.request("POST", "/loadbalancers", headers={"Content-Type": kind}, raw=body)

    for body in (b"{bad", b"\xff\xfe", b'{"loadbalancer": "\\ud800"}', b"[" * 5000):
        assert post(body).status_code == 400
    assert post(b"{bad").json["faultstring"] == "Request is not in valid JSON format"
    assert post(b"x" * (4 * 1024 * 1024 + 1)).status_code == 413
    result = post(b"{}", "text/plain")
    assert (result.status_code, result.json["faultstring"]) == (415, "Unknown mimetype: text/plain")
    for body in (b"", b"{}", b"[]", b"null", b"7", b'{"loadbalancer": []}', b'{"loadbalancer": {}, "x": 1}'):
        assert post(body).status_code == 400


def test_who_sends(api: Any, tree: SimpleNamespace) -> None:
    assert api.as_("").request("GET", "/loadbalancers").status_code == 401
    assert api.as_("stranger").request("GET", "/loadbalancers").json["error"]["code"] == 401
    denied = "Policy does not allow this request to be performed."
    assert api.as_("nobody").fails("GET", "/loadbalancers", None, 403) == denied
    assert len(api.as_("reader").get("/loadbalancers")["loadbalancers"]) == 1
    assert api.as_("reader").fails("DELETE", tree.paths["member"], None, 403) == denied


def test_a_foreign_object_is_forbidden_by_its_id_and_does_not_exist_otherwise(api: Any, tree: SimpleNamespace) -> None:
    """Octavia answers an ID in a path so; a list, a filter, a marker or a reference in a body tells nothing."""
    other = api.as_("other")
    for kind, path in tree.paths.items():
        key = "rule" if kind == "l7rule" else kind
        for method, body in (("GET", None), ("DELETE", None), ("PUT", {key: {"admin_state_up": False}})):
            _is_forbidden(other.request(method, path, body))
    own_path = tree.paths["loadbalancer"]
    for path in (f"{own_path}/status", f"{own_path}/stats", f"{own_path}/events", f"{tree.paths['pool']}/members"):
        _is_forbidden(other.request("GET", path))
    _is_forbidden(other.request("DELETE", f"{own_path}?cascade=true"))
    member = {"member": {"address": "10.0.0.9", "protocol_port": 80}}
    _is_forbidden(other.request("POST", f"{tree.paths['pool']}/members", member))
    for collection in ("loadbalancers", "listeners", "pools", "healthmonitors", "l7policies"):
        assert other.get(f"/{collection}")[collection] == []
        assert other.get(f"/{collection}?project_id={tree.loadbalancer['project_id']}")[collection] == []
    mine = other.loadbalancer()
    own = other.listener(mine)
    for path, body in (
        (
            "/listeners",
            {"listener": {"loadbalancer_id": tree.loadbalancer["id"], "protocol": "HTTP", "protocol_port": 9}},
        ),
        ("/pools", {"pool": {"listener_id": tree.listener["id"], "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN"}}),
        (
            "/listeners",
            {
                "listener": {
                    "loadbalancer_id": mine["id"],
                    "protocol": "HTTP",
                    "protocol_port": 9,
                    "default_pool_id": tree.pool["id"],
                }
            },
        ),
        (
            "/l7policies",
            {"l7policy": {"listener_id": own["id"], "action": "REDIRECT_TO_POOL", "redirect_pool_id": tree.pool["id"]}},
        ),
    ):
        _is_not_found(other.request("POST", path, body))
    assert api.as_("admin").get(tree.paths["member"])["member"]["id"] == tree.member["id"]


def _is_forbidden(answer: Any) -> None:
    assert answer.status_code == 403
    said = "Policy does not allow this request to be performed."
    assert answer.json == {"faultcode": "Client", "faultstring": said, "debuginfo": None}


def _is_not_found(answer: Any) -> None:
    assert answer.status_code == 404
    assert "not found" in answer.text


def good(tree: SimpleNamespace, kind: str) -> tuple[str, str, dict[str, Any]]:
    """(path, key, attributes) of a POST that repeats what is there."""
    loadbalancer_id = tree.loadbalancer["id"]
    return {
        "listener": (
            "/listeners",
            "listener",
            {"loadbalancer_id": loadbalancer_id, "protocol": "HTTP", "protocol_port": 80},
        ),
        "pool": (
            "/pools",
            "pool",
            {"loadbalancer_id": loadbalancer_id, "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN"},
        ),
        "member": (f"/pools/{tree.pool['id']}/members", "member", {"address": "10.0.0.4", "protocol_port": 80}),
        "healthmonitor": (
            "/healthmonitors",
            "healthmonitor",
            {"pool_id": tree.pool["id"], "type": "HTTP", "delay": 5, "timeout": 3, "max_retries": 3},
        ),
        "l7policy": ("/l7policies", "l7policy", {"listener_id": tree.listener["id"], "action": "REJECT"}),
        "l7rule": (
            f"/l7policies/{tree.l7policy['id']}/rules",
            "rule",
            {"type": "PATH", "compare_type": "EQUAL_TO", "value": "/"},
        ),
    }[kind]


def everything(api: Any, tree: SimpleNamespace) -> list[Any]:
    paths = ["/loadbalancers", "/listeners", "/pools", "/healthmonitors", "/l7policies"]
    paths += [tree.paths["member"].rpartition("/")[0], tree.paths["l7rule"].rpartition("/")[0]]
    return [api.get(path) for path in paths]
