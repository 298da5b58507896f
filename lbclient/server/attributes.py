"""Attributes of objects in the identity, network and key-manager APIs, and checks of request bodies against them.

Each service defines its kinds of objects with Attribute, and has a Checker with its own wording.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import Any

import sqlalchemy as sa

from ..resources import Api
from ..strings import is_storable
from .errors import BadRequest

Values = dict[str, Any]


class Type(enum.Enum):
    """The type of an attribute's value."""

    TEXT = "string"
    BOOLEAN = "boolean"
    INTEGER = "integer"
    OBJECT = "object"
    LIST = "array"
    ID = "UUID"
    ADDRESS = "IP address"
    CIDR = "IP subnet"
    PROTOCOL = "IP protocol"
    TEXTS = "list of strings"
    OBJECTS = "list of objects"
    IDS = "list of UUIDs"
    ADDRESSES = "list of IP addresses"
    POOLS = "list of address ranges"  # [{"start": …, "end": …}]


READ = Api.GET
BOTH = Api.POST | Api.PUT | Api.GET  # PUT stands for PATCH, too


@dataclass(frozen=True)
class Attribute:
    """One attribute, with its column if that has another name; without a column it is constant or computed."""

    name: str
    type: Type = Type.TEXT
    api: Api = BOTH
    _: KW_ONLY
    column: str | None = ""  # "": the attribute's name; None: no column
    constant: Any = None
    is_required: bool = False
    is_nullable: bool = False
    for_admins: bool = False  # whether only admins may set it
    shortest: int = 0  # characters of a text
    length: int | None = 255  # characters of a text at most; None: any number
    choices: tuple[str, ...] = ()
    minimum: int = 0
    maximum: int = 2**31 - 1  # of a number, or of the elements of a list or an object

    @property
    def column_name(self) -> str | None:
        return self.name if self.column == "" else self.column


@dataclass(frozen=True)
class Kind:
    """A kind of object: its names, its table and its attributes."""

    name: str
    plural: str
    table: sa.Table
    attributes: tuple[Attribute, ...]
    _: KW_ONLY
    title: str = ""  # its name in errors
    not_found: str = ""  # the type of the error for an unknown ID
    path: str = ""  # below the version, if it is not the plural
    filters: tuple[str, ...] = ()

    def __getitem__(self, name: str) -> Attribute | None:
        return next((attribute for attribute in self.attributes if attribute.name == name), None)


Check = Callable[[Attribute, Any], Any]  # returns the stored form of a value; raises ValueError with the reason


@dataclass(frozen=True)
class Wording:
    """The reasons for refusing a value, in a service's words: format strings.

    They may contain {value}, {short} (its first characters), {type}, {choices} and {limit}.
    """

    wrong_type: str
    unstorable: str
    too_long: str
    too_short: str = ""
    not_a_choice: str = ""
    too_small: str = ""
    too_large: str = ""
    shown: int = 80  # the number of characters in {short}

    def of(self, reason: str, attribute: Attribute, value: Any, limit: int | None = None) -> ValueError:
        """Return the error for a value."""
        short, choices = str(value)[: self.shown], list(attribute.choices)
        return ValueError(
            reason.format(value=value, short=short, type=attribute.type.value, choices=choices, limit=limit)
        )


@dataclass(frozen=True)
class Checker:
    """Checks values of request bodies, with a service's wording, and its own checks where it has other rules."""

    wording: Wording
    error: Callable[[str, str], BadRequest]  # returns the error for an attribute's name and a reason
    missing: Callable[[str], BadRequest]  # returns the error for a required attribute
    checks: Mapping[Type, Check] = field(default_factory=dict)

    def require(self, attributes: tuple[Attribute, ...], given: Mapping[str, Any]) -> None:
        """Check that no required attribute is missing. Raises BadRequest."""
        for attribute in attributes:
            if attribute.is_required and attribute.name not in given:
                raise self.missing(attribute.name)

    def values(self, attributes: tuple[Attribute, ...], given: Mapping[str, Any], verb: Api = Api.POST) -> Values:
        """Check and return the attributes that the verb may set; others are ignored. Raises BadRequest."""
        if verb is Api.POST:
            self.require(attributes, given)
        return {
            attribute.name: self.value(attribute, given[attribute.name])
            for attribute in attributes
            if attribute.name in given and verb in attribute.api
        }

    def value(self, attribute: Attribute, value: Any) -> Any:
        """Check one value and return it in its stored form. Raises BadRequest."""
        if value is None and attribute.is_nullable:
            return None
        try:
            return self.checks.get(attribute.type, self._strict)(attribute, value)
        except (TypeError, ValueError) as error:
            why = str(error) or f"'{value}' is not a valid {attribute.type.value}."
            raise self.error(attribute.name, why) from None

    def text(self, attribute: Attribute, value: Any) -> str:
        """Check a string. Raises ValueError."""
        words = self.wording
        if not isinstance(value, str):
            raise words.of(words.wrong_type, attribute, value)
        if not is_storable(value):
            raise words.of(words.unstorable, attribute, value)
        if len(value) < attribute.shortest:
            raise words.of(words.too_short, attribute, value, attribute.shortest)
        if attribute.length is not None and len(value) > attribute.length:
            raise words.of(words.too_long, attribute, value, attribute.length)
        if attribute.choices and value not in attribute.choices:
            raise words.of(words.not_a_choice, attribute, value)
        return value

    def _strict(self, attribute: Attribute, value: Any) -> Any:
        """Check a value that must have the attribute's type in JSON. Raises ValueError."""
        if attribute.type is Type.TEXT:
            return self.text(attribute, value)
        words = self.wording
        if type(value) is not STRICT[attribute.type]:
            raise words.of(words.wrong_type, attribute, value)
        if isinstance(value, int):
            self._check_size(attribute, value, int(value), words.too_small, words.too_large)
        elif isinstance(value, (list, dict)):
            self._check_size(attribute, value, len(value), words.too_short, words.too_long)
        return value

    def _check_size(self, attribute: Attribute, value: Any, size: int, too_small: str, too_large: str) -> None:
        if size < attribute.minimum:
            raise self.wording.of(too_small, attribute, value, attribute.minimum)
        if size > attribute.maximum:
            raise self.wording.of(too_large, attribute, value, attribute.maximum)


STRICT = {Type.BOOLEAN: bool, Type.INTEGER: int, Type.OBJECT: dict, Type.LIST: list}
