"""Paces: changes that stay PENDING as long as a test wants, and end as it wants."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from running import end_server, start_server, wait_until

if TYPE_CHECKING:
    from conftest import Kit

PROVIDERS = ("noop_driver", "octavia")


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_change_stays_pending_until_it_is_released(kit: Kit, provider: str) -> None:
    kit.pace(resource="loadbalancer", operation="create", manual=True)
    made = kit.loadbalancer(provider=provider)
    assert kit.status(made["id"]) == "PENDING_CREATE"
    refused = kit.ask("PUT", f"/v2.0/lbaas/loadbalancers/{made['id']}", {"loadbalancer": {"name": "x"}})
    assert refused.status_code == 409
    answer = kit.testing("POST", "/release", 200, {"release": {"loadbalancer_id": made["id"]}})
    assert answer == {"release": {"released": 1}}
    wait_until(lambda: kit.status(made["id"]) == "ACTIVE")


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_change_is_done_after_so_many_looks(kit: Kit, provider: str) -> None:
    kit.pace(operation="create", polls=3)
    made = kit.loadbalancer(provider=provider)
    assert [kit.status(made["id"]) for _ in range(3)] == ["PENDING_CREATE"] * 3
    wait_until(lambda: kit.status(made["id"]) == "ACTIVE")


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_change_takes_its_time(kit: Kit, provider: str) -> None:
    kit.pace(operation="delete", seconds=1.0)
    made = kit.loadbalancer(provider=provider)
    wait_until(lambda: kit.status(made["id"]) == "ACTIVE")
    assert kit.ask("DELETE", f"/v2.0/lbaas/loadbalancers/{made['id']}").status_code == 204
    assert kit.status(made["id"]) == "PENDING_DELETE"
    wait_until(lambda: kit.status(made["id"]) == "GONE")


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_change_ends_in_error_until_the_next_one(kit: Kit, provider: str) -> None:
    kit.pace(operation="update", outcome="ERROR", reason="no valid host", times=1)
    made = kit.loadbalancer(provider=provider)
    wait_until(lambda: kit.status(made["id"]) == "ACTIVE")
    path = f"/v2.0/lbaas/loadbalancers/{made['id']}"
    assert kit.ask("PUT", path, {"loadbalancer": {"name": "x"}}).status_code == 200
    wait_until(lambda: kit.status(made["id"]) == "ERROR")
    events = kit.ask("GET", f"{path}/events").json()["events"]
    assert any(event["reason"] == "no valid host" for event in events)
    assert kit.ask("PUT", path, {"loadbalancer": {"name": "y"}}).status_code == 200
    wait_until(lambda: kit.status(made["id"]) == "ACTIVE")


def test_removing_a_pace_releases_what_it_holds(kit: Kit) -> None:
    pace = kit.pace(manual=True)
    made = kit.loadbalancer()
    assert kit.status(made["id"]) == "PENDING_CREATE"
    kit.testing("DELETE", f"/paces/{pace['id']}", 204)
    wait_until(lambda: kit.status(made["id"]) == "ACTIVE")


def test_a_preset_is_several_paces(kit: Kit) -> None:
    made = kit.testing("POST", "/paces", 201, {"pace": {"preset": "octavia", "scale": 0.1}})["paces"]
    assert [(each["resource"], each["operation"], each["seconds"]) for each in made] == [
        ("loadbalancer", "create", pytest.approx(6.3)),
        ("loadbalancer", "delete", pytest.approx(0.3)),
        (None, None, pytest.approx(0.4)),
    ]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({}, "seconds, polls, manual"),
        ({"seconds": 1, "polls": 1}, "not seconds and polls"),
        ({"seconds": -1}, "seconds"),
        ({"resource": "subnet", "seconds": 1}, "loadbalancer"),
        ({"operation": "melt", "seconds": 1}, "create"),
        ({"loadbalancer_id": "lb1", "seconds": 1}, "UUID"),
        ({"seconds": 1, "reason": "x"}, "ERROR"),
        ({"preset": "neutron"}, "octavia"),
        ({"preset": "octavia", "scale": 0}, "scale"),
        ({"preset": "octavia", "seconds": 3}, "seconds"),
    ],
)
def test_a_pace_that_does_not_fit_is_refused_and_not_set(kit: Kit, values: dict[str, Any], words: str) -> None:
    refusal = kit.testing("POST", "/paces", 400, {"pace": values})
    assert words in refusal["description"]
    assert kit.testing("GET", "/paces", 200) == {"paces": []}


@pytest.mark.parametrize("has_testing", [True, False])
def test_holds_outlive_a_restart_unless_the_testing_api_is_gone(tmp_path: Path, has_testing: bool) -> None:
    state = tmp_path / "state"
    server = start_server(state, "--testing", "--auth=noauth", "--network=noop")
    try:
        pace = {"pace": {"manual": True}}
        requests.post(f"{server.url}/testing/v1/paces", json=pace, timeout=30).raise_for_status()
        body = {"loadbalancer": {"provider": "noop_driver", "vip_subnet_id": "5e2e5ff4-8cdd-4b5a-8f5a-8f5b3d9b2d5a"}}
        headers = {"X-Project-Id": "p1"}
        url = f"{server.url}/v2.0/lbaas/loadbalancers"
        id_ = requests.post(url, json=body, headers=headers, timeout=30).json()["loadbalancer"]["id"]
        os.kill(server.process.pid, signal.SIGKILL)
        server.process.communicate(timeout=60)
        options = ("--testing",) if has_testing else ()
        server = start_server(state, *options, "--auth=noauth", "--network=noop")

        def status() -> str:
            answer = requests.get(f"{server.url}/v2.0/lbaas/loadbalancers/{id_}", headers=headers, timeout=30)
            return str(answer.json()["loadbalancer"]["provisioning_status"])

        if has_testing:
            assert status() == "PENDING_CREATE"
            requests.post(f"{server.url}/testing/v1/release", json={"release": {}}, timeout=30).raise_for_status()
        wait_until(lambda: status() == "ACTIVE")
    finally:
        end_server(server)


FAULTS = st.fixed_dictionaries(
    {"status": st.sampled_from([409, 500, 503]), "probability": st.floats(0, 1), "seed": st.integers(0, 99)},
    optional={"resource": st.sampled_from(["loadbalancer", "listener"]), "method": st.sampled_from(["POST", "DELETE"])},
)
PACES = st.one_of(
    st.builds(lambda seconds: {"seconds": seconds}, st.floats(0, 0.2)),
    st.builds(lambda polls: {"polls": polls}, st.integers(1, 3)),
    st.just({"manual": True}),
    st.just({"outcome": "ERROR"}),
    st.just({"manual": True, "outcome": "ERROR"}),
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("fault"), FAULTS),
        st.tuples(st.just("pace"), PACES),
        st.tuples(st.sampled_from(["create", "rename", "delete", "look", "release"]), st.sampled_from(PROVIDERS)),
    ),
    max_size=12,
)


@given(steps=STEPS)
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_nothing_stays_pending_when_faults_and_paces_are_removed(kit: Kit, steps: list[tuple[str, Any]]) -> None:
    kit.testing("POST", "/reset", 204)
    kit = type(kit)(kit.server)
    ids: list[str] = []
    for step, more in steps:
        if step in ("fault", "pace"):
            kit.testing("POST", f"/{step}s", 201, {step: more})
        elif step == "create":
            answer = kit.create(provider=more)
            ids += [answer.json()["loadbalancer"]["id"]] if answer.status_code == 201 else []
        elif step == "release":
            kit.testing("POST", "/release", 200, {"release": {}})
        elif ids:
            path = f"/v2.0/lbaas/loadbalancers/{ids[-1]}"
            method, body = {"rename": ("PUT", {"loadbalancer": {"name": "x"}}), "delete": ("DELETE", None)}.get(
                step, ("GET", None)
            )
            kit.ask(method, path, body)
    kit.testing("DELETE", "/faults", 204)
    kit.testing("DELETE", "/paces", 204)
    wait_until(lambda: {kit.status(id_) for id_ in ids} <= {"ACTIVE", "GONE"})
