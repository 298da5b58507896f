"""Rendering of the templates: every text is escaped for HTML, and marks that steer or hide text are shown as such."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cached_property
from importlib import resources
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from ..client.safe_text import safe
from . import menu

if TYPE_CHECKING:
    from .visit import Visit

TYPES = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8", "svg": "image/svg+xml"}
GOOD, FAIR, BAD = ("ONLINE", "ACTIVE", "READY", "ALLOCATED"), ("DRAINING", "DEGRADED"), ("ERROR",)


class Renderer:
    """The templates and the files that they refer to."""

    def __init__(self) -> None:
        self._environment = Environment(
            loader=PackageLoader("lbclient.dashboard", "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            finalize=_shown,
        )
        self._environment.filters |= {
            "raw": raw,
            "tone": tone,
            "moment": moment,
            "amount": amount,
            "rate": rate,
            "milliseconds": milliseconds,
        }

    def page(self, visit: Visit, template: str, values: Mapping[str, Any]) -> str:
        notices: list[str] = []
        if visit.found and not visit.is_fragment:
            notices, visit.found.notices[:] = list(visit.found.notices), []
        found = self._environment.get_template(template)
        return found.render(
            {
                "visit": visit,
                "session": visit.found,
                "url": visit.url,
                "static": lambda name: visit.url(f"/dashboard/static/{name}?v={self.digests[name]}"),
                "menu": menu.of(visit) if visit.found else (),
                "here": visit.http.path,
                "notices": notices,
                **values,
            }
        )

    @cached_property
    def files(self) -> Mapping[str, tuple[str, bytes]]:
        """The scripts, styles and pictures by name, as tuples of their type and content."""
        place = resources.files("lbclient.dashboard") / "static"
        found = [each for folder in (place, place / "vendor") for each in folder.iterdir() if each.is_file()]
        return {
            each.name: (TYPES[ending], each.read_bytes())
            for each in found
            if (ending := each.name.rpartition(".")[2]) in TYPES
        }

    @cached_property
    def digests(self) -> Mapping[str, str]:
        return {name: hashlib.sha256(content).hexdigest()[:16] for name, (_, content) in self.files.items()}


def _shown(value: Any) -> Any:
    """Return a value as it is shown: marks that reverse or hide text, and control characters, become visible."""
    if value is None:
        return ""
    return safe(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def raw(value: Any) -> Markup:
    """Return a text for a field of a form, where it must stay as it is."""
    return escape("" if value is None else str(value))


def tone(status: Any) -> str:
    """Return the class of a status, which has a colour."""
    word = str(status or "")
    if word in GOOD:
        return "good"
    if word in FAIR or word.startswith("PENDING_"):
        return "fair"
    return "bad" if word in BAD else "idle"


def moment(text: Any) -> str:
    """Return a time of the API in a readable form."""
    return str(text or "").replace("T", " ").removesuffix("Z")


def amount(number: Any) -> str:
    """Return a number with thousands separated, or a dash."""
    return "–" if number is None else f"{number:,}"


def rate(number: float | None) -> str:
    """Return a number per second in a few digits, or a dash."""
    if number is None:
        return "–"
    return f"{number:,.0f}" if number >= 10 or number == 0 else f"{number:.1f}"


def milliseconds(number: float | None) -> str:
    """Return a time with its unit, or a dash."""
    return "–" if number is None else f"{number:,.0f} ms"
