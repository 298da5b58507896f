"""The host: a machine that runs load balancers. An addition to Octavia's API, for operators."""

from __future__ import annotations

from . import shared
from .fields import FIXED, MUTABLE, NONE, READ, Api, Cli, Field, Resource, Type

STATES = ("UP", "DRAINING", "DEAD")


def _fact(name: str, kind: Type, help: str, *, always: bool = False) -> Field:
    return Field(name, kind, help, api=READ, cli=NONE, always=always, blank=True)


HOST = Resource(
    name="host",
    title="Host",
    key="host",
    collection="hosts",
    path="/octavia/hosts",
    fields=(
        shared.ID,
        Field("name", Type.STRING, "The name of the host.", api=FIXED, cli=Cli.LIST, required=True, unique=True),
        Field(
            "state",
            Type.CHOICE,
            "What operators want of it: load balancers, none, or that others take them over because it is off.",
            api=Api.PUT | Api.GET,
            cli=Cli.LIST,
            choices=STATES,
            null_means_default=False,
            always=True,
        ),
        _fact("heard", Type.BOOLEAN, "Whether its agent has called within the last seconds.", always=True),
        Field(
            "weight",
            Type.INTEGER,
            "Its share of new load balancers.",
            api=MUTABLE,
            cli=Cli.SET,
            default=100,
            minimum=0,
            maximum=10_000,
        ),
        Field(
            "zone",
            Type.STRING,
            "The compute_zone of the availability zones whose load balancers it takes; empty: of all.",
            api=MUTABLE,
            cli=Cli.SET | Cli.LIST,
            blank=True,
        ),
        _fact("loadbalancer_count", Type.INTEGER, "How many load balancers it has.", always=True),
        _fact("leaving_count", Type.INTEGER, "How many of them are on their way to other hosts.", always=True),
        _fact("fault", Type.STRING, "What is wrong with it."),
        _fact("networks", Type.STRING, "The networks that it reaches, with commas between; null: all."),
        _fact("address", Type.STRING, "The address that its agent called from last."),
        _fact("version", Type.STRING, "The version of its agent."),
        _fact("epoch", Type.INTEGER, "How often its agent has registered.", always=True),
        shared.CREATED_AT,
    ),
    columns=("id", "name", "state", "heard", "weight", "zone", "loadbalancer_count", "version", "fault"),
    rows=(
        *("id", "name", "state", "heard", "fault", "weight", "zone", "networks", "loadbalancer_count"),
        *("leaving_count", "address", "version", "epoch", "created_at"),
    ),
)
