"""A pool's members changed as a whole."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import sqlalchemy as sa

from lbclient.server.loadbalancer.writes import transaction
from lbclient.store import prepared, settling
from lbclient.store.store import Store
from lbclient.store.tables import MEMBER


@pytest.fixture
def pool(api: Any) -> Any:
    """A pool with two members, of weights 1 and 5."""
    pool = api.pool(api.loadbalancer())
    api.member(pool, name="one")
    api.member(pool, name="two", protocol_port=81, weight=5)
    return pool


def put(api: Any, pool: Any, *members: dict[str, Any], query: str = "") -> Any:
    return api.request("PUT", f"/pools/{pool['id']}/members{query}", {"members": list(members)})


def found(api: Any, pool: Any) -> list[tuple[int, str, int]]:
    members = api.get(f"/pools/{pool['id']}/members")["members"]
    return [(each["protocol_port"], each["name"], each["weight"]) for each in members]


def member(port: int, **values: Any) -> dict[str, Any]:
    return {"address": "10.0.0.4", "protocol_port": port, **values}


def test_what_is_given_is_made_or_changed_and_the_rest_goes(api: Any, pool: Any) -> None:
    result = put(api, pool, member(81, name="zwei"), member(82))
    assert (result.status_code, result.text) == (202, "")
    assert found(api, pool) == [(81, "zwei", 5), (82, "", 1)]


def test_additive_only_keeps_the_rest(api: Any, pool: Any) -> None:
    assert put(api, pool, member(82), query="?additive_only=true").status_code == 202
    assert [each[0] for each in found(api, pool)] == [80, 81, 82]


def test_an_empty_list_takes_all_away(api: Any, pool: Any) -> None:
    put(api, pool)
    assert found(api, pool) == []


def test_nothing_is_touched_where_nothing_differs(make_api: Any, pool: Any) -> None:
    woken: list[str] = []
    api = make_api(wake=woken.append)
    assert put(api, pool, member(80, name="one"), member(81, weight=5)).status_code == 202
    assert woken == []


@pytest.mark.parametrize(
    "members",
    [
        [member(82, weight=257)],
        [member(82), {"address": "10.0.0.4"}],
        [member(82, colour="red")],
        [7],
    ],
)
def test_one_wrong_member_and_nothing_changes(api: Any, pool: Any, members: list[Any]) -> None:
    before = found(api, pool)
    assert put(api, pool, *members).status_code == 400
    assert found(api, pool) == before


@pytest.mark.parametrize("body", [None, [], {}, {"members": 7}, {"members": [], "more": 1}])
def test_bodies_that_are_refused(api: Any, pool: Any, body: Any) -> None:
    assert api.request("PUT", f"/pools/{pool['id']}/members", body).status_code == 400


def test_a_foreign_pool_is_forbidden(api: Any, pool: Any) -> None:
    assert put(api.as_("other"), pool).status_code == 403


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The statements that have been executed, one after the other."""
    run, found = prepared.execute, []

    def noted(tx: Any, text: str, values: Any = None) -> Any:
        found.append(text)
        return run(tx, text, values)

    monkeypatch.setattr(prepared, "execute", noted)
    return found


def test_the_number_of_statements_does_not_grow_with_the_members(
    make_api: Any, store: Store, statements: list[str]
) -> None:
    api, unsettled = make_api(), make_api(wake=lambda loadbalancer_id: None)
    steps = []
    sizes = 300, 900
    for size in sizes:
        pool = api.pool(loadbalancer := api.loadbalancer())
        counts = []
        for members in ([member(n) for n in range(1, size)], [member(n, weight=7) for n in range(1, size)], []):
            statements.clear()
            assert put(unsettled, pool, *members).status_code == 202
            counts.append(len(statements))
            snapshot = store.snapshot(loadbalancer["id"])
            assert snapshot is not None
            store.settle(snapshot, None)
        steps.append(counts)
    few, many = ((size - 1) // prepared.CHUNK for size in sizes)  # insertions of so many rows at once
    more = many - few if store.engine.dialect.name == "sqlite" else 0  # PostgreSQL gets the rows one after the other
    assert steps[1] == [steps[0][0] + more, *steps[0][1:]]


def unsettled(make_api: Any, store: Store, size: int) -> tuple[Any, Any, Any]:
    """A pool with as many members, not yet settled, the API that changes it, and the ID of its load balancer."""
    api = make_api()
    pool = api.pool(loadbalancer := api.loadbalancer())
    waiting = make_api(wake=lambda loadbalancer_id: None)
    assert put(waiting, pool, *(member(n) for n in range(1, size + 1))).status_code == 202
    return waiting, pool, loadbalancer["id"]


def statuses(store: Store, loadbalancer_id: str) -> tuple[str, Counter[str]]:
    """The provisioning status of a load balancer, and how many of its members have which."""
    with store.reading() as tx:
        found = tx.scalars(sa.select(MEMBER.c.provisioning_status).where(MEMBER.c.loadbalancer_id == loadbalancer_id))
        return settling.provisioning_status(tx, loadbalancer_id) or "", Counter(found)


def settle(store: Store, loadbalancer_id: str, check: Any = lambda tx: None, error: str | None = None) -> None:
    snapshot = store.snapshot(loadbalancer_id)
    assert snapshot is not None
    store.settle(snapshot, error, check=check)


def test_the_statements_that_settle_a_batch_do_not_grow_with_the_members(
    make_api: Any, store: Store, statements: list[str]
) -> None:
    steps = []
    for size in (100, 400):
        api, pool, loadbalancer_id = unsettled(make_api, store, size)
        counts = []
        for members in ([member(n, weight=7) for n in range(1, size + 1)], [], []):
            statements.clear()
            settle(store, loadbalancer_id)
            counts.append(len(statements))
            assert put(api, pool, *members).status_code == 202
        steps.append(counts)
    assert steps[0] == steps[1]


@pytest.mark.parametrize(("error", "settled"), [(None, "ACTIVE"), ("port 80 is taken", "ERROR")])
def test_the_members_of_a_large_pool_are_settled_in_parts(
    make_api: Any, store: Store, error: str | None, settled: str
) -> None:
    size = 2 * settling.PART + 1
    _, _, loadbalancer_id = unsettled(make_api, store, size)
    seen: list[tuple[str, Counter[str]]] = []
    settle(store, loadbalancer_id, lambda tx: seen.append(statuses(store, loadbalancer_id)), error)
    assert [(balancer, members[settled]) for balancer, members in seen] == [
        ("PENDING_UPDATE", 0),
        ("PENDING_UPDATE", settling.PART),
        ("PENDING_UPDATE", 2 * settling.PART),
        ("PENDING_UPDATE", size),
    ]
    assert statuses(store, loadbalancer_id) == (settled, {settled: size})


def test_a_crash_between_the_parts_leaves_the_load_balancer_pending(make_api: Any, store: Store) -> None:
    size = 2 * settling.PART
    api, pool, loadbalancer_id = unsettled(make_api, store, size)
    settle(store, loadbalancer_id)
    assert put(api, pool).status_code == 202
    turns = iter(range(1))

    def crash(tx: Any) -> None:
        if next(turns, None) is None:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        settle(store, loadbalancer_id, crash)
    assert statuses(store, loadbalancer_id) == ("PENDING_UPDATE", {"PENDING_DELETE": settling.PART})
    settle(store, loadbalancer_id)
    assert statuses(store, loadbalancer_id) == ("ACTIVE", {})


def test_members_that_another_request_made_in_the_meantime_are_compared_again(
    make_api: Any, store: Store, pool: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    api, change = make_api(), transaction.change

    def delayed(*arguments: Any, **options: Any) -> Any:
        monkeypatch.setattr(transaction, "change", change)
        api.member(pool, name="meanwhile", protocol_port=82)
        return change(*arguments, **options)

    monkeypatch.setattr(transaction, "change", delayed)
    assert put(api, pool, member(82, name="wanted"), member(83)).status_code == 202
    assert found(api, pool) == [(82, "wanted", 1), (83, "", 1)]
