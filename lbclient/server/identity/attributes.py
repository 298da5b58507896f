"""Definitions of the identity API's objects and their attributes, and checks of request bodies against them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from ...store.identity_tables import APPLICATION_CREDENTIAL, DOMAIN, PROJECT, ROLE, USER
from ...strings import is_storable
from .. import errors
from .passwords import LENGTH

Values = dict[str, Any]


@dataclass(frozen=True)
class Attribute:
    """An attribute that a request body may contain."""

    name: str
    type: type
    length: int = 255
    is_required: bool = False
    is_nullable: bool = False
    is_fixed: bool = False  # can be set only at creation


@dataclass(frozen=True)
class Kind:
    """A kind of object: its names, table, attributes and filters."""

    name: str
    plural: str
    table: sa.Table
    attributes: tuple[Attribute, ...]
    filters: tuple[str, ...]


NAME = Attribute("name", str, 64, is_required=True)
ENABLED = Attribute("enabled", bool)
DOMAIN_ID = Attribute("domain_id", str, 64, is_nullable=True, is_fixed=True)
TAGS = Attribute("tags", list)


DESCRIPTION = Attribute("description", str, 65535, is_nullable=True)

DOMAINS = Kind("domain", "domains", DOMAIN, (NAME, DESCRIPTION, ENABLED, TAGS), ("name", "enabled"))
PROJECTS = Kind(
    "project",
    "projects",
    PROJECT,
    (NAME, DESCRIPTION, ENABLED, TAGS, DOMAIN_ID, Attribute("parent_id", str, 64, is_nullable=True, is_fixed=True)),
    ("name", "enabled", "domain_id", "parent_id"),
)
USERS = Kind(
    "user",
    "users",
    USER,
    (
        Attribute("name", str, 255, is_required=True),
        DESCRIPTION,
        ENABLED,
        DOMAIN_ID,
        Attribute("email", str, is_nullable=True),
        Attribute("password", str, LENGTH, is_nullable=True),
        Attribute("default_project_id", str, 64, is_nullable=True),
    ),
    ("name", "enabled", "domain_id"),
)
ROLES = Kind(
    "role",
    "roles",
    ROLE,
    (Attribute("name", str, 255, is_required=True), DESCRIPTION),
    ("name",),
)
CREDENTIALS = Kind(
    "application_credential",
    "application_credentials",
    APPLICATION_CREDENTIAL,
    (
        Attribute("name", str, 255, is_required=True),
        DESCRIPTION,
        Attribute("secret", str, LENGTH, is_nullable=True),
        Attribute("expires_at", str, is_nullable=True),
        Attribute("unrestricted", bool),
    ),
    ("name",),
)


def values(kind: Kind, body: Any, is_new: bool) -> Values:
    """Check and return the attributes in a body; unknown ones are ignored. Raises errors.BadRequest."""
    given = section(body, kind.name)
    if is_new:
        for attribute in kind.attributes:
            if attribute.is_required and attribute.name not in given:
                raise errors.BadRequest(f"'{attribute.name}' is a required property")
    return {
        attribute.name: _checked(attribute, given[attribute.name])
        for attribute in kind.attributes
        if attribute.name in given and (is_new or not attribute.is_fixed)
    }


def section(body: Any, name: str) -> Values:
    """Return the object under a key of the body. Raises errors.BadRequest."""
    if not isinstance(body, dict):
        raise errors.BadRequest(f"Expecting to find {name} in request body.")
    if name not in body:
        raise errors.BadRequest(f"'{name}' is a required property")
    found = body[name]
    if not isinstance(found, dict):
        raise errors.BadRequest(f"Invalid input for field '{name}': it should be an object.")
    return found


def text(given: Values, name: str, length: int = 65535) -> str:
    """Return a required string. Raises errors.BadRequest."""
    if name not in given:
        raise errors.BadRequest(f"'{name}' is a required property")
    checked: str = _checked(Attribute(name, str, length), given[name])
    return checked


def _checked(attribute: Attribute, value: Any) -> Any:
    if value is None and attribute.is_nullable:
        return None
    why = _what_is_wrong(attribute, value)
    if why:
        raise errors.BadRequest(f"Invalid input for field '{attribute.name}': {why}")
    return value.strip() if attribute.name == "name" else value


def _what_is_wrong(attribute: Attribute, value: Any) -> str | None:
    if type(value) is not attribute.type:
        return f"{value!r} is not of type '{TYPES[attribute.type]}'"
    if isinstance(value, list):
        return None if all(isinstance(tag, str) and is_storable(tag) for tag in value) else "a tag is no string"
    if not isinstance(value, str):
        return None
    if len(value) > attribute.length:
        return f"it is longer than {attribute.length} characters"
    if not is_storable(value):
        return "it contains a NUL character"
    if attribute.name == "name" and not value.strip():
        return f"{value!r} is empty"
    return None


TYPES = {str: "string", bool: "boolean", list: "array"}
