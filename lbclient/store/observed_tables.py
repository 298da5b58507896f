"""What the data plane observes and what was done, beyond the columns of resources: their tables."""

from __future__ import annotations

import sqlalchemy as sa

from .. import resources
from .tables import Json, metadata

# Counters of pools and members; those of listeners have a table of their own.
PART_STATISTICS = sa.Table(
    "part_statistics",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("loadbalancer_id", sa.String(36), nullable=False, index=True),
    *(sa.Column(name, sa.BigInteger, nullable=False, default=0) for name in resources.STATISTICS),
)

# What the health check of a member found last.
CHECK = sa.Table(
    "member_check",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),  # the member's
    sa.Column("loadbalancer_id", sa.String(36), nullable=False, index=True),
    sa.Column("at", sa.String(23), nullable=False),  # since when it has been finding this
    sa.Column("status", sa.Text, nullable=False),  # HAProxy's word: L4CON
    sa.Column("reason", sa.Text, nullable=False),
)

# What happened to a load balancer: its last events.
EVENT = sa.Table(
    "loadbalancer_event",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("loadbalancer_id", sa.String(36), nullable=False),
    sa.Column("serial", sa.BigInteger, nullable=False),  # in nanoseconds: the order
    sa.Column("revision", sa.BigInteger),  # of a change: the load balancer's
    sa.Column("created_at", sa.String(23), nullable=False),
    sa.Column("action", sa.String(8), nullable=False),
    sa.Column("resource", sa.String(16), nullable=False),
    sa.Column("resource_id", sa.String(36), nullable=False),
    sa.Column("attributes", Json),
    sa.Column("user_id", sa.String(64)),
    sa.Column("status", sa.Text),
    sa.Column("how", sa.String(8)),
    sa.Column("milliseconds", sa.Integer),
    sa.Column("reason", sa.Text),
    sa.Index("ix_loadbalancer_event_order", "loadbalancer_id", "serial"),
)
