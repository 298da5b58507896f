"""Lists: filters, order, pages, chosen attributes, tags."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from quick import examples

NAMES = ["b", "a", "c", "a", "", "b"]


@pytest.fixture
def members(api: Any) -> SimpleNamespace:
    """A pool with six members of some names, weights and tags."""
    pool = api.pool(api.loadbalancer())
    made = [
        api.member(pool, name=name, protocol_port=80 + number, weight=number % 3, tags=[name, "all"] if name else [])
        for number, name in enumerate(NAMES)
    ]
    return SimpleNamespace(path=f"/pools/{pool['id']}/members", made=made)


def names(api: Any, path: str, query: str) -> list[str]:
    return [member["name"] for member in api.get(f"{path}?{query}")["members"]]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", NAMES),
        ("name=a", ["a", "a"]),
        ("name=a&weight=1", ["a"]),
        ("weight=0", ["b", "a"]),
        ("admin_state_up=false", []),
        ("admin_state_up=True", NAMES),
        ("backup=0", NAMES),
        ("backup=x", NAMES),
        ("backup=Yes", []),
        ("protocol_port=81", ["a"]),
        ("address=10.0.0.4&name=c", ["c"]),
        ("sort=name:desc,weight", ["c", "b", "b", "a", "a", ""]),
        ("sort_key=name,weight&sort_dir=DESC", ["c", "b", "b", "a", "a", ""]),
        ("sort=&sort_dir=up", NAMES),
        ("sort_key=name&sort_dir=asc", ["", "a", "a", "b", "b", "c"]),
        ("limit=2", ["b", "a"]),
        ("limit=0", NAMES),
        ("limit=-1", NAMES),
        ("limit=infinite", NAMES),
        ("limit=99999999999999999999999", NAMES),
        ("tags=all", ["b", "a", "c", "a", "b"]),
        ("tags=all,a", ["a", "a"]),
        ("tags-any=a,c", ["a", "c", "a"]),
        ("tags-any=a&tags-any=c", ["a", "c", "a"]),
        ("tags=all&tags=a", ["a", "a"]),
        ("not-tags=all,a", ["b", "c", "", "b"]),
        ("not-tags-any=a,c", ["b", "", "b"]),
        ("tags=%22", []),
        ("pool_id=elsewhere", []),
    ],
)
def test_queries(api: Any, members: SimpleNamespace, query: str, expected: list[str]) -> None:
    assert names(api, members.path, query) == expected


@pytest.mark.parametrize(
    "query",
    [
        "bogus=1",
        "name=a&bogus=",
        "sort=bogus",
        "sort=tags",
        "sort=revision",
        "marker=bogus",
    ],
)
def test_queries_that_are_refused(api: Any, members: SimpleNamespace, query: str) -> None:
    api.fails("GET", f"{members.path}?{query}", None, 400)


@pytest.mark.parametrize("query", ["limit=x", "sort=name:up", "sort_key=name&sort_dir=up", "sort=name:up:down"])
def test_queries_that_are_refused_in_the_other_format(api: Any, members: SimpleNamespace, query: str) -> None:
    result = api.request("GET", f"{members.path}?{query}")
    assert (result.status_code, set(result.json)) == (400, {"code", "title", "description"})


def test_chosen_attributes(api: Any, members: SimpleNamespace) -> None:
    assert api.get(f"{members.path}?fields=name&fields=weight&limit=1")["members"] == [{"name": "b", "weight": 0}]
    assert api.get(f"{members.path}?fields=bogus&limit=1")["members"] == [{}]


def test_links_lead_through_all_pages(api: Any, members: SimpleNamespace) -> None:
    page = api.get(f"{members.path}?limit=2&sort=name")
    seen = [member["id"] for member in page["members"]]
    for _ in range(3):
        [href] = [link["href"] for link in page["members_links"] if link["rel"] == "next"]
        page = api.get("//" + href.split("/", 3)[3])
        seen += [member["id"] for member in page["members"]]
    assert page == {"members": [], "members_links": []}
    assert sorted(seen) == sorted(member["id"] for member in members.made)


def test_the_previous_page(api: Any, members: SimpleNamespace) -> None:
    marker = members.made[4]["id"]
    found = api.get(f"{members.path}?limit=2&marker={marker}&page_reverse=True")["members"]
    assert [member["id"] for member in found] == [members.made[2]["id"], members.made[3]["id"]]


@settings(max_examples=examples(40), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    limit=st.integers(1, 7),
    keys=st.lists(
        st.tuples(
            st.sampled_from(["name", "weight", "created_at", "updated_at", "id"]), st.sampled_from(["asc", "desc"])
        ),
        max_size=5,
        unique_by=lambda key: key[0],
    ),
)
def test_pages_are_the_whole_list_cut_up(api: Any, members: SimpleNamespace, limit: int, keys: list[Any]) -> None:
    """Pages have each row once in any order, also by keys that are null or equal."""
    sort = "&sort=" + ",".join(":".join(pair) for pair in keys) if keys else ""
    whole = [member["id"] for member in api.get(f"{members.path}?{sort}")["members"]]
    found: list[str] = []
    marker = ""
    for _ in range(len(NAMES) + 1):
        page = [member["id"] for member in api.get(f"{members.path}?limit={limit}{sort}{marker}")["members"]]
        if not page:
            break
        found += page
        marker = f"&marker={page[-1]}"
    assert found == whole
    assert len(set(whole)) == len(NAMES)


@pytest.mark.parametrize("number", ["9" * 19, "-" + "9" * 19, "9" * 400, "x", ""])
def test_a_number_that_no_column_can_hold_is_found_nowhere(api: Any, number: str) -> None:
    assert api.get(f"/listeners?protocol_port={number}")["listeners"] == []


def test_the_marker_of_a_list_is_in_it(api: Any, members: SimpleNamespace) -> None:
    """A foreign ID reads as one that does not exist, as a marker, too."""
    other = api.as_("other")
    other.loadbalancer()
    loadbalancer = api.get("/loadbalancers")["loadbalancers"][0]["id"]
    pool = api.get("/pools")["pools"][0]["id"]
    unknown = "00000000-0000-0000-0000-000000000007"
    for path, foreign in (("/loadbalancers", loadbalancer), ("/pools", pool), ("/quotas", "d" * 32)):
        texts = {id_: other.fails("GET", f"{path}?marker={id_}", None, 400) for id_ in (foreign, unknown)}
        assert texts[foreign].replace(foreign, "") == texts[unknown].replace(unknown, "")
    network = other.request("POST", "//networking/v2.0/networks", {"network": {}}).json["network"]["id"]
    answers = [api.request("GET", f"//networking/v2.0/networks?marker={id_}") for id_ in (network, unknown)]
    assert [each.status_code for each in answers] == [404, 404]
    elsewhere = api.member(api.pool({"id": loadbalancer}))["id"]
    assert "marker" in api.fails("GET", f"{members.path}?marker={elsewhere}", None, 400)
    assert api.as_("admin").get(f"/loadbalancers?marker={loadbalancer}")["loadbalancers"]
