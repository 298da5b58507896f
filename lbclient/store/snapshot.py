"""One load balancer with all that belongs to it, as it stood in one transaction. Read only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Record = Any  # a row: attributes named as the fields of the resource; an unknown name raises AttributeError


@dataclass(frozen=True)
class Material:
    """What a reference of the key manager stands for, as PEM."""

    certificate: str = ""  # the server's own; empty where the secret is a text
    private_key: str = ""  # not encrypted
    intermediates: tuple[str, ...] = ()
    host_names: tuple[str, ...] = ()  # what the certificate is for, in small letters: shop.example, *.example
    not_after: str = ""  # when the certificate expires, UTC
    text: str = ""  # CA certificates, or revocation lists
    fault: str | None = None  # why nothing of it can be used


@dataclass(frozen=True)
class Snapshot:
    """What one load balancer should be.

    The collections hold what is to exist: rows that are being deleted are not in them (they are in `seen`). Lists are
    ordered by creation, policies by position, so that the same state always gives the same configuration.
    """

    loadbalancer: Record
    is_deleted: bool  # the load balancer itself is to vanish
    addresses: tuple[str, ...]  # every address it answers on: the VIP, additional VIPs, floating IPs
    listeners: tuple[Record, ...]
    pools: tuple[Record, ...]
    members: Mapping[str, tuple[Record, ...]]  # by pool_id; every pool has an entry
    healthmonitors: Mapping[str, Record]  # by pool_id; only pools that have one
    l7policies: Mapping[str, tuple[Record, ...]]  # by listener_id; every listener has an entry; by position
    l7rules: Mapping[str, tuple[Record, ...]]  # by l7policy_id; every policy has an entry
    seen: Mapping[
        tuple[str, str], int
    ]  # (resource name, id) -> revision, of the balancer and of each row that is not ACTIVE
    certificates: Mapping[str, Material | None] = field(
        default_factory=dict
    )  # by the reference, as the rows have it; None: there is no such thing in the key manager (any more)
