"""Execution of a plan: in one request if possible, otherwise step by step, each after the one before."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...client import errors, wait
from ...client.api import Api, Parents
from ...client.rest import Json
from ...resources import LOADBALANCER
from .plan import CHANGE, CREATE, DELETE, UNFINISHED, Batch, Plan, Step, Target

Notify = Callable[[str], None]
REFUSED_BATCHES = (400, 404, 405, 501)


def carry_out(api: Api, plan: Plan, deadline: Callable[[], wait.Deadline], notify: Notify) -> None:
    """Make a load balancer match its file. Raises errors.Error."""
    work = Execution(api, plan, deadline, notify)
    if not work.in_one_request():
        # A server that ignores nested parts may have created the load balancer without them.
        if plan.target.id and plan.tree:
            plan.steps = [step for step in plan.steps if step.resource is not LOADBALANCER]
        work.step_by_step()


class Execution:
    """The execution of one plan."""

    def __init__(self, api: Api, plan: Plan, deadline: Callable[[], wait.Deadline], notify: Notify) -> None:
        self._api = api
        self._plan = plan
        self._deadline = deadline
        self._notify = notify

    def in_one_request(self) -> bool:
        """Create a load balancer with all its parts; False if the server cannot do that. Raises errors.Error."""
        body = self._plan.tree
        if body is None or not (body.get("listeners") or body.get("pools")):
            return False
        self._notify(f"create {self._plan.target.label} with all that it has")
        try:
            answer = self._api.create(LOADBALANCER, body)
        except errors.Refused as refusal:
            if is_beyond_server(refusal):
                return False
            raise
        self._plan.target.id = answer["id"]
        self._settle()
        return all(len(answer.get(key) or ()) >= len(body.get(key) or ()) for key in ("listeners", "pools"))

    def step_by_step(self) -> None:
        """Make every change in its own request. Raises errors.Error."""
        count = len(self._plan.steps)
        for number, step in enumerate(self._plan.steps, 1):
            if step.batch and (step.batch.is_done or self._batch(step.batch)):
                continue
            self._notify(f"{number} of {count}: {step.verb} {step.label}")
            self._step(step)
            if step.releases:
                self._release(step.releases)

    def _step(self, step: Step) -> None:
        if step.verb == CHANGE:
            return self._update(step.target, step.values, step.owner)
        if step.verb != CREATE:
            self._written(lambda: self._api.delete(step.resource, step.target.id, self._parents(step)))
        if step.verb != DELETE:
            values = {**step.values, **(self._held(step) if step.is_held else {})}
            answer = self._written(lambda: self._api.create(step.resource, _known(values), self._parents(step)))
            step.target.id = answer["id"]
            if step.resource is LOADBALANCER:
                self._plan.has_tags = "tags" in answer
                self._settle()

    def _held(self, step: Step) -> Json:
        """Return the body of a policy to enable later; its tag marks it for the next apply after an interruption."""
        tags = {"tags": [*step.values.get("tags", ()), UNFINISHED]} if self._plan.has_tags else {}
        return {"admin_state_up": False, **tags}

    def _release(self, step: Step) -> None:
        tags = {"tags": step.values.get("tags", [])} if self._plan.has_tags else {}
        self._update(step.target, {"admin_state_up": True, **tags}, None)

    def _update(self, target: Target, values: Json, owner: Target | None) -> None:
        parents = _parents(target, owner)
        self._written(lambda: self._api.update(target.resource, target.id, _known(values), parents))

    def _batch(self, batch: Batch) -> bool:
        """Change all members of a pool in one request; return False if the server cannot do that."""
        batch.is_done = True
        self._notify(f"change the members of {batch.pool.label}")
        # A server without this option takes the list as complete, which it is.
        options = {"additive_only": "true"} if batch.is_additive else None
        try:
            self._written(lambda: self._api.replace_members(batch.pool.id, batch.complete, options))
        except errors.Refused as refusal:
            if refusal.status not in REFUSED_BATCHES:
                raise
            batch.is_done = False
            for step in self._plan.steps:  # single requests name the member at fault, or succeed one by one
                step.batch = None if step.batch is batch else step.batch
        return batch.is_done

    def _written(self, change: Callable[[], Any]) -> Any:
        """Make a change once the load balancer is free, wait until it is complete, and return its result."""
        answer = wait.while_busy(self._api, change, self._deadline())
        if self._plan.target.id:
            self._settle()
        return answer

    def _settle(self) -> None:
        wait.until_settled(self._api, LOADBALANCER, {"id": self._plan.target.id}, self._deadline())

    @staticmethod
    def _parents(step: Step) -> Parents:
        return _parents(step.target, step.owner)


def is_beyond_server(refusal: errors.Refused) -> bool:
    """Return whether a server refuses nested parts as such, rather than their content."""
    is_unknown = refusal.status == 400 and "nknown attribute" in refusal.words
    return refusal.status == 405 or (is_unknown and any(key in refusal.words for key in ("listeners", "pools")))


def _parents(target: Target, owner: Target | None) -> Parents:
    parent = target.resource.parent
    return {f"{parent}_id": owner.id} if parent and owner else {}


def _known(values: Json) -> Json:
    """Return the body with IDs in place of targets."""
    return {name: value.id if isinstance(value, Target) else value for name, value in values.items()}
