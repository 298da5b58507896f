"""Fields and resources: frozen data, without behaviour.

Everything that has to know a fact of a field (flags, checks, columns, tables, documents) reads it from here.
"""

from __future__ import annotations

import enum
from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from typing import Any


class Type(enum.Enum):
    """The type of a field's value, as JSON carries it."""

    STRING = "string"
    INTEGER = "integer"
    NUMBER = "number"  # with a fraction
    BOOLEAN = "boolean"
    CHOICE = "choice"  # a string out of Field.choices
    UUID = "uuid"
    ADDRESS = "address"  # an IPv4 or IPv6 address
    URL = "url"
    TIME = "time"  # whole seconds, UTC, no zone: 2026-01-31T12:00:00
    STRINGS = "strings"  # a list of strings
    MAPPING = "mapping"  # an object whose values are strings or null
    OBJECTS = "objects"  # a list of objects
    REFERENCES = "references"  # a list of {"id": ...}: computed, never stored


class Api(enum.Flag):
    """Where a field stands in the API: in the body of POST, in the body of PUT, in answers."""

    POST = enum.auto()
    PUT = enum.auto()
    GET = enum.auto()


class Cli(enum.Flag):
    """The commands that have a flag for a field."""

    CREATE = enum.auto()
    SET = enum.auto()
    UNSET = enum.auto()
    LIST = enum.auto()


READ = Api.GET
FIXED = Api.POST | Api.GET  # given at creation, never changed
MUTABLE = Api.POST | Api.PUT | Api.GET
INPUT = Api.POST  # taken at creation, answered under another name

NONE = Cli(0)
EDIT = Cli.CREATE | Cli.SET
ALL = Cli.CREATE | Cli.SET | Cli.UNSET


@dataclass(frozen=True)
class Field:
    """One attribute of a resource; its name is the name in the API, in the database and in every program."""

    name: str
    type: Type
    help: str
    _: KW_ONLY
    api: Api = MUTABLE
    cli: Cli = ALL
    since: int = 0  # the API's minor version, v2.<since>
    required: bool = False  # in the body of POST, and as a flag of create
    default: Any = None
    null_means_default: bool = True  # in PUT; False: null is refused
    stored: bool = True  # has a column
    choices: tuple[str, ...] = ()  # of a CHOICE, or of each element of STRINGS, or the keys of a MAPPING or an OBJECTS
    value_choices: tuple[tuple[str, tuple[str, ...]], ...] = ()  # of a MAPPING: the choices of a key's value
    minimum: int | None = None
    maximum: int | None = None
    length: int = 255  # characters at most
    unique: bool = False  # no two objects have the same
    pattern: str | None = None  # a regular expression that the whole value matches
    refers: str | None = None  # the kind of thing an ID names (of an OBJECTS: its key <kind>_id): a name is taken, too
    in_key_manager: bool = False  # the key manager's reference of what it keeps
    filled: bool = False  # without a value, the server puts one that it chooses
    flag: str | None = None  # where it is not the name with hyphens; "on/off" is a pair of switches
    unset_flag: str | None = None  # where unset names it differently
    positional: bool = False  # create takes it as an argument
    aliases: tuple[str, ...] = ()  # flags that are understood but not shown
    clear_words: bool = False  # create and set take none, null or void for null
    always: bool = False  # no answer has null for it, though it has no default
    parts: tuple[Field, ...] = ()  # of a MAPPING or an OBJECTS: what each object has
    as_number: bool = False  # of a CHOICE: answers carry it as a number
    blank: bool = False  # tables show nothing, rather than None, where it has no value


@dataclass(frozen=True)
class Alternatives:
    """Fields of which a command takes one at most."""

    names: tuple[str, ...]
    required: bool = False  # create wants one of them


@dataclass(frozen=True)
class Resource:
    """A kind of object: its words, its place in the API, its fields, its columns."""

    name: str  # in commands and in programs
    title: str  # in sentences, and in the API's errors
    key: str  # around one object in JSON
    collection: str  # around a list in JSON
    path: str  # of the collection, below the API's version
    fields: tuple[Field, ...]  # in the order of the API's answers
    columns: tuple[str, ...]  # of list
    rows: tuple[str, ...]  # of show and create
    parent: str | None = None  # the resource inside whose path it lives
    argument: str = ""  # how show, set, unset and delete name their argument (the name)
    former_names: tuple[tuple[str, str], ...] = ()  # rows that repeat a field under the name it once had
    named: bool = True  # can be found by name
    alternatives: tuple[Alternatives, ...] = ()
    identifier: str = "id"  # the attribute that names one in a path, and in a marker
    since: int = 0  # the API's minor version, v2.<since>
    links: str = ""  # the key of the links to further pages (the collection with _links behind it)

    @cached_property
    def creatable(self) -> tuple[Field, ...]:
        """The fields that a POST may have."""
        return tuple(field for field in self.fields if Api.POST in field.api)

    @cached_property
    def changeable(self) -> tuple[Field, ...]:
        """The fields that a PUT may have."""
        return tuple(field for field in self.fields if Api.PUT in field.api)

    def __getitem__(self, name: str) -> Field:
        """The field of that name. Raises KeyError."""
        for field in self.fields:
            if field.name == name:
                return field
        raise KeyError(name)

    def __contains__(self, name: str) -> bool:
        return any(field.name == name for field in self.fields)
