"""The operator's file of webhooks: an INI file with a section for each."""

from __future__ import annotations

import base64
import binascii
import configparser
import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from ...resources.event import ACTIONS
from ...strings import reason

NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}")
PREFIX = "whsec_"
KEY_BYTES = range(24, 65)  # the Standard Webhooks' lengths of a key
OPTIONS = ("url", "secret", "project", "actions", "ca")


class InvalidWebhooks(Exception):
    """The file of webhooks cannot be used; the message names the section and says why."""


@dataclass(frozen=True)
class Webhook:
    """Where to send which events."""

    name: str
    url: str
    key: bytes = field(repr=False)
    project_id: str | None = None  # None: those of all projects
    actions: frozenset[str] = frozenset(ACTIONS)
    ca: str | None = None  # the file of the authorities that the receiver's certificate is checked with


def read(path: Path) -> tuple[Webhook, ...]:
    """Read the webhooks. Raises InvalidWebhooks."""
    parser = configparser.ConfigParser(interpolation=None)
    try:
        with path.open(encoding="utf-8") as file:
            parser.read_file(file)
        return tuple(_webhook(name, parser[name]) for name in parser.sections())
    except (OSError, UnicodeDecodeError, configparser.Error) as error:
        raise InvalidWebhooks(f"{path}: {reason(error)}.") from None
    except ValueError as error:
        raise InvalidWebhooks(f"{path}: {error}") from None


def _webhook(name: str, given: configparser.SectionProxy) -> Webhook:
    """Check a section. Raises ValueError."""
    if not NAME.fullmatch(name):
        raise ValueError(f"[{name}]: a name has letters, digits, dots, hyphens and underscores, no dot at first.")
    unknown = sorted(set(given) - set(OPTIONS))
    if unknown:
        raise ValueError(f"[{name}]: unknown option {unknown[0]}; there are {', '.join(OPTIONS)}.")
    actions = frozenset(given.get("actions", ",".join(ACTIONS)).replace(" ", "").split(","))
    if not actions <= set(ACTIONS):
        raise ValueError(
            f"[{name}] actions: {', '.join(sorted(actions - set(ACTIONS)))}; there are {', '.join(ACTIONS)}."
        )
    ca = given.get("ca")
    if ca and not Path(ca).is_file():
        raise ValueError(f"[{name}] ca: {ca} is not a file.")
    url = _url(name, given.get("url", ""))
    return Webhook(name, url, _key(name, given.get("secret", "")), given.get("project"), actions, ca)


def _url(name: str, text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"[{name}] url: {text!r} is not allowed: an http or https address.")
    return text


def _key(name: str, text: str) -> bytes:
    try:
        key = base64.b64decode(text.removeprefix(PREFIX), validate=True)
    except binascii.Error:
        key = b""
    if not text.startswith(PREFIX) or len(key) not in KEY_BYTES:
        raise ValueError(
            f"[{name}] secret: it has to be {PREFIX} and {KEY_BYTES[0]} to {KEY_BYTES[-1]} bytes in base64."
        )
    return key
