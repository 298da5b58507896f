"""Traffic logs: what is logged of a listener's requests and connections. An addition to Octavia's API."""

from __future__ import annotations

from .fields import NONE, Api, Field, Resource, Type

SETTING = Api.PUT | Api.GET
HEADERS = ("host", "user-agent", "referer")
HEADER = r"[a-z0-9-]{1,64}"
MOST_HEADERS = 8
SECRET_HEADERS = ("authorization", "cookie", "proxy-authorization", "set-cookie", "x-auth-token", "x-subject-token")

LOGGING = Resource(
    name="logging",
    title="traffic log",
    key="logging",
    collection="logging",
    path="/lbaas/listeners/{listener_id}/logging",
    named=False,
    fields=(
        Field("enabled", Type.BOOLEAN, "Whether traffic is logged.", api=SETTING, cli=NONE, default=False),
        Field(
            "sampling",
            Type.INTEGER,
            "One in so many requests or connections is logged.",
            api=SETTING,
            cli=NONE,
            default=1,
            minimum=1,
            maximum=10000,
        ),
        Field(
            "retention",
            Type.INTEGER,
            "The most megabytes of each listener's lines that are kept; the oldest lines are deleted first.",
            api=SETTING,
            cli=NONE,
            default=10,
            minimum=1,
            maximum=1000,
        ),
        Field("query", Type.BOOLEAN, "Whether query strings are logged, too.", api=SETTING, cli=NONE, default=False),
        Field(
            "headers",
            Type.STRINGS,
            "Headers of requests that are logged, in lower case; those with credentials cannot be.",
            api=SETTING,
            cli=NONE,
            default=HEADERS,
        ),
        Field(
            "trace",
            Type.BOOLEAN,
            "Whether HTTP requests continue or begin a trace: they get a header traceparent, and lines its ID.",
            api=SETTING,
            cli=NONE,
            default=False,
        ),
    ),
    columns=(),
    rows=(),
)
DEFAULTS = {
    field.name: list(field.default) if field.type is Type.STRINGS else field.default for field in LOGGING.fields
}
