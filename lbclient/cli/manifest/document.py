"""Parsing of a file into declared load balancers; every mistake names its line and column."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import yaml

from ...client.errors import WrongInput
from ...resources import LOADBALANCER, POOL, Field, Resource
from ...resources.tree import Part
from ..schema import NEEDED, PARTS, Declared, Position, identifying, identity, keys, label, title
from . import values
from .values import InvalidValue, meant

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
DEEPEST = 50  # maximum nesting of YAML; the schema needs about ten levels
REPEATED = 100_000  # values that aliases and merge keys may add to those that are written out
MOST_MISTAKES = 1000  # after which the rest of a file is not read
LIST_OF_ALL = LOADBALANCER.collection


class Mistakes(WrongInput):
    """The mistakes in a file, one line each."""

    def __init__(self, source: str, lines: list[str]) -> None:
        super().__init__(f"{source} has {len(lines)} mistake{'s' * (len(lines) > 1)}: nothing was changed.")
        self.lines = lines


def read(source: str, content: bytes, sections: Mapping[str, Section] | None = None) -> list[Declared]:
    """Return a file's load balancers, with pools from within listeners moved to the others. Raises Mistakes.

    `sections` are read by functions of the caller; in a file that has any of them, there need be no load balancer.
    """
    reader = Reader(source, sections or {})
    try:
        found = reader.documents(content)
    except TooMany:
        found = []
    if not reader.mistakes and not found and not reader.has_sections:
        reader.add(Position(source, 1, 1), "there is no load balancer in it")
    if reader.mistakes:
        raise Mistakes(source, [f"{place}: {words}" for place, words in sorted(reader.mistakes)])
    return found


class TooMany(Exception):
    """A file has too many mistakes, or aliases that repeat too much, to be read any further."""


class Reader:
    """The parser of one file, with the mistakes found so far."""

    def __init__(self, source: str, sections: Mapping[str, Section]) -> None:
        self.source = source
        self.sections = sections
        self.has_sections = False
        self.mistakes: list[tuple[Position, str]] = []
        self.inner: list[Declared] = []  # pools written in place of a reference
        self._room = REPEATED  # values that may still be read

    def add(self, place: Position, words: str) -> None:
        """Add a mistake. Raises TooMany after the last one that is told."""
        self.mistakes.append((place, words))
        if len(self.mistakes) == MOST_MISTAKES:
            self.mistakes.append((place, "there are more mistakes, which are not told"))
        if len(self.mistakes) > MOST_MISTAKES:
            raise TooMany

    def spend(self, node: yaml.Node, count: int) -> None:
        """Count values that are read: a small file can repeat a list in a list many times. Raises TooMany."""
        self._room -= count
        if self._room < 0:
            self.mistakes.append((self.place(node), "aliases and merge keys repeat too many values"))
            raise TooMany

    def place(self, node: yaml.Node) -> Position:
        return Position(self.source, node.start_mark.line + 1, node.start_mark.column + 1)

    def documents(self, content: bytes) -> list[Declared]:
        try:
            text = content.decode("utf-8-sig")
            self._room += _written(text)
            found = []
            loader = self.loader = LOADER(text)
            while loader.check_node():
                node: Any = loader.get_node()
                found += self._document(node)
        except UnicodeDecodeError as error:
            line = content[: error.start].count(b"\n") + 1
            self.add(Position(self.source, line, 1), "it is not UTF-8")
        except RecursionError:
            self.add(Position(self.source, 1, 1), "it is nested too deeply")
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            place = Position(self.source, mark.line + 1, mark.column + 1) if mark else Position(self.source, 1, 1)
            self.add(
                place, f"it is not valid YAML: {getattr(error, 'problem', None) or getattr(error, 'reason', error)}"
            )
        else:
            self._check_names(found)
            return found
        return []

    def _document(self, node: yaml.Node) -> list[Declared]:
        """Parse one load balancer, with or without the API's envelope, a list of them, or an empty document."""
        if values.is_null(node):
            return []
        try:
            pairs = values.pairs(node)
            if any(isinstance(key, yaml.ScalarNode) and key.value in self.sections for key, _ in pairs):
                return self._with_sections(node)
            if [key.value for key, _ in pairs if isinstance(key, yaml.ScalarNode)] == [LIST_OF_ALL]:
                return self._objects(pairs[0][1], Part(LIST_OF_ALL, LOADBALANCER), LIST_OF_ALL)
            if len(pairs) == 1 and pairs[0][0].value == LOADBALANCER.key:
                return [self._balancer(pairs[0][1], LOADBALANCER.key)]
            return [self._balancer(node, "")]
        except InvalidValue as wrong:
            self.add(self.place(wrong.node), str(wrong))
            return []

    def _with_sections(self, node: yaml.Node) -> list[Declared]:
        """Parse a document of sections, which can have a list of load balancers beside them."""
        self.has_sections = True
        self.check_twice(node, "")
        found: list[Declared] = []
        for key, value in values.pairs(node):
            if key.value == LIST_OF_ALL:
                found += self._objects(value, Part(LIST_OF_ALL, LOADBALANCER), LIST_OF_ALL)
            elif key.value in self.sections:
                self.sections[key.value](self, value)
            else:
                known = sorted([*self.sections, LIST_OF_ALL])
                self.add(self.place(key), f"{key.value}: there is no such section; there are {', '.join(known)}")
        return found

    def _objects(self, node: yaml.Node, part: Part, path: str) -> list[Declared]:
        if not part.is_list:
            return [] if values.is_null(node) else [self._object(node, part.resource, path)]
        read_one = self._balancer if part.resource is LOADBALANCER else self._object
        self.spend(node, len(values.elements(node)))
        found = []
        for number, one in enumerate(values.elements(node)):
            arguments: Any = (one, f"{path}[{number}]")
            if part.resource is not LOADBALANCER:
                arguments = (one, part.resource, f"{path}[{number}]")
            try:
                found.append(read_one(*arguments))
            except InvalidValue as wrong:
                self.add(self.place(wrong.node), f"{path}[{number}]: {wrong}")
        return found

    def _balancer(self, node: yaml.Node, path: str) -> Declared:
        self.inner = []
        found = self._object(node, LOADBALANCER, path)
        if self.inner:
            found.parts.setdefault("pools", []).extend(self.inner)
        return found

    def _object(self, node: yaml.Node, resource: Resource, path: str) -> Declared:
        values.pairs(node)  # raises if it is not a mapping
        self.check_twice(node, path)
        mapping: Any = node
        self.spend(node, _merged(mapping))
        self.loader.flatten_mapping(mapping)
        found = Declared(resource, self.place(node))
        known, parts = keys(resource), {part.name: part for part in PARTS.get(resource.name, ())}
        for key, (key_node, value_node) in {str(pair[0].value): pair for pair in values.pairs(node)}.items():
            where = f"{path}.{key}" if path else key
            try:
                if key in parts:
                    found.parts[key] = self._objects(value_node, parts[key], where)
                elif key in known:
                    found.values[key] = self._value(known[key], value_node, where)
                    found.places[key] = self.place(value_node)
                else:
                    self.add(self.place(key_node), _unknown(resource, where, key, [*known, *parts]))
            except InvalidValue as wrong:
                self.add(self.place(wrong.node), f"{where}: {wrong}")
                found.values.setdefault(key, None)
        self._check_needed(found, path)
        return found

    def _value(self, each: Field, node: yaml.Node, where: str) -> Any:
        if isinstance(node, yaml.CollectionNode):
            self.spend(node, _size(node))
        if each.refers == POOL.name and isinstance(node, yaml.MappingNode):
            if [key.value for key, _ in node.value] == ["name"]:
                return values.read(each, node.value[0][1])
            pool = self._object(node, POOL, where)
            self.inner.append(pool)
            return pool.values.get("name")
        return values.read(each, node)

    def check_twice(self, node: yaml.Node, path: str) -> None:
        """Report keys that a mapping has twice."""
        seen: dict[str, int] = {}
        for key, _ in values.pairs(node):
            word = values.text(key)
            if word in seen and word != "<<":
                self.add(self.place(key), f"{path}.{word}".lstrip(".") + f": it stands in line {seen[word]} already")
            seen.setdefault(word, key.start_mark.line + 1)

    def _check_needed(self, found: Declared, path: str) -> None:
        for key in identifying(found.resource):
            is_empty = key in NEEDED.get(found.resource.name, ()) and key in found.places and not found.values[key]
            if key not in found.values or is_empty:
                self.add(found.place, f"{path}: {key} is missing".lstrip(": "))

    def _check_names(self, found: list[Declared]) -> None:
        self._check_different(found)
        for balancer in found:
            for key in ("pools", "listeners"):
                self._check_different(balancer.parts.get(key, []))
            for pool in balancer.parts.get("pools", []):
                self._check_different(pool.parts.get("members", []))

    def _check_different(self, siblings: list[Declared]) -> None:
        """Report siblings with the same identity."""
        seen: dict[Any, Declared] = {}
        for one in siblings:
            if any(one.values.get(key) is None for key in identifying(one.resource)):
                continue  # already reported
            key = identity(one.resource, one.values)
            if key in seen:
                self.add(one.place, f"{label(one.resource, one.values)} stands in line {seen[key].place.line} already")
            seen.setdefault(key, one)


Section = Callable[[Reader, yaml.Node], None]


def _written(text: str) -> int:
    """Return how many values are written in a text. Raises RecursionError for nesting that would overflow a stack."""
    depth = count = 0
    for event in yaml.parse(text, Loader=LOADER):
        count += 1
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > DEEPEST:
            raise RecursionError
    return count


def _merged(node: yaml.MappingNode) -> int:
    """Return how many pairs a mapping has once its merge keys are followed, from which each mapping is read once."""
    sizes: dict[int, int] = {}

    def size(each: yaml.Node) -> int:
        if id(each) not in sizes:
            sizes[id(each)] = 0  # of one within itself, which is a mistake
            sizes[id(each)] = sum(map(size, _merged_parts(each))) or 1
        return sizes[id(each)]

    return size(node)


def _merged_parts(node: yaml.Node) -> list[yaml.Node]:
    """Return what the pairs of a mapping, or of a list of mappings, come from: its keys, and what it merges."""
    if isinstance(node, yaml.MappingNode):
        return [value if key.tag == values.MERGE else key for key, value in node.value]
    return node.value if isinstance(node, yaml.SequenceNode) else []


def _size(node: yaml.Node) -> int:
    """Return how many values there are in a value of an attribute: lists and mappings of at most two levels."""
    if not isinstance(node, yaml.CollectionNode):
        return 1
    inner = [value for pair in node.value for value in pair] if isinstance(node, yaml.MappingNode) else node.value
    return sum(len(each.value) if isinstance(each, yaml.CollectionNode) else 1 for each in inner)


def _unknown(resource: Resource, where: str, key: str, known: list[str]) -> str:
    near = meant(key.replace("-", "_"), known)
    if near:
        return f"{where}: a {title(resource)} has no such key{near}"
    return f"{where}: a {title(resource)} has no such key; it has {', '.join(sorted(known))}"
