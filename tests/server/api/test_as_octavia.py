"""What Octavia's own server answers where one would expect something else; tests/outside/test_octavia.py asks it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

VERSIONS, PROTOCOLS = ["TLSv1.2", "TLSv1.3"], ["h2", "http/1.1", "http/1.0"]


@pytest.mark.parametrize(("given", "kept"), [(True, 1), (7.0, 7), (7.9, 7), (" 7 ", 7), ("+7", 7), ("7", 7)])
def test_what_counts_as_a_number(api: Any, tree: SimpleNamespace, given: Any, kept: int) -> None:
    assert api.put(tree.paths["member"], "member", weight=given)["weight"] == kept


@pytest.mark.parametrize("given", ["7.0", "0x7", "", [7], {}, "7e0"])
def test_what_does_not(api: Any, tree: SimpleNamespace, given: Any) -> None:
    api.fails("PUT", tree.paths["member"], {"member": {"weight": given}}, 400)


@pytest.mark.parametrize(("given", "kept"), [(2, True), (-1, True), (0, False), ("yes", True), (None, False)])
def test_what_counts_as_a_boolean(api: Any, tree: SimpleNamespace, given: Any, kept: bool) -> None:
    assert api.put(tree.paths["member"], "member", admin_state_up=given)["admin_state_up"] is kept
    assert api.member(tree.pool, protocol_port=81, admin_state_up=given)["admin_state_up"] is kept


@pytest.mark.parametrize("given", ["True", "YES", " true", 1.0, []])
def test_a_boolean_in_other_words(api: Any, tree: SimpleNamespace, given: Any) -> None:
    api.fails("PUT", tree.paths["member"], {"member": {"admin_state_up": given}}, 400)


def test_of_two_names_of_a_project_the_older_counts(api: Any, tree: SimpleNamespace) -> None:
    admin = api.as_("admin")
    body = {"vip_subnet_id": tree.loadbalancer["vip_subnet_id"], "project_id": "a" * 32, "tenant_id": "b" * 32}
    made = admin.request("POST", "/loadbalancers", {"loadbalancer": body}).json["loadbalancer"]
    assert (made["project_id"], made["tenant_id"]) == ("b" * 32, "b" * 32)


def test_tls_settings_that_nobody_chose(api: Any, tree: SimpleNamespace) -> None:
    pool = api.pool(tree.loadbalancer, tls_enabled=True)
    assert (pool["tls_versions"], pool["alpn_protocols"]) == (VERSIONS, PROTOCOLS)
    assert "ECDHE-RSA-AES128-GCM-SHA256" in pool["tls_ciphers"]
    assert api.pool(tree.loadbalancer, tls_enabled=True, tls_versions=["TLSv1.3"])["tls_versions"] == ["TLSv1.3"]
    assert api.pool(tree.loadbalancer)["tls_versions"] is None
    found = api.put(tree.paths["listener"], "listener", tls_versions=None, alpn_protocols=None)
    assert (found["tls_versions"], found["alpn_protocols"], found["tls_ciphers"]) == (VERSIONS, PROTOCOLS, None)


def test_the_body_is_read_before_its_object_is_looked_for(api: Any) -> None:
    path = "/listeners/99999999-9999-4999-8999-999999999999"
    api.fails("PUT", path, {"listener": {"bogus": 1}}, 400)
    api.fails("PUT", path, {"listener": {"name": "a"}}, 404)


@pytest.mark.parametrize(
    ("kind", "status"), [("", 415), ("text/plain", 415), ("application/x-www-form-urlencoded", 400)]
)
def test_a_body_that_is_not_said_to_be_json(api: Any, tree: SimpleNamespace, kind: str, status: int) -> None:
    sent = {"headers": {"Content-Type": kind}, "raw": b'{"listener": {}}'}
    assert api.request("PUT", tree.paths["listener"], **sent).status_code == status


def test_text_that_is_not_in_utf_8(api: Any) -> None:
    body = {"headers": {"Content-Type": "application/json"}, "raw": b'{"listener": {"name": "\xff"}}'}
    for answer in (api.request("POST", "/listeners", **body), api.request("GET", "/listeners?name=%FF")):
        assert (answer.status_code, answer.json["code"], answer.json["title"]) == (400, 400, "Bad Request")


@pytest.mark.parametrize("parts", ["", {}])
def test_parts_that_are_no_list(api: Any, tree: SimpleNamespace, parts: Any) -> None:
    body = {"vip_subnet_id": tree.loadbalancer["vip_subnet_id"], "listeners": parts}
    api.fails("POST", "/loadbalancers", {"loadbalancer": body}, 400)


def test_a_path_of_two_slashes_is_not_checked(api: Any, tree: SimpleNamespace) -> None:
    api.fails("PUT", tree.paths["healthmonitor"], {"healthmonitor": {"url_path": "//a"}}, 400)


@pytest.mark.parametrize("url", ["HTTP://e.example/", "http://\u00e9.example/"])
def test_urls_in_unusual_letters(api: Any, tree: SimpleNamespace, url: str) -> None:
    body = {"listener_id": tree.listener["id"], "action": "REDIRECT_TO_URL", "redirect_url": url}
    api.fails("POST", "/l7policies", {"l7policy": body}, 400)


def test_a_pool_that_is_left_aside_has_to_exist(api: Any, tree: SimpleNamespace) -> None:
    body = {"listener_id": tree.listener["id"], "action": "REJECT", "redirect_pool_id": tree.listener["id"]}
    assert api.fails("POST", "/l7policies", {"l7policy": body}, 404) == f"Pool {tree.listener['id']} not found."


def test_a_changed_rule_has_no_key_that_its_type_has_no_use_for(api: Any, tree: SimpleNamespace) -> None:
    answer = api.request("PUT", tree.paths["l7rule"], {"rule": {"type": "PATH", "key": "x"}})
    assert answer.json["rule"]["key"] is None


def test_what_only_http_checks_have(api: Any, tree: SimpleNamespace) -> None:
    monitor = api.healthmonitor(api.pool(tree.loadbalancer), type="TCP", http_version=1.1, domain_name="e.example")
    assert (monitor["http_version"], monitor["domain_name"]) == (1.1, "e.example")
    text = api.fails("PUT", f"/healthmonitors/{monitor['id']}", {"healthmonitor": {"http_method": None}}, 400)
    assert text == "http_method is not a valid option for health monitors of type TCP"


def test_an_action_that_is_given_needs_its_own_target(api: Any, tree: SimpleNamespace) -> None:
    body = {"listener_id": tree.listener["id"], "action": "REDIRECT_TO_URL", "redirect_prefix": "http://e.example"}
    assert "redirect_url must not be None" in api.fails("POST", "/l7policies", {"l7policy": body}, 400)


@pytest.mark.parametrize("given", [1, "1", "1.0", 1.0])
def test_a_version_is_a_number(api: Any, tree: SimpleNamespace, given: Any) -> None:
    assert api.put(tree.paths["healthmonitor"], "healthmonitor", http_version=given)["http_version"] == 1.0
