"""Protection of the pages: what browsers may load and send, and which requests come from the pages themselves."""

from __future__ import annotations

import hmac
import secrets
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    import falcon

    from .sessions import Session

SESSION_COOKIE = "lbclient_session"
LOGIN_COOKIE = "lbclient_login"
CSRF_FIELD = "csrf_token"
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "same-origin",  # with no-referrer, browsers send forms with the origin "null"
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class Forged(Exception):
    """A request that changes something does not come from a page of the dashboard."""


def new_secret() -> str:
    return secrets.token_urlsafe(32)


def check_origin(req: falcon.Request) -> None:
    """Check that a request comes from this site, as far as the browser says. Raises Forged."""
    site = req.get_header("Sec-Fetch-Site")
    if site is not None:
        if site != "same-origin":
            raise Forged("The request comes from another site.")
        return
    origin = req.get_header("Origin")
    if origin is not None and urlsplit(origin).netloc != req.netloc:
        raise Forged("The request comes from another site.")


def check_token(session: Session, given: str) -> None:
    """Check that a form is one that this session was given. Raises Forged."""
    if not hmac.compare_digest(session.csrf_token.encode(), given.encode()):
        raise Forged("The form belongs to another session. Go back, reload the page and send it again.")
