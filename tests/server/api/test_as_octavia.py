"""Unexpected answers of Octavia's own server, which tests/outside/test_octavia.py asks, are given here, too."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

UNKNOWN = "99999999-9999-4999-8999-999999999999"
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


def test_a_pool_that_is_left_aside_may_be_of_another_load_balancer(api: Any, tree: SimpleNamespace) -> None:
    pool = api.pool(api.loadbalancer())
    body = {"listener_id": tree.listener["id"], "action": "REJECT", "redirect_pool_id": pool["id"]}
    assert api.request("POST", "/l7policies", {"l7policy": body}).json["l7policy"]["redirect_pool_id"] is None
    body["action"] = "REDIRECT_TO_POOL"
    assert api.fails("POST", "/l7policies", {"l7policy": body}, 404) == f"Pool {pool['id']} not found."


def test_a_changed_rule_has_no_key_that_its_type_has_no_use_for(api: Any, tree: SimpleNamespace) -> None:
    answer = api.request("PUT", tree.paths["l7rule"], {"rule": {"type": "PATH", "key": "x"}})
    assert answer.json["rule"]["key"] is None


def test_an_empty_key_is_none(api: Any, tree: SimpleNamespace) -> None:
    rule = {"type": "SSL_VERIFY_RESULT", "compare_type": "EQUAL_TO", "value": "0", "key": ""}
    assert api.request("POST", tree.paths["l7rule"].rpartition("/")[0], {"rule": rule}).json["rule"]["key"] == ""
    api.fails("PUT", tree.paths["l7rule"], {"rule": rule | {"key": "x"}}, 400)


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


@pytest.mark.parametrize(("method", "body"), [("GET", None), ("POST", {}), ("PUT", {"members": []})])
def test_inside_what_does_not_exist(api: Any, method: str, body: Any) -> None:
    answer = api.request(method, f"/pools/{UNKNOWN}/members", body)
    told = {"code": 404, "title": "Bad Request", "description": f"Pool {UNKNOWN} not found."}
    assert (answer.status_code, answer.json) == (404, told)
    found = api.request("GET", f"/l7policies/{UNKNOWN}/rules/{UNKNOWN}").json
    assert found == {"code": 404, "title": "Bad Request", "description": f"L7Policy {UNKNOWN} not found."}


@pytest.mark.parametrize("query", ["bogus=1", "limit=1", "fields=id", "tags=a"])
def test_what_is_no_argument_of_an_operation(api: Any, tree: SimpleNamespace, query: str) -> None:
    text = f'Unknown argument: "{query.partition("=")[0]}"'
    one = tree.paths["listener"]
    for method, path in (("GET", f"{one}/stats"), ("PUT", one), ("DELETE", one), ("POST", "/listeners")):
        assert api.fails(method, f"{path}?{query}", {"listener": {}}, 400) == text
    assert api.fails("DELETE", f"//v2/listeners/{UNKNOWN}?{query}", None, 400) == text
    assert api.get(f"{one}?{query}&anything=else")["listener"]


@pytest.mark.parametrize("query", ["limit=x", "limit=1.5", "sort=name:up", "sort_key=name&sort_dir=up"])
def test_paging_is_looked_at_with_one_object_too(api: Any, tree: SimpleNamespace, query: str) -> None:
    answer = api.request("GET", f"{tree.paths['listener']}?{query}")
    assert (answer.status_code, answer.json["title"]) == (400, "Bad Request")


def test_members_that_are_given_twice(api: Any, tree: SimpleNamespace) -> None:
    old, new = ({"address": tree.member["address"], "protocol_port": port} for port in (80, 81))
    path = f"{tree.paths['pool']}/members"
    assert "is already using ip" in api.fails("PUT", path, {"members": [new, new]}, 409)
    api.fails("PUT", path, {"members": [old, old]}, 400)


def test_a_batch_changes_subnets(api: Any, tree: SimpleNamespace) -> None:
    path, subnet = f"{tree.paths['pool']}/members", tree.loadbalancer["vip_subnet_id"]
    member = {"address": tree.member["address"], "protocol_port": 80}
    assert api.request("PUT", path, {"members": [{**member, "subnet_id": subnet}]}).status_code == 202
    assert [each["subnet_id"] for each in api.get(path)["members"]] == [subnet]
    refused = {"members": [{**member, "subnet_id": UNKNOWN}]}
    assert api.fails("PUT", path, refused, 400) == f"Subnet {UNKNOWN} not found."


def test_what_is_no_type_of_content_is_passed_over(api: Any) -> None:
    assert api.request("GET", "/listeners", headers={"Accept": "garbage"}).status_code == 200
    assert api.request("GET", "/listeners", headers={"Accept": "text/html"}).status_code == 406


def test_a_path_that_is_not_in_utf_8(api: Any) -> None:
    for method in ("GET", "DELETE"):
        assert api.request(method, "/quotas/%FF").status_code == 400


def test_the_root_can_be_asked_for_its_head(api: Any) -> None:
    answer = api.request("HEAD", "//")
    assert (answer.status_code, answer.text) == (200, "")
    assert api.request("HEAD", "/loadbalancers").status_code == 405


def test_pools_by_their_monitor(api: Any, tree: SimpleNamespace) -> None:
    api.pool(tree.loadbalancer)
    found = api.get(f"/pools?healthmonitor_id={tree.healthmonitor['id']}")["pools"]
    assert [pool["id"] for pool in found] == [tree.pool["id"]]
    assert api.get("/pools?healthmonitor_id=x")["pools"] == []


def test_amphorae_by_the_project_of_their_load_balancers(api: Any, tree: SimpleNamespace) -> None:
    def found(project_id: str) -> list[str]:
        amphorae = api.as_("admin").get(f"//v2.0/octavia/amphorae?project_id={project_id}")["amphorae"]
        return [each["loadbalancer_id"] for each in amphorae]

    assert found(tree.loadbalancer["project_id"]) == [tree.loadbalancer["id"]]
    assert found("x") == []


def test_a_profile_that_is_not_there_has_two_names(api: Any) -> None:
    admin, path = api.as_("admin"), f"/flavorprofiles/{UNKNOWN}"
    assert admin.fails("GET", path, None, 404) == f"Flavor Profile {UNKNOWN} not found."
    assert admin.fails("DELETE", path, None, 404) == f"Flavor profile {UNKNOWN} not found."


def test_what_is_not_known_is_told_before_what_is_missing(api: Any) -> None:
    text = api.fails("POST", "/loadbalancers", {"bogus": {}}, 400)
    assert text == "Unknown attribute for argument load_balancer: bogus"


def test_what_a_tree_leaves_out(api: Any) -> None:
    monitor = {"type": "HTTP", "delay": 5, "timeout": 3, "max_retries": 3}
    pool = {"protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN"}
    listener = {"protocol": "HTTP", "protocol_port": 80, "default_pool": {"name": "a"}}
    pools = [{**pool, "name": "a"}, {**pool, "healthmonitor": monitor}]  # one may be without a name
    made = api.loadbalancer(listeners=[listener], pools=pools)
    a, b = made["pools"]
    assert not {"loadbalancers", "healthmonitor_id", "pools"} & {*made["listeners"][0], *a, *b["healthmonitor"]}
    assert (a["healthmonitor"], a["members"], b["name"]) == (None, [], "")
    assert "default_pool" not in made["listeners"][0]


def test_two_pools_of_a_tree_without_a_name(api: Any, tree: SimpleNamespace) -> None:
    pool = {"protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN"}
    body = {"vip_subnet_id": tree.loadbalancer["vip_subnet_id"], "pools": [pool, pool]}
    api.fails("POST", "/loadbalancers", {"loadbalancer": body}, 400)


def test_a_policy_uses_its_pool_when_it_is_at_work(api: Any, tree: SimpleNamespace) -> None:
    pool = api.pool(tree.loadbalancer)
    policy = api.l7policy(tree.listener, action="REDIRECT_TO_POOL", redirect_pool_id=pool["id"])

    def users() -> list[str]:
        [listener] = api.get(f"{tree.paths['loadbalancer']}/status")["statuses"]["loadbalancer"]["listeners"]
        is_shown = pool["id"] in [each["id"] for each in listener["pools"]]
        found = [each["id"] for each in api.get(f"/pools/{pool['id']}")["pool"]["listeners"]]
        assert is_shown == bool(found)
        return found

    assert users() == []
    api.l7rule(policy)
    assert users() == [tree.listener["id"]]
    api.put(f"/l7policies/{policy['id']}", "l7policy", admin_state_up=False)
    assert users() == []


def test_a_pool_without_a_monitor_in_the_status_tree(api: Any, tree: SimpleNamespace) -> None:
    api.delete(tree.paths["healthmonitor"])
    [listener] = api.get(f"{tree.paths['loadbalancer']}/status")["statuses"]["loadbalancer"]["listeners"]
    assert listener["pools"][0]["health_monitor"] is None


def test_a_cascade_that_is_no_boolean_is_none(api: Any, tree: SimpleNamespace) -> None:
    assert "has children" in api.fails("DELETE", f"{tree.paths['loadbalancer']}?cascade=x", None, 400)
    api.delete(f"/loadbalancers/{api.loadbalancer()['id']}?cascade=x")
