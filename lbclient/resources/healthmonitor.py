"""The health monitor: how a pool's members are checked."""

from __future__ import annotations

from . import shared
from .fields import ALL, EDIT, FIXED, INPUT, Cli, Field, Resource, Type

TYPES = ("PING", "TCP", "HTTP", "HTTPS", "TLS-HELLO", "UDP-CONNECT", "SCTP")
HTTP_TYPES = ("HTTP", "HTTPS")
HTTP_OPTIONS = ("http_method", "url_path", "expected_codes")  # of HTTP_TYPES alone
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "TRACE", "OPTIONS", "CONNECT", "PATCH")

HEALTHMONITOR = Resource(
    name="healthmonitor",
    title="Health Monitor",
    key="healthmonitor",
    collection="healthmonitors",
    path="/lbaas/healthmonitors",
    argument="health_monitor",
    fields=(
        shared.ID,
        shared.name("health monitor"),
        Field(
            "type",
            Type.CHOICE,
            "How members are checked.",
            api=FIXED,
            cli=Cli.CREATE,
            required=True,
            choices=TYPES,
        ),
        Field(
            "delay",
            Type.INTEGER,
            "The time between two checks, in seconds.",
            cli=EDIT,
            required=True,
            null_means_default=False,
            minimum=0,
            maximum=2147483,
        ),
        Field(
            "timeout",
            Type.INTEGER,
            "How long a check may take, in seconds.",
            cli=EDIT,
            required=True,
            null_means_default=False,
            minimum=0,
            maximum=2147483,
        ),
        Field(
            "max_retries",
            Type.INTEGER,
            "How many checks in a row must pass before a member is ONLINE.",
            cli=EDIT,
            required=True,
            null_means_default=False,
            minimum=1,
            maximum=10,
        ),
        Field(
            "max_retries_down",
            Type.INTEGER,
            "How many checks in a row must fail before a member is in ERROR (3).",
            default=3,
            minimum=1,
            maximum=10,
        ),
        Field("http_method", Type.CHOICE, "The method of an HTTP check (GET).", choices=METHODS, filled=True),
        Field(
            "url_path",
            Type.STRING,
            "The path of an HTTP check (/).",
            pattern=r"/([^/\s\x00-\x1f\x7f][^\s\x00-\x1f\x7f]*)?",
            filled=True,
        ),
        Field(
            "expected_codes",
            Type.STRING,
            "The status codes of a healthy member: 200, or 200,202, or 200-204 (200).",
            length=64,
            pattern=r"([0-9]{3}(\s*,\s*[0-9]{3})*|[0-9]{3}-[0-9]{3})",
            filled=True,
        ),
        shared.admin_state_up("health monitor"),
        shared.project_id(),
        Field(
            "pool_id",
            Type.UUID,
            "The pool to check (name or ID).",
            api=INPUT,
            cli=Cli.CREATE,
            required=True,
            flag="pool",
            refers="pool",
            positional=True,
        ),
        shared.references("pools", "The pool."),
        shared.provisioning_status(),
        shared.operating_status(),
        shared.CREATED_AT,
        shared.UPDATED_AT,
        shared.tags("health monitor"),
        Field(
            "http_version",
            Type.CHOICE,
            "The version of an HTTP check.",
            since=10,
            choices=("1.0", "1.1"),
            as_number=True,
        ),
        Field(
            "domain_name",
            Type.STRING,
            "The Host header of an HTTP/1.1 check.",
            cli=ALL,
            since=10,
            pattern=(
                r"(?=.{1,253}\.?$)[A-Za-z0-9]([A-Za-z0-9\-]{0,61}[A-Za-z0-9])?"
                r"(\.[A-Za-z0-9]([A-Za-z0-9\-]{0,61}[A-Za-z0-9])?)*\.?"
            ),
        ),
    ),
    columns=("id", "name", "project_id", "type", "admin_state_up"),
    rows=(
        "project_id",
        "name",
        "admin_state_up",
        "pools",
        "created_at",
        "provisioning_status",
        "updated_at",
        "delay",
        "expected_codes",
        "max_retries",
        "http_method",
        "timeout",
        "max_retries_down",
        "url_path",
        "type",
        "id",
        "operating_status",
        "http_version",
        "domain_name",
        "tags",
    ),
)
