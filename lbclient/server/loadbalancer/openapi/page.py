"""Render the document as an HTML page without scripts or external resources."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from ....openapi_reader import Reader, Row
from .document import Document

POLICY = "default-src 'none'; style-src 'unsafe-inline'"  # the browser may only display the page
STYLE = """
:root { color-scheme: light dark; --text: #222; --quiet: #595f66; --line: #ccd3da; --sheet: #f4f6f8; --link: #1b5fa8; }
@media (prefers-color-scheme: dark) {
  :root { --text: #e4e8ec; --quiet: #a3adb8; --line: #3a444e; --sheet: #1b2229; --link: #7db4f0; }
}
body { font: 15px/1.45 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
body { color: var(--text); }
a { color: var(--link); } nav a { display: inline-block; margin: 0 1rem .3rem 0; }
h2 { margin: 2.5rem 0 .5rem; border-bottom: 1px solid var(--line); } h3 { font-size: 1rem; margin: 1rem 0 .2rem; }
details { border: 1px solid var(--line); border-radius: 4px; margin: .3rem 0; }
summary { padding: .35rem .6rem; cursor: pointer; overflow-wrap: anywhere; }
details > div { padding: .2rem 1rem 1rem; overflow-x: auto; }
code, pre, .method { font-family: ui-monospace, monospace; font-size: 13px; }
pre { background: var(--sheet); padding: .75rem; border-radius: 4px; overflow-x: auto; }
.method { display: inline-block; width: 4.5em; text-align: center; color: #fff; border-radius: 3px; }
.get { background: #1c6fb5; } .post { background: #2a7a3b; } .put { background: #99550a; }
.delete { background: #b52b27; }
table { border-collapse: collapse; width: 100%; margin: .3rem 0; }
th, td { text-align: left; vertical-align: top; padding: .25rem .6rem .25rem 0; border-bottom: 1px solid var(--line); }
th { font-weight: 600; } td:first-child { white-space: nowrap; } .quiet { color: var(--quiet); }
"""
ROWS = ("Attribute", "Type", "Meaning")


def render(document: Document) -> str:
    """Return the whole page as HTML."""
    info, tags = document["info"], document["tags"]
    reader = Reader(document)
    links = " ".join(f'<a href="#{_anchor(tag["name"])}">{escape(tag["name"])}</a>' for tag in tags)
    sections = "".join(_section(reader, document, tag) for tag in tags)
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(info["title"])}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style></head><body><main>'
        f"<h1>{escape(info['title'])} {escape(info['version'])}</h1>"
        f'<p>{escape(info["summary"])} For programs: <a href="openapi.json">openapi.json</a>. '
        f"Paths are below <code>{escape(document['servers'][0]['url'])}</code>. "
        f"A token is in the header <code>X-Auth-Token</code>.</p>"
        f'<nav aria-label="Kinds of objects">{links}</nav>{sections}</main></body></html>'
    )


def _section(reader: Reader, document: Document, tag: dict[str, str]) -> str:
    found = [
        _operation(reader.operation(method, path, operation))
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if tag["name"] in operation["tags"]
    ]
    return f'<h2 id="{_anchor(tag["name"])}">{escape(tag["name"])}</h2>{"".join(found)}'


def _operation(shown: dict[str, Any]) -> str:
    answers = [
        _table(f"Answer {status}", rows) or f"<p>Answer {status}: empty.</p>" for status, rows in shown["answers"]
    ]
    parts = [
        f'<h3>Example</h3><pre tabindex="0">{escape(shown["example"])}</pre>',
        _table("Parameters", shown["parameters"]),
        _table("Body", shown["sent"]),
        *answers,
        f"<p>Refusals: {', '.join(shown['refusals'])}.</p>",
    ]
    badge = f'<span class="method {shown["method"].lower()}">{shown["method"]}</span>'
    title = f'{badge} <code>{escape(shown["path"])}</code> <span class="quiet">{escape(shown["summary"])}</span>'
    return f'<details id="{escape(shown["id"])}"><summary>{title}</summary><div>{"".join(parts)}</div></details>'


def _table(title: str, rows: Sequence[Row]) -> str:
    if not rows:
        return ""
    head = "".join(f'<th scope="col">{cell}</th>' for cell in ROWS)
    lines = "".join(
        f"<tr><td><code>{escape(row.name)}</code>{' <b>required</b>' if row.is_required else ''}</td>"
        f"<td>{escape(row.kind)}</td><td>{escape(row.help)}</td></tr>"
        for row in rows
    )
    return f"<h3>{escape(title)}</h3><table><tr>{head}</tr>{lines}</table>"


def _anchor(title: str) -> str:
    return escape(title.lower().replace(" ", "-"))
