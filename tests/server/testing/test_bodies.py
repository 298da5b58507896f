"""Bodies of the testing API that do not fit: refused with field, value and what is allowed, and nothing changes."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lbclient.resources.testing import FAULT, PACE
from lbclient.server.testing.routes import ROUTES

if TYPE_CHECKING:
    from conftest import Kit

NOWHERE = "00000000-0000-0000-0000-000000000000"
KEYS = {"/faults": "fault", "/paces": "pace", "/release": "release", "/members/{id}": "member", "/reset": "reset"}
KEYS |= {"/projects": "project"}
READING = tuple(each for each in ROUTES if each.method in ("POST", "PUT"))
REFUSAL = re.compile(r"Invalid input for field/attribute (.*)\. Value: '(.*)'\. \S.*|Validation failure: .+", re.DOTALL)
WORDS = [each.name for resource in (FAULT, PACE) for each in resource.fields]
WORDS += ["preset", "scale", "snapshot", "loadbalancer_id", "operating_status", "name", "roles", "colour"]

SCALARS: st.SearchStrategy[Any] = (
    st.none() | st.booleans() | st.integers(-5, 10**19) | st.floats(allow_nan=False, allow_infinity=False)
)
SCALARS |= st.text(st.characters(codec="utf-8"), max_size=5) | st.sampled_from(
    ["ERROR", "GET", "octavia", "create", "1"]
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner, max_size=2)
)
OBJECTS = st.dictionaries(st.sampled_from(WORDS), VALUES, max_size=3)
BODIES = VALUES | st.dictionaries(st.sampled_from([*KEYS.values(), "x"]), OBJECTS | VALUES, max_size=2)


def _path(route: Any) -> str:
    return str(route.path).replace("{id}", NOWHERE).replace("{name}", "fuzzed")


@given(data=st.data())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_body_is_taken_or_refused_with_a_reason(kit: Kit, data: st.DataObject) -> None:
    route = data.draw(st.sampled_from(READING), label="route")
    key = KEYS.get(route.path)
    body = data.draw(BODIES | st.fixed_dictionaries({key: OBJECTS}) if key else BODIES, label="body")
    url = f"{kit.url}/testing/v1{_path(route)}"
    answer = requests.request(route.method, url, json=body, timeout=30)
    requests.delete(f"{kit.url}/testing/v1/faults", timeout=30)
    assert answer.status_code in (200, 201, 204, 400, 404, 409), answer.text
    if answer.status_code == 400:
        told = answer.json()["description"]
        assert REFUSAL.fullmatch(told) or "nested more than" in told, told


@pytest.mark.parametrize(
    ("path", "body", "field", "value", "allowed"),
    [
        ("/faults", None, "body", "null", '{"fault": {…}}'),
        ("/faults", {}, "body", "{}", '{"fault": {…}}'),
        ("/faults", [], "body", "[]", '{"fault": {…}}'),
        ("/faults", {"falut": {"status": 503}}, "falut", '{"status":503}', "one attribute: fault"),
        ("/faults", {"fault": {"status": 503}, "pace": 1}, "pace", "1", "one attribute: fault"),
        ("/faults", {"fault": None}, "fault", "null", "an object; its attributes are: service, resource"),
        ("/faults", {"fault": {"colour": "red"}}, "colour", "red", "The attributes of fault are: service, resource"),
        ("/faults", {"fault": {"hits": 1, "status": 503}}, "hits", "1", "The attributes of fault are:"),
        ("/faults", {"fault": {"status": 503, "probability": 1.5}}, "probability", "1.5", "from 0 to 1"),
        ("/faults", {"fault": {"status": 200}}, "status", "200", "greater or equal to 400"),
        ("/faults", {"fault": {"status": 503.5}}, "status", "503.5", "an integer"),
        ("/faults", {"fault": {"status": 503, "times": True}}, "times", "true", "an integer"),
        ("/faults", {"fault": {"status": 503, "resource": "king"}}, "resource", "king", "amphora, "),
        ("/faults", {"fault": {"status": 503, "operation": 5}}, "operation", "5", "string"),
        ("/faults", {"fault": {"status": 503, "method": "GRAB"}}, "method", "GRAB", "GET, HEAD, POST"),
        ("/faults", {"fault": {"status": 503, "service": "x"}}, "service", "x", "load-balancer, network"),
        ("/faults", {"fault": {"status": 503, "drop": "before"}}, "drop", "before", "null if there is a status (503)"),
        ("/faults", {"fault": {"delay": 1, "retry_after": 3}}, "retry_after", "3", "null if there is no status"),
        ("/paces", {"pace": {"seconds": 1, "colour": 3}}, "colour", "3", "The attributes of pace are: resource"),
        ("/paces", {"pace": {"seconds": 1, "polls": 2}}, "polls", "2", "null if there is seconds"),
        ("/paces", {"pace": {"manual": 7}}, "manual", "7", "true or false"),
        ("/paces", {"pace": {"seconds": 1, "reason": "x"}}, "reason", "x", "null unless the outcome is ERROR"),
        (
            "/paces",
            {"pace": {"preset": "fast", "colour": 1}},
            "colour",
            "1",
            "The attributes of pace are: preset, scale",
        ),
        ("/release", {"release": {"id": 1}}, "id", "1", "The attributes of release are: loadbalancer_id"),
        ("/reset", {"rest": {}}, "rest", "{}", "one attribute: reset"),
        ("/reset", [], "body", "[]", '{"reset": {…}}'),
        ("/projects", {"project": []}, "project", "[]", "an object; its attributes are: name, roles"),
        ("/projects", {"project": {"roles": [1]}}, "roles", "[1]", "at least one role name"),
        (f"/amphorae/{NOWHERE}/kill", {"signal": 9}, "body", '{"signal":9}', "takes no body"),
        ("/snapshots/x/restore", {"x": 1}, "body", '{"x":1}', "takes no body"),
        ("/faults", {"fault": {"colour": "x" * 300}}, "colour", "x" * 200 + "…", "The attributes of fault are:"),
    ],
)
def test_a_mistake_is_refused_with_field_value_and_what_is_allowed(
    kit: Kit, path: str, body: Any, field: str, value: str, allowed: str
) -> None:
    before = kit.testing("GET", "", 200)
    told = kit.testing("POST", path, 400, body)["description"]
    assert told.startswith(f"Invalid input for field/attribute {field}. Value: '{value}'. "), told
    assert allowed in told
    assert kit.testing("GET", "", 200) == before


@pytest.mark.parametrize("body", [{"member": {}}, {"member": {"operating_status": ["ERROR"]}}, {"member": "ERROR"}])
def test_a_health_that_is_none_is_refused(kit: Kit, body: Any) -> None:
    told = kit.testing("PUT", f"/members/{NOWHERE}", 400, body)["description"]
    assert json.dumps(body["member"]).strip("{}") in told or "ERROR" in told
    assert "operating_status" in told
