"""The fields that every resource has."""

from __future__ import annotations

from .fields import ALL, EDIT, FIXED, MUTABLE, NONE, READ, Cli, Field, Type

PROVISIONING_STATUSES = ("ACTIVE", "ERROR", "PENDING_CREATE", "PENDING_UPDATE", "PENDING_DELETE")
OPERATING_STATUSES = ("ONLINE", "DRAINING", "OFFLINE", "DEGRADED", "ERROR", "NO_MONITOR")

ID = Field("id", Type.UUID, "The ID.", api=READ, cli=NONE, always=True)
CREATED_AT = Field("created_at", Type.TIME, "When it was created (UTC).", api=READ, cli=NONE, always=True)
UPDATED_AT = Field("updated_at", Type.TIME, "When it was last changed (UTC).", api=READ, cli=NONE)


def name(what: str, cli: Cli = ALL) -> Field:
    return Field("name", Type.STRING, f"The name of the {what}.", cli=cli, default="")


def description(what: str) -> Field:
    return Field("description", Type.STRING, f"A description of the {what}.", default="")


def admin_state_up(what: str, cli: Cli = EDIT) -> Field:
    return Field(
        "admin_state_up", Type.BOOLEAN, f"Whether the {what} is enabled.", cli=cli, default=True, flag="enable/disable"
    )


def project_id(cli: Cli = NONE) -> Field:
    return Field(
        "project_id",
        Type.STRING,
        "The project that owns it.",
        api=FIXED,
        cli=cli,
        length=36,
        flag="project",
        refers="project",
        always=True,
    )


def provisioning_status(cli: Cli = NONE) -> Field:
    return Field(
        "provisioning_status",
        Type.CHOICE,
        "How far the last change has come.",
        api=READ,
        cli=cli,
        choices=PROVISIONING_STATUSES,
        always=True,
    )


def operating_status(cli: Cli = NONE, default: str = "OFFLINE") -> Field:
    return Field(
        "operating_status",
        Type.CHOICE,
        "What the proxy observes.",
        api=READ,
        cli=cli,
        choices=OPERATING_STATUSES,
        default=default,
    )


def tags(what: str) -> Field:
    return Field(
        "tags",
        Type.STRINGS,
        f"A tag of the {what}.",
        api=MUTABLE,
        cli=NONE,
        since=5,
        default=(),
        flag="tag",
        blank=True,
    )


def references(name: str, help: str) -> Field:
    return Field(name, Type.REFERENCES, help, api=READ, cli=NONE, stored=False)
