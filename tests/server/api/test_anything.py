"""Random requests get a good answer or a 4xx, never a 5xx besides 501, and break nothing."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lbclient import resources
from quick import examples

SETTINGS = settings(max_examples=examples(300), deadline=None, suppress_health_check=list(HealthCheck))

TEXT = st.text(max_size=12) | st.sampled_from(
    ["-f", "--", "%", "a\nb", "'", '"', "\\", "x" * 300, "http://a/", "10.0.0.7"]
)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | TEXT
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3), max_leaves=4
)


def attributes(resource: resources.Resource) -> st.SearchStrategy[dict[str, Any]]:
    """Some of the resource's attributes, with values that may or may not fit."""
    fitting = {
        field.name: st.sampled_from(field.choices)
        if field.type is resources.Type.CHOICE
        else st.integers(field.minimum or 0, field.maximum or 9)
        if field.type is resources.Type.INTEGER
        else st.booleans()
        if field.type is resources.Type.BOOLEAN
        else TEXT
        for field in resource.fields
    }
    return st.fixed_dictionaries({}, optional={name: good | VALUES for name, good in fitting.items()})


def finite(value: Any) -> Any:
    """JSON has no NaN and no infinity."""
    if isinstance(value, float):
        return value if value == value and abs(value) < 1e300 else 0.5
    if isinstance(value, list):
        return [finite(each) for each in value]
    if isinstance(value, dict):
        return {key: finite(each) for key, each in value.items()}
    return value


@SETTINGS
@given(data=st.data(), resource=st.sampled_from(resources.ALL), is_put=st.booleans())
def test_any_attributes(api: Any, tree: SimpleNamespace, data: st.DataObject, resource: Any, is_put: bool) -> None:
    values = finite(data.draw(attributes(resource)))
    owners = {
        "listener": {"loadbalancer_id": tree.loadbalancer["id"]},
        "pool": {"loadbalancer_id": tree.loadbalancer["id"]},
        "healthmonitor": {"pool_id": tree.pool["id"]},
        "l7policy": {"listener_id": tree.listener["id"]},
        "loadbalancer": {"vip_subnet_id": tree.loadbalancer["vip_subnet_id"]},
    }
    path = tree.paths[resource.name]
    if not is_put:
        path, values = path.rpartition("/")[0], {**values, **owners.get(resource.name, {})}
    result = api.request("PUT" if is_put else "POST", path, {resource.key: values})
    assert result.status_code in (200, 201, 400, 403, 404, 409, 501), result.text
    assert api.get(tree.paths["loadbalancer"])["loadbalancer"]["provisioning_status"] == "ACTIVE"
    api.get(tree.paths["loadbalancer"] + "/status")


@SETTINGS
@given(body=VALUES.map(finite), path=st.sampled_from(["/loadbalancers", "/listeners", "/pools", "/l7policies"]))
def test_any_body(api: Any, body: Any, path: str) -> None:
    assert api.request("POST", path, body).status_code in (400, 404)


@SETTINGS
@given(
    query=st.lists(st.tuples(st.sampled_from(["limit", "marker", "sort", "fields", "name", "tags", "id"]) | TEXT, TEXT))
)
def test_any_query(api: Any, query: list[tuple[str, str]]) -> None:
    text = "&".join(f"{quote(key, errors='replace')}={quote(value, errors='replace')}" for key, value in query)
    assert api.request("GET", f"/loadbalancers?{text}").status_code in (200, 400)


@SETTINGS
@given(id_=st.text(min_size=1, max_size=50).filter(lambda text: "/" not in text and "?" not in text))
def test_any_id(api: Any, id_: str) -> None:
    path = f"/loadbalancers/{quote(id_, safe='', errors='replace')}"
    assert api.request("GET", path).status_code in (200, 400, 404)
