"""Version discovery of the identity API."""

from __future__ import annotations

from typing import Any

from ..services import Services
from ..web.routing import Answer, Request


def _version(request: Request) -> dict[str, Any]:
    return {
        "id": "v3.14",
        "status": "stable",
        "updated": "2020-04-07T00:00:00Z",
        "links": [{"rel": "self", "href": f"{request.base}/v3/"}],
        "media-types": [{"base": "application/json", "type": "application/vnd.openstack.identity-v3+json"}],
    }


def versions(services: Services, request: Request) -> Answer:
    """List the only version with status 300 (Multiple Choices), as Keystone does."""
    headers = {"Location": f"{request.base}/v3/"}
    return Answer({"versions": {"values": [_version(request)]}}, 300, headers)


def version(services: Services, request: Request) -> Answer:
    return Answer({"version": _version(request)})
