"""Routes that serve the OpenAPI document and its HTML page, both without authentication."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from ...services import Services
from ...web.routing import Answer, Request, Route
from . import document, page

HTML = {"Content-Type": "text/html; charset=utf-8", "Content-Security-Policy": page.POLICY}


def routes(described: Sequence[Route]) -> tuple[Route, ...]:
    """Return the routes of openapi.json and openapi.html, which describe the given routes."""

    @cache
    def build(is_open: bool) -> document.Document:
        return document.build(described, is_open=is_open)

    def of(services: Services, request: Request) -> document.Document:
        return {**build(services.config.auth == "noauth"), "servers": [{"url": request.base}]}

    def show(services: Services, request: Request) -> Answer:
        return Answer(of(services, request))

    def browse(services: Services, request: Request) -> Answer:
        return Answer(page.render(of(services, request)).encode(), headers=HTML)

    # The middleware strips .json from every path, so that openapi serves openapi.json.
    return (Route("GET", "/openapi", show, is_open=True), Route("GET", "/openapi.html", browse, is_open=True))
