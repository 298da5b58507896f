"""The plan of a relay, written by the server and read by the relay."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

VERSION = "2"  # of this format; a running relay that knows only an older one is replaced if the plan needs a newer
FIRST_VERSION = "1"
# The fields of version 2: a text has them only if they are set.
OPTIONAL = ("egress", "ingress", "dscp")  # of a plan
OPTIONAL_OF_LISTENER = ("sampling",)


@dataclass(frozen=True)
class Member:
    id: str
    address: str
    port: int
    weight: int
    is_enabled: bool
    is_backup: bool
    check_address: str
    check_port: int


@dataclass(frozen=True)
class Monitor:
    """A health monitor; times are in seconds, and the last five fields are for HTTP only."""

    type: str  # UDP-CONNECT, TCP or HTTP
    delay: float
    timeout: float
    rise: int
    fall: int
    method: str = "GET"
    path: str = "/"
    version: str = "1.0"
    host: str = ""
    codes: tuple[tuple[int, int], ...] = ((200, 200),)


@dataclass(frozen=True)
class Persistence:
    """Session persistence: clients of one network stay with one member until the timeout, in seconds."""

    timeout: float
    prefix_v4: int = 32
    prefix_v6: int = 128


@dataclass(frozen=True)
class Pool:
    id: str
    algorithm: str
    members: tuple[Member, ...]
    persistence: Persistence | None = None
    monitor: Monitor | None = None


@dataclass(frozen=True)
class Listener:
    id: str
    port: int
    addresses: tuple[str, ...]
    pool_id: str | None
    limit: int  # flows; -1 for no limit but the relay's own
    idle: float  # s after which a silent flow ends; 0 for never
    allowed: tuple[str, ...] = ()  # networks; () allows all clients
    sampling: int = 0  # one of this many flows is logged; 0 for none


@dataclass(frozen=True)
class Plan:
    """The whole plan of one load balancer's relay."""

    listeners: tuple[Listener, ...] = ()
    pools: tuple[Pool, ...] = ()
    most_flows: int = 0
    names: Mapping[str, Mapping[str, str]] | None = None  # for metrics: kind -> ID -> name; None without metrics
    egress: int = 0  # bytes per second to clients, of all listeners together; 0 for no limit
    ingress: int = 0  # bytes per second from clients
    dscp: int = 0  # the mark of datagrams to clients

    @property
    def is_needed(self) -> bool:
        return bool(self.listeners) or self.names is not None

    @property
    def versions(self) -> tuple[str, ...]:
        """The versions of relays that can run the plan."""
        is_new = any(getattr(self, name) for name in OPTIONAL) or any(
            getattr(each, name) for each in self.listeners for name in OPTIONAL_OF_LISTENER
        )
        return (VERSION,) if is_new else (FIRST_VERSION, VERSION)

    @property
    def binds(self) -> tuple[tuple[str, int], ...]:
        return tuple((address, each.port) for each in self.listeners for address in each.addresses)

    @property
    def fingerprint(self) -> str:
        return hashlib.sha256(dumps(self).encode()).hexdigest()[:16]


def dumps(plan: Plan) -> str:
    given = _without_unset(asdict(plan), OPTIONAL)
    given["listeners"] = [_without_unset(each, OPTIONAL_OF_LISTENER) for each in given["listeners"]]
    return json.dumps(given, sort_keys=True)


def _without_unset(given: dict[str, Any], optional: tuple[str, ...]) -> dict[str, Any]:
    return {name: value for name, value in given.items() if value or name not in optional}


def loads(text: str) -> Plan:
    """Parse a plan. Raises ValueError, TypeError or KeyError for a text that dumps() has not written."""
    data = json.loads(text)
    return Plan(
        listeners=tuple(_listener(each) for each in data["listeners"]),
        pools=tuple(_pool(each) for each in data["pools"]),
        most_flows=data["most_flows"],
        names=data["names"],
        **{name: data[name] for name in OPTIONAL if name in data},
    )


def _listener(data: dict[str, Any]) -> Listener:
    return Listener(**data | {"addresses": tuple(data["addresses"]), "allowed": tuple(data["allowed"])})


def _pool(data: dict[str, Any]) -> Pool:
    monitor, persistence = data["monitor"], data["persistence"]
    if monitor:
        monitor = Monitor(**monitor | {"codes": tuple((low, high) for low, high in monitor["codes"])})
    return Pool(
        **data
        | {
            "members": tuple(Member(**each) for each in data["members"]),
            "monitor": monitor,
            "persistence": Persistence(**persistence) if persistence else None,
        }
    )
