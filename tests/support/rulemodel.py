"""Octavia's rules in small: which requests are refused, and what the world is after those that are not.

It knows requests and answers, nothing of the server: a dictionary of objects, and a function for each kind.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

Values = dict[str, Any]

KINDS = {
    "loadbalancers": "loadbalancer",
    "listeners": "listener",
    "pools": "pool",
    "members": "member",
    "healthmonitors": "healthmonitor",
    "l7policies": "l7policy",
    "rules": "rule",
    "quotas": "quota",
}
DEFAULTS: dict[str, Values] = {
    "loadbalancer": {"name": "", "description": "", "admin_state_up": True, "tags": []},
    "listener": {"name": "", "connection_limit": -1, "default_pool_id": None, "admin_state_up": True, "tags": []},
    "pool": {"name": "", "session_persistence": None, "admin_state_up": True, "tags": []},
    "member": {"name": "", "weight": 1, "backup": False, "admin_state_up": True, "monitor_port": None, "tags": []},
    "healthmonitor": {"name": "", "max_retries_down": 3, "url_path": None, "admin_state_up": True, "tags": []},
    "l7policy": {"name": "", "redirect_pool_id": None, "redirect_url": None, "admin_state_up": True, "tags": []},
    "rule": {"key": None, "invert": False, "admin_state_up": True, "tags": []},
}
RANGES = {
    "protocol_port": (1, 65535),
    "connection_limit": (-1, 2147483647),
    "weight": (0, 256),
    "monitor_port": (1, 65535),
    "max_retries": (1, 10),
    "max_retries_down": (1, 10),
    "position": (1, 2147483647),
}
IMMUTABLE = {
    "protocol",
    "protocol_port",
    "loadbalancer_id",
    "address",
    "type",
    "pool_id",
    "vip_subnet_id",
    "listener_id",
}
FITTING = {
    "HTTP": {"HTTP", "PROXY", "PROXYV2"},
    "HTTPS": {"HTTPS", "TCP", "PROXY", "PROXYV2"},
    "TCP": {"TCP", "HTTP", "HTTPS", "PROXY", "PROXYV2"},
    "UDP": {"UDP"},
    "SCTP": {"SCTP"},
    "PROMETHEUS": set(),
}
DATAGRAM = ("UDP", "SCTP")
LAST = 2147483647
TARGETS = {"redirect_pool_id": "REDIRECT_TO_POOL", "redirect_url": "REDIRECT_TO_URL"}


def sent(given: Values) -> Values:
    """Return the values of a POST: null counts as absent, but a null admin_state_up is false."""
    found = {name: value for name, value in given.items() if value is not None}
    return {**found, "admin_state_up": False} if given.get("admin_state_up", True) is None else found


def targets(given: Values) -> list[str]:
    """The targets of a policy that count: an action that is given leaves those of others aside."""
    found = [name for name in TARGETS if given.get(name) is not None]
    return [name for name in found if given.get("action") in (None, TARGETS[name])]


def decided(values: Values, given: Values) -> Values:
    """A policy's values after its target has decided the action, or the action its target."""
    chosen = targets(given)
    action = TARGETS[chosen[0]] if chosen else values["action"]
    rest = {name: None for name, owner in TARGETS.items() if owner != action}
    return {**values, **rest, "action": action}


@dataclass(frozen=True)
class Request:
    """One request of a user of a project."""

    project: str
    method: str
    path: str  # /pools/ID/members
    body: Any = None
    is_cascade: bool = False
    is_additive: bool = False

    @property
    def places(self) -> list[str]:
        return self.path.strip("/").split("/")


@dataclass
class Thing:
    """One object: its kind, whose it is, in what it is (load balancer, pool, policy), its attributes."""

    kind: str
    project: str
    owners: Values
    values: Values


@dataclass
class World:
    """Everything that there is, by ID; and the limits, by project and kind."""

    things: dict[str, Thing] = field(default_factory=dict)
    limits: dict[tuple[str, str], int] = field(default_factory=dict)

    def copy(self) -> World:
        return copy.deepcopy(self)

    def all(self, kind: str, **owners: Any) -> Iterator[tuple[str, Thing]]:
        for id_, thing in self.things.items():
            if thing.kind == kind and owners.items() <= thing.owners.items():
                yield id_, thing

    def seen(self, project: str, kind: str, id_: Any) -> Thing | None:
        """Return the object if the project may see it; foreign IDs count as absent, except in a path."""
        thing = self.things.get(id_)
        return thing if thing and (thing.kind, thing.project) == (kind, project) else None

    def _absence(self, kind: str, id_: Any) -> int:
        """Return the status for an ID in a path that the project does not have: 403 for those of others."""
        thing = self.things.get(id_)
        return 403 if thing and thing.kind == kind else 404

    # What is refused.

    def refusals(self, request: Request) -> set[int]:
        """The statuses that the request may be refused with; none: it has to succeed."""
        places = request.places
        kind = KINDS[places[-1] if len(places) % 2 else places[-2]]
        parent = KINDS[places[0]] if len(places) > 2 else None
        if parent and self.seen(request.project, parent, places[1]) is None:
            return {self._absence(parent, places[1]), 400}  # whichever is looked at first
        if places[-1] == "members" and request.method == "PUT":
            return self._batch(request, places[1])
        if request.method == "POST":
            return set(self._creation(request, kind, places))
        thing = self.seen(request.project, kind, places[-1])
        if thing is None or (parent and thing.owners[parent] != places[1]):
            return {404 if parent else self._absence(kind, places[-1]), 400}
        if request.method == "GET":
            return set()
        if request.method == "DELETE":
            return set(self._deletion(request, kind, places[-1]))
        return set(self._change(request, thing, places[-1]))

    def _creation(self, request: Request, kind: str, places: list[str]) -> Iterator[int]:
        values = {**DEFAULTS[kind], **sent(request.body[kind])}
        yield from self._own(kind, values)
        if len(places) == 3:
            values["pool_id" if kind == "member" else "l7policy_id"] = places[1]
        yield from self._fitting(request, kind, values)
        limit = self.limits.get((request.project, kind), -1)
        if 0 <= limit <= sum(thing.project == request.project for _, thing in self.all(kind)):
            yield 403

    def _change(self, request: Request, thing: Thing, id_: str) -> Iterator[int]:
        given = request.body[thing.kind]
        if given.keys() & IMMUTABLE - ({"type"} if thing.kind == "rule" else set()):
            yield 400
        values = self._merged(thing, given)
        yield from self._own(thing.kind, values)
        if thing.kind == "listener" and given.get("default_pool_id"):
            yield from self._redirected(
                request, thing.owners["loadbalancer"], values["protocol"], values["default_pool_id"]
            )
        if thing.kind == "l7policy":
            listener = self.things[thing.owners["listener"]]
            yield from self._policy(request, listener, values, given)

    def _deletion(self, request: Request, kind: str, id_: str) -> Iterator[int]:
        is_full = any(thing.owners.get("loadbalancer") == id_ for thing in self.things.values())
        if kind == "loadbalancer" and is_full and not request.is_cascade:
            yield 400
        if kind == "pool" and any(t.values.get("redirect_pool_id") == id_ for _, t in self.all("l7policy")):
            yield 409

    def _own(self, kind: str, values: Values) -> Iterator[int]:
        """Each attribute, and the attributes of one object beside each other."""
        for name, (least, most) in RANGES.items():
            if values.get(name) is not None and not least <= values[name] <= most:
                yield 400
        persistence = values.get("session_persistence")
        if kind == "pool" and persistence:
            if (persistence["type"] == "APP_COOKIE") != bool(persistence.get("cookie_name")):
                yield 400
            if values["protocol"] in DATAGRAM and persistence["type"] != "SOURCE_IP":
                yield 400
        if kind == "healthmonitor" and values["type"] not in ("HTTP", "HTTPS") and values["url_path"] is not None:
            yield 400
        if kind == "rule":
            if values["type"] in ("HEADER", "COOKIE") and not values["key"]:
                yield 400
            if values["type"] == "FILE_TYPE" and values["compare_type"] not in ("REGEX", "EQUAL_TO"):
                yield 400

    def _fitting(self, request: Request, kind: str, values: Values) -> Iterator[int]:
        """A new object beside those that are there."""
        check = getattr(self, f"_fitting_{kind}", None)
        if check:
            yield from check(request, values)

    def _fitting_listener(self, request: Request, values: Values) -> Iterator[int]:
        owner = values["loadbalancer_id"]
        if self.seen(request.project, "loadbalancer", owner) is None:
            yield 404
        for _, other in self.all("listener", loadbalancer=owner):
            if other.values["protocol_port"] == values["protocol_port"] and _l4(other.values) == _l4(values):
                yield 409
        if values["default_pool_id"]:
            yield from self._redirected(request, owner, values["protocol"], values["default_pool_id"])

    def _fitting_pool(self, request: Request, values: Values) -> Iterator[int]:
        listener_id, owner = values.get("listener_id"), values.get("loadbalancer_id")
        if not listener_id and not owner:
            yield 400
        if owner and self.seen(request.project, "loadbalancer", owner) is None:
            yield 404
        if listener_id:
            listener = self.seen(request.project, "listener", listener_id)
            if listener is None:
                yield 404
                return
            if owner and listener.owners["loadbalancer"] != owner:
                yield 400
            if listener.values["default_pool_id"]:
                yield 409
            if values["protocol"] not in FITTING[listener.values["protocol"]]:
                yield 400

    def _fitting_member(self, request: Request, values: Values) -> Iterator[int]:
        for _, other in self.all("member", pool=values["pool_id"]):
            if all(other.values[name] == values[name] for name in ("address", "protocol_port")):
                yield 409

    def _fitting_healthmonitor(self, request: Request, values: Values) -> Iterator[int]:
        pool = self.seen(request.project, "pool", values["pool_id"])
        if pool is None:
            yield 404
            return
        if any(self.all("healthmonitor", pool=values["pool_id"])):
            yield 409
        is_datagram = pool.values["protocol"] in DATAGRAM
        if values["type"] not in ("TCP", "HTTP") and (values["type"] in ("UDP-CONNECT", "SCTP")) != is_datagram:
            yield 400

    def _fitting_l7policy(self, request: Request, values: Values) -> Iterator[int]:
        listener = self.seen(request.project, "listener", values["listener_id"])
        if listener is None:
            yield 404
            return
        if values["redirect_pool_id"]:  # also where the action leaves it aside
            owner, protocol = listener.owners["loadbalancer"], listener.values["protocol"]
            yield from self._redirected(request, owner, protocol, values["redirect_pool_id"])
        yield from self._policy(request, listener, decided(values, values), values)

    def _policy(self, request: Request, listener: Thing, values: Values, given: Values) -> Iterator[int]:
        if listener.values["protocol"] == "PROMETHEUS" or not given or len(targets(given)) > 1:
            yield 400
        for name, action in TARGETS.items():
            if values["action"] == action and values[name] is None:
                yield 400
        if values["redirect_pool_id"]:
            owner, protocol = listener.owners["loadbalancer"], listener.values["protocol"]
            yield from self._redirected(request, owner, protocol, values["redirect_pool_id"])

    def _redirected(self, request: Request, owner: str, protocol: str, pool_id: str) -> Iterator[int]:
        pool = self.seen(request.project, "pool", pool_id)
        if protocol == "PROMETHEUS":
            yield 400
        if pool is None or pool.owners["loadbalancer"] != owner:
            yield 404
        elif pool.values["protocol"] not in FITTING[protocol]:
            yield 400

    def _batch(self, request: Request, pool_id: str) -> set[int]:
        found = {400 for each in request.body["members"] for _ in self._own("member", {**DEFAULTS["member"], **each})}
        keys = [(each["address"], each["protocol_port"]) for each in request.body["members"]]
        mine = {(t.values["address"], t.values["protocol_port"]) for _, t in self.all("member", pool=pool_id)}
        found |= {400 if key in mine else 409 for key in keys if keys.count(key) > 1}
        limit = self.limits.get((request.project, "member"), -1)
        gone = 0 if request.is_additive else len(mine - set(keys))
        used = sum(thing.project == request.project for _, thing in self.all("member")) - gone
        new = len(set(keys) - mine)
        return found | ({403} if new and 0 <= limit < used + new else set())

    # What comes of the others.

    def happen(self, request: Request, answer: Any) -> None:
        """Apply a successful request to the model; IDs of new objects are taken from the answer."""
        places = request.places
        if places[-1] == "members" and request.method == "PUT":
            self._replace(request, places[1])
        elif request.method == "POST":
            kind = KINDS[places[-1]]
            self._add(request.project, kind, places, request.body[kind], answer[kind]["id"])
        elif request.method == "DELETE":
            self._remove(places[-1])
        else:
            self._set(places[-1], request.body[KINDS[places[-2]]])

    def _add(self, project: str, kind: str, places: list[str], given: Values, id_: str) -> None:
        values = {**DEFAULTS[kind], **sent(given)}
        owners = self._owners(kind, places, values)
        if kind == "pool" and values.get("listener_id"):
            self.things[values.pop("listener_id")].values["default_pool_id"] = id_
        if kind == "healthmonitor" and values["type"] in ("HTTP", "HTTPS"):
            values["url_path"] = values["url_path"] or "/"
        for name in ("loadbalancer_id", "pool_id", "vip_subnet_id", "listener_id"):
            values.pop(name, None)
        self.things[id_] = Thing(kind, project, owners, values)
        if kind == "l7policy":
            self.things[id_].values = decided(values, values)
            self._move(id_, self.things[id_].values.pop("position", LAST))

    def _owners(self, kind: str, places: list[str], values: Values) -> Values:
        if kind == "loadbalancer":
            return {}
        if kind == "listener" or (kind == "pool" and values.get("loadbalancer_id")):
            return {"loadbalancer": values["loadbalancer_id"]}
        owner = {"pool": "listener", "l7policy": "listener", "rule": "l7policy"}.get(kind, "pool")
        id_ = places[1] if len(places) == 3 else values[f"{owner}_id"]
        above = self.things[id_].owners
        return above if kind == "pool" else {**above, owner: id_}

    def _remove(self, id_: str) -> None:
        kind = self.things[id_].kind
        listener_id = self.things[id_].owners.get("listener")
        del self.things[id_]
        for other_id, other in list(self.things.items()):
            if other.owners.get(kind) == id_:
                self.things.pop(other_id)
            elif other.values.get("default_pool_id") == id_:
                other.values["default_pool_id"] = None
        if kind == "l7policy":
            self._number([each for each, _ in self._policies(listener_id)])

    def _merged(self, thing: Thing, given: Values) -> Values:
        """null is the default again; a new target of a policy decides what it does."""
        given = dict(given)
        if given.get("admin_state_up", True) is None:
            given["admin_state_up"] = False
        merged = {**thing.values, **{k: DEFAULTS[thing.kind].get(k) if v is None else v for k, v in given.items()}}
        return decided(merged, given) if thing.kind == "l7policy" else merged

    def _set(self, id_: str, given: Values) -> None:
        thing = self.things[id_]
        position = given.get("position", 0)
        values = self._merged(thing, {name: value for name, value in given.items() if name != "position"})
        if thing.kind == "healthmonitor" and values["type"] in ("HTTP", "HTTPS"):
            values["url_path"] = values["url_path"] or "/"
        thing.values = values
        if thing.kind == "l7policy" and "position" in given:
            self._move(id_, LAST if position is None else position)

    def _policies(self, listener_id: Any) -> list[tuple[str, Thing]]:
        return sorted(self.all("l7policy", listener=listener_id), key=lambda pair: pair[1].values.get("position", LAST))

    def _move(self, id_: str, position: int) -> None:
        others = [each for each, _ in self._policies(self.things[id_].owners["listener"]) if each != id_]
        others.insert(position - 1, id_)
        self._number(others)

    def _number(self, ids: list[str]) -> None:
        for position, id_ in enumerate(ids, start=1):
            self.things[id_].values["position"] = position

    def _replace(self, request: Request, pool_id: str) -> None:
        """New members have IDs that no answer tells: their address and port stand for them."""
        mine = {(t.values["address"], t.values["protocol_port"]): i for i, t in self.all("member", pool=pool_id)}
        given = {(each["address"], each["protocol_port"]): each for each in request.body["members"]}
        for key, id_ in mine.items():
            if key not in given and not request.is_additive:
                self._remove(id_)
        for key, each in given.items():
            if key in mine:
                changes = {name: value for name, value in each.items() if name not in ("address", "protocol_port")}
                self._set(mine[key], {name: value for name, value in changes.items() if value is not None})
            else:
                self._add(request.project, "member", ["pools", pool_id, "members"], each, f"{pool_id} {key}")


def _l4(values: Values) -> str:
    return values["protocol"] if values["protocol"] in DATAGRAM else "TCP"
