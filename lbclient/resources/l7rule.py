"""The L7 rule: one test of a request."""

from __future__ import annotations

from . import shared
from .fields import ALL, EDIT, Field, Resource, Type

TYPES = (
    "HOST_NAME",
    "PATH",
    "FILE_TYPE",
    "HEADER",
    "COOKIE",
    "SSL_CONN_HAS_CERT",
    "SSL_VERIFY_RESULT",
    "SSL_DN_FIELD",
)
KEYED_TYPES = ("COOKIE", "HEADER", "SSL_DN_FIELD")  # these compare the value under a key
COMPARE_TYPES = ("REGEX", "STARTS_WITH", "ENDS_WITH", "CONTAINS", "EQUAL_TO")
ONE_LINE = r"[^\r\n]*"

L7RULE = Resource(
    name="l7rule",
    title="L7 Rule",
    key="rule",
    collection="rules",
    path="/lbaas/l7policies/{l7policy_id}/rules",
    parent="l7policy",
    argument="l7rule_id",
    named=False,
    fields=(
        shared.ID,
        Field(
            "type",
            Type.CHOICE,
            "What is looked at.",
            cli=EDIT,
            required=True,
            null_means_default=False,
            choices=TYPES,
        ),
        Field(
            "compare_type",
            Type.CHOICE,
            "How it is compared.",
            cli=EDIT,
            required=True,
            null_means_default=False,
            choices=COMPARE_TYPES,
        ),
        Field("key", Type.STRING, "The name of the header, the cookie or the DN field.", cli=ALL, pattern=ONE_LINE),
        Field(
            "value",
            Type.STRING,
            "What it is compared with.",
            cli=EDIT,
            required=True,
            null_means_default=False,
            pattern=ONE_LINE,
        ),
        Field("invert", Type.BOOLEAN, "Match where the comparison does not.", default=False),
        shared.provisioning_status(),
        shared.operating_status(),
        shared.CREATED_AT,
        shared.UPDATED_AT,
        shared.project_id(),
        shared.admin_state_up("rule"),
        shared.tags("rule"),
    ),
    columns=(
        "id",
        "project_id",
        "provisioning_status",
        "compare_type",
        "type",
        "key",
        "value",
        "invert",
        "admin_state_up",
    ),
    rows=(
        "created_at",
        "compare_type",
        "provisioning_status",
        "invert",
        "admin_state_up",
        "updated_at",
        "value",
        "key",
        "project_id",
        "type",
        "id",
        "operating_status",
        "tags",
    ),
)
