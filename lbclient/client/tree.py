"""Reading a load balancer with all its parts, nested as in a request that creates it."""

from __future__ import annotations

from ..resources import HEALTHMONITOR, L7POLICY, L7RULE, LISTENER, MEMBER, POOL
from . import errors
from .api import Api
from .rest import Json


def read(api: Api, loadbalancer: Json) -> Json:
    """Return the load balancer with nested listeners, l7policies, rules, pools, members and healthmonitor (or None)."""
    found = dict(loadbalancer)
    mine = {"loadbalancer_id": found["id"]}
    found["pools"] = [_pool(api, pool) for pool in api.list(POOL, filters=mine)]
    found["listeners"] = [_listener(api, listener) for listener in api.list(LISTENER, filters=mine)]
    return found


def _pool(api: Api, pool: Json) -> Json:
    """Add members and health monitor to a pool. Sends no request for parts that the pool does not have."""
    members = list(api.list(MEMBER, {"pool_id": pool["id"]})) if pool.get("members") else []
    return {**pool, "members": members, "healthmonitor": _monitor(api, pool)}


def _monitor(api: Api, pool: Json) -> Json | None:
    if not pool.get("healthmonitor_id"):
        return None
    try:
        return api.show(HEALTHMONITOR, pool["healthmonitor_id"])
    except errors.NotFound:  # deleted in the meantime
        return None


def _listener(api: Api, listener: Json) -> Json:
    policies = list(api.list(L7POLICY, filters={"listener_id": listener["id"]})) if listener.get("l7policies") else []
    policies.sort(key=lambda policy: policy.get("position") or 0)
    return {**listener, "l7policies": [_policy(api, policy) for policy in policies]}


def _policy(api: Api, policy: Json) -> Json:
    rules = list(api.list(L7RULE, {"l7policy_id": policy["id"]})) if policy.get("rules") else []
    return {**policy, "rules": rules}
