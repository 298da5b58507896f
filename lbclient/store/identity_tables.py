"""Domains, projects, users, roles and who has which role where: their tables."""

from __future__ import annotations

import sqlalchemy as sa

from .tables import Json, metadata

DOMAIN = sa.Table(
    "domain",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("name", sa.String(255), nullable=False, unique=True),
    sa.Column("description", sa.Text, default=""),
    sa.Column("enabled", sa.Boolean, nullable=False, default=True),
    sa.Column("tags", Json, nullable=False, default=[]),
)

PROJECT = sa.Table(
    "project",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("name", sa.String(255), nullable=False),
    sa.Column("domain_id", sa.ForeignKey("domain.id"), nullable=False),
    sa.Column("parent_id", sa.String(64), nullable=False),  # a project or a domain
    sa.Column("description", sa.Text, default=""),
    sa.Column("enabled", sa.Boolean, nullable=False, default=True),
    sa.Column("tags", Json, nullable=False, default=[]),
    sa.UniqueConstraint("domain_id", "name"),
)

USER = sa.Table(
    "identity_user",  # "user" is a reserved word in PostgreSQL
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("name", sa.String(255), nullable=False),
    sa.Column("domain_id", sa.ForeignKey("domain.id"), nullable=False),
    sa.Column("description", sa.Text),
    sa.Column("email", sa.Text),
    sa.Column("default_project_id", sa.String(64)),
    sa.Column("enabled", sa.Boolean, nullable=False, default=True),
    sa.Column("password", sa.Text),  # a slow salted hash with its parameters; null: no password fits
    sa.UniqueConstraint("domain_id", "name"),
)

ROLE = sa.Table(
    "role",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("name", sa.String(255), nullable=False, unique=True),
    sa.Column("description", sa.Text),
)

ASSIGNMENT = sa.Table(
    "role_assignment",
    metadata,
    sa.Column("user_id", sa.ForeignKey("identity_user.id"), primary_key=True),
    sa.Column("scope", sa.String(7), primary_key=True),  # project, domain or system
    sa.Column("scope_id", sa.String(64), primary_key=True, index=True),
    sa.Column("role_id", sa.ForeignKey("role.id"), primary_key=True),
)

# A user's own way in to one project, with some of the user's roles there and a secret of its own.
APPLICATION_CREDENTIAL = sa.Table(
    "application_credential",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("name", sa.String(255), nullable=False),
    sa.Column("user_id", sa.ForeignKey("identity_user.id"), nullable=False),
    sa.Column("project_id", sa.ForeignKey("project.id"), nullable=False, index=True),
    sa.Column("description", sa.Text),
    sa.Column("secret", sa.Text, nullable=False),  # a slow salted hash
    sa.Column("roles", Json, nullable=False),  # IDs; those that the user has lost give nothing
    sa.Column("expires_at", sa.Float),  # seconds since 1970, UTC
    sa.Column("unrestricted", sa.Boolean, nullable=False, default=False),  # it may make others
    sa.UniqueConstraint("user_id", "name"),
)

# Tokens that were good and are so no more: one token, or all that a user or a scope had until then.
REVOCATION = sa.Table(
    "revocation",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("kind", sa.String(8), nullable=False),  # audit, user or scope
    sa.Column("subject", sa.String(64), nullable=False),
    sa.Column("revision", sa.BigInteger, nullable=False),  # of the identity; tokens issued up to it are ended
    sa.Column("forgotten_at", sa.Float),  # by then the token has expired; None: it is one row for each user and scope
    sa.Index("ix_revocation_kind_subject", "kind", "subject"),
)

# Counts the changes that may make a token mean something else, so that what was checked can be remembered.
IDENTITY_REVISION = sa.Table(
    "identity_revision",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("revision", sa.BigInteger, nullable=False),
)
