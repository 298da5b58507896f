"""The load-balancer API in process: the real application on a real database, without a data plane."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping
from types import SimpleNamespace
from typing import Any

import falcon.testing
import pytest

import applications
from fake_dataplane import FakeDataPlane
from lbclient.dataplane.haproxy.attachments import Attachment
from lbclient.dataplane.support import unsupported
from lbclient.server.access.context import Context
from lbclient.server.access.enforcer import Enforcer
from lbclient.server.config import Config
from lbclient.server.errors import Unauthorized
from lbclient.server.network.demo_networks import create_demo_networks
from lbclient.server.services import Services
from lbclient.store.store import Store

DEMO, OTHER, ADMIN = "d" * 32, "e" * 32, "a" * 32
PEOPLE = {
    "demo": Context("u1", DEMO, frozenset({"member", "reader"})),
    "other": Context("u2", OTHER, frozenset({"member"})),
    "reader": Context("u3", DEMO, frozenset({"reader"})),
    "nobody": Context("u4", None, frozenset()),
    "admin": Context("u5", ADMIN, frozenset({"admin"})),
    "lb-observer": Context("u6", DEMO, frozenset({"load-balancer_observer"})),
    "lb-global-observer": Context("u7", OTHER, frozenset({"load-balancer_global_observer"})),
    "lb-member": Context("u8", DEMO, frozenset({"load-balancer_member"})),
    "lb-quota-admin": Context("u9", OTHER, frozenset({"load-balancer_quota_admin"})),
    "lb-admin": Context("u10", OTHER, frozenset({"load-balancer_admin"})),
    "guest": Context("u11", DEMO, frozenset({"guest"})),
}


class People:
    """Tokens that are the names of people."""

    def check(self, token: str) -> Context:
        if token not in PEOPLE:
            raise Unauthorized("The request you have made requires authentication.")
        return PEOPLE[token]


class Api:
    """Requests to the API as one person, and what came back."""

    def __init__(self, services: Services, person: str = "demo") -> None:
        self.services = services
        self.client = applications.client(services)
        self.person = person
        self.subnets = SUBNETS

    def as_(self, person: str) -> Api:
        other = Api(self.services, person)
        return other

    def request(self, method: str, path: str, body: Any = None, **options: Any) -> falcon.testing.Result:
        path, _, query = path.partition("?")
        headers = {"X-Auth-Token": self.person, **options.pop("headers", {})}
        if "raw" in options:
            options["body"] = options.pop("raw")
        elif body is not None:
            options["json"] = body
        path = path if path.startswith("//") else "/v2.0/lbaas" + path
        return self.client.simulate_request(
            method, path.replace("//", "/"), query_string=query, headers=headers, **options
        )

    def get(self, path: str) -> Any:
        result = self.request("GET", path)
        assert result.status_code == 200, result.text
        return result.json

    def post(self, path: str, key: str, **values: Any) -> Any:
        result = self.request("POST", path, {key: values})
        assert result.status_code == 201, result.text
        return result.json[key]

    def put(self, path: str, key: str, **values: Any) -> Any:
        result = self.request("PUT", path, {key: values})
        assert result.status_code == 200, result.text
        return result.json[key]

    def delete(self, path: str) -> None:
        result = self.request("DELETE", path)
        assert result.status_code == 204, result.text
        assert result.text == ""

    def fails(self, method: str, path: str, body: Any, status: int) -> str:
        result = self.request(method, path, body)
        assert result.status_code == status, result.text
        assert set(result.json) - {"holder"} == {"faultcode", "faultstring", "debuginfo"}
        return str(result.json["faultstring"])

    # One of each kind, in the state that a change leaves it in.

    def loadbalancer(self, **values: Any) -> Any:
        return self.post("/loadbalancers", "loadbalancer", **{"vip_subnet_id": SUBNETS["private"], **values})

    def listener(self, loadbalancer: Any, **values: Any) -> Any:
        usual = {"loadbalancer_id": loadbalancer["id"], "protocol": "HTTP", "protocol_port": 80}
        return self.post("/listeners", "listener", **{**usual, **values})

    def pool(self, loadbalancer: Any, **values: Any) -> Any:
        usual = {"loadbalancer_id": loadbalancer["id"], "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN"}
        return self.post("/pools", "pool", **{**usual, **values})

    def member(self, pool: Any, **values: Any) -> Any:
        path = f"/pools/{pool['id']}/members"
        return self.post(path, "member", **{"address": "10.0.0.4", "protocol_port": 80, **values})

    def healthmonitor(self, pool: Any, **values: Any) -> Any:
        usual = {"pool_id": pool["id"], "type": "HTTP", "delay": 5, "timeout": 3, "max_retries": 3}
        return self.post("/healthmonitors", "healthmonitor", **{**usual, **values})

    def l7policy(self, listener: Any, **values: Any) -> Any:
        return self.post("/l7policies", "l7policy", **{"listener_id": listener["id"], "action": "REJECT", **values})

    def l7rule(self, policy: Any, **values: Any) -> Any:
        usual = {"type": "PATH", "compare_type": "STARTS_WITH", "value": "/a"}
        return self.post(f"/l7policies/{policy['id']}/rules", "rule", **{**usual, **values})


SUBNETS: dict[str, str] = {}


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    store = Store(database_url)
    with store.writing() as tx:
        world = create_demo_networks(tx, ADMIN, "10.0.0.0/24", "203.0.113.0/24")
    SUBNETS.update(private=world.private_subnet, public=world.public_subnet, network=world.private_net)
    yield store
    store.close()


@pytest.fixture
def make_api(store: Store) -> Callable[..., Api]:
    """An API whose data plane is: settle at once, or never, or whatever wake is given."""

    def make(
        wake: Callable[[str], None] | None = None,
        busy_wait: float = 0.0,
        own: tuple[str, ...] = (),
        on: Attachment | None = None,
        duplicates: Mapping[str, str] | None = None,
        **options: Any,
    ) -> Api:
        def settle(loadbalancer_id: str) -> None:
            snapshot = store.snapshot(loadbalancer_id)
            if snapshot is not None:
                store.settle(snapshot, None)

        config = Config(busy_wait=busy_wait, **options)
        tokens: Any = People()
        dataplane = FakeDataPlane(wake or settle, unsupported, own, duplicates or {}, on)
        return Api(Services(store, tokens, config, dataplane, Enforcer(config.policy_file)))

    return make


@pytest.fixture
def api(make_api: Callable[..., Api]) -> Api:
    """An API whose changes are settled before the next request."""
    return make_api()


@pytest.fixture
def tree(api: Api) -> SimpleNamespace:
    """A load balancer with one of each kind in it."""
    loadbalancer = api.loadbalancer(name="lb")
    listener = api.listener(loadbalancer, name="listener")
    pool = api.pool(loadbalancer, name="pool", listener_id=listener["id"])
    member = api.member(pool, name="member")
    healthmonitor = api.healthmonitor(pool, name="monitor")
    l7policy = api.l7policy(listener, name="policy")
    l7rule = api.l7rule(l7policy)
    return SimpleNamespace(
        loadbalancer=loadbalancer,
        listener=listener,
        pool=pool,
        member=member,
        healthmonitor=healthmonitor,
        l7policy=l7policy,
        l7rule=l7rule,
        paths={
            "loadbalancer": f"/loadbalancers/{loadbalancer['id']}",
            "listener": f"/listeners/{listener['id']}",
            "pool": f"/pools/{pool['id']}",
            "member": f"/pools/{pool['id']}/members/{member['id']}",
            "healthmonitor": f"/healthmonitors/{healthmonitor['id']}",
            "l7policy": f"/l7policies/{l7policy['id']}",
            "l7rule": f"/l7policies/{l7policy['id']}/rules/{l7rule['id']}",
        },
    )


UNKNOWN = str(uuid.UUID(int=7))
