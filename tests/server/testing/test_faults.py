"""Faults through real connections: who they strike, what the client sees, and what was done."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st

from lbclient.server.testing.faults import Asked, Fault, Faults
from running import end_server, start_server

if TYPE_CHECKING:
    from conftest import Kit

FIELDS = {
    "service": None,
    "resource": None,
    "operation": None,
    "method": None,
    "path": None,
    "project": None,
    "user_agent": None,
    "status": 503,
    "message": None,
    "retry_after": None,
    "delay": None,
    "delay_sigma": None,
    "drop": None,
    "times": None,
    "after": 0,
    "probability": 1.0,
    "seed": None,
}
ASKED = Asked("load-balancer", "listener", "create", "POST", "/v2/lbaas/listeners", "curl/8", "p1")


@pytest.mark.parametrize(
    ("path", "match", "key"),
    [
        ("/load-balancer/v2.0/lbaas/listeners", {"resource": "listener"}, "faultstring"),
        ("/networking/v2.0/subnets", {"resource": "subnet", "operation": "list"}, "NeutronError"),
        ("/identity/v3/auth/projects", {"service": "identity"}, "error"),
        ("/key-manager/v1/secrets", {"path": "*/secrets"}, "description"),
    ],
)
def test_a_fault_answers_in_the_format_of_its_service(kit: Kit, path: str, match: dict[str, Any], key: str) -> None:
    fault = kit.fault(**match, status=503, message="on purpose", retry_after=7)
    answer = kit.ask("GET", path)
    assert answer.status_code == 503
    assert key in answer.json()
    assert "on purpose" in answer.text
    assert answer.headers["Retry-After"] == "7"
    assert answer.headers["X-Lbclient-Fault"] == fault["id"]
    kit.testing("DELETE", f"/faults/{fault['id']}", 204)
    assert kit.ask("GET", path).status_code == 200


def test_a_fault_strikes_as_often_as_it_says_and_after_so_many(kit: Kit) -> None:
    fault = kit.fault(operation="create", resource="loadbalancer", status=409, times=2, after=1)
    assert [kit.create().status_code for _ in range(5)] == [201, 409, 409, 201, 201]
    shown = kit.testing("GET", f"/faults/{fault['id']}", 200)["fault"]
    assert (shown["matched"], shown["hits"]) == (3, 2)


def test_only_the_project_and_the_user_agent_that_are_meant_are_struck(kit: Kit) -> None:
    kit.fault(project=kit.project["id"], user_agent="terraform*", method="GET", status=500)
    path = "/load-balancer/v2.0/lbaas/pools"
    assert kit.ask("GET", path, headers={"User-Agent": "terraform/1.9"}).status_code == 500
    assert kit.ask("GET", path, headers={"User-Agent": "ansible"}).status_code == 200
    other = kit.testing("POST", "/projects", 201)["project"]["token"]
    answer = kit.ask("GET", path, headers={"User-Agent": "terraform/1.9", "X-Auth-Token": other})
    assert answer.status_code == 200


def test_a_project_that_does_not_exist_is_refused_and_a_name_is_answered_with_the_id(kit: Kit) -> None:
    before = "Invalid input for field/attribute project. Value: "
    allowed = "Value should be the ID of a project that exists"
    for value, more in (("nowhere", ""), (kit.project["name"], f": {kit.project['id']} is called so")):
        told = kit.testing("POST", "/faults", 400, {"fault": {"status": 500, "project": value}})["description"]
        assert told == f"{before}'{value}'. {allowed}{more}"
    assert kit.testing("GET", "/faults", 200) == {"faults": []}


def test_without_logins_any_project_exists(tmp_path: Path) -> None:
    server = start_server(tmp_path / "state", "--testing", "--auth=noauth", "--network=noop")
    try:
        fault = {"fault": {"status": 503, "project": "p1"}}
        requests.post(f"{server.url}/testing/v1/faults", json=fault, timeout=30).raise_for_status()
        url = f"{server.url}/v2.0/lbaas/loadbalancers"
        statuses = [
            requests.get(url, headers={"X-Project-Id": project}, timeout=30).status_code for project in ("p1", "p2")
        ]
        assert statuses == [503, 200]
    finally:
        end_server(server)


@pytest.mark.parametrize(("drop", "count"), [("before", 0), ("after", 1)])
def test_a_lost_answer_leaves_the_change_or_none(kit: Kit, drop: str, count: int) -> None:
    kit.fault(resource="loadbalancer", operation="create", drop=drop, times=1)
    with pytest.raises(requests.ConnectionError):
        kit.create(name="lost")
    assert len(kit.listed()) == count


def test_a_delay_holds_the_answer_back_but_not_other_requests(kit: Kit) -> None:
    kit.fault(resource="pool", operation="list", delay=1.5)
    with pytest.raises(requests.ReadTimeout):
        requests.get(f"{kit.url}/v2.0/lbaas/pools", headers=kit.headers, timeout=0.7)
    assert requests.get(f"{kit.url}/v2.0/lbaas/listeners", headers=kit.headers, timeout=0.7).ok


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"status": 200}, "status"),
        ({"status": 503, "probability": 1.5}, "probability"),
        ({"status": 503, "probability": "often"}, "probability"),
        ({"status": 503, "resource": "balancer"}, "loadbalancer"),
        ({"status": 503, "operation": "melt"}, "create"),
        ({"status": 503, "colour": "red"}, "colour"),
        ({"status": 503, "drop": "after"}, "null if there is a status"),
        ({"drop": "sometimes"}, "before, after"),
        ({"delay": 61}, "delay"),
        ({"delay": 1e300}, "delay"),
        ({"delay_sigma": 1, "status": 503}, "delay"),
        ({"retry_after": 3, "delay": 1}, "status"),
        ({"times": 0, "status": 503}, "times"),
        ({}, "status, delay and drop"),
    ],
)
def test_a_fault_that_does_not_fit_is_refused_and_not_set(kit: Kit, values: dict[str, Any], words: str) -> None:
    refusal = kit.testing("POST", "/faults", 400, {"fault": values})
    assert words in refusal["description"]
    assert kit.testing("GET", "/faults", 200) == {"faults": []}


def test_the_testing_api_itself_is_never_struck(kit: Kit) -> None:
    kit.fault(status=500)
    assert kit.ask("GET", "/load-balancer/v2.0/lbaas/pools").status_code == 500
    assert len(kit.testing("GET", "/faults", 200)["faults"]) == 1
    kit.testing("DELETE", "/faults", 204)


@given(st.integers(0, 2**32), st.floats(0, 1), st.integers(0, 20), st.integers(1, 50))
@settings(max_examples=100, deadline=None)
def test_the_same_seed_gives_the_same_faults(seed: int, probability: float, after: int, times: int) -> None:
    values = {**FIELDS, "seed": seed, "probability": probability, "after": after, "times": times}
    values |= {"delay": 1.0, "delay_sigma": 0.5}
    first, second = Fault(dict(values)), Fault(dict(values))
    struck = [(first.strike(ASKED), second.strike(ASKED)) for _ in range(100)]
    assert all((one and one.seconds) == (other and other.seconds) for one, other in struck)
    assert first.hits == sum(one is not None for one, _ in struck) <= times
    assert all(one is None for one, _ in struck[:after])


def test_delays_add_up_until_a_fault_decides() -> None:
    faults = Faults()
    faults.add({**FIELDS, "status": None, "delay": 0.5})
    faults.add({**FIELDS, "status": None, "delay": 0.25})
    faults.add({**FIELDS, "status": 502})
    faults.add({**FIELDS, "status": 500})
    struck = faults.strike(ASKED)
    assert struck is not None
    assert (struck.seconds, struck.status) == (0.75, 502)
