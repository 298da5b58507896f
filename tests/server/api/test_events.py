"""The API of events, of results of checks, and of the counters of pools and members."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from lbclient.store import history
from lbclient.store.store import Check, Outcome


def events(api: Any, tree: Any, query: str = "") -> list[dict[str, Any]]:
    return api.get(f"{tree.paths['loadbalancer']}/events{query}")["events"]


def told(found: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(each["action"], each["resource"]) for each in found]


def test_every_change_is_told_the_newest_first(api: Any, tree: SimpleNamespace) -> None:
    assert told(events(api, tree)) == [
        ("create", "l7rule"),
        ("create", "l7policy"),
        ("create", "healthmonitor"),
        ("create", "member"),
        ("update", "listener"),  # whose default it became
        ("create", "pool"),
        ("create", "listener"),
        ("create", "loadbalancer"),
    ]
    api.put(tree.paths["member"], "member", weight=0)
    api.delete(tree.paths["l7policy"])
    changed, rule, policy = events(api, tree)[2], *events(api, tree)[1::-1]
    assert (rule["action"], rule["resource_id"]) == ("delete", tree.l7rule["id"])
    assert (policy["action"], policy["resource_id"]) == ("delete", tree.l7policy["id"])
    assert changed["resource_id"] == tree.member["id"]
    assert (changed["attributes"], changed["user_id"]) == ({"weight": "0"}, "u1")
    assert (changed["how"], changed["reason"], changed["status"]) == ("nothing", None, None)


def test_a_new_object_is_told_with_what_was_given(api: Any, tree: SimpleNamespace) -> None:
    member = events(api, tree)[3]
    assert member["attributes"] == {"name": "member", "address": "10.0.0.4", "protocol_port": "80"}


def test_how_a_change_was_applied(make_api: Any, store: Any) -> None:
    api = make_api(wake=lambda _: None)
    balancer = api.loadbalancer()
    path = f"/loadbalancers/{balancer['id']}/events"
    [created] = api.get(path)["events"]
    assert (created["how"], created["milliseconds"]) == (None, None)
    store.settle(store.snapshot(balancer["id"]), None, Outcome("started", 14.2))
    [created] = api.get(path)["events"]
    assert (created["how"], created["milliseconds"], created["reason"]) == ("started", 15, None)
    api.listener(balancer)
    store.settle(store.snapshot(balancer["id"]), "The port is taken.")
    refused = api.get(path)["events"][0]
    assert (refused["action"], refused["how"], refused["reason"]) == ("create", "refused", "The port is taken.")
    store.settle(store.snapshot(balancer["id"]), None, Outcome("reloaded", 20.0))
    healed = api.get(path)["events"][0]
    assert (healed["action"], healed["resource"], healed["how"]) == ("apply", "loadbalancer", "reloaded")
    assert (healed["user_id"], healed["reason"]) == (None, None)


def test_changes_of_a_status_are_told_with_the_reason(api: Any, tree: SimpleNamespace, store: Any) -> None:
    key = ("member", tree.member["id"])
    check = Check("L4CON", "Layer4 connection problem: Connection refused")
    store.observed(tree.loadbalancer["id"], {key: "ERROR"}, {tree.member["id"]: check}, {key: check.reason})
    newest = events(api, tree)[0]
    assert (newest["action"], newest["resource"], newest["status"]) == ("observe", "member", "ERROR")
    assert newest["reason"] == check.reason
    store.observed(tree.loadbalancer["id"], {key: "ERROR"}, {tree.member["id"]: check}, {key: check.reason})
    assert events(api, tree)[0] == newest


def test_pages_filters_and_fields(api: Any, tree: SimpleNamespace) -> None:
    path = f"{tree.paths['loadbalancer']}/events"
    first = api.get(f"{path}?limit=3")
    assert len(first["events"]) == 3
    [link] = first["events_links"]
    assert link["rel"] == "next"
    assert f"{path}?limit=3&marker={first['events'][-1]['id']}" in link["href"]
    rest = api.get(f"{path}?marker={first['events'][-1]['id']}")["events"]
    assert first["events"] + rest == events(api, tree)
    assert told(events(api, tree, "?resource=pool&action=create")) == [("create", "pool")]
    assert told(events(api, tree, "?sort=created_at:asc"))[0] == ("create", "loadbalancer")
    assert events(api, tree, "?fields=action&limit=1") == [{"action": "create"}]


def test_the_history_is_bounded(api: Any, tree: SimpleNamespace) -> None:
    for number in range(history.KEPT + 5):
        api.put(tree.paths["member"], "member", weight=number % 100)
    found = events(api, tree)
    assert len(found) == history.KEPT
    assert {each["action"] for each in found} == {"update"}


def test_what_is_long_is_shortened(api: Any, tree: SimpleNamespace) -> None:
    cidrs = [f"10.{number}.0.0/16" for number in range(200)]
    api.put(tree.paths["listener"], "listener", allowed_cidrs=cidrs)
    text = events(api, tree)[0]["attributes"]["allowed_cidrs"]
    assert text.endswith("…")
    assert len(text) == history.LONGEST + 1


def test_strangers_see_nothing_and_readers_all(api: Any, tree: SimpleNamespace) -> None:
    paths = [f"{tree.paths['loadbalancer']}/events", f"{tree.paths['pool']}/stats", f"{tree.paths['member']}/stats"]
    for path in paths:
        assert path.split("/")[2] not in api.as_("other").fails("GET", path, None, 403)
        api.as_("reader").get(path)
        api.as_("admin").get(path)


def test_a_load_balancers_history_goes_with_it(api: Any, tree: SimpleNamespace, store: Any) -> None:
    api.request("DELETE", f"{tree.paths['loadbalancer']}?cascade=true")
    api.fails("GET", f"{tree.paths['loadbalancer']}/events", None, 404)
    with store.reading() as tx:
        assert tx.exec_driver_sql("SELECT count(*) FROM loadbalancer_event").scalar() == 0


def test_a_whole_load_balancer_and_a_batch_are_told_too(api: Any, tree: SimpleNamespace) -> None:
    pool = {"name": "p", "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN"}
    listener = {"protocol": "HTTP", "protocol_port": 80, "default_pool": {"name": "p"}}
    whole = api.loadbalancer(pools=[pool], listeners=[listener])
    found = api.get(f"/loadbalancers/{whole['id']}/events")["events"]
    assert told(found) == [("create", "listener"), ("create", "pool"), ("create", "loadbalancer")]
    members = {"members": [{"address": "10.0.0.9", "protocol_port": 80}]}
    assert api.request("PUT", f"{tree.paths['pool']}/members", members).status_code == 202
    assert told(events(api, tree)[:2]) == [("create", "member"), ("delete", "member")]
    assert {each["user_id"] for each in events(api, tree)} == {"u1"}


def test_the_last_check_stands_in_the_status_tree(api: Any, tree: SimpleNamespace, store: Any) -> None:
    def member() -> dict[str, Any]:
        tree_ = api.get(f"{tree.paths['loadbalancer']}/status")["statuses"]["loadbalancer"]
        return tree_["listeners"][0]["pools"][0]["members"][0]

    assert "last_check" not in member()
    check = Check("L7STS", "Layer7 wrong status: 500")
    id_ = tree.loadbalancer["id"]
    store.observed(id_, {}, {tree.member["id"]: check, "of nobody": check})
    first = member()["last_check"]
    assert (first["status"], first["reason"]) == (check.status, check.reason)
    store.observed(id_, {}, {tree.member["id"]: check})
    store.observed(id_, {("member", tree.member["id"]): "ERROR"}, None)
    assert member()["last_check"] == first
    store.observed(id_, {}, {})
    assert "last_check" not in member()


def test_the_fault_stands_in_the_status_tree(api: Any, tree: SimpleNamespace, store: Any) -> None:
    path = f"{tree.paths['loadbalancer']}/status"
    assert "fault" not in api.get(path)["statuses"]["loadbalancer"]
    store.settle(store.snapshot(tree.loadbalancer["id"]), "HAProxy refuses the configuration: no.")
    assert api.get(path)["statuses"]["loadbalancer"]["fault"] == "HAProxy refuses the configuration: no."


def test_pools_and_members_have_counters(api: Any, tree: SimpleNamespace, store: Any) -> None:
    nothing = dict.fromkeys(("active_connections", "bytes_in", "bytes_out", "request_errors", "total_connections"), 0)
    assert api.get(f"{tree.paths['pool']}/stats")["stats"] == nothing
    counted = {**nothing, "bytes_in": 5, "request_errors": 1}
    totals = {tree.pool["id"]: counted, tree.member["id"]: {**counted, "bytes_in": 4}, "of nobody": counted}
    for _ in range(2):  # made, and changed
        store.counted(tree.loadbalancer["id"], totals)
        assert api.get(f"{tree.paths['pool']}/stats")["stats"] == counted
        assert api.get(f"{tree.paths['member']}/stats")["stats"] == {**counted, "bytes_in": 4}
    assert api.get(f"{tree.paths['loadbalancer']}/stats")["stats"] == nothing  # that is the sum of listeners
    api.delete(tree.paths["member"])
    api.delete(tree.paths["pool"])
    with store.reading() as tx:
        assert tx.exec_driver_sql("SELECT count(*) FROM part_statistics").scalar() == 0
