"""Recorded requests, snapshots, reset, projects, and breaking members and amphorae."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
import requests

from lbclient.server.config import ConfigError
from lbclient.server.config_sources import from_arguments
from lbclient.server.testing.routes import ROUTES
from lbclient.server.web.routing import Route
from running import RunningServer, processes_with, wait_until

if TYPE_CHECKING:
    from conftest import Kit

NO_LOADBALANCER = "00000000-0000-0000-0000-000000000000"


def test_requests_are_recorded_without_secrets(kit: Kit) -> None:
    project = kit.project
    password = {"user": {"name": project["username"], "domain": {"id": "default"}, "password": project["password"]}}
    login = {"auth": {"identity": {"methods": ["password"], "password": password}}}
    assert kit.ask("POST", "/identity/v3/auth/tokens", login).status_code == 201
    again = {"auth": {"identity": {"methods": ["token"], "token": {"id": project["token"]}}}}
    assert kit.ask("POST", "/identity/v3/auth/tokens", again).status_code == 201
    secret = {"name": "s", "payload": "hidden payload", "payload_content_type": "text/plain"}
    assert kit.ask("POST", "/key-manager/v1/secrets", secret).status_code == 201
    kit.loadbalancer(name="seen")
    found = kit.testing("GET", "/requests", 200)["requests"]
    text = json.dumps(found)
    for hidden in (project["password"], project["token"], "hidden payload"):
        assert hidden not in text
    assert [each["status"] for each in found if each["method"] == "POST"] == [201] * 4
    [made] = kit.testing("GET", "/requests?method=POST&path=*/loadbalancers", 200)["requests"]
    assert made["request"]["loadbalancer"]["name"] == made["answer"]["loadbalancer"]["name"] == "seen"
    assert made["project_id"] == project["id"]
    kit.testing("DELETE", "/requests", 204)
    assert kit.testing("GET", "/requests", 200) == {"requests": []}


@pytest.mark.parametrize(
    ("query", "allowed"),
    [
        ("status=abc", "an integer from 100 to 599"),
        ("status=99", "an integer from 100 to 599"),
        ("status=", "an integer from 100 to 599"),
        ("number=0", "an integer from 1"),
        ("number=1.5", "an integer from 1"),
        ("method=GRAB", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"),
        ("milliseconds=long", "a number"),
        ("at=yesterday", "a UTC time"),
        ("colour=red", "number, at, method, path, query"),
        ("request=x", "number, at, method, path, query"),
        ("status=200&status=503", "given once"),
    ],
)
def test_a_filter_that_does_not_fit_is_refused_with_what_is_allowed(kit: Kit, query: str, allowed: str) -> None:
    name, _, value = query.rpartition("&")[2].partition("=")
    told = kit.testing("GET", f"/requests?{query}", 400)["description"]
    assert f"field/attribute {name}. Value: '{value}'." in told
    assert allowed in told


@pytest.mark.parametrize(
    "route", [each for each in ROUTES if each.path != "/requests"], ids=lambda each: f"{each.method} {each.path}"
)
def test_no_other_path_takes_query_parameters(kit: Kit, route: Route) -> None:
    kit.fault(status=500, path="/nowhere")
    path = route.path.replace("{id}", NO_LOADBALANCER).replace("{name}", "query")
    told = kit.testing(route.method, f"{path}?colour=red", 400)["description"]
    assert told == "Invalid input for field/attribute colour. Value: 'red'. This path takes no query parameters"
    assert len(kit.testing("GET", "/faults", 200)["faults"]) == 1
    assert kit.testing("GET", "/snapshots", 200) == {"snapshots": [{"name": "initial"}]}


def test_the_snapshot_of_reset_cannot_be_changed(kit: Kit) -> None:
    kit.loadbalancer()
    assert "reset needs it" in kit.testing("PUT", "/snapshots/initial", 409)["description"]
    assert "reset needs it" in kit.testing("DELETE", "/snapshots/initial", 409)["description"]
    kit.testing("POST", "/reset", 204)
    assert type(kit)(kit.server).listed() == []


def test_no_more_than_the_last_thousand_are_kept(kit: Kit) -> None:
    with requests.Session() as session:
        for number in range(1010):
            session.get(f"{kit.url}/load-balancer/v2.0/lbaas/pools?name={number}", headers=kit.headers, timeout=30)
    found = kit.testing("GET", "/requests", 200)["requests"]
    assert len(found) == 1000
    assert found[-1]["query"] == "name=1009"


@pytest.mark.parametrize("provider", ["noop_driver", "octavia"])
def test_a_snapshot_brings_everything_back_and_what_runs_follows(kit: Kit, provider: str) -> None:
    kept = kit.loadbalancer(name="kept", provider=provider)
    listener = {"listener": {"loadbalancer_id": kept["id"], "protocol": "TCP", "protocol_port": 8080}}
    wait_until(lambda: kit.status(kept["id"]) == "ACTIVE")
    assert kit.ask("POST", "/v2.0/lbaas/listeners", listener).status_code == 201
    wait_until(lambda: kit.status(kept["id"]) == "ACTIVE")
    kit.testing("PUT", "/snapshots/before", 201)
    later = kit.loadbalancer(name="later", provider=provider)
    assert kit.ask("DELETE", f"/v2.0/lbaas/loadbalancers/{kept['id']}?cascade=true").status_code == 204
    wait_until(lambda: kit.status(kept["id"]) == "GONE")
    kit.testing("POST", "/snapshots/before/restore", 204)
    wait_until(lambda: kit.status(kept["id"]) == "ACTIVE")
    assert kit.status(later["id"]) == "GONE"
    if provider == "octavia":
        wait_until(lambda: _is_open(kept["vip_address"], 8080))
        wait_until(lambda: not processes_with(later["id"]))
    assert {"name": "before"} in kit.testing("GET", "/snapshots", 200)["snapshots"]
    kit.testing("DELETE", "/snapshots/before", 204)
    assert "initial" in kit.testing("POST", "/snapshots/before/restore", 404)["description"]


def _is_open(address: str, port: int) -> bool:
    try:
        requests.get(f"http://{address}:{port}/", timeout=2)
    except requests.ConnectionError as error:
        return "refused" not in str(error)
    return True


@pytest.mark.parametrize("name", ["...", "-x", "a b", "x" * 65])
def test_a_name_that_is_no_name_of_a_file_is_refused(kit: Kit, name: str) -> None:
    told = kit.testing("PUT", f"/snapshots/{name.replace(' ', '%20')}", 400)["description"]
    assert f"field/attribute snapshot. Value: '{name}'. Value should be 1 to 64 letters" in told
    assert kit.testing("POST", "/reset", 400, {"reset": {"snapshot": name}})["description"] == told


def test_a_snapshot_of_another_version_changes_nothing(kit: Kit) -> None:
    kit.testing("PUT", "/snapshots/old", 201)
    path = kit.server.state_directory / "testing" / "snapshots" / "old.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "schema": 0}))
    made = kit.loadbalancer()
    for way, body in (("/snapshots/old/restore", None), ("/reset", {"reset": {"snapshot": "old"}})):
        told = kit.testing("POST", way, 400, body)["description"]
        assert re.search(r"field/attribute schema\. Value: '0'\. Value should be \d+ in snapshot old", told)
    path.write_text("{")
    assert (
        "field/attribute snapshot. Value: 'old'." in kit.testing("POST", "/snapshots/old/restore", 400)["description"]
    )
    assert kit.status(made["id"]) == "ACTIVE"
    kit.testing("DELETE", "/snapshots/old", 204)
    assert not path.exists()


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        ("/reset", {"reset": {"snapshot": 5}}, ("snapshot", "5", "a text")),
        ("/reset", {"reset": {"snapshot": ["initial"]}}, ("snapshot", '["initial"]', "a text")),
        ("/release", {"release": {"loadbalancer_id": 5}}, ("loadbalancer_id", "5", "a text")),
        ("/release", {"release": {"loadbalancer_id": NO_LOADBALANCER}}, (NO_LOADBALANCER, "that exists")),
        ("/paces", {"pace": {"preset": ["octavia"]}}, ("preset", '["octavia"]', "fast, octavia")),
        ("/paces", {"pace": {"loadbalancer_id": NO_LOADBALANCER, "seconds": 1}}, (NO_LOADBALANCER, "that exists")),
        ("/projects", {"project": {"name": "p", "roles": []}}, ("roles", "[]", "at least one role")),
        ("/projects", {"project": {"name": "a\0b"}}, ("name", "without NUL")),
    ],
)
def test_a_value_that_does_not_fit_is_refused_and_changes_nothing(
    kit: Kit, path: str, body: dict[str, Any], words: tuple[str, ...]
) -> None:
    told = kit.testing("POST", path, 400, body)["description"]
    assert [word for word in words if word not in told] == []
    assert kit.testing("GET", "/paces", 200) == {"paces": []}
    kit.testing("POST", "/projects", 201, {"project": {"name": "p"}})  # no project of that name was left


@pytest.mark.parametrize("provider", ["noop_driver", "octavia"])
@pytest.mark.parametrize("way", ["restore", "reset"])
def test_a_restore_brings_back_the_error_of_a_pace(kit: Kit, provider: str, way: str) -> None:
    kit.pace(operation="update", outcome="ERROR", reason="no valid host", times=1)
    made = kit.loadbalancer(provider=provider)
    path = f"/v2.0/lbaas/loadbalancers/{made['id']}"
    wait_until(lambda: kit.status(made["id"]) == "ACTIVE")
    assert kit.ask("PUT", path, {"loadbalancer": {"name": "x"}}).status_code == 200
    wait_until(lambda: kit.status(made["id"]) == "ERROR")
    kit.testing("PUT", "/snapshots/error", 201)
    kit.testing("DELETE", "/paces", 204)
    wait_until(lambda: kit.status(made["id"]) == "ACTIVE")
    if way == "restore":
        kit.testing("POST", "/snapshots/error/restore", 204)
    else:
        kit.testing("POST", "/reset", 204, {"reset": {"snapshot": "error"}})
    later = kit.loadbalancer(provider="octavia")
    wait_until(lambda: kit.status(later["id"]) == "ACTIVE")  # by now the other one would have been settled, too
    assert kit.status(made["id"]) == "ERROR"
    assert kit.ask("GET", f"{path}/status").json()["statuses"]["loadbalancer"]["fault"] == "no valid host"
    assert kit.ask("PUT", path, {"loadbalancer": {"name": "y"}}).status_code == 200
    wait_until(lambda: kit.status(made["id"]) == "ACTIVE")


@pytest.mark.parametrize("provider", ["noop_driver", "octavia"])
@pytest.mark.parametrize("has_pace", [True, False])
def test_a_restore_holds_a_change_again_if_its_pace_is_still_set(kit: Kit, provider: str, has_pace: bool) -> None:
    kit.pace(manual=True)
    made = kit.loadbalancer(provider=provider)
    kit.testing("PUT", "/snapshots/pending", 201)
    kit.testing("POST", "/release", 200, {"release": {}})
    wait_until(lambda: kit.status(made["id"]) == "ACTIVE")
    if not has_pace:
        kit.testing("DELETE", "/paces", 204)
    kit.testing("POST", "/snapshots/pending/restore", 204)
    if has_pace:
        assert kit.status(made["id"]) == "PENDING_CREATE"
        assert kit.testing("POST", "/release", 200, {"release": {}}) == {"release": {"released": 1}}
    wait_until(lambda: kit.status(made["id"]) == "ACTIVE")


def test_a_project_that_is_deleted_leaves_nothing_held(kit: Kit) -> None:
    kit.pace(manual=True)
    kit.loadbalancer()
    kit.testing("DELETE", f"/projects/{kit.project['id']}", 204)
    assert kit.testing("POST", "/release", 200, {"release": {}}) == {"release": {"released": 0}}


def test_reset_leaves_nothing_of_a_test(kit: Kit) -> None:
    before = kit.testing("GET", "/snapshots", 200)
    made = [kit.loadbalancer(provider=provider) for provider in ("noop_driver", "octavia")]
    kit.fault(status=500)
    kit.pace(seconds=1)
    kit.testing("POST", "/reset", 204)
    fresh = type(kit)(kit.server)
    assert fresh.listed() == []
    assert fresh.testing("GET", "", 200)["testing"]["faults"] == fresh.testing("GET", "", 200)["testing"]["paces"] == 0
    assert fresh.testing("GET", "/snapshots", 200) == before
    wait_until(lambda: not any(processes_with(each["id"]) for each in made))


def test_projects_see_nothing_of_each_other(kit: Kit) -> None:
    made = kit.loadbalancer(name="mine")
    other = kit.testing("POST", "/projects", 201, {"project": {"name": "other", "roles": ["reader"]}})["project"]
    headers = {"X-Auth-Token": other["token"]}
    assert kit.ask("GET", "/v2.0/lbaas/loadbalancers", headers=headers).json()["loadbalancers"] == []
    body = {"loadbalancer": {"vip_subnet_id": kit.subnet_id}}
    assert kit.ask("POST", "/v2.0/lbaas/loadbalancers", body, headers=headers).status_code == 403
    assert [each["id"] for each in kit.listed()] == [made["id"]]
    assert "already" in kit.testing("POST", "/projects", 409, {"project": {"name": "other"}})["description"]
    assert "reader" in kit.testing("POST", "/projects", 400, {"project": {"roles": ["king"]}})["description"]


def test_a_member_of_a_noop_provider_fails_and_recovers(kit: Kit) -> None:
    made = kit.loadbalancer()
    pool = {"pool": {"loadbalancer_id": made["id"], "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN"}}
    pool_id = kit.ask("POST", "/v2.0/lbaas/pools", pool).json()["pool"]["id"]
    path = f"/v2.0/lbaas/pools/{pool_id}/members"
    ids = [
        kit.ask("POST", path, {"member": {"address": f"192.0.2.{number}", "protocol_port": 80}}).json()["member"]["id"]
        for number in (1, 2)
    ]

    def statuses() -> list[str]:
        shown = [
            kit.ask("GET", f"/v2.0/lbaas/loadbalancers/{made['id']}").json()["loadbalancer"],
            kit.ask("GET", f"/v2.0/lbaas/pools/{pool_id}").json()["pool"],
            *(kit.ask("GET", f"{path}/{id_}").json()["member"] for id_ in ids),
        ]
        return [each["operating_status"] for each in shown]

    def report(id_: str, status: str | None) -> None:
        kit.testing("PUT", f"/members/{id_}", 200, {"member": {"operating_status": status}})

    assert statuses() == ["ONLINE", "ONLINE", "NO_MONITOR", "NO_MONITOR"]
    report(ids[0], "ERROR")
    assert statuses() == ["DEGRADED", "DEGRADED", "ERROR", "NO_MONITOR"]
    assert kit.ask("PUT", f"{path}/{ids[1]}", {"member": {"weight": 3}}).status_code == 200
    assert statuses() == ["DEGRADED", "DEGRADED", "ERROR", "NO_MONITOR"]
    report(ids[1], "ERROR")
    assert statuses() == ["ERROR", "ERROR", "ERROR", "ERROR"]
    report(ids[0], None)
    report(ids[1], None)
    assert kit.ask("PUT", f"{path}/{ids[1]}", {"member": {"weight": 4}}).status_code == 200
    assert statuses() == ["ONLINE", "ONLINE", "NO_MONITOR", "NO_MONITOR"]
    body: Any = {"member": {"operating_status": "SICK"}}
    assert "ONLINE" in kit.testing("PUT", f"/members/{ids[0]}", 400, body)["description"]
    kit.testing("PUT", f"/members/{made['id']}", 404, {"member": {"operating_status": "ERROR"}})


def test_a_killed_amphora_is_replaced(kit: Kit) -> None:
    made = kit.loadbalancer(provider="octavia")
    wait_until(lambda: kit.status(made["id"]) == "ACTIVE")
    listener = {"listener": {"loadbalancer_id": made["id"], "protocol": "HTTP", "protocol_port": 8081}}
    assert kit.ask("POST", "/v2.0/lbaas/listeners", listener).status_code == 201
    wait_until(lambda: _is_open(made["vip_address"], 8081))
    before = set(processes_with(made["id"]))
    [amphora_id] = {_amphora_id(kit, made["id"])}
    assert kit.testing("POST", f"/amphorae/{amphora_id}/kill", 200)["amphora"]["killed"] >= 1
    wait_until(lambda: bool(set(processes_with(made["id"])) - before) and _is_open(made["vip_address"], 8081), 20)
    kit.testing("POST", f"/amphorae/{made['id']}/kill", 404)


def _amphora_id(kit: Kit, loadbalancer_id: str) -> str:
    admin = kit.testing("POST", "/projects", 201, {"project": {"roles": ["admin"]}})["project"]["token"]
    path = f"/v2.0/octavia/amphorae?loadbalancer_id={loadbalancer_id}"
    [found] = kit.ask("GET", path, headers={"X-Auth-Token": admin}).json()["amphorae"]
    return str(found["id"])


def test_there_is_no_testing_api_without_the_option(server: RunningServer) -> None:
    assert requests.get(f"{server.url}/testing/v1/faults", timeout=30).status_code == 404
    assert requests.post(f"{server.url}/testing/v1/reset", timeout=30).status_code == 404


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org"])
def test_the_testing_api_is_refused_where_others_could_reach_it(host: str) -> None:
    with pytest.raises(ConfigError, match=f"bind_host: '{host}' is not allowed with testing"):
        from_arguments({"testing": True, "bind_host": host})


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_the_testing_api_is_there_on_loopback(host: str) -> None:
    assert from_arguments({"testing": True, "bind_host": host}).testing
