"""What a route does, for the description of its API."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...resources import Resource

Schema = dict[str, Any]  # a JSON Schema
READING = (400, 401, 403, 404, 406, 503)


@dataclass(frozen=True)
class Parameter:
    """A word behind the question mark of a URL."""

    name: str
    schema: Schema
    help: str


@dataclass(frozen=True)
class Operation:
    """One thing that the API can be asked for; answer and body are None where there is none."""

    id: str
    summary: str
    resource: Resource
    answer: Schema | None = None
    status: int = 200
    body: Schema | None = None
    query: tuple[Parameter, ...] = ()
    refusals: tuple[int, ...] = READING
    makes: bool = False  # its answer tells the ID of a new object
