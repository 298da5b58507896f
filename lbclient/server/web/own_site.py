"""Requests that a page of another site has a browser send to a server of this machine that asks for no login."""

from __future__ import annotations

import ipaddress
import socket
from typing import Any

from ..errors import Forbidden

READING = ("GET", "HEAD")  # whose answers browsers show to pages of the same site only
# Names that are reserved, and cannot be registered on the internet (RFC 2606, 6761, 6762, 8375 and ICANN's .internal).
RESERVED = ("localhost", "test", "example", "invalid", "local", "internal", "home.arpa")


def check(environ: dict[str, Any]) -> None:
    """Check that a request is not sent by a page of another site, as far as the browser says. Raises Forbidden.

    The name in the Host header has to be one that only this machine or network can have: any site can have its own
    name lead to 127.0.0.1 and then counts as the same site (DNS rebinding).
    """
    host = environ.get("HTTP_HOST")
    if host is None:
        return  # HTTP/1.0, which no browser speaks
    if not _is_own(_name(host)):
        raise Forbidden("The Host header has a name of the internet; without a login, use localhost or an IP address.")
    if environ["REQUEST_METHOD"] in READING:
        return
    site, origin = environ.get("HTTP_SEC_FETCH_SITE", "none"), environ.get("HTTP_ORIGIN")
    if site not in ("same-origin", "none") or (origin is not None and origin.partition("://")[2] != host):
        raise Forbidden("The request comes from a page of another site.")


def _name(host: str) -> str:
    """Return the host of a Host header, without the port and the brackets of an IPv6 address."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].rstrip(".").lower()


def _is_own(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        is_reserved = any(name == each or name.endswith(f".{each}") for each in RESERVED)
        return "." not in name or is_reserved or name == socket.gethostname().lower()
    return True
