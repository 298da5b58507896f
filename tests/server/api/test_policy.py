"""Who may do what: the usual rules, and what a policy.yaml makes of them."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lbclient.server.access.context import Context
from lbclient.server.access.defaults import API, PERMISSIONS
from lbclient.server.access.enforcer import Enforcer, InvalidPolicyFile
from lbclient.store.cluster_tables import SERVER
from running import wait_until

WITHOUT_FILE = """
import sys
from lbclient.server.access.enforcer import Enforcer
Enforcer()
sys.exit("oslo_policy._external" in sys.modules)
"""
REFUSAL = "Policy does not allow this request to be performed."
DEMO = "d" * 32
EVERYBODY = (
    "demo",
    "reader",
    "guest",
    "nobody",
    "other",
    "admin",
    "lb-observer",
    "lb-global-observer",
    "lb-member",
    "lb-quota-admin",
    "lb-admin",
)

ADMINS = {"admin", "lb-admin"}
WRITERS = {"demo", "lb-member", *ADMINS}
READERS = {*WRITERS, "reader", "lb-observer", "lb-global-observer"}

# (method, path with the tree's names, body, who may); who may not is told so, and nothing else.
OF_THE_PROJECT = [
    ("GET", "{loadbalancer}", None, READERS),
    ("GET", "{loadbalancer}/stats", None, READERS),
    ("GET", "{loadbalancer}/status", None, READERS),
    ("GET", "{listener}", None, READERS),
    ("GET", "{listener}/stats", None, READERS),
    ("GET", "{pool}/members", None, READERS),
    ("GET", "{member}", None, READERS),
    ("GET", "{l7rule}", None, READERS),
    ("PUT", "{loadbalancer}", {"loadbalancer": {"name": "x"}}, WRITERS),
    ("PUT", "{loadbalancer}", {"loadbalancer": {"vip_sg_ids": []}}, WRITERS),
    ("PUT", "{healthmonitor}", {"healthmonitor": {"name": "x"}}, WRITERS),
    ("PUT", "{l7policy}", {"l7policy": {"name": "x"}}, WRITERS),
    ("PUT", "{l7rule}", {"rule": {"invert": True}}, WRITERS),
    ("PUT", "{pool}/members", {"members": []}, WRITERS),
    ("POST", "{pool}/members", {"member": {"address": "10.0.0.77", "protocol_port": 7}}, WRITERS),
    ("PUT", "{loadbalancer}/failover", None, ADMINS),
    ("DELETE", "{l7rule}", None, WRITERS),
    ("DELETE", "{listener}", None, WRITERS),
]
OF_NOBODY = [
    ("GET", "/loadbalancers", READERS | {"other"}),
    ("GET", "/healthmonitors", READERS | {"other"}),
    ("GET", "/flavors", READERS | {"other"}),
    ("GET", "/availabilityzones", READERS | {"other"}),
    ("GET", "/providers", READERS | {"other"}),
    ("GET", "/flavorprofiles", ADMINS),
    ("GET", "/availabilityzoneprofiles", ADMINS),
    ("GET", "/providers/octavia/flavor_capabilities", ADMINS),
    ("GET", "/providers/octavia/availability_zone_capabilities", ADMINS),
    ("GET", "//v2/octavia/amphorae", ADMINS),
    ("GET", "//v2/octavia/hosts", ADMINS),
    ("GET", f"//v2/octavia/hosts/{SERVER}", ADMINS),
    ("GET", "/quotas", READERS | {"other", "lb-quota-admin"}),
    ("GET", "/quotas/defaults", READERS | {"other", "lb-quota-admin"}),
    ("GET", f"/quotas/{DEMO}", READERS | {"lb-quota-admin"}),
    ("DELETE", f"/quotas/{DEMO}", ADMINS | {"lb-quota-admin"}),
]


@pytest.mark.parametrize(
    ("method", "path", "body", "allowed"), OF_THE_PROJECT, ids=[f"{each[0]} {each[1]}" for each in OF_THE_PROJECT]
)
def test_the_roles_and_a_projects_objects(
    api: Any, tree: SimpleNamespace, method: str, path: str, body: Any, allowed: set[str]
) -> None:
    place = path.format(**tree.paths)
    refused = [person for person in EVERYBODY if person not in allowed]
    for person in (*refused, *sorted(allowed)):  # what deletes something does so at the end
        answer = api.as_(person).request(method, place, body)
        if person in allowed:
            done_by_another = {"DELETE": 404, "POST": 409}.get(method)
            assert answer.status_code < 300 or answer.status_code == done_by_another, (person, answer.text)
        else:
            refusal = {"faultcode": "Client", "faultstring": REFUSAL, "debuginfo": None}
            assert (answer.status_code, answer.json) == (403, refusal), person


@pytest.mark.parametrize(("method", "path", "allowed"), OF_NOBODY, ids=[f"{each[0]} {each[1]}" for each in OF_NOBODY])
def test_the_roles_and_what_is_nobodys(api: Any, method: str, path: str, allowed: set[str]) -> None:
    answers = {person: api.as_(person).request(method, path).status_code for person in EVERYBODY}
    assert {person for person, status in answers.items() if status < 300} == allowed
    assert {status for person, status in answers.items() if person not in allowed} == {403}


def test_lists_show_the_own_or_everything(api: Any, tree: SimpleNamespace) -> None:
    seen = {person: len(api.as_(person).get("/pools")["pools"]) for person in sorted(READERS | {"other"})}
    assert {person for person, count in seen.items() if count} == READERS


def test_a_file_changes_the_rules_also_while_the_server_runs(make_api: Any, tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(f'"{API}:loadbalancer:delete": "role:janitor or rule:load-balancer:admin"\n')
    api = make_api(policy_file=path)
    made = api.loadbalancer()
    place = f"/loadbalancers/{made['id']}"
    assert api.fails("DELETE", place, None, 403) == REFUSAL
    api.put(place, "loadbalancer", name="still mine")
    path.write_text(f'"{API}:loadbalancer:post": "!"\n')
    wait_until(lambda: api.request("DELETE", place).status_code == 204)
    body = {"loadbalancer": {"vip_subnet_id": made["vip_subnet_id"]}}
    assert api.as_("admin").fails("POST", "/loadbalancers", body, 403) == REFUSAL
    path.write_text("this: is: no file of rules")
    os.utime(path)
    time.sleep(1.1)  # the time after which it would have been seen
    assert api.fails("POST", "/loadbalancers", body, 403) == REFUSAL
    path.unlink()
    wait_until(lambda: api.request("POST", "/loadbalancers", body).status_code == 201)


def test_a_required_file_that_is_lost_leaves_the_rules_as_they_were(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    with pytest.raises(InvalidPolicyFile, match=f"{path} cannot be used: No such file or directory"):
        Enforcer(path, is_required=True)
    path.write_text(f'"{API}:pool:get_one": "!"\n')
    rules = Enforcer(path, is_required=True)
    person = Context("u", "p", frozenset({"admin"}))
    assert not rules.allows(person, "pool:get_one", "p")
    path.unlink()
    time.sleep(1.1)  # the time after which it would have been seen
    assert not rules.allows(person, "pool:get_one", "p")
    path.write_text("{}\n")
    wait_until(lambda: rules.allows(person, "pool:get_one", "p"))


def test_rules_may_make_an_object_of_another_project_known(make_api: Any, tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(f'"{API}:loadbalancer:get_one": "@"\n"{API}:listener:get_one": "role:member"\n')
    api = make_api(policy_file=path)
    made = api.loadbalancer()
    stranger = api.as_("other")
    assert stranger.get(f"/loadbalancers/{made['id']}")["loadbalancer"]["id"] == made["id"]
    assert stranger.fails("DELETE", f"/loadbalancers/{made['id']}", None, 403) == REFUSAL
    assert stranger.get("/loadbalancers")["loadbalancers"] == []


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a: b: c", "mapping values are not allowed here"),
        ("- role:admin", "it is not a mapping of names to rules."),
        (f'"{API}:pool:get_one": [["role:x"]]', "os_load-balancer_api:pool:get_one is not a rule in words."),
        (f'"{API}:pool:get_one": "role:a nd"', "os_load-balancer_api:pool:get_one is not a rule: 'role:a nd'."),
        (f'"{API}:pool:get_one": "nonsense"', "os_load-balancer_api:pool:get_one is not a rule: 'nonsense'."),
        (f'"{API}:pool:get_one": "rule:nonesuch"', "['os_load-balancer_api:pool:get_one'] are not well defined."),
    ],
)
def test_files_that_are_not_rules(tmp_path: Path, text: str, why: str) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(text)
    with pytest.raises(InvalidPolicyFile) as refused:
        Enforcer(path)
    assert str(refused.value).startswith(f"{path} cannot be used: ")
    assert why in str(refused.value)


def test_who_has_no_project_owns_nothing() -> None:
    unscoped = Context("u", None, frozenset({"member", "reader", "load-balancer_member"}))
    for project_id in ("", "None", DEMO):
        assert not Enforcer().allows(unscoped, "loadbalancer:get_all", project_id)


def test_every_name_but_those_of_hosts_is_octavias() -> None:
    names = {f"{name}:{verb}" for name, verbs in PERMISSIONS.items() for verb in verbs if name != "host"}
    assert {"loadbalancer:post", "loadbalancer:put:vip_sg_ids", "quota:get_defaults", "amphora:put_config"} <= names
    assert "l7rule:get_all-global" not in names
    assert len(names) == 81


def test_a_decision_takes_less_than_50_microseconds() -> None:
    rules = Enforcer()
    people = [Context(f"u{number}", DEMO, frozenset({"member"})) for number in range(10)]
    for who in people:
        rules.allows(who, "member:put", DEMO)
    start = time.perf_counter()
    for _ in range(100):
        for who in people:
            rules.allows(who, "member:put", DEMO)
    assert (time.perf_counter() - start) / 1000 < 50e-6


def test_checks_of_other_packages_are_found_for_a_file_and_not_sought_without_one(tmp_path: Path) -> None:
    """To find them takes longer than anything else at the start."""
    assert subprocess.run([sys.executable, "-c", WITHOUT_FILE], check=False).returncode == 0
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"True")

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        path = tmp_path / "policy.yaml"
        path.write_text(f'"{API}:quota:get_all": "http://127.0.0.1:{server.server_port}/asked"\n')
        without_roles = Context("u1", DEMO, frozenset())
        assert Enforcer(path).allows(without_roles, "quota:get_all", DEMO)
        server.shutdown()
    assert asked == ["/asked"]
