"""Computation of a plan from a declared load balancer and the existing one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from ...client import errors, keymanager, tree
from ...client.names import UUID, Names
from ...client.rest import Json
from ...resources import HEALTHMONITOR, L7POLICY, L7RULE, LISTENER, LOADBALANCER, MEMBER, POOL, Api, Field, Resource
from ..schema import Declared, default, is_same, keys, label, title
from .document import Mistakes
from .matching import Match, match
from .plan import CHANGE, CREATE, DELETE, REPLACE, UNFINISHED, Batch, Difference, Plan, Step, Target
from .values import meant

VIPS = ("vip_subnet_id", "vip_network_id", "vip_port_id")
NOTHING: Mapping[str, Any] = MappingProxyType({})
LEAVES = (MEMBER, HEALTHMONITOR)  # nothing refers to them, so they can be replaced


@dataclass
class Planner:
    """Plans for load balancers of one file."""

    names: Names
    is_pruning: bool

    def plan(self, balancer: Declared) -> Plan:
        """Return the plan for a load balancer. Raises Mistakes for changes that are not possible."""
        live = self._live(balancer)
        work = _Planning(self, balancer, live)
        work.plan_all()
        if work.mistakes:
            raise Mistakes(balancer.place.source, work.mistakes)
        return work.plan

    def _live(self, balancer: Declared) -> Json | None:
        """Return the existing load balancer of this name or ID, or None."""
        api, name = self.names.services.api, balancer.values["name"]
        found = list(api.list(LOADBALANCER, filters={"name": name}))
        if len(found) > 1:
            ids = ", ".join(one["id"] for one in found)
            words = f"{len(found)} load balancers have the name '{name}': give the ID instead ({ids})."
            raise Mistakes(balancer.place.source, [f"{balancer.places['name']}: name: {words}"])
        if not found and UUID.fullmatch(name):
            found = list(api.list(LOADBALANCER, filters={"id": name}))
        return tree.read(api, found[0]) if found else None


@dataclass
class _Planning:
    """The plan of one load balancer while it is made."""

    planner: Planner
    balancer: Declared
    live: Json | None
    mistakes: list[str] = field(default_factory=list)
    pools: dict[str, Target] = field(default_factory=dict)  # by name, existing ones also by ID
    removals: list[Step] = field(default_factory=list)

    def __post_init__(self) -> None:
        name = self.balancer.values["name"]
        target = Target(LOADBALANCER, label(LOADBALANCER, self.live or {"name": name}), (self.live or {}).get("id", ""))
        self.plan = Plan(name, target, has_tags="tags" in (self.live or {"tags": ()}))

    def plan_all(self) -> None:
        self._collect_pools()
        if self.live is None:
            self._create_balancer()
        else:
            self._change(self.balancer, self.live, self.plan.target, None)
        live = self.live or {}
        for pair in self._matched(self.balancer, "pools", live):
            self._pool(pair)
        for pair in self._matched(self.balancer, "listeners", live):
            self._listener(pair)
        # Remove objects before those that they refer to.
        self.plan.steps += sorted(self.removals, key=lambda step: step.resource is POOL)
        if self.live is None and not self.mistakes:
            self.plan.tree = self._body(self.balancer)

    def _collect_pools(self) -> None:
        for pool in (self.live or {}).get("pools", ()):
            target = Target(POOL, label(POOL, pool), pool["id"])
            self.pools[pool["id"]] = target
            if pool["name"]:
                self.pools[pool["name"]] = target
        for declared in self.balancer.parts.get("pools", ()):
            name = declared.values["name"]
            self.pools.setdefault(name, Target(POOL, label(POOL, {"name": name})))

    def _create_balancer(self) -> None:
        if not any(self.balancer.values.get(name) for name in VIPS):
            words = f"{self.plan.target.label} does not exist yet, and to create it one of {', '.join(VIPS)} is needed"
            self.mistakes.append(f"{self.balancer.place}: {words}")
        self._create(self.balancer, self.plan.target, None)

    def _pool(self, pair: Match) -> None:
        if pair.declared is None:
            self._remove(POOL, pair.live, None)
            return
        target = self.pools[pair.declared.values["name"]]
        self._create_or_change(pair, target, None, loadbalancer_id=self.plan.target)
        self._monitor(pair, target)
        self._members(pair, target)

    def _monitor(self, pair: Match, pool: Target) -> None:
        if pair.declared is None or "healthmonitor" not in pair.declared.parts:
            return
        wanted, live = pair.declared.parts["healthmonitor"], pair.live.get("healthmonitor")
        if wanted:
            target = Target(HEALTHMONITOR, label(HEALTHMONITOR, wanted[0].values), (live or {}).get("id", ""))
            self._create_or_change(Match(wanted[0], live or {}), target, pool, pool_id=pool)
        elif live:  # null removes the monitor
            target = Target(HEALTHMONITOR, label(HEALTHMONITOR, live), live["id"])
            self.plan.steps.append(Step(DELETE, target, pool))

    def _members(self, pair: Match, pool: Target) -> None:
        assert pair.declared is not None
        before = len(self.plan.steps)
        staying = []
        gone = []
        for each in self._matched(pair.declared, "members", pair.live):
            if each.declared is None:
                gone.append(each.live)
                continue
            target = Target(MEMBER, label(MEMBER, {**each.live, **each.declared.values}), each.live.get("id", ""))
            self._create_or_change(each, target, pool)
            staying.append({**_carried(MEMBER, each.live), **self._values(each.declared)})
        for member in gone:
            self._remove(MEMBER, member, pool, at_once=True)
        steps = self.plan.steps[before:]
        if len(steps) < 2 or any(step.verb == REPLACE for step in steps):
            return
        is_pruning = self.planner.is_pruning
        kept = [] if is_pruning else [_carried(MEMBER, member) for member in gone]
        batch = Batch(pool, [*kept, *staying], is_additive=not is_pruning)
        for step in steps:
            step.batch = batch

    def _listener(self, pair: Match) -> None:
        if pair.declared is None:
            self._remove(LISTENER, pair.live, None)
            return
        target = Target(LISTENER, label(LISTENER, {**pair.live, **pair.declared.values}), pair.live.get("id", ""))
        self._create_or_change(pair, target, None, loadbalancer_id=self.plan.target)
        pairs = list(self._matched(pair.declared, "l7policies", pair.live))
        order = [policy["id"] for policy in pair.live.get("l7policies", ())]
        for each in pairs:
            if each.declared is None and self._remove(L7POLICY, each.live, target, at_once=True):
                order.remove(each.live["id"])
        place = 0  # the position after the last policy from the file
        for each in pairs:
            if each.declared is not None:
                place = self._policy(each, target, order, place)

    def _policy(self, pair: Match, listener: Target, order: list[str], place: int) -> int:
        """Plan one policy; return the position after it in the resulting order."""
        assert pair.declared is not None
        declared, id_ = pair.declared, pair.live.get("id", "")
        target = Target(L7POLICY, label(L7POLICY, {**pair.live, **declared.values}), id_)
        if not id_:
            order.insert(place, "")
            self._create_or_change(pair, target, listener, listener_id=listener, position=place + 1)
            rules = declared.parts.get("rules", [])
            self.plan.steps[-1].is_held = len(rules) > 1 and declared.values.get("admin_state_up") is not False
        else:
            is_moved = order.index(id_) < place
            if is_moved:
                order.remove(id_)
                place -= 1
                order.insert(place, id_)
            place = order.index(id_)
            moved = {"position": place + 1} if is_moved else {}
            self._change(declared, pair.live, target, listener, moved=moved)
        self._rules(declared, pair.live, target)
        if UNFINISHED in (pair.live.get("tags") or ()):
            self._finish(declared, pair.live, target, listener)
        return place + 1

    def _finish(self, declared: Declared, live: Json, target: Target, listener: Target) -> None:
        """Enable a policy after its rules, if the apply that created it was interrupted before."""
        tags = declared.values.get("tags") or [tag for tag in live["tags"] if tag != UNFINISHED]
        is_enabled = declared.values.get("admin_state_up") is not False
        shown = [Difference("admin_state_up", live["admin_state_up"], is_enabled)]
        values = {"admin_state_up": is_enabled, "tags": tags}
        self.plan.steps.append(Step(CHANGE, target, listener, values, differences=shown))

    def _rules(self, declared: Declared, live: Json, policy: Target) -> None:
        created = self.plan.steps[-1] if self.plan.steps else None
        for each in self._matched(declared, "rules", live):
            if each.declared is None:
                self._remove(L7RULE, each.live, policy, at_once=True)
            else:
                target = Target(L7RULE, label(L7RULE, {**each.live, **each.declared.values}), each.live.get("id", ""))
                self._create_or_change(each, target, policy)
        if created and created.is_held:
            self.plan.steps[-1].releases = created

    def _matched(self, declared: Declared, key: str, live: Json) -> Iterator[Match]:
        """Yield the file's objects with the existing ones, in the file's order, then those that are not in the file."""
        if key not in declared.parts:
            return iter(())
        try:
            return iter(match(declared.parts[key], live.get(key) or [], self._is_same))
        except errors.Ambiguous as error:
            self.mistakes.append(f"{declared.place}: {error}")
            return iter(())

    def _is_same(self, declared: Declared, live: Json) -> bool:
        return not self._differences(declared, live)

    def _create_or_change(self, pair: Match, target: Target, owner: Target | None, **links: Any) -> None:
        assert pair.declared is not None
        if pair.live:
            self._change(pair.declared, pair.live, target, owner, links)
        else:
            self._create(pair.declared, target, owner, **links)

    def _create(self, declared: Declared, target: Target, owner: Target | None, **links: Any) -> None:
        values = {**links, **self._values(declared)}
        self.plan.steps.append(Step(CREATE, target, owner, values, shown=declared.values))

    def _change(
        self,
        declared: Declared,
        live: Json,
        target: Target,
        owner: Target | None,
        links: Mapping[str, Any] = NOTHING,
        moved: Mapping[str, Any] = NOTHING,
    ) -> None:
        found = self._differences(declared, live)
        shown = [self._shown(each, declared, live) for each in found]
        fixed = [each for each in found if Api.PUT not in each.api]
        if fixed and declared.resource not in LEAVES:
            self.mistakes += [self._fixed(each, declared, live) for each in fixed]
        elif fixed:
            carried = _carried(MEMBER, live) if declared.resource is MEMBER else {}
            values = {**links, **carried, **self._values(declared)}
            self.plan.steps.append(Step(REPLACE, target, owner, values, declared.values, shown))
        elif found or moved:
            values = {
                each.name: self._value(declared, key) for key, each in keys(declared.resource).items() if each in found
            }
            shown += [Difference(key, live[key], value) for key, value in moved.items()]
            self.plan.steps.append(Step(CHANGE, target, owner, {**values, **moved}, differences=shown))

    def _remove(self, resource: Resource, live: Json, owner: Target | None, *, at_once: bool = False) -> bool:
        """Plan a removal if --prune is given; return whether it is planned."""
        target = Target(resource, label(resource, live), live["id"])
        step = Step(DELETE, target, owner)
        if not self.planner.is_pruning:
            self.plan.unlisted.append(step.label)
            return False
        (self.plan.steps if at_once else self.removals).append(step)
        return True

    def _differences(self, declared: Declared, live: Json) -> list[Field]:
        found = []
        for key, each in keys(declared.resource).items():
            if key not in declared.values or Api.GET not in each.api:
                continue
            wanted = declared.values[key]
            if wanted is None and (each.filled or Api.PUT not in each.api):
                continue
            if each.name == "name" and wanted == live["id"]:
                continue  # the file names it by its ID
            value = self._value(declared, key)
            if not is_same(each, value.id or "new" if isinstance(value, Target) else value, live.get(each.name)):
                found.append(each)
        return found

    def _shown(self, each: Field, declared: Declared, live: Json) -> Difference:
        key = next(key for key, one in keys(declared.resource).items() if one is each)
        before = live.get(each.name)
        if each.refers == POOL.name and before in self.pools:
            before = self.pools[before].label.removeprefix("pool ")
        wanted = declared.values[key]
        return Difference(key, before, default(each) if wanted is None else wanted)

    def _fixed(self, each: Field, declared: Declared, live: Json) -> str:
        shown = self._shown(each, declared, live)
        way = "delete the one that there is first" if declared.resource is not POOL else "give the new one another name"
        created = f"a {title(declared.resource)} keeps what it was created with, here {shown.before}"
        return f"{declared.places[shown.key]}: {shown.key}: {created}, so it cannot become {shown.after}: {way}"

    def _values(self, declared: Declared) -> Json:
        """Return the body of a POST: the values in the file that are not null."""
        wanted = {key: each for key, each in keys(declared.resource).items() if declared.values.get(key) is not None}
        return {each.name: self._value(declared, key) for key, each in wanted.items()}

    def _value(self, declared: Declared, key: str) -> Any:
        """Return a value in the API's form: IDs for names, and the default for null."""
        each, value = keys(declared.resource)[key], declared.values[key]
        if value is None:
            return default(each)
        try:
            if each.refers == POOL.name:
                return self._pool_named(value)
            return self._looked_up(each, value)
        except errors.Error as error:
            words = f"{declared.places[key]}: {key}: {error}"
            if words not in self.mistakes:
                self.mistakes.append(words)
            return value

    def _pool_named(self, name: str) -> Target:
        if name not in self.pools:
            known = sorted({target.label.removeprefix("pool ") for target in self.pools.values()})
            has = f"there are {', '.join(known)}" if known else "there is no pool at all"
            raise errors.UnknownName(f"no pool is named '{name}'; {has}{meant(name, known)}")
        return self.pools[name]

    def _looked_up(self, each: Field, value: Any) -> Any:
        names = self.planner.names
        if each.in_key_manager:
            find = keymanager.reference
            return [find(names, one) for one in value] if isinstance(value, list) else find(names, value)
        if not each.refers:
            return value
        if isinstance(value, list):
            return [
                self._object(each.refers, one) if isinstance(one, dict) else names.id(each.refers, one) for one in value
            ]
        return names.id(each.refers, value)

    def _object(self, kind: str, value: Json) -> Json:
        key = f"{kind}_id"
        return {**value, key: self.planner.names.id(kind, value[key])}

    def _body(self, declared: Declared) -> Json:
        """Return the body that creates an object with all its parts in one request."""
        values = self._values(declared)
        body = {
            name.removesuffix("_id") if isinstance(value, Target) else name: (
                {"name": value.label.removeprefix("pool ")} if isinstance(value, Target) else value
            )
            for name, value in values.items()
        }
        for key, parts in declared.parts.items():
            bodies = [self._body(part) for part in parts]
            if key != "healthmonitor":
                body[key] = bodies
            elif bodies:
                body[key] = bodies[0]
        return body


def _carried(resource: Resource, live: Json) -> Json:
    """Return the values that a new object needs to equal an existing one."""
    fields: Sequence[Field] = [each for each in keys(resource).values() if Api.GET in each.api]
    return {each.name: live[each.name] for each in fields if live.get(each.name) is not None}
