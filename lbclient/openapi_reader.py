"""Reads an OpenAPI document for the pages that show it to people."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Schema = Mapping[str, Any]
DEEPEST = 6
ID = "5b3c1c7e-2f0c-4c1c-9c39-6f1f0a2d7f11"


@dataclass(frozen=True)
class Row:
    """One attribute or parameter."""

    name: str
    kind: str
    help: str
    is_required: bool = False


class Reader:
    """Reads the parts of an OpenAPI document, such as the requests with their attributes and examples."""

    def __init__(self, document: Schema) -> None:
        self._document = document
        self._address = document["servers"][0]["url"]

    def operation(self, method: str, path: str, operation: Schema) -> dict[str, Any]:
        """Return what a page shows of a request, with a command of curl as the example."""
        sent = self._body(operation.get("requestBody"))
        answers = [
            (status, self._body(answer)) for status, answer in operation["responses"].items() if "$ref" not in answer
        ]
        return {
            "id": operation["operationId"],
            "method": method.upper(),
            "path": path,
            "summary": operation["summary"],
            "parameters": [
                Row(each["name"], self._kind(each["schema"]), each.get("description", ""), each.get("required", False))
                for each in operation["parameters"]
            ],
            "sent": list(self.rows(sent)) if sent else [],
            "answers": [(status, list(self.rows(schema)) if schema else []) for status, schema in answers],
            "refusals": [status for status, each in operation["responses"].items() if "$ref" in each],
            "example": self._example(method.upper(), path, sent),
        }

    @staticmethod
    def _body(holder: Schema | None) -> Schema | None:
        content = (holder or {}).get("content")
        return content["application/json"]["schema"] if content else None

    def _resolved(self, schema: Schema) -> Schema:
        """Return a schema with the properties of those that it refers to."""
        while "$ref" in schema:
            schema = self._document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        if "allOf" in schema:
            found: dict[str, Any] = {"properties": {}}
            for each in schema["allOf"]:
                inner = self._resolved(each)
                found = {**inner, **found, "properties": {**found["properties"], **inner.get("properties", {})}}
            return found
        if "anyOf" in schema and "properties" not in schema:
            objects = [inner for inner in map(self._resolved, schema["anyOf"]) if inner.get("type") != "null"]
            return objects[0] if objects else schema
        return schema

    def rows(self, schema: Schema) -> Iterator[Row]:
        """Yield the attributes of a body, those of the object within its envelope."""
        schema = self._resolved(schema)
        properties = schema.get("properties", {})
        if len(properties) == 1 or all(name.endswith("links") for name in list(properties)[1:]):
            for name, inner in list(properties.items())[:1]:
                within = self._resolved(inner)
                if within.get("type") == "array":
                    within = self._resolved(within.get("items", {}))
                if within.get("properties"):
                    yield from self._attributes(within, f"{name}.")
                    return
        yield from self._attributes(schema, "")

    def _attributes(self, schema: Schema, begin: str) -> Iterator[Row]:
        for name, inner in schema.get("properties", {}).items():
            found = {**self._resolved(inner), **inner}
            words = f"{found.get('description', '')}{_limits(found)}"
            yield Row(f"{begin}{name}", self._kind(inner), words, name in schema.get("required", ()))

    def _kind(self, schema: Schema) -> str:
        found = self._resolved(schema)
        kind = found.get("type", "object" if "properties" in found else "")
        text = " or ".join(kind) if isinstance(kind, list) else str(kind)
        return f"{text} of {self._kind(found['items'])}" if "items" in found else text

    def _example(self, method: str, path: str, sent: Schema | None) -> str:
        lines = [f'curl -H "X-Auth-Token: $TOKEN"{f" -X {method}" if method not in ("GET", "POST") else ""}']
        if sent:
            body = json.dumps(self._value(sent, 0), indent=2)
            lines.append(f"  -H 'Content-Type: application/json' -d '{body}'")
        lines.append(f"  '{self._address}{path}'")
        return " \\\n".join(lines)

    def _value(self, schema: Schema, depth: int, name: str = "") -> Any:
        """Return an example of a value: of an object, what it needs, or else its first attributes."""
        found = self._resolved(schema)
        if "example" in found:
            return found["example"]
        if "enum" in found:
            return found["enum"][0]
        kind = found.get("type")
        kind = next((each for each in kind if each != "null"), "null") if isinstance(kind, list) else kind
        if kind == "object" or "properties" in found:
            properties = found.get("properties", {})
            wanted = list(found.get("required", ())) or list(properties)[:2]
            return {
                each: self._value(properties[each], depth + 1, each)
                for each in wanted
                if each in properties and depth < DEEPEST
            }
        if kind == "array":
            return [self._value(found["items"], depth + 1)] if depth < DEEPEST else []
        if kind in ("integer", "number"):
            return EXAMPLES.get(name, max(1, found.get("minimum", 1)))
        if kind == "boolean":
            return True
        return EXAMPLES.get(name) or {"uuid": ID}.get(found.get("format", ""), name or "text")


EXAMPLES: Mapping[str, Any] = {
    "address": "192.0.2.10",
    "vip_address": "192.0.2.1",
    "protocol_port": 80,
    "delay": 5,
    "timeout": 3,
    "max_retries": 3,
    "value": "/shop",
    "flavor_data": '{"loadbalancer_topology": "SINGLE"}',
}


def _limits(schema: Schema) -> str:
    facts = []
    if "enum" in schema:
        facts.append("One of " + ", ".join(str(each) for each in schema["enum"] if each is not None) + ".")
    if "minimum" in schema and "maximum" in schema:
        facts.append(f"From {schema['minimum']} to {schema['maximum']}.")
    if "maxLength" in schema:
        facts.append(f"{schema['maxLength']} characters at most.")
    if schema.get("x-immutable"):
        facts.append("Never changes.")
    if schema.get("default") not in (None, "", [], {}):
        facts.append(f"Default: {schema['default']}.")
    return "".join(f" {fact}" for fact in facts)
