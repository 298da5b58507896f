"""Read a seed file, projects, users, networks and load balancers, and load it into a server through its API."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import requests
import yaml
from urllib3.exceptions import InsecureRequestWarning

from ..cli.manifest import document, values
from ..cli.manifest.planner import Planner
from ..cli.schema import Declared, Position, label
from ..client import errors
from ..client.names import Names
from ..client.services import Services
from ..resources import LOADBALANCER, Api
from ..server import attributes
from ..server.identity import attributes as identity
from ..server.network import attributes as network
from ..server.testing.seeding import Access, SeedError

SECONDS = 60.0  # of a request to the server
ROLES = "roles"
USUAL_ROLES = ["member"]
PROJECT_KEYS = ("project_id", "default_project_id")  # take a name or an ID
TEXTS = (attributes.Type.TEXT, attributes.Type.ID, attributes.Type.ADDRESS, attributes.Type.CIDR)

Json = dict[str, Any]


@dataclass
class Item:
    """An object in a seed file, other than a load balancer."""

    kind: str
    path: str
    place: Position
    values: Json = field(default_factory=dict)
    places: dict[str, Position] = field(default_factory=dict)
    subnets: list[Item] = field(default_factory=list)


@dataclass(frozen=True)
class Kind:
    """The keys of the objects in a section: all of them, those whose text is kept as written, and the required ones."""

    name: str
    keys: frozenset[str]
    texts: frozenset[str]
    needed: tuple[str, ...]


def _section(
    kind: attributes.Kind, *more: str, needed: tuple[str, ...] | None = None, left_out: str | None = None
) -> Kind:
    given = [each for each in kind.attributes if Api.POST in each.api and each.name != left_out]
    texts = frozenset(each.name for each in given if each.type in TEXTS)
    required = tuple(each.name for each in given if each.is_required)
    return Kind(kind.name, frozenset({*(each.name for each in given), *more}), texts, needed or required)


SUBNETS = _section(network.SUBNETS, needed=("cidr",), left_out="network_id")
SECTIONS = {
    "projects": _section(identity.PROJECTS),
    "users": _section(identity.USERS, ROLES),
    "networks": _section(network.NETWORKS, needed=("name",)),
}


@dataclass
class SeedFile:
    """The content of a seed file."""

    items: dict[str, list[Item]]
    loadbalancers: list[Declared]

    def load(self, access: Access) -> None:
        """Create everything in a server. Raises SeedError with the place, the field and the server's reason."""
        loading = _Loading(access)
        for section in SECTIONS:  # users are in projects, and networks belong to them
            for item in self.items[section]:
                loading.create(section, item)
        for declared in self.loadbalancers:
            loading.create_loadbalancer(declared)


def read(path: Path) -> SeedFile:
    """Read and check a seed file. Raises SeedError with a line for each mistake."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise SeedError(f"{path}: it cannot be read: {error.strerror}.") from None
    items: dict[str, list[Item]] = {section: [] for section in SECTIONS}
    try:
        loadbalancers = document.read(
            str(path), content, {section: partial(_read_section, section, items[section]) for section in SECTIONS}
        )
    except document.Mistakes as mistakes:
        raise SeedError("\n".join(mistakes.lines)) from None
    return SeedFile(items, loadbalancers)


def _read_section(section: str, found: list[Item], reader: document.Reader, node: yaml.Node) -> None:
    if not values.is_null(node):
        _read_list(SECTIONS[section], section, found, reader, node)


def _read_list(kind: Kind, path: str, found: list[Item], reader: document.Reader, node: yaml.Node) -> None:
    with _reported(reader, path):
        for number, one in enumerate(values.elements(node)):
            with _reported(reader, f"{path}[{number}]"):
                found.append(_read_item(kind, f"{path}[{number}]", reader, one))


@contextmanager
def _reported(reader: document.Reader, path: str) -> Iterator[None]:
    """Report an invalid value with its path."""
    try:
        yield
    except values.InvalidValue as wrong:
        reader.add(reader.place(wrong.node), f"{path}: {wrong}")


def _read_item(kind: Kind, path: str, reader: document.Reader, node: yaml.Node) -> Item:
    values.pairs(node)  # raises if it is not a mapping
    mapping: Any = node
    reader.check_twice(node, path)
    reader.loader.flatten_mapping(mapping)
    item = Item(kind.name, path, reader.place(node))
    for key_node, value in values.pairs(node):
        key = values.text(key_node)
        if kind is SECTIONS["networks"] and key == network.SUBNETS.plural:
            _read_list(SUBNETS, f"{path}.{key}", item.subnets, reader, value)
        elif key in kind.keys:
            item.values[key] = _read_value(value, is_text=key in kind.texts)
            item.places[key] = reader.place(value)
        else:
            known = sorted({*kind.keys, *((network.SUBNETS.plural,) if kind is SECTIONS["networks"] else ())})
            hint = values.meant(key, known) or f"; it has {', '.join(known)}"
            reader.add(reader.place(key_node), f"{path}.{key}: a {kind.name} has no such key{hint}")
    for key in kind.needed:
        if key not in item.values:
            reader.add(item.place, f"{path}: {key} is missing")
    _check_roles(item, reader)
    return item


def _check_roles(item: Item, reader: document.Reader) -> None:
    roles = item.values.get(ROLES)
    if roles is None:
        return
    if not isinstance(roles, list) or not all(isinstance(role, str) for role in roles):
        reader.add(item.places[ROLES], f"{item.path}.{ROLES}: {roles!r} is not a list of names of roles")
    elif not item.values.get("default_project_id"):
        reader.add(item.places[ROLES], f"{item.path}.{ROLES}: default_project_id is missing, in which they are given")


def _read_value(node: Any, *, is_text: bool = False) -> Any:
    """Return a value; texts are taken as written, whatever YAML makes of them."""
    if values.is_null(node):
        return None
    if isinstance(node, yaml.SequenceNode):
        return [_read_value(one) for one in node.value]
    if isinstance(node, yaml.MappingNode):
        return {values.text(key): _read_value(value) for key, value in node.value}
    if not is_text and node.tag == f"{values.TAG}bool":
        return node.value.lower() in ("true", "yes", "on", "y")
    if not is_text and node.tag == f"{values.TAG}int" and re.fullmatch(r"-?[0-9]{1,18}", node.value):
        return int(node.value)
    return str(node.value)


class _Session:
    """Requests to the server with the admin's token; the proxies of the environment and certificates do not matter."""

    def __init__(self, token: str) -> None:
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.verify = False
        self._session.headers["X-Auth-Token"] = token

    def request(self, url: str, method: str, raise_exc: bool, **arguments: Any) -> requests.Response:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", InsecureRequestWarning)
            return self._session.request(method, url, timeout=SECONDS, **arguments)


class _Loading:
    """The creation of a seed's objects, one after the other."""

    def __init__(self, access: Access) -> None:
        session: Any = _Session(access.token)
        paths = {
            "load-balancer": "load-balancer",
            "network": "networking",
            "identity": "identity",
            "key-manager": "key-manager",
        }
        endpoints = {service: f"{access.url}/{path}" for service, path in paths.items()}
        self._services = Services(session, endpoints=endpoints)
        self._names = Names(self._services)
        self._planner = Planner(self._names, is_pruning=False)
        self._project_id = access.project_id

    def create(self, section: str, item: Item) -> None:
        """Create an object of a section with its parts. Raises SeedError."""
        body = self._body(item)
        if section == "networks":
            body.setdefault("project_id", self._project_id)
            made = self._made(item, lambda: self._services.network.post("/networks", {"network": body}))
            for subnet in item.subnets:
                given = {**self._body(subnet), "network_id": made["id"], "project_id": body["project_id"]}
                self._made(subnet, partial(self._services.network.post, "/subnets", {"subnet": given}))
            return
        roles = body.pop(ROLES, USUAL_ROLES)
        made = self._made(item, lambda: self._services.identity.post(f"/{section}", {item.kind: body}))
        if body.get("default_project_id"):
            for role in roles:
                self._give(item, made["id"], body["default_project_id"], role)

    def create_loadbalancer(self, declared: Declared) -> None:
        """Create a load balancer with all its parts. Raises SeedError."""
        name = label(LOADBALANCER, declared.values)
        try:
            plan = self._planner.plan(declared)
            if plan.tree is None:
                raise SeedError(f"{declared.place}: {name} exists already")
            body = {"project_id": self._project_id, **plan.tree}
            self._services.api.create(LOADBALANCER, body)
        except document.Mistakes as mistakes:
            raise SeedError("\n".join(mistakes.lines)) from None
        except errors.Error as error:
            raise SeedError(f"{declared.place}: {name}: {_reason(error)}") from None

    def _body(self, item: Item) -> Json:
        """Return the values of an object, with the IDs of projects in place of their names."""
        body = dict(item.values)
        for key in PROJECT_KEYS:
            if body.get(key):
                try:
                    body[key] = self._names.id("project", body[key])
                except errors.Error as error:
                    raise SeedError(f"{item.places[key]}: {item.path}.{key}: {_reason(error)}") from None
        return body

    def _made(self, item: Item, create: Callable[[], Json]) -> Json:
        try:
            made: Json = create()[item.kind]
        except errors.Error as error:
            raise SeedError(f"{_place(item, error)}: {item.path}: {_reason(error)}") from None
        return made

    def _give(self, item: Item, user_id: str, project_id: str, role: str) -> None:
        known = {each["name"]: each["id"] for each in self._services.identity.get("/roles")["roles"]}
        if role not in known:
            raise SeedError(
                f"{item.places[ROLES]}: {item.path}.{ROLES}: {role!r} is none of {', '.join(sorted(known))}"
            )
        self._services.identity.put(f"/projects/{project_id}/users/{user_id}/roles/{known[role]}")


def _place(item: Item, error: errors.Error) -> Position:
    """Return the place of the value that an error names, or of the object."""
    places: Mapping[str, Position] = item.places
    return next((places[key] for key in places if re.search(rf"\b{re.escape(key)}\b", str(error))), item.place)


def _reason(error: errors.Error) -> str:
    return " ".join(str(error.words if isinstance(error, errors.Refused) else error).split())
