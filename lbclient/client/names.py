"""Look-up of IDs by name.

A word that looks like an ID is used as one without a request. Only if the server does not know the object is the word
looked up, first as an ID and then as a name, by `Names.confirm`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from .. import resources
from ..resources import testing
from . import errors
from .rest import Json, Rest
from .services import Services

UUID = re.compile(r"[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}", re.IGNORECASE)
SHOWN_AT_MOST = 3


@dataclass(frozen=True)
class Kind:
    """A kind of object that has names, and where objects of this kind are listed."""

    title: str  # the singular, for use in sentences
    titles: str
    service: str  # the attribute of Services
    path: str
    collection: str
    name: str = "name"  # the attribute that holds the name
    identifier: str = "id"


def _of_resource(resource: resources.Resource) -> Kind:
    words = (word if re.search(r"\d", word) else word.lower() for word in resource.title.split())
    title = " ".join(words)
    titles = f"{title[:-1]}ies" if title.endswith("y") else f"{title}s"
    name = "name" if resource.named else resource.identifier
    return Kind(title, titles, "loadbalancer", resource.path, resource.collection, name, resource.identifier)


KINDS: Mapping[str, Kind] = {
    **{resource.name: _of_resource(resource) for resource in (*resources.BY_NAME.values(), *testing.ALL)},
    "network": Kind("network", "networks", "network", "/networks", "networks"),
    "subnet": Kind("subnet", "subnets", "network", "/subnets", "subnets"),
    "port": Kind("port", "ports", "network", "/ports", "ports"),
    "router": Kind("router", "routers", "network", "/routers", "routers"),
    "security_group": Kind("security group", "security groups", "network", "/security-groups", "security_groups"),
    "qos_policy": Kind("QoS policy", "QoS policies", "network", "/qos/policies", "policies"),
    "floating_ip": Kind(
        "floating IP", "floating IPs", "network", "/floatingips", "floatingips", name="floating_ip_address"
    ),
    "project": Kind("project", "projects", "identity", "/projects", "projects"),
}

Parents = Mapping[str, str]


class Names:
    """Resolves the names that were given to one command, and caches the results."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self._found: dict[tuple[str, str, str], str] = {}
        self._records: dict[tuple[str, str], Json] = {}
        self._assumed: dict[tuple[str, str, str], Kind] = {}
        self._listed: dict[str, list[str]] = {}  # path -> existing names, for suggestions

    def id(self, kind: str, word: str, parents: Parents | None = None) -> str:
        """Return the ID of the object with this name or ID. Raises WrongUsage, UnknownName or Ambiguous."""
        what = KINDS[kind]
        if not word.strip():
            raise errors.WrongUsage(f"The name or ID of a {what.title} is empty.")
        key = (kind, what.path.format(**(parents or {})), word)
        if key not in self._found:
            self._found[key] = self._look_up(key, what)
        return self._found[key]

    def record(self, kind: str, id_: str) -> Json | None:
        """Return the object with this ID if a look-up by name has already fetched it."""
        return self._records.get((kind, id_))

    def confirm(self) -> bool:
        """Look up the words that were assumed to be IDs. Returns whether any of them is a name."""
        assumed, self._assumed = self._assumed, {}
        is_changed = False
        for (kind, path, word), what in assumed.items():
            if self._by(what, path, "id", word):
                continue
            found = self._by(what, path, what.name, word)
            if found:
                self._found[kind, path, word] = self._only(kind, what, path, word, found)
                is_changed = True
        return is_changed

    def _look_up(self, key: tuple[str, str, str], what: Kind) -> str:
        kind, path, word = key
        if what.name == what.identifier:
            return word
        if UUID.fullmatch(word):
            self._assumed[key] = what
            return word
        if kind == "project":
            return self._project(what, word)
        return self._only(kind, what, path, word, self._by(what, path, what.name, word))

    def _project(self, what: Kind, word: str) -> str:
        """Look up a project. Users who may not list projects can name their own; other words are taken as IDs."""
        try:
            found = self._by(what, what.path, what.name, word)
        except errors.Forbidden:
            access = self.services.access()
            return str(access.project_id) if access and access.project_name == word else word
        return self._only("project", what, what.path, word, found)

    def _only(self, kind: str, what: Kind, path: str, word: str, found: list[Json]) -> str:
        if not found:
            raise errors.UnknownName(self._unnamed(what, path, word))
        if len(found) > 1:
            ids = [str(one["id"]) for one in found]
            shown = ", ".join(ids[:SHOWN_AT_MOST]) + (", …" if len(ids) > SHOWN_AT_MOST else "")
            raise errors.Ambiguous(f"{len(ids)} {what.titles} have the name '{word}': give the ID instead ({shown}).")
        id_ = str(found[0]["id"])
        self._records[kind, id_] = found[0]
        return id_

    def _unnamed(self, what: Kind, path: str, word: str) -> str:
        """Return a message that no object has the name, with similar names from a list request."""
        from . import similar  # imported here, because it is needed only after a mistake

        said = f"No {what.title} has the name or ID '{word}'."
        if path not in self._listed:
            service: Rest = getattr(self.services, what.service)
            try:
                found = service.get(path, {"fields": what.name})[what.collection]
            except (errors.Error, KeyError):
                found = []
            self._listed[path] = [str(one[what.name]) for one in found if one.get(what.name)]
        question = similar.question(similar.closest(word, self._listed[path]))
        return f"{said} {question}" if question else said

    def _by(self, what: Kind, path: str, attribute: str, word: str) -> list[Json]:
        service: Rest = getattr(self.services, what.service)
        return list(service.pages(path, what.collection, {attribute: word}))
