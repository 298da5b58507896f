"""The tree of a load balancer that is created in one request: which resources contain which."""

from __future__ import annotations

from dataclasses import dataclass

from .fields import Resource
from .healthmonitor import HEALTHMONITOR
from .l7policy import L7POLICY
from .l7rule import L7RULE
from .listener import LISTENER
from .loadbalancer import LOADBALANCER
from .member import MEMBER
from .pool import POOL


@dataclass(frozen=True)
class Part:
    """An attribute that holds objects of another kind in full."""

    name: str
    resource: Resource
    is_list: bool = True
    by_name: bool = False  # the name alone refers to one that is given elsewhere


# Kind -> what it can hold.
PARTS: dict[str, tuple[Part, ...]] = {
    LOADBALANCER.name: (Part("listeners", LISTENER), Part("pools", POOL)),
    LISTENER.name: (Part("l7policies", L7POLICY), Part("default_pool", POOL, is_list=False, by_name=True)),
    POOL.name: (Part("members", MEMBER), Part("healthmonitor", HEALTHMONITOR, is_list=False)),
    L7POLICY.name: (Part("rules", L7RULE), Part("redirect_pool", POOL, is_list=False, by_name=True)),
    MEMBER.name: (),
    HEALTHMONITOR.name: (),
    L7RULE.name: (),
}

# What an object that is answered in full leaves out: its place tells it, or the part itself.
LEFT_OUT: dict[str, tuple[str, ...]] = {
    LISTENER.name: ("loadbalancers",),
    POOL.name: ("loadbalancers", "healthmonitor_id"),
    HEALTHMONITOR.name: ("pools",),
}

# Whom a part belongs to: told by its place in the tree, and by no attribute.
OWNERS = ("project_id", "loadbalancer_id", "listener_id", "pool_id")
