"""An immutable snapshot of a load balancer and its parts, read in one transaction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from ..vault.material import Material
from .records import (
    HealthMonitorRecord,
    L7PolicyRecord,
    L7RuleRecord,
    ListenerRecord,
    LoadBalancerRecord,
    MemberRecord,
    PoolRecord,
)

SHARED = ("MASTER", "BACKUP")  # the roles of hosts whose addresses move between them


@dataclass(frozen=True)
class Shaping:
    """Limits of a load balancer's traffic: of its HTTP listeners together, and of its UDP listeners together."""

    egress: int | None = None  # kbit/s towards clients; None for no limit
    ingress: int | None = None  # kbit/s from clients
    dscp: int | None = None  # the mark of packets towards clients

    @property
    def has_limits(self) -> bool:
        return self.egress is not None or self.ingress is not None


@dataclass(frozen=True)
class Peer:
    """A host of a load balancer that has two: where its HAProxy takes what the other one has in its stick tables."""

    name: str  # the ID of the host
    address: str
    port: int


@dataclass(frozen=True)
class Snapshot:
    """The desired state of one load balancer.

    Rows that are being deleted are not in the collections, only in `seen`. Lists are ordered by creation, policies by
    position, so that the same state always renders the same configuration.
    """

    loadbalancer: LoadBalancerRecord
    is_deleted: bool  # the load balancer itself is being deleted
    addresses: tuple[str, ...]  # all addresses of the load balancer: the VIP, additional VIPs, floating IPs
    listeners: tuple[ListenerRecord, ...]
    pools: tuple[PoolRecord, ...]
    members: Mapping[str, tuple[MemberRecord, ...]]  # by pool_id; every pool has an entry
    healthmonitors: Mapping[str, HealthMonitorRecord]  # by pool_id; only pools that have one
    l7policies: Mapping[str, tuple[L7PolicyRecord, ...]]  # by listener_id; every listener has an entry; by position
    l7rules: Mapping[str, tuple[L7RuleRecord, ...]]  # by l7policy_id; every policy has an entry
    seen: Mapping[
        tuple[str, str], int
    ]  # (resource name, id) -> revision, of the load balancer and of each row that is not ACTIVE
    amphora_id: str | None = None  # a new ID means a new process; None: its provider is a no-op
    host_id: str | None = None  # the host that runs it; no host does while it moves
    role: str | None = None  # of this amphora: STANDALONE, or MASTER and BACKUP of one on two hosts
    peers: tuple[Peer, ...] = ()  # both amphorae of one on two hosts, the MASTER's first
    certificates: Mapping[str, Material | None] = field(
        default_factory=dict
    )  # by reference, as stored in the rows; None: not in the key manager, or expired
    admitted: Mapping[str, tuple[str, ...]] = field(
        default_factory=dict
    )  # by listener ID: the networks that security groups of the VIP admit; no entry without such groups
    shaping: Shaping = field(default_factory=Shaping)  # by the QoS policy of the VIP
    unbound: Mapping[tuple[str, str], str] = field(
        default_factory=dict
    )  # (listener ID, address) -> why it cannot listen there; found when the snapshot is applied

    def bound(self, listener: ListenerRecord) -> tuple[str, ...]:
        """Return the addresses that a listener can listen on."""
        return tuple(each for each in self.addresses if (listener.id, each) not in self.unbound)

    def clients(self, listener: ListenerRecord) -> tuple[str, ...] | None:
        """Return the networks from which clients may come; None for any."""
        if listener.id in self.admitted:
            return self.admitted[listener.id]
        return tuple(listener.allowed_cidrs) if listener.allowed_cidrs else None

    @property
    def is_shared(self) -> bool:
        """Whether this host has the addresses only while the other one does not."""
        return self.role in SHARED

    @property
    def own_peer(self) -> Peer | None:
        """This host among the peers; None if the load balancer has no other host."""
        return next((each for each in self.peers if each.name == self.host_id), None)

    @property
    def failures(self) -> dict[tuple[str, str], str]:
        """Return why listeners cannot listen on all addresses, by (resource name, ID)."""
        found: dict[tuple[str, str], list[str]] = {}
        for (id_, _), reason in self.unbound.items():
            found.setdefault(("listener", id_), []).append(reason)
        return {key: " ".join(reasons) for key, reasons in found.items()}

    # IDs of the members that changed since the snapshot that this one continues; None if all were read.
    touched: frozenset[str] | None = field(default=None, compare=False)

    @cached_property
    def pools_by_id(self) -> Mapping[str, PoolRecord]:
        """Pools by ID."""
        return {pool.id: pool for pool in self.pools}
