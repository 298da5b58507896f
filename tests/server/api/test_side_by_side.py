"""Writes at the same time, through two stores on one database: rules that span rows hold all the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from fake_dataplane import FakeDataPlane
from lbclient.dataplane.support import unsupported
from lbclient.server.access.enforcer import Enforcer
from lbclient.server.config import Config
from lbclient.server.services import Services
from lbclient.store import settling
from lbclient.store.store import Store

if TYPE_CHECKING:
    from conftest import Api

DEMO = "d" * 32
WRITERS = 12
WAIT = 30.0  # seconds that a request waits for a busy load balancer


@pytest.fixture
def apis(make_api: Callable[..., Api], database_url: str) -> Iterator[Sequence[Api]]:
    """Two applications, each with a store of its own, as in two processes."""
    first = make_api(busy_wait=WAIT)
    store = Store(database_url)
    services = first.services

    def settle(loadbalancer_id: str) -> None:
        snapshot = store.snapshot(loadbalancer_id)
        if snapshot is not None:
            store.settle(snapshot, None)

    other = Services(store, services.tokens, Config(busy_wait=WAIT), FakeDataPlane(settle, unsupported), Enforcer(None))
    yield first, type(first)(other)
    store.close()


def together(apis: Sequence[Api], request: Callable[[Api, int], Any], times: int = WRITERS) -> Counter[int | str]:
    """Count the statuses of requests that are sent at once, half of them to each application; a 5xx with its text."""

    def outcome(number: int) -> int | str:
        answer = request(apis[number % 2], number)
        return answer.status_code if answer.status_code < 500 else f"{answer.status_code} {answer.text}"

    with ThreadPoolExecutor(times) as threads:
        return Counter(threads.map(outcome, range(times)))


def vip(**values: Any) -> dict[str, Any]:
    return {"loadbalancer": {"project_id": DEMO, **values}}


@pytest.mark.parametrize("provider", ["amphora", "noop_driver"])
def test_vips_differ(apis: Sequence[Api], provider: str) -> None:
    subnet = apis[0].subnets["private"]
    body = vip(vip_subnet_id=subnet, provider=provider)
    assert together(apis, lambda api, _: api.request("POST", "/loadbalancers", body)) == {201: WRITERS}
    addresses = [each["vip_address"] for each in apis[0].get("/loadbalancers")["loadbalancers"]]
    assert len(set(addresses)) == WRITERS


def test_an_address_has_one_load_balancer(apis: Sequence[Api]) -> None:
    body = vip(vip_subnet_id=apis[0].subnets["private"], vip_address="10.0.0.77")
    answers = together(apis, lambda api, _: api.request("POST", "/loadbalancers", body))
    assert answers == {201: 1, 409: WRITERS - 1}


def test_the_last_object_of_a_quota_is_given_once(apis: Sequence[Api]) -> None:
    first, second = (apis[0].loadbalancer(name=name) for name in ("first", "second"))
    assert apis[0].as_("admin").request("PUT", f"/quotas/{DEMO}", {"quota": {"listener": 5}}).status_code == 202

    def create(api: Api, number: int) -> Any:
        owner = (first, second)[number // 2 % 2]["id"]
        body = {"listener": {"loadbalancer_id": owner, "protocol": "HTTP", "protocol_port": 8000 + number}}
        return api.request("POST", "/listeners", body)

    assert together(apis, create) == {201: 5, 403: WRITERS - 5}
    assert len(apis[0].get("/listeners")["listeners"]) == 5


def test_a_member_is_added_once(apis: Sequence[Api]) -> None:
    pool = apis[0].pool(apis[0].loadbalancer())
    body = {"member": {"address": "192.0.2.1", "protocol_port": 80}}
    answers = together(apis, lambda api, _: api.request("POST", f"/pools/{pool['id']}/members", body))
    assert answers == {201: 1, 409: WRITERS - 1}


def test_all_members_are_replaced_or_none(apis: Sequence[Api]) -> None:
    pool = apis[0].pool(apis[0].loadbalancer())

    def replace(api: Api, number: int) -> Any:
        members = [{"address": f"192.0.2.{number + 1}", "protocol_port": port} for port in range(80, 90)]
        return api.request("PUT", f"/pools/{pool['id']}/members", {"members": members})

    assert together(apis, replace) == {202: WRITERS}
    left = apis[0].get(f"/pools/{pool['id']}/members")["members"]
    assert len(left) == 10
    assert len({each["address"] for each in left}) == 1


def test_positions_of_policies_are_in_sequence(apis: Sequence[Api]) -> None:
    listener = apis[0].listener(apis[0].loadbalancer())
    body = {"l7policy": {"listener_id": listener["id"], "action": "REJECT", "position": 1}}
    assert together(apis, lambda api, _: api.request("POST", "/l7policies", body)) == {201: WRITERS}
    positions = sorted(each["position"] for each in apis[0].get("/l7policies")["l7policies"])
    assert positions == list(range(1, WRITERS + 1))


def test_a_pool_has_one_health_monitor(apis: Sequence[Api]) -> None:
    pool = apis[0].pool(apis[0].loadbalancer())
    body = {"healthmonitor": {"pool_id": pool["id"], "type": "TCP", "delay": 5, "timeout": 3, "max_retries": 3}}
    assert together(apis, lambda api, _: api.request("POST", "/healthmonitors", body)) == {201: 1, 409: WRITERS - 1}


def test_what_was_deleted_meanwhile_is_not_found(apis: Sequence[Api]) -> None:
    pool = apis[0].pool(apis[0].loadbalancer())
    members = [apis[0].member(pool, address=f"192.0.2.{number + 1}") for number in range(3)]

    def change_or_delete(api: Api, number: int) -> Any:
        path = f"/pools/{pool['id']}/members/{members[number % 3]['id']}"
        if number < 3:
            return api.request("DELETE", path)
        return api.request("PUT", path, {"member": {"weight": number}})

    answers = together(apis, change_or_delete)
    assert answers[204] == 3
    assert set(answers) <= {204, 200, 404}
    assert apis[0].get(f"/pools/{pool['id']}/members")["members"] == []


def test_changes_of_load_balancers_do_not_wait_for_each_other(apis: Sequence[Api], database_url: str) -> None:
    """On PostgreSQL only: SQLite has one writer."""
    if database_url.startswith("sqlite"):
        pytest.skip("SQLite has one writer")
    busy, free = (apis[0].loadbalancer(name=name) for name in ("busy", "free"))
    services = apis[0].services
    with services.store.changing() as tx:
        settling.lock(tx, busy["id"])
        assert apis[1].put(f"/loadbalancers/{free['id']}", "loadbalancer", name="changed")["name"] == "changed"


def test_events_are_published_once_each_and_resumed_where_they_were_left(apis: Sequence[Api]) -> None:
    feed = apis[0].services.store.feed
    pools = [apis[0].pool(apis[0].loadbalancer()) for _ in range(4)]
    begin = feed.position

    def create(api: Api, number: int) -> Any:
        body = {"member": {"address": f"192.0.2.{number + 1}", "protocol_port": 80}}
        return apis[0].request("POST", f"/pools/{pools[number % 4]['id']}/members", body)

    assert together(apis, create) == {201: WRITERS}
    told, _ = feed.after(begin)
    serials = [each.serial for each in told]
    assert len(set(serials)) == len(serials)
    assert sum(each.values["action"] == "create" and each.values["how"] is None for each in told) == WRITERS
    for place, each in enumerate(told):
        found = feed.since(each.serial)
        assert found is not None
        assert found[0] == told[place + 1 :]
