"""The description: valid, complete, readable without a login, and true of what the API answers."""

from __future__ import annotations

import json
import re
from types import SimpleNamespace
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from lbclient import resources
from lbclient.resources import Api
from lbclient.server.loadbalancer import routes
from lbclient.server.loadbalancer.openapi import document
from lbclient.server.web.routing import Route
from lbclient.store.cluster_tables import SERVER

DOCUMENT = document.build(routes.LOAD_BALANCING)
OPERATIONS = [
    (method.upper(), path, operation)
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
]
LISTS = [
    path
    for method, path, each in OPERATIONS
    if method == "GET" and any(p["name"] == "marker" for p in each["parameters"])
]
SCHEMAS = DOCUMENT["components"]["schemas"]


@pytest.mark.parametrize("route", routes.LOAD_BALANCING, ids=lambda route: f"{route.method} {route.path}")
def test_every_route_says_what_it_does(route: Route) -> None:
    assert route.operation is not None, f"{route.method} {route.path}: name its operation in the table of routes"
    described = DOCUMENT["paths"][route.path][route.method.lower()]
    assert described["operationId"] == route.operation.id


def test_a_route_without_an_operation_is_named() -> None:
    with pytest.raises(document.Undescribed, match="GET /lbaas/novelties "):
        document.build([Route("GET", "/lbaas/novelties", print)])


def test_it_is_valid(api: Any) -> None:
    OpenAPIV31SpecValidator(api.get("//v2.0/openapi.json")).validate()


def test_it_is_the_whole_api() -> None:
    assert len(OPERATIONS) == len(routes.LOAD_BALANCING) >= 76
    assert len({each["operationId"] for _, _, each in OPERATIONS}) == len(OPERATIONS)


def test_operations_that_can_be_followed_say_that_they_stream() -> None:
    followed = [each for _, _, each in OPERATIONS if any(p["name"] == "follow" for p in each.get("parameters", ()))]
    assert len(followed) == 4
    streams = [
        each for _, _, each in OPERATIONS if "text/event-stream" in each["responses"].get("200", {}).get("content", {})
    ]
    assert streams == followed


@pytest.mark.parametrize("base", ["/v2.0", "/v2", "/load-balancer/v2.0", "/load-balancer/v2"])
def test_it_is_open_and_names_its_server(api: Any, base: str) -> None:
    answer = api.request("GET", f"/{base}/openapi.json", headers={"X-Auth-Token": ""})
    assert answer.status_code == 200
    assert answer.json["servers"][0]["url"].endswith(base)
    assert answer.json["paths"] == json.loads(json.dumps(DOCUMENT["paths"]))


def test_it_tells_what_says_who_one_is(make_api: Any) -> None:
    assert make_api().get("//v2.0/openapi.json")["security"] == [{"token": []}]
    described = make_api(auth="noauth").get("//v2.0/openapi.json")
    assert {each["name"] for each in described["components"]["securitySchemes"].values()} == {
        "X-Project-Id",
        "X-User-Id",
        "X-Roles",
    }
    assert {} in described["security"]


@pytest.mark.parametrize("resource", resources.BY_NAME.values(), ids=lambda resource: resource.name)
def test_every_attribute_is_described_where_it_stands(resource: resources.Resource) -> None:
    name = document.name_of(resource)
    for suffix, place in (("", Api.GET), ("Creation", Api.POST), ("Change", Api.PUT)):
        expected = {field.name for field in resource.fields if place in field.api}
        schema = SCHEMAS.get(name + suffix)
        if schema is None:
            assert resource is resources.QUOTA or not expected
            continue
        assert expected <= set(schema["properties"])


def test_facts_of_a_field() -> None:
    creation, change = SCHEMAS["ListenerCreation"], SCHEMAS["ListenerChange"]
    assert creation["required"] == ["protocol", "protocol_port", "loadbalancer_id"]
    port = creation["properties"]["protocol_port"]
    assert (port["type"], port["minimum"], port["maximum"], port["x-immutable"]) == ("integer", 1, 65535, True)
    assert "protocol_port" not in change["properties"]
    assert creation["properties"]["timeout_client_data"]["default"] == 50000
    assert change["properties"]["client_authentication"]["enum"] == ["NONE", "OPTIONAL", "MANDATORY", None]
    assert change["properties"]["hsts_max_age"]["x-since"] == "2.27"
    assert SCHEMAS["PoolChange"]["properties"]["lb_algorithm"]["type"] == "string"
    assert SCHEMAS["Listener"]["properties"]["id"]["readOnly"]
    assert SCHEMAS["Listener"]["properties"]["default_pool_id"]["type"] == ["string", "null"]
    assert SCHEMAS["LoadBalancer"]["properties"]["provisioning_status"]["type"] == "string"


@pytest.mark.parametrize("path", LISTS)
def test_every_parameter_of_a_list_is_taken_and_no_other(api: Any, tree: SimpleNamespace, path: str) -> None:
    parents = {f"{kind}_id": getattr(tree, kind)["id"] for kind in ("loadbalancer", "pool", "l7policy")}
    place = "/" + path.format(**parents).replace("/lbaas", "v2/lbaas").replace("/octavia", "v2/octavia")
    place = place if place.startswith("//") else "/" + place
    admin = api.as_("admin")
    names = [each["name"] for each in DOCUMENT["paths"][path]["get"]["parameters"] if each["in"] == "query"]
    values = {"limit": "5", "marker": None, "sort": "created_at", "sort_key": "project_id", "sort_dir": "asc"}
    for name in names:
        if name in ("marker", "sort", "sort_key"):
            continue
        kind = next(
            each["schema"]["type"] for each in DOCUMENT["paths"][path]["get"]["parameters"] if each["name"] == name
        )
        value = values.get(name) or {"integer": "1", "boolean": "true"}.get(kind, "x")
        assert admin.request("GET", f"{place}?{name}={value}").status_code == 200, name
    assert admin.request("GET", f"{place}?bogus=1").status_code == 400
    for tag in ("tags", "tags-any", "not-tags", "not-tags-any"):
        assert admin.request("GET", f"{place}?{tag}=x").status_code == 200, tag


def answer_schema(method: str, path: str) -> dict[str, Any]:
    [good] = [each for status, each in DOCUMENT["paths"][path][method]["responses"].items() if status.startswith("2")]
    return {**good["content"]["application/json"]["schema"], "components": DOCUMENT["components"]}


def test_the_answers_about_a_tree_are_as_described(api: Any, tree: SimpleNamespace) -> None:
    """Also where nothing random comes: with every kind of object in it, and the reason of an ERROR."""
    api.put(tree.paths["listener"], "listener", name="x")
    api.services.store.settle(api.services.store.snapshot(tree.loadbalancer["id"]), "the port is taken")
    admin = api.as_("admin")
    [amphora] = admin.get("//v2.0/octavia/amphorae")["amphorae"]
    ids = {"project_id": "p", "provider": "octavia", **{f"{kind}_id": getattr(tree, kind)["id"] for kind in tree.paths}}
    owners = {
        "/lbaas/loadbalancers": tree.loadbalancer["id"],
        "/lbaas/listeners": tree.listener["id"],
        "/lbaas/pools": tree.pool["id"],
        "/lbaas/pools/{pool_id}/members": tree.member["id"],
        "/lbaas/healthmonitors": tree.healthmonitor["id"],
        "/lbaas/l7policies": tree.l7policy["id"],
        "/lbaas/l7policies/{l7policy_id}/rules": tree.l7rule["id"],
        "/octavia/amphorae": amphora["id"],
        "/octavia/hosts": SERVER,
    }
    checked = 0
    for method, path, _ in OPERATIONS:
        begin = path.partition("/{id}")[0]
        if method == "GET" and ("{id}" not in path or begin in owners):
            place = path.format(id=owners.get(begin), **ids)
            answer = admin.request(method, f"//v2.0{place}")
            assert answer.status_code == 200, place
            Draft202012Validator(answer_schema("get", path)).validate(answer.json)
            checked += 1
    assert checked > 30


def test_the_page_shows_every_operation_and_fetches_nothing(api: Any) -> None:
    answer = api.request("GET", "//v2.0/openapi.html", headers={"X-Auth-Token": "", "Accept": "text/html"})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    for _, _, operation in OPERATIONS:
        assert f'<details id="{operation["operationId"]}">' in answer.text
    assert not re.search(r"<script|<link|<img|@import|src=", answer.text)
    anchors = set(re.findall(r'id="([^"]+)"', answer.text))
    assert set(re.findall(r'href="#([^"]+)"', answer.text)) <= anchors


def test_the_page_has_an_example_and_the_meaning_of_bodies(api: Any) -> None:
    text = api.request("GET", "//v2.0/openapi.html", headers={"X-Auth-Token": "", "Accept": "text/html"}).text
    made = text.partition('<details id="create_listener">')[2].partition("</details>")[0]
    assert "curl -H &quot;X-Auth-Token: $TOKEN&quot;" in made
    assert "<code>listener.protocol_port</code> <b>required</b>" in made
    assert "prefers-color-scheme: dark" in text
    assert 'name="viewport"' in text
