"""The form of a file for load balancers that exist: what export writes, and apply takes."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import yaml

from ...client import errors, tree
from ...client.names import KINDS
from ...client.rest import Json, Rest
from ...client.safe_text import STEERING
from ...client.services import Services
from ...resources import LOADBALANCER, POOL, Api, Field, Resource, Type
from ..schema import PARTS, identifying, is_same, keys

ALLOCATED = ("vip_port_id", "project_id")  # specific to this load balancer or its project: not valid for another one
LINE_WIDTH = 100


def written(services: Services, balancers: Iterable[Json], *, is_full: bool = False, with_ids: bool = False) -> str:
    """Return load balancers as the text of a file."""
    api = services.api
    writer = Writer(_itself if with_ids else functools.partial(_name, services), is_full)
    names = Counter(balancer["name"] for balancer in api.list(LOADBALANCER, filters={"fields": "name"}))
    texts = []
    for balancer in balancers:
        declared = writer.balancer(tree.read(api, balancer), is_unique=names[balancer["name"]] == 1)
        texts.append(yaml.dump(declared, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=LINE_WIDTH))
    return "---\n".join(texts)


class Dumper(yaml.SafeDumper):
    """A YAML dumper that escapes marks that steer or hide text, such as \\u202e, and leaves other letters readable."""

    def write_double_quoted(self, text: str, split: bool = True) -> None:
        is_readable, self.allow_unicode = self.allow_unicode, self.allow_unicode and not STEERING.search(text)
        super().write_double_quoted(text, split)
        self.allow_unicode = is_readable


def _quoted(dumper: Dumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"' if STEERING.search(text) else None)


Dumper.add_representer(str, _quoted)


def _name(services: Services, kind: str, id_: str) -> str:
    """Return the name of the referenced object if it is unique, otherwise its ID."""
    what = KINDS[kind]
    service: Rest = getattr(services, what.service)
    try:
        found = list(service.pages(what.path, what.collection, {what.identifier: id_}))
        name = str(found[0].get(what.name) or "") if found else ""
        is_only = bool(name) and len(list(service.pages(what.path, what.collection, {what.name: name}))) == 1
    except errors.Error:  # keep the ID rather than fail
        is_only = False
    return name if is_only else id_


class Writer:
    """Conversion of existing objects into the form of a file."""

    def __init__(self, name_of: Callable[[str, str], str], is_full: bool) -> None:
        self._name_of = functools.cache(name_of)
        self._is_full = is_full
        self._pools: dict[str, str] = {}  # ID -> its name in the file

    def balancer(self, live: Json, *, is_unique: bool) -> Json:
        """Return a load balancer with its parts; objects without a unique name are named by their ID."""
        names = Counter(pool["name"] for pool in live["pools"])
        self._pools = {
            pool["id"]: pool["name"] if pool["name"] and names[pool["name"]] == 1 else pool["id"]
            for pool in live["pools"]
        }
        found = self._object(LOADBALANCER, live)
        if found.get("vip_subnet_id"):
            found.pop("vip_network_id", None)  # implied by the subnet
        return found if is_unique and live["name"] else {**found, "name": live["id"]}

    def _object(self, resource: Resource, live: Json) -> Json:
        found: Json = {"name": self._pools[live["id"]]} if resource is POOL else {}
        needed = identifying(resource)
        for key, each in keys(resource).items():
            value = live.get(each.name)
            is_told = self._is_full or key in needed or not is_same(each, None, value)
            if value is not None and is_told and Api.GET in each.api and each.name not in ALLOCATED:
                found.setdefault(key, self._value(each, value))
        for part in PARTS.get(resource.name, ()):
            if part.is_list:
                found[part.name] = [self._object(part.resource, one) for one in live[part.name]]
            elif live[part.name] or self._is_full:
                found[part.name] = live[part.name] and self._object(part.resource, live[part.name])
        return found

    def _value(self, each: Field, value: Any) -> Any:
        if each.type is Type.MAPPING:
            return {key: one for key, one in value.items() if one is not None}
        if each.type is Type.OBJECTS:
            return [self._pairs(each, one) for one in value]
        if each.refers == POOL.name:
            return self._pools.get(value, value)
        if each.refers and isinstance(value, list):
            return [self._name_of(each.refers, one) for one in value]
        if each.refers:
            return self._name_of(each.refers, value)
        return str(value) if each.type is Type.CHOICE else value

    def _pairs(self, each: Field, value: Mapping[str, Any]) -> Json:
        found = {key: value[key] for key in each.choices if value.get(key) is not None}
        key = f"{each.refers}_id"
        return {**found, key: self._name_of(str(each.refers), found[key])} if key in found else found


def _itself(kind: str, id_: str) -> str:
    return id_
