"""An immutable snapshot of a load balancer and its parts, read in one transaction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ..vault.material import Material

Record = Any  # a row: attributes named as the fields of the resource; an unknown name raises AttributeError


@dataclass(frozen=True)
class Snapshot:
    """The desired state of one load balancer.

    Rows that are being deleted are not in the collections, only in `seen`. Lists are ordered by creation, policies by
    position, so that the same state always renders the same configuration.
    """

    loadbalancer: Record
    is_deleted: bool  # the load balancer itself is being deleted
    addresses: tuple[str, ...]  # all addresses of the load balancer: the VIP, additional VIPs, floating IPs
    listeners: tuple[Record, ...]
    pools: tuple[Record, ...]
    members: Mapping[str, tuple[Record, ...]]  # by pool_id; every pool has an entry
    healthmonitors: Mapping[str, Record]  # by pool_id; only pools that have one
    l7policies: Mapping[str, tuple[Record, ...]]  # by listener_id; every listener has an entry; by position
    l7rules: Mapping[str, tuple[Record, ...]]  # by l7policy_id; every policy has an entry
    seen: Mapping[
        tuple[str, str], int
    ]  # (resource name, id) -> revision, of the load balancer and of each row that is not ACTIVE
    certificates: Mapping[str, Material | None] = field(
        default_factory=dict
    )  # by reference, as stored in the rows; None: not in the key manager, or expired

    # IDs of the members that changed since the snapshot that this one continues; None if all were read.
    touched: frozenset[str] | None = field(default=None, compare=False)

    @cached_property
    def pools_by_id(self) -> Mapping[str, Record]:
        """Pools by ID."""
        return {pool.id: pool for pool in self.pools}
