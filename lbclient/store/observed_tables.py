"""Tables for observed counters and check results, and for the event history."""

from __future__ import annotations

import sqlalchemy as sa

from .. import resources
from .tables import Json, metadata

# Counters of pools and members; those of listeners have a table of their own.
PART_STATISTICS = sa.Table(
    "part_statistics",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("host_id", sa.String(36), primary_key=True),  # each host counts by itself; shown is the sum
    sa.Column("loadbalancer_id", sa.String(36), nullable=False, index=True),
    *(sa.Column(name, sa.BigInteger, nullable=False, default=0) for name in resources.STATISTICS),
)

# The last result of a member's health check.
CHECK = sa.Table(
    "member_check",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),  # the ID of the member
    sa.Column("loadbalancer_id", sa.String(36), nullable=False, index=True),
    sa.Column("at", sa.String(23), nullable=False),  # when this result came first
    sa.Column("status", sa.Text, nullable=False),  # HAProxy's check status, such as L4CON
    sa.Column("reason", sa.Text, nullable=False),
)

# The last events of each load balancer.
EVENT = sa.Table(
    "loadbalancer_event",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("loadbalancer_id", sa.String(36), nullable=False),
    sa.Column("loadbalancer_name", sa.Text),
    sa.Column("project_id", sa.Text),
    sa.Column("serial", sa.BigInteger, nullable=False),  # nanoseconds since 1970: the order of events
    sa.Column("touched", sa.BigInteger, nullable=False),  # the same of the last change of this row
    sa.Column("revision", sa.BigInteger),  # the load balancer's revision after a change
    sa.Column("created_at", sa.String(23), nullable=False),
    sa.Column("action", sa.String(8), nullable=False),
    sa.Column("resource", sa.String(16), nullable=False),
    sa.Column("resource_id", sa.String(36), nullable=False),
    sa.Column("resource_name", sa.Text),
    sa.Column("attributes", Json),
    sa.Column("user_id", sa.String(64)),
    sa.Column("user_name", sa.Text),
    sa.Column("status", sa.Text),
    sa.Column("how", sa.String(8)),
    sa.Column("milliseconds", sa.Integer),
    sa.Column("reason", sa.Text),
    sa.Index("ix_loadbalancer_event_order", "loadbalancer_id", "serial"),
    sa.Index("ix_loadbalancer_event_touched", "touched"),
    sa.Index("ix_loadbalancer_event_project_id", "project_id", "touched"),
)
