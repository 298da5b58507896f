"""Two projects with random operations over all four services: none sees, changes or blocks anything of the other."""

from __future__ import annotations

import dataclasses
import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from quick import examples, is_on

if TYPE_CHECKING:
    from conftest import Front, Person

LBAAS, NETWORKING, KEYS, IDENTITY = "/load-balancer/v2.0/lbaas", "/networking/v2.0", "/key-manager/v1", "/identity/v3"
EXAMPLES, STEPS = 6, 30
CIDR = "10.77.0.0/28"  # of both projects' networks


@dataclass(frozen=True)
class Kind:
    """The request that creates one kind of object: path and body, in which {kind} is the ID of another object."""

    path: str
    key: str  # of the object in a body; "": the body itself is the object
    body: dict[str, Any]
    name: str | None = "name"  # where the project's mark is put
    more: tuple[str, ...] = ()  # further paths below one object

    @property
    def needs(self) -> list[str]:
        text = self.path + json.dumps(self.body)
        return [name for name in KINDS if f"{{{name}}}" in text]

    def filled(self, ids: dict[str, str], mark: str) -> tuple[str, dict[str, Any]]:
        text, path = json.dumps(self.body), self.path
        for name, id_ in ids.items():
            text, path = text.replace(f"{{{name}}}", id_), path.replace(f"{{{name}}}", id_)
        body = json.loads(text) | ({self.name: f"of {mark}"} if self.name else {})
        return path, {self.key: body} if self.key else body


LB_MORE = ("status", "stats")
KINDS: dict[str, Kind] = {
    "network": Kind(f"{NETWORKING}/networks", "network", {}, more=("tags",)),
    "subnet": Kind(f"{NETWORKING}/subnets", "subnet", {"network_id": "{network}", "cidr": CIDR, "ip_version": 4}),
    "port": Kind(f"{NETWORKING}/ports", "port", {"network_id": "{network}"}, more=("tags",)),
    "group": Kind(f"{NETWORKING}/security-groups", "security_group", {}, more=("tags",)),
    "group_rule": Kind(
        f"{NETWORKING}/security-group-rules",
        "security_group_rule",
        {"security_group_id": "{group}", "direction": "ingress", "remote_group_id": "{group}"},
        name="description",
    ),
    "router": Kind(f"{NETWORKING}/routers", "router", {}),
    "floating": Kind(f"{NETWORKING}/floatingips", "floatingip", {"floating_network_id": "PUBLIC"}, name="description"),
    "associated": Kind(
        f"{NETWORKING}/floatingips",
        "floatingip",
        {"floating_network_id": "PUBLIC", "port_id": "{port}"},
        name="description",
    ),
    "loadbalancer": Kind(f"{LBAAS}/loadbalancers", "loadbalancer", {"vip_subnet_id": "{subnet}"}, more=LB_MORE),
    "shared_loadbalancer": Kind(f"{LBAAS}/loadbalancers", "loadbalancer", {"vip_subnet_id": "PRIVATE"}, more=LB_MORE),
    "port_loadbalancer": Kind(f"{LBAAS}/loadbalancers", "loadbalancer", {"vip_port_id": "{port}"}, more=LB_MORE),
    "listener": Kind(
        f"{LBAAS}/listeners",
        "listener",
        {"loadbalancer_id": "{shared_loadbalancer}", "protocol": "HTTP", "protocol_port": 80},
        more=("stats",),
    ),
    "pool": Kind(
        f"{LBAAS}/pools",
        "pool",
        {"loadbalancer_id": "{shared_loadbalancer}", "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN"},
        more=("members",),
    ),
    "default_pool": Kind(
        f"{LBAAS}/pools",
        "pool",
        {"listener_id": "{listener}", "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN"},
    ),
    "member": Kind(
        f"{LBAAS}/pools/{{pool}}/members", "member", {"address": "10.0.0.9", "protocol_port": 80, "backup": False}
    ),
    "subnet_member": Kind(
        f"{LBAAS}/pools/{{pool}}/members",
        "member",
        {"address": "10.0.0.8", "protocol_port": 80, "subnet_id": "{subnet}"},
    ),
    "monitor": Kind(
        f"{LBAAS}/healthmonitors",
        "healthmonitor",
        {"pool_id": "{pool}", "type": "TCP", "delay": 5, "timeout": 3, "max_retries": 3},
    ),
    "policy": Kind(
        f"{LBAAS}/l7policies",
        "l7policy",
        {"listener_id": "{listener}", "action": "REDIRECT_TO_POOL", "redirect_pool_id": "{pool}"},
    ),
    "l7rule": Kind(
        f"{LBAAS}/l7policies/{{policy}}/rules",
        "rule",
        {"type": "PATH", "compare_type": "EQUAL_TO", "value": "/a"},
        name=None,
    ),
    "secret": Kind(
        f"{KEYS}/secrets", "", {"payload": "opensesame", "payload_content_type": "text/plain"}, more=("payload", "acl")
    ),
    "container": Kind(
        f"{KEYS}/containers",
        "",
        {"type": "generic", "secret_refs": [{"name": "s", "secret_ref": f"http://h{KEYS}/secrets/{{secret}}"}]},
        more=("acl", "consumers"),
    ),
    "credential": Kind(f"{IDENTITY}/users/ME/application_credentials", "application_credential", {}),
}
LISTS = [*sorted({kind.path for kind in KINDS.values() if "{" not in kind.path}), f"{IDENTITY}/auth/projects"]


@dataclass
class Tenant:
    """One project's member, and what it has made: {kind: {ID: its path}}."""

    person: Person
    user_id: str
    project_id: str
    mark: str
    made: dict[str, dict[str, str]] = field(default_factory=lambda: {name: {} for name in KINDS})

    @property
    def ids(self) -> list[str]:
        return [self.project_id, self.user_id, *(id_ for made in self.made.values() for id_ in made)]

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        return self.person.ask(method, path.replace("ME", self.user_id), body)

    def everything(self) -> dict[str, Any]:
        """All that it can see in lists, and each of its own objects."""
        paths = [*LISTS, *(path for made in self.made.values() for path in made.values())]
        return {path: self.ask("GET", path).text for path in paths}


class Projects(RuleBasedStateMachine):
    """Two projects: no action of one affects the other or shows it anything."""

    front: ClassVar[Front]

    def __init__(self) -> None:
        super().__init__()
        self.tenants = [self._tenant(), self._tenant()]

    def _tenant(self) -> Tenant:
        admin, mark = self.front.admin, uuid.uuid4().hex
        project = admin.made(f"{IDENTITY}/projects", "project", name=mark)["id"]
        given = {"name": mark, "password": "secret", "default_project_id": project}
        user = admin.made(f"{IDENTITY}/users", "user", **given)["id"]
        role = admin.get(f"{IDENTITY}/roles?name=member")["roles"][0]["id"]
        assert admin.ask("PUT", f"{IDENTITY}/projects/{project}/users/{user}/roles/{role}").status_code == 204
        token = self.front.log_in(mark, "secret", {"project": {"id": project}}).headers["X-Subject-Token"]
        return Tenant(dataclasses.replace(admin, token=token), user, project, mark)

    @initialize()
    def begin(self) -> None:
        """There is something of the other's to try from the first step on."""
        for tenant in self.tenants:
            tenant.everything()  # the first look makes the default security group
        for who, tenant in enumerate(self.tenants):
            for kind in ("loadbalancer", "l7rule", "associated", "container", "credential"):
                self._alone(who, lambda tenant=tenant, kind=kind: self._make(tenant, kind))

    @rule(who=st.sampled_from([0, 1]), kind=st.sampled_from(sorted(KINDS)))
    def make(self, who: int, kind: str) -> None:
        """One's own objects, of one's own; what they need is made before."""
        self._alone(who, lambda: self._make(self.tenants[who], kind))

    def _make(self, tenant: Tenant, kind: str) -> str | None:
        ids = {}
        for need in KINDS[kind].needs:
            id_ = next(reversed(tenant.made[need]), None) or self._make(tenant, need)
            if id_ is None:
                return None
            ids[need] = id_
        return self._post(tenant, kind, ids)

    def _post(self, tenant: Tenant, kind: str, ids: dict[str, str]) -> str | None:
        path, body = KINDS[kind].filled(ids, tenant.mark)
        world = {"PUBLIC": self.front.world.public_net, "PRIVATE": self.front.world.private_subnet}
        for name, id_ in world.items():
            body = json.loads(json.dumps(body).replace(name, id_))
        answer = tenant.ask("POST", path, body)
        assert answer.status_code in (201, 400, 404, 409), answer.text
        self._tells_nothing(tenant, answer.text, ids.values())
        if answer.status_code in (400, 404):  # something that it needs went along with something else
            for need, gone in ids.items():
                tenant.made[need].pop(gone, None)
        if answer.status_code != 201:
            return None
        made = answer.json[KINDS[kind].key] if KINDS[kind].key else {}
        id_ = str(made["id"] if made else next(iter(answer.json.values())).rsplit("/", 1)[1])
        tenant.made[kind][id_] = f"{path}/{id_}"
        return id_

    @rule(who=st.sampled_from([0, 1]), kind=st.sampled_from(sorted(KINDS)), data=st.data())
    def name_the_others(self, who: int, kind: str, data: Any) -> None:
        """An object that would be part of the other's, or use it."""
        tenant, other = self.tenants[who], self.tenants[1 - who]
        foreign = [need for need in KINDS[kind].needs if other.made[need]]
        if not foreign:
            return
        chosen = data.draw(st.sampled_from(foreign))
        ids = {need: next(iter(tenant.made[need]), str(uuid.uuid4())) for need in KINDS[kind].needs}
        ids[chosen] = data.draw(st.sampled_from(sorted(other.made[chosen])))
        path, body = KINDS[kind].filled(ids, tenant.mark)
        body = json.loads(json.dumps(body).replace("PUBLIC", self.front.world.public_net))

        def ask() -> None:
            answer = tenant.ask("POST", path, body)
            assert answer.status_code in (400, 403, 404), (kind, chosen, answer.text)
            self._tells_nothing(tenant, answer.text, ids.values())

        self._alone(who, ask)

    @rule(
        who=st.sampled_from([0, 1]),
        method=st.sampled_from(["GET", "PUT", "PATCH", "DELETE", "DELETE", "POST"]),
        data=st.data(),
    )
    def touch_the_others(self, who: int, method: str, data: Any) -> None:
        """Every method on every path of the other's objects."""
        tenant, other = self.tenants[who], self.tenants[1 - who]
        foreign = [(kind, id_) for kind, made in other.made.items() for id_ in made]
        if not foreign:
            return
        kind, id_ = data.draw(st.sampled_from(sorted(foreign)))
        path = other.made[kind][id_].replace("ME", other.user_id)
        path += data.draw(st.sampled_from(["", *(f"/{each}" for each in KINDS[kind].more)]))
        body = {KINDS[kind].key or "secret": {"name": "mine now"}} if method in ("PUT", "PATCH", "POST") else None

        def ask() -> None:
            answer = tenant.ask(method, path, body)
            assert 400 <= answer.status_code < 500, (method, path, answer.text)
            self._tells_nothing(tenant, answer.text, [*path.split("/")])

        self._alone(who, ask)

    @rule(who=st.sampled_from([0, 1]), data=st.data())
    def delete(self, who: int, data: Any) -> None:
        """One's own objects go, if nothing of one's own needs them."""
        tenant = self.tenants[who]
        own = [(kind, id_) for kind, made in tenant.made.items() for id_ in made]
        if not own:
            return
        kind, id_ = data.draw(st.sampled_from(sorted(own)))

        def ask() -> None:
            answer = tenant.ask("DELETE", tenant.made[kind][id_])
            assert answer.status_code in (204, 400, 404, 409), answer.text
            self._tells_nothing(tenant, answer.text, ())
            if answer.status_code in (204, 404):
                del tenant.made[kind][id_]

        self._alone(who, ask)

    @rule(who=st.sampled_from([0, 1]), path=st.sampled_from(LISTS), data=st.data())
    def look_for_the_others(self, who: int, path: str, data: Any) -> None:
        """Filters by the other's IDs, names and project find nothing."""
        tenant, other = self.tenants[who], self.tenants[1 - who]
        name = data.draw(st.sampled_from(["id", "name", "project_id", "tenant_id", "marker", "device_id"]))
        value = data.draw(st.sampled_from([*other.ids, f"of {other.mark}"]))
        answer = tenant.ask("GET", f"{path}?{name}={value.replace(' ', '%20')}")
        assert answer.status_code < 500
        self._tells_nothing(tenant, answer.text, [value])

    @invariant()
    def lists_are_apart(self) -> None:
        for tenant in self.tenants:
            for path in LISTS:
                self._tells_nothing(tenant, tenant.ask("GET", path).text, ())

    @invariant()
    def addresses_are_apart(self) -> None:
        admin = self.front.admin
        balancers = admin.get(f"{LBAAS}/loadbalancers")["loadbalancers"]
        floating = admin.get(f"{NETWORKING}/floatingips")["floatingips"]
        carrying = [each["vip_address"] for each in balancers] + [each["floating_ip_address"] for each in floating]
        assert len(set(carrying)) == len(carrying), carrying

    def _alone(self, who: int, act: Any) -> None:
        """The other sees the same before and after."""
        other = self.tenants[1 - who]
        before = other.everything()
        act()
        assert other.everything() == before

    def _tells_nothing(self, tenant: Tenant, text: str, said: Any) -> None:
        """No name and no ID of the other's, but for those that were said to it."""
        other = next(each for each in self.tenants if each is not tenant)
        heard = " ".join(said)
        for word in (other.mark, *other.ids):
            assert word not in text or word in heard, f"{word} is the other's: {text}"


def test_projects_against_each_other(make_front: Callable[..., Front]) -> None:
    Projects.front = make_front("10.0.0.0/20", "203.0.112.0/20", is_settling=True, attachment="lab")
    found = settings(
        max_examples=examples(EXAMPLES),
        stateful_step_count=STEPS // 3 if is_on() else STEPS,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.generate,),
    )
    run_state_machine_as_test(Projects, settings=found)  # type: ignore[no-untyped-call]
