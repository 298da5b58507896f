"""Queries that ask for much, in every service: refused with the bound, or answered; and markers of others' objects."""

from __future__ import annotations

import logging
import sqlite3
import uuid
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from lbclient.resources import LOADBALANCER
from lbclient.server.lists import bounds
from lbclient.server.network import attributes as network
from lbclient.store import faults, nonblocking, prepared
from lbclient.store.prepared import by
from lbclient.store.tables import LOADBALANCER as LOADBALANCERS

LBAAS, NETWORKING, SECRETS = "/load-balancer/v2.0/lbaas", "/networking/v2.0", "/key-manager/v1/secrets"
LISTS = (f"{LBAAS}/loadbalancers", f"{LBAAS}/pools", f"{NETWORKING}/networks", f"{NETWORKING}/ports", SECRETS)
PORT = next(kind for kind in network.KINDS if kind.name == "port")
COLUMNS = {  # all that lists can be sorted by
    f"{LBAAS}/loadbalancers": [
        field.name
        for field in LOADBALANCER.fields
        if field.name in LOADBALANCERS.c and not isinstance(LOADBALANCERS.c[field.name].type, sa.types.TypeDecorator)
    ],
    f"{NETWORKING}/ports": [each.name for each in PORT.attributes if each.column_name and each.name != "tenant_id"],
}


def many(count: int) -> str:
    return ",".join(f"t{number}" for number in range(count))


@pytest.mark.parametrize(
    ("query", "told"),
    [
        (f"{LBAAS}/loadbalancers?sort_key=" + ",".join(["name"] * 600), "name"),
        (f"{LBAAS}/loadbalancers?sort=name:asc,id,name:desc", "name"),
        (f"{NETWORKING}/networks?sort_key=name&sort_key=id&sort_key=name", "name"),
        (f"{NETWORKING}/networks?sort_key=project_id&sort_key=tenant_id", "project_id"),
        (f"{SECRETS}?sort=name:asc,created,name:desc", "name"),
        *(
            (f"{path}?{name}={many(bounds.TAGS + 1)}", f"{name} has {bounds.TAGS + 1} tags; at most {bounds.TAGS}")
            for path in (f"{LBAAS}/loadbalancers", f"{NETWORKING}/networks")
            for name in ("tags", "tags-any", "not-tags", "not-tags-any")
        ),
        (
            f"{NETWORKING}/ports?" + "&".join(f"id={number}" for number in range(bounds.VALUES + 1)),
            f"id has {bounds.VALUES + 1} values; at most {bounds.VALUES}",
        ),
        (
            f"{NETWORKING}/ports?"
            + "&".join(f"fixed_ips=ip_address_substr={number}" for number in range(bounds.VALUES + 1)),
            f"at most {bounds.VALUES}",
        ),
        (
            f"{SECRETS}?created=" + ",".join(f"gt:{2000 + year}-01-01" for year in range(201)),
            f"at most {bounds.VALUES}",
        ),
        (f"{LBAAS}/loadbalancers?fields={many(bounds.VALUES + 1)}", f"at most {bounds.VALUES}"),
    ],
)
def test_more_than_the_bound_is_refused_with_it(demo: Any, query: str, told: str) -> None:
    answer = demo.ask("GET", query)
    assert (answer.status_code, told in answer.text) == (400, True), answer.text


@pytest.mark.parametrize(
    "path", [*LISTS, "/identity/v3/projects", "/identity/v3/users", f"{SECRETS}/{uuid.UUID(int=7)}"]
)
def test_the_arguments_of_every_query_are_bounded(admin: Any, path: str) -> None:
    answer = admin.ask("GET", f"{path}?" + "&".join(["name__contains=a"] * (bounds.ARGUMENTS + 1)))
    assert answer.status_code == 400
    assert f"at most {bounds.ARGUMENTS} are allowed" in answer.text


@pytest.mark.parametrize("path", [*LISTS, "/identity/v3/projects", f"{LBAAS}/events"])
@pytest.mark.parametrize("query", ["name=%00", "marker=%00", "%00=a", "name=a%00b&limit=1", "tags=%00", "sort_key=%00"])
def test_no_database_is_asked_for_a_nul(demo: Any, path: str, query: str) -> None:
    answer = demo.ask("GET", f"{path}?{query}")
    assert (answer.status_code, "NUL" in answer.text) == (400, True)


def test_a_filter_is_one_value_where_there_can_be_one_only(demo: Any) -> None:
    assert demo.ask("GET", f"{LBAAS}/loadbalancers?name=a&name=b").status_code == 400
    assert demo.ask("GET", f"{LBAAS}/loadbalancers?name=a&name=a").status_code == 200


@pytest.mark.parametrize("path", COLUMNS)
def test_as_much_as_the_bounds_allow_is_answered(demo: Any, path: str) -> None:
    """Every sort key, as many tags as may be, behind a marker."""
    if path.endswith("ports"):
        own = demo.made(f"{NETWORKING}/networks", "network", name="own")
        made = [demo.made(f"{NETWORKING}/ports", "port", network_id=own["id"]) for _ in range(2)]
        sort = "&".join(f"sort_key={name}&sort_dir=desc" for name in COLUMNS[path])
    else:
        [subnet] = demo.get(f"{NETWORKING}/subnets?name=private-subnet")["subnets"]
        body = {"vip_subnet_id": subnet["id"]}
        made = [demo.made(f"{LBAAS}/loadbalancers", "loadbalancer", **body) for _ in range(2)]
        sort = f"sort_key={','.join(COLUMNS[path])}"
    query = f"{sort}&not-tags={many(bounds.TAGS)}&not-tags-any={many(bounds.TAGS)}"
    [found] = [value for name, value in demo.get(f"{path}?{query}").items() if name == path.rpartition("/")[2]]
    assert {each["id"] for each in found} >= {each["id"] for each in made}
    rest = demo.get(f"{path}?{query}&marker={found[0]['id']}")[path.rpartition("/")[2]]
    assert rest == found[1:]


def test_an_odd_query_leaves_no_statement_behind(front: Any, demo: Any) -> None:
    if front.store.engine.dialect.name != "sqlite":
        pytest.skip("PostgreSQL keeps no statement that was sent once")
    before = set(front.store.engine._compiled_cache)
    with front.store.reading() as tx:
        connection = tx.connection.dbapi_connection
        prepared.once(tx, sa.select(LOADBALANCERS))
    with pytest.raises(sqlite3.ProgrammingError):
        connection.execute("SELECT 1")
    assert set(front.store.engine._compiled_cache) == before


@pytest.mark.parametrize("path", LISTS[:-1])
@pytest.mark.parametrize("query", [f"tags={many(20)}", f"tags={many(20).replace(',', '%2C')}", "&tags=a" * 12])
def test_neither_does_a_short_query_of_many_values(front: Any, demo: Any, path: str, query: str) -> None:
    demo.get(path)
    before = set(front.store.engine._compiled_cache)
    demo.get(f"{path}?{query}")
    assert len(query) < bounds.USUAL
    assert set(front.store.engine._compiled_cache) == before


@pytest.mark.parametrize("path", [f"{NETWORKING}/networks", f"{NETWORKING}/ports"])
def test_neither_does_an_odd_order(front: Any, demo: Any, path: str) -> None:
    demo.get(path)
    before = set(front.store.engine._compiled_cache)
    demo.get(f"{path}?sort_key=description&sort_key=name&sort_key=id")
    assert set(front.store.engine._compiled_cache) == before


def test_what_takes_long_is_left_to_threads(front: Any, demo: Any) -> None:
    networks = f"{NETWORKING}/networks"
    for query in (
        f"{networks}?sort_key=name",
        f"{LBAAS}/pools?sort=name",
        f"{LBAAS}/pools?tags=a",
        f"{networks}?tags=a",
    ):
        with nonblocking.required(), pytest.raises(nonblocking.TakesLong):
            demo.get(query)
    with nonblocking.required():
        demo.get(f"{LBAAS}/pools?name=a&fields=id")


def test_many_rows_are_left_to_threads(front: Any, demo: Any) -> None:
    for _ in range(bounds.SHORT + 1):
        demo.made(f"{NETWORKING}/networks", "network")
    with nonblocking.required(), pytest.raises(nonblocking.TakesLong):
        demo.get(f"{NETWORKING}/networks")
    assert len(demo.get(f"{NETWORKING}/networks")["networks"]) > bounds.SHORT


MAKERS: dict[str, Callable[[Any], Any]] = {
    f"{LBAAS}/loadbalancers": lambda who: who.made(
        f"{LBAAS}/loadbalancers",
        "loadbalancer",
        vip_subnet_id=who.get(f"{NETWORKING}/subnets?name=public-subnet")["subnets"][0]["id"],
    ),
    f"{NETWORKING}/networks": lambda who: who.made(f"{NETWORKING}/networks", "network", name="foreign"),
    f"{NETWORKING}/security-groups": lambda who: who.made(f"{NETWORKING}/security-groups", "security_group", name="s"),
    f"{NETWORKING}/qos/policies": lambda who: who.made(f"{NETWORKING}/qos/policies", "policy", name="foreign"),
}


@pytest.mark.parametrize("path", MAKERS)
@pytest.mark.parametrize("sort", ["", "&sort_key=name"])
def test_a_foreign_marker_is_one_that_does_not_exist(admin: Any, demo: Any, path: str, sort: str) -> None:
    foreign = MAKERS[path](admin)["id"]
    unknown = str(uuid.uuid4())
    assert admin.ask("GET", f"{path}?marker={foreign}{sort}").status_code == 200
    there, not_there = (demo.ask("GET", f"{path}?marker={id_}{sort}") for id_ in (foreign, unknown))
    assert there.status_code == not_there.status_code >= 400
    assert there.text.replace(foreign, unknown) == not_there.text


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (sa.exc.TimeoutError(), faults.BUSY),
        (sa.exc.OperationalError("SELECT", {}, sqlite3.OperationalError("database is locked")), faults.BUSY),
        (sa.exc.OperationalError("SELECT", {}, sqlite3.OperationalError("database or disk is full")), faults.FULL),
        (sa.exc.OperationalError("SELECT", {}, sqlite3.OperationalError("parser stack overflow")), None),
        (sa.exc.DatabaseError("SELECT", {}, sqlite3.DatabaseError("database disk image is malformed")), "damaged"),
        (sa.exc.OperationalError("SELECT", {}, Exception("connection refused")), faults.UNREACHABLE),
        (ValueError("anything else"), None),
    ],
)
def test_what_has_failed_is_told_apart(error: Exception, told: str | None) -> None:
    found = faults.explanation(error)
    assert found is None if told is None else told in str(found)


def test_the_log_has_no_parameters(front: Any, demo: Any, caplog: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither of the statements that SQLAlchemy sends nor of our own."""
    secret = "a-word-that-nobody-should-read"
    with front.store.writing() as tx:
        tx.execute(sa.text("DROP TABLE pool"))
        tx.execute(sa.text("ALTER TABLE network RENAME TO elsewhere"))
    by.cache_clear()
    with caplog.at_level(logging.ERROR):
        for path in (f"{LBAAS}/pools?name={secret}", f"{NETWORKING}/networks?name={secret}"):
            answer = demo.ask("GET", path)
            assert answer.status_code == 500
            assert "its log tells more" in answer.text
    assert "FROM network" in caplog.text
    assert secret not in caplog.text


@pytest.mark.parametrize(
    "value",
    [
        "a{4294967296}",
        "(a{9999999999999999999}){2}",
        "(",
        "(?i)[à-\uffff]" * 9,
        r"(?i)[!-\U0010ffff]",
        "(?P<a>b)(?P<a>c)",
    ],
)
def test_no_expression_is_too_much_for_the_parser(demo: Any, value: str) -> None:
    body = {"type": "PATH", "compare_type": "REGEX", "value": value}
    policy = {"name": "p", "action": "REJECT", "rules": [body]}
    listener = {"protocol": "HTTP", "protocol_port": 80, "l7policies": [policy]}
    [subnet] = demo.get(f"{NETWORKING}/subnets?name=private-subnet")["subnets"]
    answer = demo.ask(
        "POST",
        f"{LBAAS}/loadbalancers",
        {"loadbalancer": {"vip_subnet_id": subnet["id"], "listeners": [listener]}},
    )
    assert (answer.status_code, "value" in answer.json["faultstring"]) == (400, True), answer.text
