"""Tables of the identity service: domains, projects, users, roles, role assignments, credentials, revocations."""

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
    sa.Column("password", sa.Text),  # a slow salted hash with its parameters; null: no password is accepted
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

# Lets a user authenticate for one project with a separate secret and some of the user's roles there.
APPLICATION_CREDENTIAL = sa.Table(
    "application_credential",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("name", sa.String(255), nullable=False),
    sa.Column("user_id", sa.ForeignKey("identity_user.id"), nullable=False),
    sa.Column("project_id", sa.ForeignKey("project.id"), nullable=False, index=True),
    sa.Column("description", sa.Text),
    sa.Column("secret", sa.Text, nullable=False),  # a slow salted hash
    sa.Column("roles", Json, nullable=False),  # IDs; roles that the user has lost are ignored
    sa.Column("expires_at", sa.Float),  # seconds since 1970, UTC
    sa.Column("unrestricted", sa.Boolean, nullable=False, default=False),  # may create other application credentials
    sa.UniqueConstraint("user_id", "name"),
)

# Revoked tokens: a single token, or all tokens of a user or a scope up to a revision.
REVOCATION = sa.Table(
    "revocation",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("kind", sa.String(8), nullable=False),  # audit, user or scope
    sa.Column("subject", sa.String(64), nullable=False),
    sa.Column("revision", sa.BigInteger, nullable=False),  # of the identity tables; tokens issued up to it are revoked
    sa.Column("forgotten_at", sa.Float),  # when the token has expired; None: the row of a user or a scope, which stays
    sa.Index("ix_revocation_kind_subject", "kind", "subject"),
)

# Counts the changes that may affect the meaning of tokens, so that checked tokens can be cached.
IDENTITY_REVISION = sa.Table(
    "identity_revision",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("revision", sa.BigInteger, nullable=False),
)
