"""The L7 policy: what happens with requests that match all of its rules."""

from __future__ import annotations

from . import shared
from .fields import EDIT, FIXED, Alternatives, Cli, Field, Resource, Type

ACTIONS = ("REJECT", "REDIRECT_TO_URL", "REDIRECT_TO_POOL", "REDIRECT_PREFIX")
REDIRECTS = {  # the action that each target belongs to
    "redirect_pool_id": "REDIRECT_TO_POOL",
    "redirect_url": "REDIRECT_TO_URL",
    "redirect_prefix": "REDIRECT_PREFIX",
}
REDIRECT_CODES = ("301", "302", "303", "307", "308")
LAST_POSITION = 2147483647

L7POLICY = Resource(
    name="l7policy",
    title="L7 Policy",
    key="l7policy",
    collection="l7policies",
    path="/lbaas/l7policies",
    argument="policy",
    fields=(
        shared.ID,
        shared.name("policy"),
        shared.description("policy"),
        shared.provisioning_status(),
        shared.operating_status(),
        shared.admin_state_up("policy"),
        shared.project_id(),
        Field(
            "action",
            Type.CHOICE,
            "What is done with a request that matches.",
            cli=EDIT,
            required=True,
            null_means_default=False,
            choices=ACTIONS,
        ),
        Field(
            "listener_id",
            Type.UUID,
            "The listener of the policy (name or ID).",
            api=FIXED,
            cli=Cli.CREATE | Cli.LIST,
            required=True,
            flag="listener",
            refers="listener",
            positional=True,
        ),
        Field(
            "redirect_pool_id",
            Type.UUID,
            "The pool of REDIRECT_TO_POOL (name or ID).",
            cli=EDIT,
            flag="redirect-pool",
            refers="pool",
        ),
        Field("redirect_url", Type.URL, "The URL of REDIRECT_TO_URL.", cli=EDIT),
        Field("redirect_prefix", Type.URL, "The prefix of REDIRECT_PREFIX, before the request's path.", cli=EDIT),
        Field(
            "position",
            Type.INTEGER,
            "The place among the listener's policies, from 1 (the last).",
            cli=EDIT,
            default=LAST_POSITION,
            minimum=1,
            maximum=LAST_POSITION,
        ),
        shared.references("rules", "Its rules."),
        shared.CREATED_AT,
        shared.UPDATED_AT,
        shared.tags("policy"),
        Field(
            "redirect_http_code",
            Type.INTEGER,
            "The status code of a redirect to a URL or a prefix (302).",
            since=9,
            choices=REDIRECT_CODES,
            filled=True,
        ),
    ),
    columns=("id", "name", "project_id", "provisioning_status", "action", "position", "admin_state_up"),
    rows=(
        "listener_id",
        "description",
        "admin_state_up",
        "rules",
        "project_id",
        "created_at",
        "provisioning_status",
        "updated_at",
        "redirect_pool_id",
        "redirect_url",
        "redirect_prefix",
        "action",
        "position",
        "id",
        "operating_status",
        "name",
        "redirect_http_code",
        "tags",
    ),
    alternatives=(Alternatives(("redirect_pool_id", "redirect_url", "redirect_prefix")),),
)
