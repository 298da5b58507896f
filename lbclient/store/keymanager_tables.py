"""Tables of the key manager: secrets, containers, ACLs and consumers. Payloads are encrypted; keys are elsewhere."""

from __future__ import annotations

import sqlalchemy as sa

from .tables import Json, metadata

SECRET = sa.Table(
    "secret",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("project_id", sa.String(255), nullable=False, index=True),
    sa.Column("creator_id", sa.String(64), nullable=False),
    sa.Column("name", sa.Text),
    sa.Column("secret_type", sa.String(80), nullable=False, default="opaque"),
    sa.Column("algorithm", sa.Text),
    sa.Column("bit_length", sa.Integer),
    sa.Column("mode", sa.Text),
    sa.Column("expiration", sa.String(26)),  # after this time it is treated as deleted
    sa.Column("content_type", sa.String(40)),  # null: it has no payload yet
    sa.Column("sealed", sa.Text),
    sa.Column("created", sa.String(26), nullable=False),
    sa.Column("updated", sa.String(26), nullable=False),
    # Time of creation in nanoseconds: the order of lists.
    sa.Column("serial", sa.BigInteger, nullable=False, index=True),
)

CONTAINER = sa.Table(
    "container",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("project_id", sa.String(255), nullable=False, index=True),
    sa.Column("creator_id", sa.String(64), nullable=False),
    sa.Column("name", sa.Text),
    sa.Column("type", sa.String(20), nullable=False),
    sa.Column("created", sa.String(26), nullable=False),
    sa.Column("updated", sa.String(26), nullable=False),
    sa.Column("serial", sa.BigInteger, nullable=False, index=True),
)

CONTENT = sa.Table(
    "container_secret",
    metadata,
    sa.Column("container_id", sa.ForeignKey("container.id"), primary_key=True),
    sa.Column("secret_id", sa.ForeignKey("secret.id"), primary_key=True, index=True),
    sa.Column("name", sa.Text),
    sa.Column("position", sa.Integer, nullable=False),
)

# Users who may read a secret or a container (the owner), in addition to the project or instead of it.
ACL = sa.Table(
    "key_manager_acl",
    metadata,
    sa.Column("owner_id", sa.String(36), primary_key=True),
    sa.Column("operation", sa.String(10), primary_key=True),
    sa.Column("project_access", sa.Boolean, nullable=False),
    sa.Column("users", Json, nullable=False),
    sa.Column("created", sa.String(26), nullable=False),
    sa.Column("updated", sa.String(26), nullable=False),
)

# Registered consumers of a secret or a container (the owner). The consumer of a container has only a name and a URL.
CONSUMER = sa.Table(
    "key_manager_consumer",
    metadata,
    sa.Column("owner_id", sa.String(36), primary_key=True),
    sa.Column("service", sa.String(255), primary_key=True),
    sa.Column("resource_type", sa.String(255), primary_key=True),
    sa.Column("resource", sa.String(255), primary_key=True),
    sa.Column("project_id", sa.String(255), nullable=False),
    sa.Column("created", sa.String(26), nullable=False),
    sa.Column("serial", sa.BigInteger, nullable=False),
)


def is_current(now: str) -> sa.ColumnElement[bool]:
    """Match secrets that have not expired; `now` has the format of the columns."""
    return SECRET.c.expiration.is_(None) | (SECRET.c.expiration > now)
