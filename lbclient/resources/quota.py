"""The quota: how many objects of each kind a project may have."""

from __future__ import annotations

from .fields import MUTABLE, READ, Cli, Field, Resource, Type

UNLIMITED = -1
CHANGE = Cli.SET | Cli.UNSET


def limit(name: str, what: str, since: int = 0) -> Field:
    return Field(
        name,
        Type.INTEGER,
        f"The most {what} (-1: no limit).",
        api=MUTABLE,
        cli=CHANGE,
        since=since,
        default=UNLIMITED,
        minimum=UNLIMITED,
        maximum=2000000000,
    )


# Answers repeat two limits under the words that the API had for them first.
SPELLINGS = {"loadbalancer": "load_balancer", "healthmonitor": "health_monitor"}

QUOTA = Resource(
    name="quota",
    title="Quota",
    key="quota",
    collection="quotas",
    path="/lbaas/quotas",
    argument="project",
    named=False,
    fields=(
        Field("project_id", Type.STRING, "The project.", api=READ, cli=Cli.LIST, flag="project", refers="project"),
        limit("loadbalancer", "load balancers"),
        limit("listener", "listeners"),
        limit("member", "members"),
        limit("pool", "pools"),
        limit("healthmonitor", "health monitors"),
        limit("l7policy", "L7 policies", since=19),
        limit("l7rule", "L7 rules", since=19),
    ),
    columns=(
        "project_id",
        "load_balancer",
        "listener",
        "pool",
        "health_monitor",
        "member",
        "l7policy",
        "l7rule",
    ),
    rows=("load_balancer", "listener", "pool", "health_monitor", "member", "l7policy", "l7rule"),
    identifier="project_id",
    former_names=tuple((former, name) for name, former in SPELLINGS.items()),
)

# Objects of the network API and the key manager, whose quotas are options of the server alone.
BESIDE = (
    "network",
    "subnet",
    "port",
    "router",
    "floatingip",
    "security_group",
    "security_group_rule",
    "qos_policy",
    "secret",
    "container",
)
LIMITS = tuple(field.name for field in QUOTA.fields if field.name != QUOTA.identifier)
