"""The page at /: where to go from here."""

from __future__ import annotations

from .visit import Reply, Visit


def show(visit: Visit) -> Reply:
    return visit.page("home.html", options=visit.parts.options)
