"""Validation rules across an L7 rule's fields, with Octavia's error texts."""

from __future__ import annotations

import re
from typing import Any

import sqlalchemy as sa

from ....resources.l7rule import KEYED_TYPES
from ....store.prepared import by
from ....store.tables import L7RULE
from ...errors import Conflict, InvalidInput

Values = dict[str, Any]

WITHOUT_KEY = ("HOST_NAME", "PATH", "FILE_TYPE")  # updating a rule of these types removes its key
RULES_MAXIMUM = 50  # per policy
ONE_WORD = r'[!-~]+|"[ -~\t]*"'  # RFC 7230: visible ASCII, or printable ASCII with blanks in quotes
COOKIE_VALUE = r"[!#-:<-\[\]-~]+"  # RFC 6265: no quotes, semicolons and backslashes
IGNORES_CASE = re.compile(r"\(\?[a-zA-Z]*i")
BEYOND_ASCII = re.compile(r"[^\x00-\x7f]|\\[uUN]")
TOKEN = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"


def check(values: Values) -> None:
    """Check an L7 rule's fields against each other. Raises InvalidInput."""
    kind, compare, key, value = (values[name] for name in ("type", "compare_type", "key", "value"))
    if not value:
        raise InvalidInput("value", value, "L7 rule type requires a value")
    if kind in KEYED_TYPES and not key:
        raise InvalidInput("key", key, f"L7 rule type {kind} needs a key.")
    if kind in ("HEADER", "COOKIE") and not re.fullmatch(TOKEN, key):
        raise InvalidInput("key", key, f"It should be the name of a {kind.lower()}, as RFC 7230 and 6265 allow it.")
    if kind == "SSL_DN_FIELD" and not re.fullmatch(r"[a-zA-Z][A-Za-z0-9-]*", key):
        raise InvalidInput("key", key, "It should be the name of a DN field.")
    if kind == "FILE_TYPE" and compare not in ("REGEX", "EQUAL_TO"):
        raise InvalidInput("compare_type", compare, "L7 rule type FILE_TYPE allows REGEX and EQUAL_TO.")
    if kind in ("SSL_CONN_HAS_CERT", "SSL_VERIFY_RESULT"):
        _check_tls_rule(kind, compare, key, value)
    if compare == "REGEX":
        _check_expression(value)
    elif kind != "SSL_DN_FIELD":
        _check_characters(kind, value)


def _check_tls_rule(kind: str, compare: str, key: str | None, value: str) -> None:
    if key:
        raise InvalidInput("key", key, f"L7 rule type {kind} takes no key.")
    if compare != "EQUAL_TO":
        raise InvalidInput("compare_type", compare, f"L7 rule type {kind} allows EQUAL_TO.")
    if kind == "SSL_CONN_HAS_CERT" and value.lower() != "true":
        raise InvalidInput("value", value, f"L7 rule type {kind} allows true.")
    if kind == "SSL_VERIFY_RESULT" and not (value.isascii() and value.isdecimal()):
        raise InvalidInput("value", value, f"L7 rule type {kind} allows a number from 0.")


def _check_characters(kind: str, value: str) -> None:
    if not re.fullmatch(COOKIE_VALUE if kind == "COOKIE" else ONE_WORD, value):
        raise InvalidInput("value", value, f"It is not a valid value of a {kind.lower()} (RFC 7230, RFC 6265).")


def _check_expression(value: str) -> None:
    if "[" in value and IGNORES_CASE.search(value) and BEYOND_ASCII.search(value):  # takes seconds
        raise InvalidInput("value", value, "Sets of characters beyond ASCII cannot ignore case.")
    try:
        re.compile(value)
    except (re.error, OverflowError, RecursionError, ValueError) as error:
        raise InvalidInput("value", value, f"It is not a regular expression: {error}.") from None


def check_count(tx: sa.Connection, l7policy_id: str) -> None:
    if len(by(L7RULE, "l7policy_id").all(tx, l7policy_id=l7policy_id)) >= RULES_MAXIMUM:
        raise Conflict(f"Too many rules on L7 policy {l7policy_id}: {RULES_MAXIMUM} are allowed.")
