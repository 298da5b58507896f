"""Tables of the hosts that run load balancers, and of the amphorae: the presence of a load balancer on a host."""

from __future__ import annotations

import sqlalchemy as sa

from .tables import Json, metadata

# The host of the server itself: every database has its row. Others are added by operators.
SERVER = "00000000-0000-4000-8000-000000000001"
SERVER_NAME = "server"

HOST = sa.Table(
    "host",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("name", sa.Text, nullable=False, unique=True),
    sa.Column("state", sa.Text, nullable=False),  # UP, DRAINING or DEAD: what operators say
    sa.Column("weight", sa.Integer, nullable=False),  # its share of new load balancers
    # The name in the certificates of its agent, new with each enrolment: others are not accepted. Of the server's own
    # host, the fingerprint of the authority that signs them.
    sa.Column("certificate", sa.Text),
    sa.Column("enrolment", sa.Text, index=True),  # the SHA-256 of the token with which its agent gets a certificate
    sa.Column("enrolment_until", sa.BigInteger),  # the end of its validity, in milliseconds since 1970
    # A new registration is a new epoch; reports of an earlier one are not accepted, nor of one whose lease has ended.
    sa.Column("epoch", sa.BigInteger, nullable=False),
    sa.Column("lease_until", sa.BigInteger),  # milliseconds since 1970, by the database's clock; null: never registered
    sa.Column("version", sa.Text),
    sa.Column("zone", sa.Text),  # null: it takes load balancers of every zone
    sa.Column("networks", sa.Text),  # those that it reaches, with commas between; null: all
    sa.Column("instance", sa.String(36)),  # the state directory of its agent: another one is another machine
    sa.Column("address", sa.Text),  # where its agent called from last
    sa.Column("features", Json),  # what it can do beside running load balancers: a list, VRRP or nothing yet
    sa.Column("addresses", Json),  # its own, with prefixes: {interface: [address, …]}
    sa.Column("fault", sa.Text),  # what is wrong with it
    sa.Column("fault_until", sa.BigInteger),  # when that is over unless it is found again; null: at its registration
    sa.Column("created_at", sa.String(19), nullable=False),
    sa.Column("serial", sa.BigInteger, nullable=False, index=True),
)

AMPHORA = sa.Table(
    "amphora",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),  # a new ID means a new process
    sa.Column("loadbalancer_id", sa.String(36), nullable=False, index=True),
    sa.Column("host_id", sa.String(36), nullable=False, index=True),
    sa.Column("role", sa.Text, nullable=False),  # STANDALONE, or MASTER and BACKUP: the first and the second of a group
    sa.Column("vip_group_id", sa.String(36), index=True),  # of one of two; null: it is the only one
    sa.Column("peer_port", sa.Integer),  # where HAProxy exchanges session tables with its peer, unique on a host
    # Of one of two: a change is settled once every host that is heard has applied it.
    sa.Column("applied_revision", sa.BigInteger),
    sa.Column("fault", sa.Text),  # why this host could not apply it
    # One that it has not applied in time, although it was heard: it is not waited for until it has.
    sa.Column("late_revision", sa.BigInteger),
    sa.Column("observed", Json),  # what this host has observed last; that of the holder of the addresses counts
    sa.Column("moving_to", sa.String(36)),  # the host that runs it once this one has ended its processes
    sa.Column("cached_zone", sa.Text),
    sa.Column("compute_flavor", sa.Text),
    sa.Column("created_at", sa.String(19), nullable=False),
)

# The addresses of load balancers that two hosts share, and that move together: a VRRP instance on each of them.
VIP_GROUP = sa.Table(
    "vip_group",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("network", sa.Text, nullable=False),  # that of the hosts' own addresses, which contains the VIPs
    sa.Column("number", sa.Integer, nullable=False),  # of the virtual router, 1 to 255
    sa.Column("first_host_id", sa.String(36), nullable=False, index=True),
    sa.Column("second_host_id", sa.String(36), nullable=False, index=True),
    sa.Column("first_address", sa.Text, nullable=False),  # the hosts' own addresses
    sa.Column("second_address", sa.Text, nullable=False),
    sa.Column("first_interface", sa.Text, nullable=False),
    sa.Column("second_interface", sa.Text, nullable=False),
    sa.Column("first_state", sa.Text),  # MASTER, BACKUP or FAULT: what keepalived of the hosts said last
    sa.Column("second_state", sa.Text),
    sa.Column("yielding_host_id", sa.String(36)),  # the host that is to give up the addresses by plan
    # The end of that, in milliseconds since 1970, whether the other host has got them or not; then it waits until here
    # before it is tried again.
    sa.Column("yielding_until", sa.BigInteger),
    sa.Column("failover_host_id", sa.String(36)),  # the host that a failover wants to give them up once
    sa.Column("serial", sa.BigInteger, nullable=False),
    sa.UniqueConstraint("network", "number"),
)

# Keys of the servers, sealed by the master key. Without one, keys are files in the state directory.
SERVER_KEY = sa.Table(
    "server_key",
    metadata,
    sa.Column("kind", sa.String(32), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("sealed", sa.Text, nullable=False),
)
