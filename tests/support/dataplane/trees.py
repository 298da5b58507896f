"""Snapshots for tests, made of the resources' own defaults and a readable tree."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from types import SimpleNamespace
from typing import Any

import pki
import vips

from lbclient import resources
from lbclient.resources.fields import Resource
from lbclient.store.snapshot import Peer, Shaping, Snapshot

SPACE = uuid.UUID("5c6f2f6e-91b3-4c28-b5fb-5b5b6a5e6a10")
PARENTS = ("loadbalancer_id", "listener_id", "pool_id", "l7policy_id")


def identity(name: str) -> str:
    """A UUID that is always the same for a name."""
    return str(uuid.uuid5(SPACE, name))


def record(resource: Resource, name: str, given: Mapping[str, Any]) -> SimpleNamespace:
    values = {field.name: field.default for field in resource.fields}
    values |= {"id": identity(name), "name": name, "provisioning_status": "ACTIVE"}
    values |= {"logging": None} if resource in (resources.LOADBALANCER, resources.LISTENER) else {}
    unknown = set(given) - set(values) - set(PARENTS)
    assert not unknown, f"{resource.name} has no {unknown}"
    return SimpleNamespace(**{**values, **given})


def snapshot(tree: Mapping[str, Any]) -> Snapshot:
    """A snapshot of a tree: names stand for IDs, children hang below their parents.

    {amphora: name, addresses: [...], listeners: {name: {..., l7policies: {name: {..., rules: [{...}]}}}},
     pools: {name: {..., members: {name: {...}}, healthmonitor: {...}}}, certificates: {reference: see pki.py},
     shaping: {egress: kbit/s, ingress: kbit/s, dscp: mark}, host: name, peers: {name of a host: {address, port}}}
    """
    loadbalancer = record(resources.LOADBALANCER, "lb", tree.get("loadbalancer", {}))
    listeners, l7policies, l7rules = [], {}, {}
    for name, given in tree.get("listeners", {}).items():
        listener, policies = _listener(name, given)
        listeners.append(listener)
        l7policies[listener.id] = tuple(policy for policy, _ in policies)
        l7rules |= {policy.id: rules for policy, rules in policies}
    pools, members, monitors = [], {}, {}
    for name, given in tree.get("pools", {}).items():
        pool = record(resources.POOL, name, _without(given, "members", "healthmonitor"))
        pools.append(pool)
        members[pool.id] = tuple(
            record(resources.MEMBER, each, {"pool_id": pool.id, **values})
            for each, values in given.get("members", {}).items()
        )
        if "healthmonitor" in given:
            values = {"pool_id": pool.id, **given["healthmonitor"]}
            monitors[pool.id] = record(resources.HEALTHMONITOR, f"{name} monitor", values)
    return Snapshot(
        loadbalancer=loadbalancer,
        is_deleted=tree.get("is_deleted", False),
        addresses=tuple(tree.get("addresses", vips.addresses())),
        listeners=tuple(listeners),
        pools=tuple(pools),
        members=members,
        healthmonitors=monitors,
        l7policies=l7policies,
        l7rules=l7rules,
        seen={},
        shaping=Shaping(**tree.get("shaping", {})),
        amphora_id=identity(tree.get("amphora", "amphora")),
        host_id=identity(tree["host"]) if "host" in tree else None,
        role="MASTER" if "peers" in tree else "STANDALONE",
        peers=tuple(Peer(identity(each), **given) for each, given in tree.get("peers", {}).items()),
        certificates={reference: pki.material(each) for reference, each in tree.get("certificates", {}).items()},
    )


def _listener(
    name: str, given: Mapping[str, Any]
) -> tuple[SimpleNamespace, list[tuple[SimpleNamespace, tuple[Any, ...]]]]:
    values = _named(_without(given, "l7policies"), "default_pool")
    listener = record(resources.LISTENER, name, values)
    policies = []
    for position, (policy_name, fields) in enumerate(given.get("l7policies", {}).items(), 1):
        values = _named(_without(fields, "rules"), "redirect_pool")
        policy = record(resources.L7POLICY, policy_name, {"listener_id": listener.id, "position": position, **values})
        rules = tuple(
            record(resources.L7RULE, f"{policy_name} {number}", each)
            for number, each in enumerate(fields.get("rules", []), 1)
        )
        policies.append((policy, rules))
    return listener, policies


def _named(given: Mapping[str, Any], field: str) -> dict[str, Any]:
    values = dict(given)
    if field in values:
        values[f"{field}_id"] = identity(values.pop(field))
    return values


def _without(given: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in given.items() if name not in names}


def merged(*trees: Mapping[str, Any]) -> dict[str, Any]:
    """The trees as one, later values over earlier ones at every depth."""
    result: dict[str, Any] = {}
    for tree in trees:
        for key, value in tree.items():
            both = isinstance(value, Mapping) and isinstance(result.get(key), Mapping)
            result[key] = merged(result[key], value) if both else value
    return result


def names(given: Iterable[str]) -> dict[str, str]:
    """IDs back to the names that they were made of."""
    return {identity(name): name for name in given}
