"""Plans: the steps that make a load balancer match a file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...client.rest import Json
from ...resources import L7RULE, LISTENER, MEMBER, Resource

CREATE, CHANGE, REPLACE, DELETE = "create", "change", "replace", "delete"
UNFINISHED = "lbclient:unfinished"  # tag of a policy whose rules are not complete yet


@dataclass(frozen=True)
class Difference:
    """A field that is to have another value; both as people read them."""

    key: str
    before: Any
    after: Any


@dataclass
class Target:
    """An object that has an ID, or gets one when the plan is carried out."""

    resource: Resource
    label: str
    id: str = ""


@dataclass
class Batch:
    """What one request can do: all members of a pool, as they are to be."""

    pool: Target
    complete: list[Json]  # every member that stays, with all its values: a server may set absent ones to their defaults
    is_additive: bool
    is_done: bool = False


@dataclass
class Step:
    """One change of one object; IDs that are not known yet are Targets."""

    verb: str
    target: Target
    owner: Target | None = None
    values: Json = field(default_factory=dict)  # the request body; for a replacement, that of the new object
    shown: Mapping[str, Any] = field(default_factory=dict)  # for a new object: its values in the file
    differences: Sequence[Difference] = ()
    batch: Batch | None = None
    is_held: bool = False  # a policy created disabled, because it would match too much before all its rules exist
    releases: Step | None = None  # the step that created such a policy, which is enabled after this step

    @property
    def resource(self) -> Resource:
        return self.target.resource

    @property
    def label(self) -> str:
        return f"{self.target.label} of {self.owner.label}" if self.owner else self.target.label


@dataclass
class Plan:
    """Everything that differs in one load balancer, in the order in which it is to be done."""

    name: str
    target: Target
    steps: list[Step] = field(default_factory=list)
    tree: Json | None = None  # for a new load balancer: the body that creates it in one request
    has_tags: bool = True  # whether the server supports tags
    unlisted: list[str] = field(default_factory=list)  # existing objects that are not in the file

    def count(self, verb: str) -> int:
        return sum(step.verb == verb for step in self.steps)


def text(plan: Plan) -> Iterator[str]:
    """Yield the lines of a plan: + new, ~ changed, -/+ replaced, - removed, = left alone."""
    if not plan.steps and not plan.unlisted:
        return
    yield f"{plan.target.label}{f' ({plan.target.id})' if plan.target.id else ''}"
    for step in plan.steps:
        yield f"  {SIGNS[step.verb]} {step.label}{_details(step)}"
        yield from (f"      {each.key}: {readable(each.before)} -> {readable(each.after)}" for each in step.differences)
    for label in plan.unlisted:
        yield f"  = {label}: it is not in the file (--prune removes it)"


def summary(plans: Sequence[Plan]) -> str:
    counts = [(sum(plan.count(verb) for plan in plans), words) for verb, words in WORDS.items()]
    listed = [f"{count} {words}" for count, words in counts if count]
    return f"{', '.join(listed)}." if listed else "No differences."


def data(plan: Plan) -> Json:
    """Return a plan as JSON data."""
    return {
        "loadbalancer": plan.name,
        "id": plan.target.id or None,
        "steps": [_step(step) for step in plan.steps],
        "unlisted": plan.unlisted,
    }


def readable(value: Any) -> str:
    """Return a value as one line of text."""
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={readable(one)}" for key, one in value.items() if one is not None) or "none"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(readable, value)) or "none"
    if value is None or value == "":
        return "none"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _details(step: Step) -> str:
    told = TOLD.get(step.resource.name, ("name",))
    values = [f"{key}={readable(value)}" for key, value in step.shown.items() if key not in told and value is not None]
    return f": {', '.join(values)}" if values else ""


def _step(step: Step) -> Json:
    found: Json = {"action": step.verb, "kind": step.resource.name, "object": step.target.label}
    found["id"] = step.target.id or None
    found["within"] = step.owner.label if step.owner else None
    if step.verb in (CREATE, REPLACE):
        found["values"] = dict(step.shown)
    if step.differences:
        found["differences"] = {each.key: {"before": each.before, "after": each.after} for each in step.differences}
    return found


COLOURS = {"+": "green", "~": "yellow", "-/+": "yellow", "-": "red", "=": "grey"}  # by the first word of a line
SIGNS = {CREATE: "+", CHANGE: "~", REPLACE: "-/+", DELETE: "-"}
WORDS = {CREATE: "to create", CHANGE: "to change", REPLACE: "to replace", DELETE: "to remove"}
# Keys that are already part of an object's label.
TOLD = {
    LISTENER.name: ("name", "protocol", "protocol_port"),
    MEMBER.name: ("name", "address", "protocol_port"),
    L7RULE.name: ("type", "key", "compare_type", "value", "invert"),
}
