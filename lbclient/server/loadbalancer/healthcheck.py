"""GET /healthcheck, for load balancers and supervisors: whether the server can answer, in Octavia's formats."""

from __future__ import annotations

import html
import logging

import orjson
import sqlalchemy as sa

from ..services import Services
from ..web.routing import Answer, Request, Route

LOG = logging.getLogger(__name__)
TEXT, HTML, JSON = "text/plain", "text/html", "application/json"
PAGE = """<!DOCTYPE html>
<html><head><title>Healthcheck Status</title></head>
<body><h1>Result of 1 checks:</h1><table><tr><th>Reason</th></tr><tr><td>{reason}</td></tr></table></body></html>
"""


def check(services: Services, request: Request) -> Answer:
    """Answer 200 and OK, or 503 and the reason; as text, unless the client prefers HTML or JSON."""
    reason = _reason(services)
    wanted = request.http.client_prefers((TEXT, HTML, JSON)) or TEXT
    headers = {"Content-Type": wanted if wanted == JSON else f"{wanted}; charset=UTF-8", "Vary": "Accept"}
    return Answer(_body(wanted, reason or "OK"), 503 if reason else 200, headers)


def _reason(services: Services) -> str | None:
    """Return why the server cannot answer requests; None if it can."""
    try:
        with services.store.reading() as tx:
            tx.execute(sa.text("SELECT 1"))
    except sa.exc.SQLAlchemyError as error:
        LOG.warning("health check: %s", str(getattr(error, "orig", None) or error).splitlines()[0])
        return "The database is unavailable."
    return None


def _body(wanted: str, reason: str) -> bytes:
    if wanted == JSON:
        return orjson.dumps({"detailed": False, "reasons": [reason]})
    return (PAGE.format(reason=html.escape(reason)) if wanted == HTML else reason).encode()


ROUTES = (
    Route("GET", "/healthcheck", check, is_open=True),
    Route("HEAD", "/healthcheck", check, is_open=True),
)
