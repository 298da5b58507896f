"""Render the document as an HTML page without scripts or external resources."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import Any

from .document import Document

POLICY = "default-src 'none'; style-src 'unsafe-inline'"  # the browser may only display the page
STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; color: #222; }
nav a { margin-right: 1rem; white-space: nowrap; }
h2 { margin: 2.5rem 0 .5rem; border-bottom: 1px solid #ccc; }
details { border: 1px solid #ddd; border-radius: 4px; margin: .3rem 0; }
summary { padding: .35rem .6rem; cursor: pointer; }
details > div { padding: .2rem 1rem 1rem; }
code, .method { font-family: ui-monospace, monospace; font-size: 13px; }
.method { display: inline-block; width: 4.5em; text-align: center; color: #fff; border-radius: 3px; }
.get { background: #1c6fb5; } .post { background: #2e8540; }
.put { background: #b3640b; } .delete { background: #b52b27; }
table { border-collapse: collapse; width: 100%; margin: .3rem 0; }
th, td { text-align: left; vertical-align: top; padding: .25rem .6rem .25rem 0; border-bottom: 1px solid #eee; }
th { font-weight: 600; } td:first-child { white-space: nowrap; } .quiet { color: #666; float: right; }
"""
ROWS = ("Attribute", "Type", "Meaning")


def render(document: Document) -> str:
    """Return the whole page as HTML."""
    info, tags = document["info"], document["tags"]
    links = " ".join(f'<a href="#{_anchor(tag["name"])}">{escape(tag["name"])}</a>' for tag in tags)
    sections = "".join(_section(document, tag) for tag in tags)
    schemas = "".join(_schema(name, schema) for name, schema in document["components"]["schemas"].items())
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(info["title"])}</title>'
        f"<style>{STYLE}</style></head><body><h1>{escape(info['title'])} {escape(info['version'])}</h1>"
        f'<p>{escape(info["summary"])} For programs: <a href="openapi.json">openapi.json</a>. '
        f"Paths are below <code>{escape(document['servers'][0]['url'])}</code>.</p>"
        f'<nav>{links} <a href="#schemas">Schemas</a></nav>{sections}<h2 id="schemas">Schemas</h2>{schemas}'
        "</body></html>"
    )


def _section(document: Document, tag: dict[str, str]) -> str:
    found = [
        _operation(method, path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if tag["name"] in operation["tags"]
    ]
    return f'<h2 id="{_anchor(tag["name"])}">{escape(tag["name"])}</h2>{"".join(found)}'


def _operation(method: str, path: str, operation: dict[str, Any]) -> str:
    parts = [
        _table("Parameters", [(f"{each['name']} ({each['in']})", *_facts(each)) for each in operation["parameters"]]),
        _body("Body", operation.get("requestBody")),
        *(_body(f"Answer {status}", each) for status, each in operation["responses"].items() if "$ref" not in each),
        f"<p>Refusals: {', '.join(s for s, each in operation['responses'].items() if '$ref' in each)}.</p>",
    ]
    badge = f'<span class="method {method}">{method.upper()}</span>'
    title = f'{badge} <code>{escape(path)}</code> <span class="quiet">{escape(operation["summary"])}</span>'
    opening = f'<details id="{escape(operation["operationId"])}">'
    return f"{opening}<summary>{title}</summary><div>{''.join(parts)}</div></details>"


def _facts(parameter: dict[str, Any]) -> tuple[str, str]:
    return _kind(parameter["schema"]), escape(parameter.get("description", ""))


def _body(title: str, holder: dict[str, Any] | None) -> str:
    if not holder or "content" not in holder:
        return f"<p>{title}: empty.</p>" if holder else ""
    schema = holder["content"]["application/json"]["schema"]
    return _table(title, list(_rows(schema)))


def _schema(name: str, schema: dict[str, Any]) -> str:
    return (
        f'<details id="schema-{escape(name)}"><summary><code>{escape(name)}</code></summary>'
        f"<div>{_table('', list(_rows(schema)))}</div></details>"
    )


def _table(title: str, rows: list[tuple[str, str, str]]) -> str:
    if not rows:
        return ""
    head = "".join(f"<th>{cell}</th>" for cell in ROWS)
    lines = "".join(f"<tr><td><code>{name}</code></td><td>{kind}</td><td>{text}</td></tr>" for name, kind, text in rows)
    return f"<h4>{escape(title)}</h4><table><tr>{head}</tr>{lines}</table>"


def _rows(schema: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    required = schema.get("required", ())
    for name, inner in schema.get("properties", {}).items():
        star = " *" if name in required else ""
        yield escape(name) + star, _kind(inner), escape(inner.get("description", "")) + _limits(inner)


def _kind(schema: dict[str, Any]) -> str:
    """Describe the type of a schema in a few words, with links to the schemas it refers to."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f'<a href="#schema-{escape(name)}">{escape(name)}</a>'
    for word in ("anyOf", "allOf"):
        if word in schema and "type" not in schema:
            return " or ".join(dict.fromkeys(filter(None, map(_kind, schema[word]))))
    kind = schema.get("type", "")
    words = [word for word in (kind if isinstance(kind, list) else [kind]) if word]
    text = " or ".join(escape(word) for word in words)
    return f"{text} of {_kind(schema['items'])}" if "items" in schema else text


def _limits(schema: dict[str, Any]) -> str:
    facts = []
    if "enum" in schema:
        facts.append("One of " + ", ".join(f"<code>{escape(str(each))}</code>" for each in schema["enum"]) + ".")
    for word, title in (("minimum", "From"), ("maximum", "to"), ("maxLength", "Characters at most:")):
        if word in schema:
            facts.append(f"{title} {schema[word]}.")
    if schema.get("x-immutable"):
        facts.append("Never changes.")
    if "default" in schema:
        facts.append(f"Default: <code>{escape(str(schema['default']))}</code>.")
    return "".join(f" {fact}" for fact in facts)


def _anchor(title: str) -> str:
    return escape(title.lower().replace(" ", "-"))
