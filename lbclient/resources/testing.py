"""Objects of the testing API: faults, paces and recorded requests. An addition to OpenStack's APIs."""

from __future__ import annotations

from . import shared
from .fields import NONE, READ, Alternatives, Api, Cli, Field, Resource, Type

SERVICES = ("load-balancer", "network", "identity", "key-manager")
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
PACED = ("loadbalancer", "listener", "pool", "member", "healthmonitor", "l7policy", "l7rule")
PACED_OPERATIONS = ("create", "update", "delete", "failover")
OUTCOMES = ("ACTIVE", "ERROR")
DAY = 86400
GIVEN = Api.POST | Api.GET


def _given(name: str, kind: Type, help: str, **more: object) -> Field:
    """An attribute that is set when the object is made and never changes."""
    options: dict[str, object] = {"api": GIVEN, "cli": Cli.CREATE, **more}
    return Field(name, kind, help, **options)  # type: ignore[arg-type]


def _counted(name: str, help: str) -> Field:
    return Field(name, Type.INTEGER, help, api=READ, cli=NONE, always=True)


FAULT = Resource(
    name="fault",
    title="Fault",
    key="fault",
    collection="faults",
    path="/faults",
    named=False,
    fields=(
        shared.ID,
        _given("service", Type.CHOICE, "Only requests to this service.", choices=SERVICES),
        _given(
            "resource", Type.STRING, "Only requests for this kind of object, such as listener, member, subnet or token."
        ),
        _given(
            "operation",
            Type.STRING,
            "Only this operation: list, show, create, update, delete, or the last word of the path (failover, stats).",
        ),
        _given("method", Type.CHOICE, "Only requests with this method.", choices=METHODS),
        _given("path", Type.STRING, "Only paths that match this pattern; * stands for any characters."),
        _given("project", Type.STRING, "Only requests with a token of this project.", refers="project"),
        _given("user_agent", Type.STRING, "Only user agents that match this pattern; * stands for any characters."),
        _given("status", Type.INTEGER, "The status to answer with, in the service's format.", minimum=400, maximum=599),
        _given("message", Type.STRING, "The text of that answer."),
        _given("retry_after", Type.INTEGER, "The Retry-After of that answer, in seconds.", minimum=0, maximum=DAY),
        _given("delay", Type.NUMBER, "Seconds to wait before the request is handled.", minimum=0, maximum=60),
        _given(
            "delay_sigma",
            Type.NUMBER,
            "Spread of the delay: it becomes log-normal, with the delay as its median and this sigma.",
            minimum=0,
            maximum=3,
        ),
        _given(
            "drop",
            Type.CHOICE,
            "Close the connection without an answer, before or after the request has taken effect.",
            choices=("before", "after"),
        ),
        _given("times", Type.INTEGER, "How often it strikes. Default: without end.", minimum=1, maximum=1000000),
        _given("after", Type.INTEGER, "How many matching requests pass first.", default=0, minimum=0, maximum=1000000),
        _given(
            "probability",
            Type.NUMBER,
            "The chance that a matching request fails.",
            default=1.0,
            minimum=0,
            maximum=1,
        ),
        _given("seed", Type.INTEGER, "The seed of chance and spread: the same seed gives the same faults.", minimum=0),
        _counted("matched", "How many requests matched."),
        _counted("hits", "How many requests the fault struck."),
    ),
    columns=("id", "resource", "operation", "status", "drop", "delay", "times", "hits"),
    rows=(
        *("id", "service", "resource", "operation", "method", "path", "project", "user_agent"),
        *("status", "message", "retry_after", "delay", "delay_sigma", "drop"),
        *("times", "after", "probability", "seed", "matched", "hits"),
    ),
)

PACE = Resource(
    name="pace",
    title="Pace",
    key="pace",
    collection="paces",
    path="/paces",
    named=False,
    fields=(
        shared.ID,
        _given("resource", Type.CHOICE, "Only changes of this kind of object.", choices=PACED),
        _given("operation", Type.CHOICE, "Only this operation.", choices=PACED_OPERATIONS),
        _given(
            "loadbalancer_id",
            Type.UUID,
            "Only changes of this load balancer.",
            flag="loadbalancer",
            refers="loadbalancer",
        ),
        _given("seconds", Type.NUMBER, "Stay PENDING for so many seconds.", minimum=0, maximum=DAY),
        _given("polls", Type.INTEGER, "Stay PENDING for so many GETs that show it.", minimum=1, maximum=1000000),
        _given("manual", Type.BOOLEAN, "Stay PENDING until released.", default=False),
        _given("outcome", Type.CHOICE, "The provisioning status at the end.", default="ACTIVE", choices=OUTCOMES),
        _given("reason", Type.STRING, "Why it is ERROR."),
        _given("times", Type.INTEGER, "For how many changes. Default: without end.", minimum=1, maximum=1000000),
        _counted("hits", "How many changes it held back."),
    ),
    columns=("id", "resource", "operation", "seconds", "polls", "manual", "outcome", "hits"),
    rows=(
        *("id", "resource", "operation", "loadbalancer_id", "seconds", "polls", "manual"),
        *("outcome", "reason", "times", "hits"),
    ),
    alternatives=(Alternatives(("seconds", "polls", "manual")),),
)


def _seen(name: str, kind: Type, help: str, cli: Cli = NONE) -> Field:
    return Field(name, kind, help, api=READ, cli=cli)


RECORDED_REQUEST = Resource(
    name="recorded_request",
    title="Request",
    key="request",
    collection="requests",
    path="/requests",
    named=False,
    identifier="number",
    fields=(
        _seen("number", Type.INTEGER, "Counts all requests since the start of the server."),
        _seen("at", Type.STRING, "When it was answered (UTC), with milliseconds."),
        _seen("method", Type.STRING, "Only requests with this method.", Cli.LIST),
        _seen("path", Type.STRING, "Only paths that match this pattern; * stands for any characters.", Cli.LIST),
        _seen("query", Type.STRING, "What followed the path."),
        _seen("user_agent", Type.STRING, "Only user agents that match this pattern; * stands for any.", Cli.LIST),
        _seen("project_id", Type.STRING, "The project of the token."),
        _seen("status", Type.INTEGER, "Only answers with this status.", Cli.LIST),
        _seen("milliseconds", Type.NUMBER, "How long it took."),
        _seen("fault", Type.STRING, "Only requests that this fault struck (ID).", Cli.LIST),
        _seen("request", Type.MAPPING, "The body of the request, without secrets."),
        _seen("answer", Type.MAPPING, "The body of the answer, without secrets."),
    ),
    columns=("number", "at", "method", "path", "status", "milliseconds"),
    rows=(
        *("number", "at", "method", "path", "query", "user_agent", "project_id", "status", "milliseconds", "fault"),
        *("request", "answer"),
    ),
)

SNAPSHOT_NAME = "[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
SNAPSHOT_NAMES = "1 to 64 letters, digits, dots, hyphens and underscores, the first a letter or a digit"
SNAPSHOT = Resource(
    name="snapshot",
    title="Snapshot",
    key="snapshot",
    collection="snapshots",
    path="/snapshots",
    identifier="name",
    fields=(_seen("name", Type.STRING, "The name."),),
    columns=("name",),
    rows=("name",),
)

ALL = (FAULT, PACE, RECORDED_REQUEST, SNAPSHOT)

SCALE_MAXIMUM = 100.0  # of the times of a preset
PRESETS: dict[str, tuple[tuple[str | None, str | None, float], ...]] = {
    # Octavia with amphorae, as measured on a public cloud: a VM has to boot; a part is a reload.
    "octavia": (("loadbalancer", "create", 63.0), ("loadbalancer", "delete", 3.0), (None, None, 4.0)),
    "fast": ((None, None, 0.5),),
}
