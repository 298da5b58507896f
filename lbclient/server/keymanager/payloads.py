"""Payloads in requests and answers: content types, encodings and size limits."""

from __future__ import annotations

import base64
import binascii

import falcon

from ..errors import BadRequest, NotAcceptable, TooLarge, UnsupportedMediaType

TEXT = "text/plain"
OCTETS = "application/octet-stream"
PKCS8 = "application/pkcs8"
TYPES = (TEXT, OCTETS, PKCS8)
TOO_LARGE = "Provided information too large to process"


def content_type(given: str | None) -> str | None:
    """Return the content type without its charset; None if the type is unsupported or the charset is not UTF-8."""
    mimetype, _, parameter = (given or "").partition(";")
    name, _, charset = parameter.partition("=")
    is_utf8 = not parameter.strip() or (name.strip().lower(), charset.strip().lower()) == ("charset", "utf-8")
    mimetype = mimetype.strip().lower()
    return mimetype if mimetype in TYPES and is_utf8 else None


def decoded(text: str, maximum: int) -> bytes:
    """Decode base64; the result has at most `maximum` bytes. Raises BadRequest or TooLarge."""
    if len(text) > 2 * maximum:
        raise TooLarge(TOO_LARGE)
    try:
        payload = base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise BadRequest("Invalid payload for payload_content_encoding: it is no base64.") from None
    return sized(payload, maximum)


def sized(payload: bytes, maximum: int) -> bytes:
    """Check that the payload is not empty and has at most `maximum` bytes. Raises BadRequest or TooLarge."""
    if len(payload) > maximum:
        raise TooLarge(TOO_LARGE)
    if not payload:
        raise BadRequest("No data supplied to process.")
    return payload


def uploaded(http: falcon.Request, body: bytes | None, maximum: int) -> tuple[bytes, str]:
    """Return the payload of a PUT and its content type. Raises BadRequest, TooLarge or UnsupportedMediaType."""
    kind = content_type(http.content_type)
    if kind not in (TEXT, OCTETS):
        raise UnsupportedMediaType(f"Unexpected content type. Expected content types are: {OCTETS}, {TEXT}")
    encoding = (http.get_header("Content-Encoding") or "").strip().lower()
    if encoding == "base64" and kind == OCTETS:
        return decoded((body or b"").decode("latin-1"), maximum), kind
    if encoding not in ("", "binary", "identity"):
        raise BadRequest(f"The Content-Encoding {encoding[:40]!r} is not known here: it can be base64 for {OCTETS}.")
    payload = sized(body or b"", maximum)
    if kind == TEXT and not is_utf8(payload):
        raise BadRequest(f"The payload is not valid UTF-8, which {TEXT} has to be.")
    return payload, kind


def is_utf8(payload: bytes) -> bool:
    try:
        payload.decode()
    except UnicodeDecodeError:
        return False
    return True


def wants_payload(http: falcon.Request) -> bool:
    """Whether the Accept header asks for the payload rather than the metadata, as older clients do."""
    return (http.get_header("Accept") or "*/*").split(";")[0].strip().lower() not in ("*/*", "application/json")


def answered(http: falcon.Request, payload: bytes, stored: str) -> str:
    """Return the content type with which to answer the payload. Raises NotAcceptable."""
    asked = http.get_header("Accept")
    if asked is None:
        return OCTETS
    possible = [stored, *(kind for kind in TYPES if kind != stored and (kind != TEXT or is_utf8(payload)))]
    chosen = http.client_prefers(possible)
    if chosen is None:
        raise NotAcceptable(f"Secret payload retrieval issue seen - accept header {asked[:80]!r} is not supported.")
    return str(chosen)
