"""Version discovery and microversions of the key manager."""

from __future__ import annotations

import re
from typing import Any

from ..errors import BadRequest, NotAcceptable
from ..services import Services
from ..web.routing import Answer, Handler, Request

HEADER = "OpenStack-API-Version"
SERVICE = "key-manager"
NEWEST = 2  # 1.1: consumers of secrets; 1.2: a secret that has consumers is not deleted
LOOKS_RIGHT = re.compile(r"1\.(0|[1-9][0-9]{0,8})")


def minor(request: Request) -> int:
    """Return the x of the requested microversion 1.x; 0 by default. Raises BadRequest or NotAcceptable."""
    for entry in (request.http.get_header(HEADER) or "").split(","):
        service, _, version = entry.strip().partition(" ")
        if service.lower() == SERVICE:
            return _known(version.strip())
    return 0


def _known(version: str) -> int:
    if version == "latest":
        return NEWEST
    found = LOOKS_RIGHT.fullmatch(version)
    if not found and not re.fullmatch(r"[0-9]{1,9}\.[0-9]{1,9}", version):
        raise BadRequest(f"invalid version string: {version[:40]}")
    if not found or int(found.group(1)) > NEWEST:
        raise NotAcceptable(f"Version {version} is not available: 1.0 to 1.{NEWEST} are.", HEADER)
    return int(found.group(1))


def told(handler: Handler) -> Handler:
    """Wrap a handler so that its answers name their microversion in a header."""

    def handle(services: Services, request: Request, **places: str) -> Answer:
        headers = {HEADER: f"{SERVICE} 1.{minor(request)}"}
        answer = handler(services, request, **places)
        vary = ", ".join(filter(None, (HEADER, answer.headers.get("Vary"))))
        return Answer(answer.body, answer.status, {**headers, **answer.headers, "Vary": vary})

    return handle


def versions(services: Services, request: Request) -> Answer:
    """List the only version with status 300 (Multiple Choices), as Barbican does."""
    known = [_version(request)]
    return Answer({"versions": known if minor(request) else {"values": known}}, 300)


def version(services: Services, request: Request) -> Answer:
    return Answer({"version": _version(request)})


def _version(request: Request) -> dict[str, Any]:
    found: dict[str, Any] = {"id": "v1", "links": [{"rel": "self", "href": f"{request.base}/v1/"}]}
    if minor(request):
        return {**found, "status": "CURRENT", "min_version": "1.0", "max_version": f"1.{NEWEST}"}
    media = {"base": "application/json", "type": "application/vnd.openstack.key-manager-v1+json"}
    return {**found, "status": "stable", "media-types": [media]}
