"""The resources as pages: their addresses, and what belongs to what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..cli.schema import label
from ..client.names import KINDS
from ..client.rest import Json
from ..resources import (
    ALL,
    AMPHORA,
    FLAVORS_AND_ZONES,
    HEALTHMONITOR,
    L7POLICY,
    L7RULE,
    LISTENER,
    LOADBALANCER,
    MEMBER,
    POOL,
    PROVIDER,
    QUOTA,
    Resource,
)

# What is added to an object on its page, and the attribute of the new one that refers to the object.
ADDED: Mapping[str, tuple[tuple[Resource, str], ...]] = {
    LOADBALANCER.name: ((LISTENER, "loadbalancer_id"), (POOL, "loadbalancer_id")),
    LISTENER.name: ((L7POLICY, "listener_id"), (POOL, "listener_id")),
    POOL.name: ((MEMBER, "pool_id"), (HEALTHMONITOR, "pool_id")),
    L7POLICY.name: ((L7RULE, "l7policy_id"),),
}
# The attribute that names the object that another belongs to.
OWNER: Mapping[str, tuple[tuple[Resource, str], ...]] = {
    LISTENER.name: ((LOADBALANCER, "loadbalancers"),),
    POOL.name: ((LOADBALANCER, "loadbalancers"),),
    HEALTHMONITOR.name: ((POOL, "pools"),),
    L7POLICY.name: ((LISTENER, "listener_id"),),
}
# The names of resources in permissions, where they are not their own.
POLICY_NAMES = {
    "flavorprofile": "flavor-profile",
    "availabilityzone": "availability-zone",
    "availabilityzoneprofile": "availability-zone-profile",
}
MADE = (*ALL, *FLAVORS_AND_ZONES)  # can be created, changed and deleted
SHOWN = (*MADE, QUOTA, AMPHORA)


@dataclass(frozen=True)
class Link:
    """A link to a page."""

    title: str
    path: str


def path(resource: Resource, parents: Mapping[str, str] | None = None, id_: str = "", verb: str = "") -> str:
    """Return the address of a page below /dashboard: of a list, an object, or what is done with it."""
    words = pattern(resource).format(**(parents or {}))
    return "/".join(filter(None, (f"/dashboard{words}", id_, verb)))


def pattern(resource: Resource) -> str:
    """Return the path of a resource without its first word, such as /pools/{pool_id}/members."""
    return "/" + resource.path.removeprefix("/lbaas/").removeprefix("/octavia/").removeprefix("/")


def permission(resource: Resource, verb: str) -> str:
    return f"{POLICY_NAMES.get(resource.name, resource.name)}:{verb}"


def title(resource: Resource) -> str:
    """Return the name of a kind in the middle of a sentence."""
    known = KINDS.get(resource.name)
    return known.title if known else resource.title.lower()


def titles(resource: Resource) -> str:
    known = KINDS.get(resource.name)
    words = known.titles if known else f"{resource.title.lower()}s"
    return words[0].upper() + words[1:]


def called(resource: Resource, one: Json) -> str:
    """Return what an object is called: its name, or what tells it from others."""
    if resource in ALL:
        words = label(resource, one).partition(" ")[2] if resource is not LOADBALANCER else str(one.get("name") or "")
        if resource is HEALTHMONITOR:
            words = str(one.get("name") or one.get("type") or "")
        elif resource is LISTENER and not one.get("name"):
            words = f"{one['protocol']} {one['protocol_port']}"
        return words.removeprefix("balancer ").removeprefix("monitor ") or str(one.get("id"))
    return str(one.get("name") or one.get(resource.identifier) or "")


__all__ = ["ADDED", "MADE", "OWNER", "PROVIDER", "SHOWN", "Link", "called", "path", "permission", "title", "titles"]
