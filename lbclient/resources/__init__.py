"""What exists: every resource of the load-balancer API, defined once."""

from __future__ import annotations

from .fields import Alternatives, Api, Cli, Field, Resource, Type
from .healthmonitor import HEALTHMONITOR
from .l7policy import L7POLICY
from .l7rule import L7RULE
from .listener import LISTENER
from .loadbalancer import LOADBALANCER
from .member import MEMBER
from .pool import POOL
from .quota import QUOTA

ALL = (LOADBALANCER, LISTENER, POOL, MEMBER, HEALTHMONITOR, L7POLICY, L7RULE)
BY_NAME = {resource.name: resource for resource in ALL}

STATISTICS = ("active_connections", "bytes_in", "bytes_out", "request_errors", "total_connections")

__all__ = [
    "ALL",
    "BY_NAME",
    "HEALTHMONITOR",
    "L7POLICY",
    "L7RULE",
    "LISTENER",
    "LOADBALANCER",
    "MEMBER",
    "POOL",
    "QUOTA",
    "STATISTICS",
    "Alternatives",
    "Api",
    "Cli",
    "Field",
    "Resource",
    "Type",
]
