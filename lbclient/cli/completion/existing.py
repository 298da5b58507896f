"""The names of objects in the cloud, with a short timeout and without error messages."""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from collections.abc import Mapping

from ...client import errors
from ...client.names import KINDS, Kind, Names
from ...client.rest import Json
from ...client.services import Services
from ...resources import BY_NAME
from ..program import Shell
from .cursor import Cursor

SECONDS = 2.0  # timeout for the cloud's answer: after this time users have typed the name themselves
# Attributes that distinguish objects, in addition to their names.
TELLING = (
    "address",
    "protocol_port",
    "vip_address",
    "type",
    "compare_type",
    "value",
    "action",
    "protocol",
    "role",
    "operating_status",
)


def names_of(place: Cursor, kind: str) -> list[tuple[str, str]]:
    """Return names with descriptions, or IDs for objects without a unique name.

    The list is empty after a timeout or an error.
    """
    found: list[tuple[str, str]] = []

    def ask() -> None:
        with contextlib.suppress(Exception):  # an error message would break the prompt
            found.extend(_asked(place, kind))

    # In a thread, because a host name lookup cannot be interrupted.
    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(SECONDS)
    return list(found)


def _asked(place: Cursor, kind: str) -> list[tuple[str, str]]:
    services, what = _services(place), KINDS[kind]
    parents = _parents(place, kind, services)
    if parents is None:
        return []
    records = _records(services, kind, what, parents)
    count = Counter(record.get(what.name) for record in records)
    found = []
    for record in records:
        name = str(record.get(what.name) or "")
        is_plain = name.isprintable() and (place.is_behind_dashes or place.prefix or not name.startswith("-"))
        is_enough = bool(name) and count[name] == 1 and is_plain
        word = name if is_enough else str(record[what.identifier])
        found.append((word, " ".join([*([] if is_enough else filter(None, [name])), *_telling(record)])))
    return found


def _services(place: Cursor) -> Services:
    """Return the services of the cloud that the global options before the cursor lead to."""
    app = Shell(place.before)
    words = []
    for action in place.program.actions:
        if action.dest.startswith("os_"):
            words += [f"{action.names[0]}={value}" for value in place.given.get(action.dest, ())]
        elif action.dest in ("insecure", "verify") and action.dest in place.given:
            words.append(action.names[0])
    app.options = app.parser.parse_known_args(words)[0]
    return app.services


def _telling(record: Json) -> list[str]:
    return [str(record[key]) for key in TELLING if isinstance(record.get(key), (str, int)) and record[key] != ""]


def _parents(place: Cursor, kind: str, services: Services) -> Mapping[str, str] | None:
    """Return the parents' IDs for the objects' path; None if they are not known."""
    parent = BY_NAME[kind].parent if kind in BY_NAME else None
    if not parent:
        return {}
    word = next(iter(place.given.get("parent") or place.given.get(parent) or ()), None)
    return {f"{parent}_id": Names(services).id(parent, word)} if word else None


def _records(services: Services, kind: str, what: Kind, parents: Mapping[str, str]) -> list[Json]:
    fields = list(dict.fromkeys([what.identifier, what.name, *_known(kind)]))
    rest = getattr(services, what.service)
    try:
        return list(rest.pages(what.path.format(**parents), what.collection, {"fields": fields}))
    except errors.Forbidden:
        return [_own_project(services)] if kind == "project" else []


def _known(kind: str) -> list[str]:
    resource = BY_NAME.get(kind)
    return [name for name in TELLING if resource and name in resource]


def _own_project(services: Services) -> Json:
    access = services.access()
    return {"id": access.project_id, "name": access.project_name}
