"""Constructors of the operations that describe the routes: parameters, request body and answer."""

from __future__ import annotations

from dataclasses import replace

from ....resources import AMPHORA, FLAVORS_AND_ZONES, HOST, LOADBALANCER, MEMBER, QUOTA, Resource
from ...web.operation import FOLLOW, READING, Operation, Parameter, Schema
from . import schemas
from .schemas import complete, list_of, name_of, ref, wrapped

WRITING = (*READING, 409, 413, 501)


FIELDS = Parameter("fields", {"type": "array", "items": {"type": "string"}}, "The attributes to answer (all).")
TEXT: Schema = {"type": "string"}
PAGING = (
    Parameter("limit", {"type": "string", "default": "1000"}, "How many at most; infinite, and less than 1, is 1000."),
    Parameter("marker", TEXT, "The ID of the last one of the page before."),
    Parameter("page_reverse", TEXT, "True: the page before the marker."),
    Parameter("sort", TEXT, "What to order by: name:asc,created_at:desc."),
    Parameter("sort_key", TEXT, "One attribute to order by."),
    Parameter("sort_dir", {"type": "string", "enum": ["asc", "desc"]}, "The direction of sort_key."),
    FIELDS,
)
TAGS = (
    Parameter("tags", TEXT, "Those that have all of these tags (commas between)."),
    Parameter("tags-any", TEXT, "Those that have one of these tags."),
    Parameter("not-tags", TEXT, "Those that lack one of these tags."),
    Parameter("not-tags-any", TEXT, "Those that have none of these tags."),
)


def list_all(resource: Resource) -> Operation:
    """GET of a collection, with paging."""
    links = resource.links or f"{resource.collection}_links"
    answer = wrapped(resource.collection, list_of(ref(name_of(resource))))
    answer["properties"][links] = list_of(ref("Link"))
    answer["required"] = [resource.collection, links]
    query = (*PAGING, *(TAGS if "tags" in resource else ()), *filters(resource))
    summary = f"List {plural(resource)}"
    return Operation(f"list_{resource.collection}", summary, resource, answer, query=query)


def list_every(resource: Resource) -> Operation:
    """GET of a collection beyond that of one parent."""
    summary = f"List {plural(resource)} of everything that the sender may see"
    return replace(list_all(resource), id=f"list_all_{resource.collection}", summary=summary)


def follow(operation: Operation) -> Operation:
    """Add the parameter that turns a list into a stream of server-sent events."""
    text = "Answer with server-sent events from now on; Last-Event-ID adds those that were missed."
    return replace(operation, query=(*operation.query, Parameter(FOLLOW, {"type": "boolean"}, text)))


def list_short(resource: Resource, key: str, what: str) -> Operation:
    """GET of a short collection, without paging; its elements have the attributes of the resource."""
    answer = wrapped(key, list_of(ref(name_of(resource))))
    query = (FIELDS, *filters(resource))
    return Operation(f"list_{key}", f"List {what}", resource, answer, query=query)


def show(resource: Resource) -> Operation:
    answer = wrapped(resource.key, ref(name_of(resource)))
    return Operation(f"show_{resource.name}", f"Show {_one(resource)}", resource, answer, query=(FIELDS,))


def create(resource: Resource) -> Operation:
    body = wrapped(resource.key, ref(name_of(resource, "Creation")))
    inner = complete(resource)
    if resource is LOADBALANCER:  # a load balancer created with its parts is answered in full
        inner = {"anyOf": [inner, ref(name_of(resource, "Tree"))]}
    answer = wrapped(resource.key, inner)
    summary = f"Create {_one(resource)}"
    found = Operation(f"create_{resource.name}", summary, resource, answer, 201, body, refusals=WRITING)
    return replace(found, makes=True)


def update(resource: Resource) -> Operation:
    body = wrapped(resource.key, ref(name_of(resource, "Change")))
    answer = wrapped(resource.key, complete(resource))
    summary = f"Change {_one(resource)}"
    return Operation(f"update_{resource.name}", summary, resource, answer, 200, body, refusals=WRITING)


def delete(resource: Resource) -> Operation:
    cascade = Parameter("cascade", {"type": "boolean"}, "Delete everything in it, too.")
    query = (cascade,) if resource is LOADBALANCER else ()
    summary = f"Delete {_one(resource)}"
    return Operation(f"delete_{resource.name}", summary, resource, status=204, query=query, refusals=WRITING)


def get(resource: Resource, id: str, summary: str, key: str, inner: Schema) -> Operation:
    """GET of further data about an object, such as its statistics."""
    return Operation(id, summary, resource, wrapped(key, inner))


def do(resource: Resource, id: str, summary: str) -> Operation:
    """PUT that is answered with 202 and has no body in either direction."""
    return Operation(id, summary, resource, status=202, refusals=WRITING)


def statistics(resource: Resource) -> Operation:
    return get(resource, f"show_{resource.name}_stats", "Show its counters", "stats", ref("Statistics"))


def performance() -> Operation:
    summary = "Show the requests and response times of everything in it"
    part: Schema = {
        "type": "object",
        "properties": {"requests": {"type": "integer"}, "response_milliseconds": {"type": ["number", "null"]}},
        "required": ["requests", "response_milliseconds"],
    }
    by_id: Schema = {"type": "object", "additionalProperties": part}
    return get(LOADBALANCER, "show_performance", summary, "performance", by_id)


def status(id: str) -> Operation:
    inner = wrapped("loadbalancer", ref("LoadBalancerStatus"))
    return get(LOADBALANCER, id, "Show the states of everything in it", "statuses", inner)


def member_statistics() -> Operation:
    return statistics(MEMBER)


def update_members() -> Operation:
    additive = Parameter("additive_only", {"type": "boolean"}, "Keep the members that are not given.")
    body = wrapped("members", list_of(ref(name_of(MEMBER, "Creation"))))
    summary = "Replace all members of a pool"
    return Operation("replace_members", summary, MEMBER, None, 202, body, (additive,), WRITING)


def show_quota(id: str, summary: str) -> Operation:
    return get(QUOTA, id, summary, "quota", complete(QUOTA))


def update_quota() -> Operation:
    return replace(update(QUOTA), status=202)


def reset_quota() -> Operation:
    return Operation("reset_quota", "Put a project's defaults back", QUOTA, status=202, refusals=WRITING)


def amphora_statistics() -> Operation:
    inner = list_of(ref("AmphoraStatistics"))
    return get(AMPHORA, "show_amphora_stats", "Show its counters by listener", "amphora_stats", inner)


def enroll_host() -> Operation:
    made: Schema = {"token": TEXT, "expires_at": {"type": "string", "pattern": schemas.TIME}}
    answer = wrapped("enrolment", {"type": "object", "properties": made, "required": [*made]})
    summary = "Make a token with which its agent gets a certificate"
    return Operation("enroll_host", summary, HOST, answer, 201, refusals=WRITING)


def filters(resource: Resource) -> tuple[Parameter, ...]:
    """Return the attributes by which a list can be filtered, besides its tags."""
    return tuple(
        Parameter(field.name, _asked(schemas.value(field)), f"Those with this {field.name}.")
        for field in resource.fields
        if field.stored and field.name != TAGS[0].name
    )


def _asked(schema: Schema) -> Schema:
    """The schema of a filter's value: an integer, a boolean, or any text; a value that no object has matches none."""
    return {"type": schema["type"]} if schema["type"] in ("integer", "boolean") else TEXT


def _one(resource: Resource) -> str:
    """Return the title with its article: an amphora, a listener."""
    words = sentence(resource)
    return f"an {words}" if words[0] in "aeiou" else f"a {words}"


def plural(resource: Resource) -> str:
    words = sentence(resource)
    if words.endswith("y"):
        return words[:-1] + "ies"
    return "amphorae" if words.endswith("a") and resource not in FLAVORS_AND_ZONES else words + "s"


def sentence(resource: Resource) -> str:
    """Return the title as written within a sentence: health monitor, L7 policy."""
    return " ".join(word if word[1].isdigit() else word.lower() for word in resource.title.split())
