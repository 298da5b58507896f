"""The certificate of a host: its agent makes the key, and the server's authority signs it for a token, or renews it."""

from __future__ import annotations

import hmac
import ssl
from datetime import datetime, timezone
from pathlib import Path

from ..files import replace
from ..strings import reason
from ..vault.authority import fingerprint, new_request, validity
from .connection import Connection, ask_once, new_context

FILE = "agent.pem"  # in the state directory: the key, its certificate, and the authority's
SHARE = 3  # a certificate is renewed in the last SHARE-th of its validity


class Unusable(Exception):
    """The token or the certificate cannot be used; the text says why."""


def enroll(place: tuple[str, int], token: str, path: Path) -> str:
    """Get a certificate with a token, write it with its key to a file, and return the name of the host.

    The server has to be the one that made the token: its authority is known by the fingerprint in it. Raises Unusable,
    Unreachable, Refused and OSError.
    """
    secret, _, known = token.partition(".")
    unchecked = new_context()
    unchecked.check_hostname, unchecked.verify_mode = False, ssl.CERT_NONE
    authority = str(ask_once(place, unchecked, "GET", "/authority")["certificate"])
    try:
        is_known = hmac.compare_digest(fingerprint(authority), known)
    except (TypeError, ValueError):
        is_known = False
    if not is_known:
        raise Unusable(f"the server at {place[0]}:{place[1]} is not the one that made the token")
    context = new_context()
    context.load_verify_locations(cadata=authority)
    key, request = new_request()
    answer = ask_once(place, context, "POST", "/enroll", {"token": secret, "request": request})
    replace(path, key + answer["certificate"])
    return str(answer["host"])


def check(path: Path) -> None:
    """Check that the file has a certificate that is still valid. Raises Unusable."""
    try:
        _, end = validity(_certificate(path))
    except FileNotFoundError:
        raise Unusable(f"{path} does not exist: lbclient agent enroll makes it") from None
    except (OSError, ValueError) as error:
        raise Unusable(f"{path} cannot be used: {reason(error)}") from None
    if end < datetime.now(timezone.utc):
        raise Unusable(f"the certificate in {path} was valid until {end:%Y-%m-%d %H:%M} UTC: enrol this host again")


def renew(server: Connection, path: Path) -> bool:
    """Renew the certificate with a new key, and return True, if it is due.

    Raises Unreachable, Refused and OSError.
    """
    start, end = validity(_certificate(path))
    if datetime.now(timezone.utc) < end - (end - start) / SHARE:
        return False
    key, request = new_request()
    replace(path, key + server.post("/renew", {"request": request})["certificate"])
    server.identify(path)
    return True


def _certificate(path: Path) -> str:
    """Return the certificates of a file, without the key."""
    text = path.read_text(encoding="ascii")
    return text[text.find("-----BEGIN CERTIFICATE") :]
