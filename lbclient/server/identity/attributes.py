"""Definitions of the identity API's objects and their attributes, and checks of request bodies against them."""

from __future__ import annotations

from typing import Any

from ...resources import Api
from ...store.identity_tables import APPLICATION_CREDENTIAL, DOMAIN, PROJECT, ROLE, USER
from ...strings import is_storable
from .. import errors
from ..attributes import Attribute, Checker, Kind, Type, Values, Wording
from .passwords import LENGTH

NAME = Attribute("name", length=64, is_required=True)
ENABLED = Attribute("enabled", Type.BOOLEAN)
DOMAIN_ID = Attribute("domain_id", Type.TEXT, Api.POST, length=64, is_nullable=True)
PARENT_ID = Attribute("parent_id", Type.TEXT, Api.POST, length=64, is_nullable=True)
TAGS = Attribute("tags", Type.LIST)
DESCRIPTION = Attribute("description", length=65535, is_nullable=True)

DOMAINS = Kind("domain", "domains", DOMAIN, (NAME, DESCRIPTION, ENABLED, TAGS), filters=("name", "enabled"))
PROJECTS = Kind(
    "project",
    "projects",
    PROJECT,
    (NAME, DESCRIPTION, ENABLED, TAGS, DOMAIN_ID, PARENT_ID),
    filters=("name", "enabled", "domain_id", "parent_id"),
)
USERS = Kind(
    "user",
    "users",
    USER,
    (
        Attribute("name", length=255, is_required=True),
        DESCRIPTION,
        ENABLED,
        DOMAIN_ID,
        Attribute("email", is_nullable=True),
        Attribute("password", length=LENGTH, is_nullable=True),
        Attribute("default_project_id", length=64, is_nullable=True),
    ),
    filters=("name", "enabled", "domain_id"),
)
ROLES = Kind(
    "role",
    "roles",
    ROLE,
    (Attribute("name", length=255, is_required=True), DESCRIPTION),
    filters=("name",),
)
CREDENTIALS = Kind(
    "application_credential",
    "application_credentials",
    APPLICATION_CREDENTIAL,
    (
        Attribute("name", length=255, is_required=True),
        DESCRIPTION,
        Attribute("secret", length=LENGTH, is_nullable=True),
        Attribute("expires_at", is_nullable=True),
        Attribute("unrestricted", Type.BOOLEAN),
    ),
    filters=("name",),
)


def values(kind: Kind, body: Any, is_new: bool) -> Values:
    """Check and return the attributes in a body; unknown ones are ignored. Raises errors.BadRequest."""
    return CHECKER.values(kind.attributes, section(body, kind.name), Api.POST if is_new else Api.PUT)


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
    wanted = (Attribute(name, length=length, is_required=True),)
    checked: str = CHECKER.values(wanted, given)[name]
    return checked


def _text(attribute: Attribute, value: Any) -> str:
    text = CHECKER.text(attribute, value)
    if attribute.name != "name":
        return text
    if not text.strip():
        raise ValueError(f"{text!r} is empty")
    return text.strip()


def _tags(attribute: Attribute, value: Any) -> list[str]:
    if not isinstance(value, list):
        raise WORDING.of(WORDING.wrong_type, attribute, value)
    if not all(isinstance(tag, str) and is_storable(tag) for tag in value):
        raise ValueError("a tag is no string")
    return value


WORDING = Wording(
    wrong_type="{value!r} is not of type '{type}'",
    unstorable="it contains a NUL character",
    too_long="it is longer than {limit} characters",
)
CHECKER = Checker(
    WORDING,
    error=lambda name, reason: errors.BadRequest(f"Invalid input for field '{name}': {reason}"),
    missing=lambda name: errors.BadRequest(f"'{name}' is a required property"),
    checks={Type.TEXT: _text, Type.LIST: _tags},
)
