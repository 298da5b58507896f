"""Fields and resources as JSON Schema, for request bodies and for answers."""

from __future__ import annotations

from collections.abc import Callable

from ....resources import ALL, BY_NAME, LOADBALANCER, QUOTA, STATISTICS, Api, Field, Resource, Type
from ....resources.quota import SPELLINGS
from ....resources.shared import OPERATING_STATUSES, PROVISIONING_STATUSES
from ....resources.tree import LEFT_OUT, OWNERS, PARTS, Part
from ...web.operation import Schema

TIME = r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}$"
ALIAS = "tenant_id"  # of project_id
TEXT: Schema = {"type": "string"}
ID: Schema = {"type": "string", "format": "uuid"}
REFERENCE: Schema = {"type": "object", "properties": {"id": ID}, "required": ["id"], "additionalProperties": False}


def ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def name_of(resource: Resource, suffix: str = "") -> str:
    """Return the name of a resource's schema: HealthMonitor, HealthMonitorCreation, …"""
    return resource.title.replace(" ", "") + suffix


def wrapped(key: str, inner: Schema) -> Schema:
    """The schema of an object with one key."""
    return {"type": "object", "properties": {key: inner}, "required": [key], "additionalProperties": False}


def list_of(inner: Schema) -> Schema:
    return {"type": "array", "items": inner}


def components() -> dict[str, Schema]:
    """Return every schema that operations refer to, by name."""
    found: dict[str, Schema] = {}
    for resource in BY_NAME.values():
        found[name_of(resource)] = _answered(resource)
        if any(Api.POST in field.api for field in resource.fields) and resource is not QUOTA:
            found[name_of(resource, "Creation")] = _sent(resource, Api.POST)
        if any(Api.PUT in field.api for field in resource.fields):
            found[name_of(resource, "Change")] = _sent(resource, Api.PUT)
    _add_parts(found[name_of(LOADBALANCER, "Creation")], LOADBALANCER)
    for resource in ALL:
        if resource is not LOADBALANCER:
            found[name_of(resource, "Part")] = _part(resource)
        found[name_of(resource, "Tree")] = _tree(resource)
    return {**found, **_statistics(), **_statuses(), **ERRORS}


def value(field: Field, is_null: bool = False) -> Schema:
    """The schema of a field's value; with is_null, null is allowed too."""
    schema = SCHEMAS[field.type](field)
    if is_null:
        kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        schema["type"] = [*kinds, "null"]
        if "enum" in schema:
            schema["enum"] = [*schema["enum"], None]
    return schema


def _described(field: Field, schema: Schema, resource: Resource, is_answer: bool = False) -> Schema:
    facts: Schema = {"description": field.help}
    if Api.POST not in field.api and Api.PUT not in field.api and is_answer:
        facts["readOnly"] = True
    if Api.POST in field.api and Api.PUT not in field.api:
        facts["x-immutable"] = True
    if max(field.since, resource.since):
        facts["x-since"] = f"2.{max(field.since, resource.since)}"
    return {**schema, **facts}


def _answered(resource: Resource) -> Schema:
    """The schema of one object in an answer; no attribute is required, because fields= can leave any of them out."""
    properties = {
        field.name: _described(field, value(field, _may_be_null(resource, field)), resource, is_answer=True)
        for field in resource.fields
        if Api.GET in field.api
    }
    return _object(_with_aliases(resource, properties))


def complete(resource: Resource) -> Schema:
    """The schema of the answer to a POST or PUT, in which every attribute is required."""
    names = [f.name for f in resource.fields if Api.GET in f.api and (f.stored or f.type is Type.REFERENCES)]
    required = list(_with_aliases(resource, {name: {} for name in names}))
    return {"allOf": [ref(name_of(resource)), {"required": required}]}


def _with_aliases(resource: Resource, properties: dict[str, Schema]) -> dict[str, Schema]:
    """Add the attributes that answers repeat under another name."""
    aliases = SPELLINGS if resource is QUOTA else {}
    found = dict(properties)
    for name, other in {**aliases, "project_id": ALIAS}.items():
        if name in properties:
            found[other] = {**properties[name], "description": f"The same as {name}."}
    return found


def _sent(resource: Resource, verb: Api) -> Schema:
    """The schema of a resource's attributes in a request body."""
    fields = [field for field in resource.fields if verb in field.api]
    is_new = verb is Api.POST
    properties = {}
    for field in fields:
        is_null = not field.required if is_new else field.null_means_default
        properties[field.name] = _described(field, value(field, is_null), resource)
        if not field.required and field.default is not None and is_new:
            properties[field.name]["default"] = list(field.default) if field.default == () else field.default
    required = [field.name for field in fields if field.required and is_new]
    found = _object(_with_aliases(resource, properties), required)
    if is_new and resource in ALL:
        wanted = [each for each in resource.alternatives if each.required]
        if wanted:
            found["anyOf"] = [{"required": [name]} for each in wanted for name in each.names]
    return found


def _part(resource: Resource) -> Schema:
    """The schema of one part in a request that creates a load balancer with its parts."""
    found = _sent(resource, Api.POST)
    found.pop("anyOf", None)
    for name in (*OWNERS, ALIAS):
        found["properties"].pop(name, None)
    found["required"] = [name for name in found.get("required", ()) if name in found["properties"]]
    _add_parts(found, resource)
    return found


def _add_parts(schema: Schema, resource: Resource) -> None:
    for part in PARTS[resource.name]:
        schema["properties"][part.name] = _given(part)


def _given(part: Part) -> Schema:
    inner = ref(name_of(part.resource, "Part"))
    if part.by_name:
        named = {**wrapped("name", TEXT), "description": f"The {part.resource.title.lower()} of that name."}
        inner = {"anyOf": [inner, named]}
    return list_of(inner) if part.is_list else {"anyOf": [inner, {"type": "null"}]}


def _tree(resource: Resource) -> Schema:
    """The schema of one object that is answered with all of its parts in full."""
    found = _answered(resource)
    left_out = LEFT_OUT.get(resource.name, ())
    found["properties"] = {name: each for name, each in found["properties"].items() if name not in left_out}
    found["required"] = [name for name in found.get("required", ()) if name not in left_out]
    for part in PARTS[resource.name]:
        inner = ref(name_of(part.resource, "Tree"))
        if not part.by_name:
            found["properties"][part.name] = list_of(inner) if part.is_list else {"anyOf": [inner, {"type": "null"}]}
    return found


def _object(properties: dict[str, Schema], required: list[str] | None = None) -> Schema:
    found: Schema = {"type": "object", "properties": properties, "additionalProperties": False}
    return {**found, "required": required} if required else found


def _may_be_null(resource: Resource, field: Field) -> bool:
    """Whether an answer can show null: the attribute is not always present and has no default."""
    is_always = field.required or field.always or field.type is Type.REFERENCES or field.name == resource.identifier
    return not is_always and field.default is None


def _string(field: Field) -> Schema:
    schema: Schema = {"type": "string", "maxLength": field.length}
    return {**schema, "pattern": f"^(?:{field.pattern})$"} if field.pattern else schema


def _integer(field: Field) -> Schema:
    limits = {"minimum": field.minimum, "maximum": field.maximum}
    schema = {"type": "integer", **{name: limit for name, limit in limits.items() if limit is not None}}
    return {**schema, "enum": [int(choice) for choice in field.choices]} if field.choices else schema


def _number(field: Field) -> Schema:
    limits = {"minimum": field.minimum, "maximum": field.maximum}
    return {"type": "number", **{name: limit for name, limit in limits.items() if limit is not None}}


def _choice(field: Field) -> Schema:
    if field.as_number:
        return {"type": ["number", "string"], "enum": [*map(float, field.choices), *field.choices]}
    return {"type": "string", "enum": list(field.choices)}


def _strings(field: Field) -> Schema:
    element: Schema = dict(ID) if field.refers else {"type": "string", "maxLength": field.length}
    return {"type": "array", "items": {**element, "enum": list(field.choices)} if field.choices else element}


def _mapping(field: Field) -> Schema:
    if field.parts:
        return _parts_of(field)
    if not field.choices:
        return {"type": "object"}
    return _object({choice: {"type": ["string", "null"], "maxLength": field.length} for choice in field.choices})


def _parts_of(field: Field) -> Schema:
    return _object(
        {part.name: {**value(part, not part.required), "description": part.help} for part in field.parts},
        [part.name for part in field.parts if part.required],
    )


SCHEMAS: dict[Type, Callable[[Field], Schema]] = {
    Type.STRING: _string,
    Type.INTEGER: _integer,
    Type.NUMBER: _number,
    Type.BOOLEAN: lambda field: {"type": "boolean"},
    Type.CHOICE: _choice,
    Type.UUID: lambda field: dict(ID),
    Type.ADDRESS: lambda field: {"type": "string", "anyOf": [{"format": "ipv4"}, {"format": "ipv6"}]},
    Type.URL: lambda field: {"type": "string", "format": "uri", "maxLength": field.length},
    Type.TIME: lambda field: {"type": "string", "pattern": TIME},
    Type.STRINGS: _strings,
    Type.MAPPING: _mapping,
    Type.OBJECTS: lambda field: {"type": "array", "items": _parts_of(field)},
    Type.REFERENCES: lambda field: list_of(dict(REFERENCE)),
}


def _statistics() -> dict[str, Schema]:
    counters: Schema = {name: {"type": "integer", "minimum": 0} for name in STATISTICS}
    place: Schema = dict.fromkeys(("id", "listener_id", "loadbalancer_id"), ID)
    return {
        "Statistics": _object(counters, list(counters)),
        "AmphoraStatistics": _object({**counters, **place}, [*counters, *place]),
    }


def _statuses() -> dict[str, Schema]:
    """The schemas of the status tree, from the load balancer down to its members."""
    states: Schema = {
        "id": ID,
        "name": TEXT,
        "operating_status": {"type": "string", "enum": list(OPERATING_STATUSES)},
        "provisioning_status": {"type": "string", "enum": list(PROVISIONING_STATUSES)},
    }
    member: Schema = {**states, **_fields("member", "address", "protocol_port")}
    check = _object({"at": TEXT, "status": TEXT, "reason": TEXT}, ["at", "status", "reason"])
    monitor: Schema = {**states, **_fields("healthmonitor", "type")}
    pool: Schema = {
        **states,
        "members": list_of(ref("MemberStatus")),
        "health_monitor": {"anyOf": [ref("HealthMonitorStatus"), {"type": "null"}]},
    }
    fault = {**TEXT, "description": "Why it is in ERROR."}
    balancer: Schema = {**states, "listeners": list_of(ref("ListenerStatus"))}
    return {
        "MemberStatus": _object({**member, "last_check": check}, list(member)),
        "HealthMonitorStatus": _object(monitor, list(monitor)),
        "PoolStatus": _object(pool, list(pool)),
        "ListenerStatus": _object({**states, "pools": list_of(ref("PoolStatus"))}, [*states, "pools"]),
        "LoadBalancerStatus": _object({**balancer, "fault": fault}, list(balancer)),
    }


def _fields(resource: str, *names: str) -> dict[str, Schema]:
    return {name: value(BY_NAME[resource][name]) for name in names}


LINK = _object({"href": {"type": "string", "format": "uri"}, "rel": {"enum": ["next", "previous"]}}, ["href", "rel"])

_FAULT: Schema = {
    "faultcode": {"type": "string", "enum": ["Client", "Server"]},
    "faultstring": {**TEXT, "description": "The error message."},
    "debuginfo": {"type": "null"},
}
_REFUSED: Schema = {"code": {"type": "integer"}, "title": TEXT}
ERRORS: dict[str, Schema] = {
    "Link": LINK,
    "Fault": {**_object(_FAULT, list(_FAULT)), "description": "An error of the API."},
    "Busy": {
        **_object({**_FAULT, "holder": {"type": "object"}}, [*_FAULT, "holder"]),
        "description": "Another change of the load balancer is under way; holder says which, and since when.",
    },
    "Refusal": {
        **_object({**_REFUSED, "description": {"type": ["string", "null"]}}, ["code", "title", "description"]),
        "description": "An unknown path, method or content type, or an invalid limit.",
    },
    "Unauthorized": {
        **wrapped("error", _object({**_REFUSED, "message": TEXT}, ["code", "title", "message"])),
        "description": "The token is missing, invalid or expired.",
    },
}
