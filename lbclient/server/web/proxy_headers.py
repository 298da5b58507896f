"""Behind a proxy: links lead to where the client came in, as the proxy's headers tell it."""

from __future__ import annotations

import re

import falcon

HOST = re.compile(r"(?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")
PREFIX = re.compile(r"(?:/[A-Za-z0-9._~-]+)+")


class Forwarded:
    """Believes X-Forwarded-Proto, -Host and -Prefix; only for servers that nobody reaches but through the proxy."""

    def process_request(self, req: falcon.Request, resp: falcon.Response) -> None:
        scheme = _first(req, "X-Forwarded-Proto").lower()
        if scheme in ("http", "https"):
            req.env["wsgi.url_scheme"] = scheme
        host = _first(req, "X-Forwarded-Host")
        if HOST.fullmatch(host):
            req.env["HTTP_HOST"] = host
        prefix = _first(req, "X-Forwarded-Prefix").rstrip("/")
        if PREFIX.fullmatch(prefix):
            req.env["SCRIPT_NAME"] = prefix
        client = (req.get_header("X-Forwarded-For") or "").rpartition(",")[2].strip()
        if client:  # what the proxy itself has added; failed logins are counted by it
            req.env["REMOTE_ADDR"] = client[:64]


def _first(req: falcon.Request, name: str) -> str:
    """What the proxy that is nearest to the client said."""
    return (req.get_header(name) or "").split(",")[0].strip()
