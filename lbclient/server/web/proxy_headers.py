"""Behind a reverse proxy: build links from the address that the client used, according to the proxy's headers."""

from __future__ import annotations

import re

import falcon

HOST = re.compile(r"(?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")
PREFIX = re.compile(r"(?:/[A-Za-z0-9._~-]+)+")


class Forwarded:
    """Trusts X-Forwarded-Proto, -Host, -Prefix and -For; only for servers that clients can reach only via the proxy."""

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
        if client:  # the address added by the proxy itself; failed logins are counted per address
            req.env["REMOTE_ADDR"] = client[:64]


def _first(req: falcon.Request, name: str) -> str:
    """Return the value set by the proxy nearest to the client."""
    return (req.get_header(name) or "").split(",")[0].strip()
