"""Updates: absent attributes, null and defaults; further objects that change; refusals."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa

from lbclient.server.network import rows
from lbclient.store import prepared
from lbclient.store.network_tables import PORT, SUBNET


def test_absent_attributes_stay_and_null_puts_the_default_back(api: Any, tree: SimpleNamespace) -> None:
    path = tree.paths["listener"]
    api.put(path, "listener", timeout_client_data=1000, insert_headers={"X-Forwarded-For": "true"}, name="new")
    found = api.put(path, "listener", timeout_client_data=None)
    assert (found["timeout_client_data"], found["name"]) == (50000, "new")
    assert found["insert_headers"] == {"X-Forwarded-For": "true"}
    assert api.put(path, "listener", name=None, insert_headers=None)["name"] == ""
    assert api.put(tree.paths["member"], "member", weight=0)["weight"] == 0
    assert api.put(tree.paths["member"], "member", weight=None)["weight"] == 1
    assert api.put(tree.paths["healthmonitor"], "healthmonitor", expected_codes=None)["expected_codes"] == "200"


def test_null_for_admin_state_up_is_down(api: Any, tree: SimpleNamespace) -> None:
    assert api.put(tree.paths["loadbalancer"], "loadbalancer", admin_state_up=None)["admin_state_up"] is False


def test_a_change_shows_pending_update_on_all_that_it_concerns(make_api: Any) -> None:
    settling = make_api()
    loadbalancer = settling.loadbalancer()
    listener = settling.listener(loadbalancer)
    pool = settling.pool(loadbalancer, listener_id=listener["id"])
    frozen = make_api(wake=lambda _: None)
    frozen.member(pool)
    for path, key in (
        (f"/loadbalancers/{loadbalancer['id']}", "loadbalancer"),
        (f"/listeners/{listener['id']}", "listener"),
        (f"/pools/{pool['id']}", "pool"),
    ):
        assert frozen.get(path)[key]["provisioning_status"] == "PENDING_UPDATE"


def test_a_busy_load_balancer_is_immutable(make_api: Any) -> None:
    frozen = make_api(wake=lambda _: None)
    loadbalancer = frozen.loadbalancer()
    id_ = loadbalancer["id"]
    body = {"listener": {"loadbalancer_id": id_, "protocol": "HTTP", "protocol_port": 80}}
    assert frozen.fails("POST", "/listeners", body, 409) == f"Load Balancer {id_} is immutable and cannot be updated."
    text = frozen.fails("PUT", f"/loadbalancers/{id_}", {"loadbalancer": {"name": "x"}}, 409)
    assert text == f"Invalid state PENDING_CREATE of loadbalancer resource {id_}"
    assert frozen.fails("DELETE", f"/loadbalancers/{id_}", None, 409) == text


def test_a_write_waits_for_its_turn(make_api: Any, store: Any) -> None:
    """The first change settles while the second one waits for it."""

    timers = []

    def settle_later(loadbalancer_id: str) -> None:
        timers.append(threading.Timer(0.2, lambda: store.settle(store.snapshot(loadbalancer_id), None)))
        timers[-1].start()

    api = make_api(wake=settle_later, busy_wait=20.0)
    listener = api.listener(api.loadbalancer())
    assert listener["provisioning_status"] == "PENDING_CREATE"
    for timer in timers:
        timer.join()


def test_delete_takes_what_belongs_to_it(api: Any, tree: SimpleNamespace) -> None:
    api.delete(tree.paths["pool"])
    assert api.get("/pools")["pools"] == []
    assert api.get("/healthmonitors")["healthmonitors"] == []
    assert api.get(tree.paths["listener"])["listener"]["default_pool_id"] is None
    api.delete(tree.paths["listener"])
    assert api.get("/l7policies")["l7policies"] == []
    api.delete(tree.paths["loadbalancer"])
    assert api.get("/loadbalancers")["loadbalancers"] == []


def test_a_load_balancer_with_children_needs_cascade(api: Any, tree: SimpleNamespace, store: Any) -> None:
    id_ = tree.loadbalancer["id"]
    text = api.fails("DELETE", tree.paths["loadbalancer"], None, 400)
    assert text == f"Validation failure: Cannot delete Load Balancer {id_} - it has children"
    api.delete(tree.paths["loadbalancer"] + "?cascade=true")
    for collection in ("loadbalancers", "listeners", "pools", "healthmonitors", "l7policies"):
        assert api.get(f"/{collection}")[collection] == []
    with store.reading() as tx:
        assert not tx.execute(PORT.select().where(PORT.c.id == tree.loadbalancer["vip_port_id"])).all()


def test_the_address_of_a_deleted_load_balancer_is_free_again(api: Any) -> None:
    first = api.loadbalancer(vip_address="10.0.0.200")
    body = {"loadbalancer": {"vip_subnet_id": first["vip_subnet_id"], "vip_address": "10.0.0.200"}}
    api.fails("POST", "/loadbalancers", body, 409)
    api.delete(f"/loadbalancers/{first['id']}")
    assert api.loadbalancer(vip_address="10.0.0.200")["vip_address"] == "10.0.0.200"


def test_policies_are_numbered_from_one(api: Any, tree: SimpleNamespace) -> None:
    second = api.l7policy(tree.listener, name="second")
    first = api.l7policy(tree.listener, name="first", position=1)

    def order() -> list[tuple[int, str]]:
        found = api.get("/l7policies?sort_key=position")["l7policies"]
        return [(each["position"], each["name"]) for each in found]

    assert (second["position"], first["position"]) == (2, 1)
    assert order() == [(1, "first"), (2, "policy"), (3, "second")]
    api.put(f"/l7policies/{first['id']}", "l7policy", position=2)
    assert order() == [(1, "policy"), (2, "first"), (3, "second")]
    api.put(f"/l7policies/{first['id']}", "l7policy", position=99)
    assert order() == [(1, "policy"), (2, "second"), (3, "first")]
    api.delete(tree.paths["l7policy"])
    assert order() == [(1, "second"), (2, "first")]


def test_a_new_target_decides_the_action(api: Any, tree: SimpleNamespace) -> None:
    pool = api.pool(tree.loadbalancer)
    path = tree.paths["l7policy"]
    found = api.put(path, "l7policy", redirect_url="http://example.com/")
    assert (found["action"], found["redirect_http_code"]) == ("REDIRECT_TO_URL", 302)
    found = api.put(path, "l7policy", redirect_pool_id=pool["id"])
    assert (found["action"], found["redirect_url"], found["redirect_http_code"]) == ("REDIRECT_TO_POOL", None, None)
    text = api.fails("DELETE", f"/pools/{pool['id']}", None, 409)
    assert pool["id"] in text


def test_session_persistence_inherits_its_type(api: Any, tree: SimpleNamespace) -> None:
    path = tree.paths["pool"]
    given = {"type": "APP_COOKIE", "cookie_name": "JSESSIONID"}
    found = api.put(path, "pool", session_persistence=given)["session_persistence"]
    assert found == {**given, "persistence_timeout": None, "persistence_granularity": None}
    found = api.put(path, "pool", session_persistence={"cookie_name": "SID"})["session_persistence"]
    assert (found["type"], found["cookie_name"]) == ("APP_COOKIE", "SID")
    assert api.put(path, "pool", session_persistence=None)["session_persistence"] is None


def test_a_choice_may_come_as_a_number(api: Any, tree: SimpleNamespace) -> None:
    """python-octaviaclient sends http_version so."""
    assert api.put(tree.paths["healthmonitor"], "healthmonitor", http_version=1.1)["http_version"] == 1.1
    api.fails("PUT", tree.paths["healthmonitor"], {"healthmonitor": {"http_version": 2}}, 400)


def test_a_member_of_a_monitored_pool_starts_offline(api: Any, tree: SimpleNamespace) -> None:
    assert api.member(tree.pool, protocol_port=81)["operating_status"] == "OFFLINE"


def test_additional_vips_have_addresses_of_their_own(api: Any, store: Any) -> None:
    first = api.loadbalancer()
    with store.writing() as tx:
        second = rows.new(
            tx,
            SUBNET,
            first["project_id"],
            name="second",
            network_id=first["vip_network_id"],
            cidr="10.0.1.0/24",
            ip_version=4,
            gateway_ip="10.0.1.1",
            is_vouched=True,
            allocation_pools=[{"start": "10.0.1.2", "end": "10.0.1.254"}],
        )
    found = api.loadbalancer(additional_vips=[{"subnet_id": second}])
    [vip] = found["additional_vips"]
    assert vip["ip_address"].startswith("10.0.1.")
    assert store.snapshot(found["id"]).addresses == (found["vip_address"], vip["ip_address"])


@pytest.mark.parametrize("allowed", [["10.0.0.0/8"], ["10.1.2.3/8", "192.0.2.1"]])
def test_cidrs_are_brought_into_their_usual_form(api: Any, tree: SimpleNamespace, allowed: list[str]) -> None:
    found = api.put(tree.paths["listener"], "listener", allowed_cidrs=allowed)["allowed_cidrs"]
    assert found[0] == "10.0.0.0/8"
    assert api.put(tree.paths["listener"], "listener", allowed_cidrs=[])["allowed_cidrs"] is None


TARGETS = {"redirect_pool_id", "redirect_url", "redirect_prefix"}


@pytest.mark.parametrize(
    ("given", "action", "target"),
    [
        ({"action": "REJECT", "redirect_url": "http://a/"}, "REJECT", None),
        ({"action": "REDIRECT_TO_URL", "redirect_url": "http://a/", "redirect_pool_id": "pool"}, None, "redirect_url"),
        (
            {"action": "REDIRECT_TO_POOL", "redirect_url": "http://a/", "redirect_pool_id": "pool"},
            None,
            "redirect_pool_id",
        ),
        ({"action": "REJECT", "redirect_prefix": "http://a/"}, "REDIRECT_PREFIX", "redirect_prefix"),
        (
            {"action": "REDIRECT_PREFIX", "redirect_prefix": "http://a/", "redirect_url": "http://b/"},
            "REDIRECT_TO_URL",
            "redirect_url",
        ),
    ],
)
def test_a_target_beside_an_action_that_has_another(
    api: Any, tree: SimpleNamespace, given: dict[str, str], action: str | None, target: str | None
) -> None:
    if "redirect_pool_id" in given:
        given = {**given, "redirect_pool_id": tree.pool["id"]}
    made = api.l7policy(tree.listener, **given)
    assert made["action"] == (action or given["action"])
    assert {name for name in TARGETS if made[name] is not None} == ({target} if target else set())


def test_a_policy_cannot_be_changed_by_nothing(api: Any, tree: SimpleNamespace) -> None:
    assert "L7 Policy" in api.fails("PUT", tree.paths["l7policy"], {"l7policy": {}}, 400)


def test_a_listener_of_prometheus_has_no_policies(make_api: Any) -> None:
    api = make_api(default_provider="noop_driver")
    listener = api.listener(api.loadbalancer(), protocol="PROMETHEUS")
    body = {"l7policy": {"listener_id": listener["id"], "action": "REJECT"}}
    text = api.fails("POST", "/l7policies", body, 400)
    assert text == "Protocol PROMETHEUS listeners cannot have child objects."


def test_a_pool_of_another_load_balancer_is_not_found(api: Any, tree: SimpleNamespace) -> None:
    other = api.pool(api.loadbalancer())
    body = {"listener": {"default_pool_id": other["id"]}}
    assert api.fails("PUT", tree.paths["listener"], body, 404) == f"Pool {other['id']} not found."


def test_security_groups_are_ids(api: Any, tree: SimpleNamespace) -> None:
    body = {"loadbalancer": {"vip_sg_ids": ["web"]}}
    assert "UUID" in api.fails("PUT", tree.paths["loadbalancer"], body, 400)


def test_a_part_belongs_to_what_it_stands_in(api: Any, tree: SimpleNamespace) -> None:
    pool = {"name": "p", "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN", "listener_id": tree.listener["id"]}
    body = {"loadbalancer": {"vip_subnet_id": tree.loadbalancer["vip_subnet_id"], "pools": [pool]}}
    assert "listener_id" in api.fails("POST", "/loadbalancers", body, 400)


def test_a_commit_whose_end_is_not_known_is_followed_up(
    make_api: Any, store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database has kept it, and its answer was lost: the client is told so, and nothing stays PENDING."""
    api = make_api()
    loadbalancer = api.loadbalancer()
    commit = prepared.commit

    def lose(tx: sa.Connection) -> None:
        monkeypatch.setattr(prepared, "commit", commit)
        commit(tx)
        raise sa.exc.OperationalError("COMMIT", {}, Exception("the connection was lost"))

    for method, path, body in (
        ("PUT", f"/loadbalancers/{loadbalancer['id']}", {"loadbalancer": {"name": "kept"}}),
        ("POST", "/loadbalancers", {"loadbalancer": {"vip_subnet_id": loadbalancer["vip_subnet_id"], "name": "new"}}),
    ):
        monkeypatch.setattr(prepared, "commit", lose)
        assert api.request(method, path, body).status_code == 503
    found = api.get("/loadbalancers")["loadbalancers"]
    assert {each["name"]: each["provisioning_status"] for each in found} == {"kept": "ACTIVE", "new": "ACTIVE"}
