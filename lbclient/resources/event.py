"""Events: what happened to a load balancer. An addition to Octavia's API."""

from __future__ import annotations

from . import shared
from .fields import NONE, READ, Cli, Field, Resource, Type

ACTIONS = ("create", "update", "delete", "failover", "apply", "observe")
WAYS = ("nothing", "runtime", "reloaded", "started", "stopped", "refused")
ALL_PATH = "/lbaas/events"  # those of all load balancers that one may see
PARTS = ("loadbalancer", "listener", "pool", "member", "healthmonitor", "l7policy", "l7rule")


def _fact(name: str, kind: Type, help: str, *, cli: Cli = NONE, choices: tuple[str, ...] = ()) -> Field:
    return Field(name, kind, help, api=READ, cli=cli, choices=choices, blank=True)


EVENT = Resource(
    name="event",
    title="event",
    key="event",
    collection="events",
    path="/lbaas/loadbalancers/{loadbalancer_id}/events",
    parent="loadbalancer",
    named=False,
    fields=(
        shared.ID,
        Field("created_at", Type.STRING, "When it happened (UTC), with milliseconds.", api=READ, cli=NONE, always=True),
        Field(
            "action",
            Type.CHOICE,
            "What a request did; apply: the data plane did something by itself; observe: an operating status changed.",
            api=READ,
            cli=Cli.LIST,
            choices=ACTIONS,
            always=True,
        ),
        Field(
            "resource",
            Type.CHOICE,
            "The kind of object that it happened to.",
            api=READ,
            cli=Cli.LIST,
            choices=PARTS,
            always=True,
        ),
        Field("resource_id", Type.UUID, "The object that it happened to.", api=READ, cli=Cli.LIST, always=True),
        _fact(
            "resource_name",
            Type.STRING,
            "Its name at that time; of a member without one, its address and port.",
            cli=Cli.LIST,
        ),
        Field("loadbalancer_id", Type.UUID, "The load balancer.", api=READ, cli=NONE, always=True),
        _fact("loadbalancer_name", Type.STRING, "The name of the load balancer at that time."),
        _fact("attributes", Type.MAPPING, "What a request gave."),
        _fact("user_id", Type.STRING, "Who sent the request."),
        _fact("user_name", Type.STRING, "The name of that user."),
        _fact("status", Type.CHOICE, "The new operating status.", choices=shared.OPERATING_STATUSES),
        _fact("how", Type.CHOICE, "How HAProxy took the change; null while it is under way.", choices=WAYS),
        _fact("milliseconds", Type.INTEGER, "How long that took."),
        _fact("reason", Type.STRING, "Why it was refused, or why the status changed."),
    ),
    columns=(
        "created_at",
        "action",
        "resource",
        "resource_name",
        "resource_id",
        "user_name",
        "status",
        "how",
        "milliseconds",
        "reason",
    ),
    rows=(),
)
