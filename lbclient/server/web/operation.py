"""Descriptions of routes, for the OpenAPI document."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...resources import Resource

Schema = dict[str, Any]  # a JSON Schema
FOLLOW = "follow"  # the parameter that turns a list into a stream of server-sent events
READING = (400, 401, 403, 404, 406, 503)


@dataclass(frozen=True)
class Parameter:
    """A parameter in the query string of a URL."""

    name: str
    schema: Schema
    help: str


@dataclass(frozen=True)
class Operation:
    """One operation of the API; answer and body are None if it has none."""

    id: str
    summary: str
    resource: Resource
    answer: Schema | None = None
    status: int = 200
    body: Schema | None = None
    query: tuple[Parameter, ...] = ()
    refusals: tuple[int, ...] = READING
    makes: bool = False  # whether its answer has the ID of a new object

    @property
    def is_streamed(self) -> bool:
        """Whether it can answer with server-sent events instead."""
        return any(parameter.name == FOLLOW for parameter in self.query)
