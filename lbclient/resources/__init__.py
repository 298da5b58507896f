"""Every resource of the load-balancer API, defined once."""

from __future__ import annotations

from .amphora import AMPHORA
from .event import EVENT
from .fields import Alternatives, Api, Cli, Field, Resource, Type
from .flavors_and_zones import AVAILABILITYZONE, AVAILABILITYZONEPROFILE, FLAVOR, FLAVORPROFILE
from .healthmonitor import HEALTHMONITOR
from .host import HOST
from .l7policy import L7POLICY
from .l7rule import L7RULE
from .listener import LISTENER
from .loadbalancer import LOADBALANCER
from .member import MEMBER
from .pool import POOL
from .provider import PROVIDER
from .quota import QUOTA

ALL = (LOADBALANCER, LISTENER, POOL, MEMBER, HEALTHMONITOR, L7POLICY, L7RULE)  # a load balancer and its parts
FLAVORS_AND_ZONES = (FLAVORPROFILE, FLAVOR, AVAILABILITYZONEPROFILE, AVAILABILITYZONE)
BY_NAME = {resource.name: resource for resource in (*ALL, *FLAVORS_AND_ZONES, QUOTA, AMPHORA, HOST, PROVIDER, EVENT)}

STATISTICS = ("active_connections", "bytes_in", "bytes_out", "request_errors", "total_connections")

__all__ = [
    "ALL",
    "AMPHORA",
    "AVAILABILITYZONE",
    "AVAILABILITYZONEPROFILE",
    "BY_NAME",
    "EVENT",
    "FLAVOR",
    "FLAVORPROFILE",
    "HEALTHMONITOR",
    "HOST",
    "L7POLICY",
    "L7RULE",
    "LISTENER",
    "LOADBALANCER",
    "MEMBER",
    "OFFERS",
    "POOL",
    "PROVIDER",
    "QUOTA",
    "STATISTICS",
    "Alternatives",
    "Api",
    "Cli",
    "Field",
    "Resource",
    "Type",
]
