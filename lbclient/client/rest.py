"""HTTP access to one service of a cloud: takes paths and JSON, returns JSON."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from . import errors

if TYPE_CHECKING:
    from keystoneauth1.session import Session

    from .session import CachedSession

Json = dict[str, Any]
Parameters = Mapping[str, Any]

LOG = logging.getLogger(__name__)
VERSION_AT_END = re.compile(r"/v\d+(\.\d+)?$")


class Rest:
    """A service at a fixed address, or at the one that the catalog has for its type."""

    def __init__(
        self,
        session: Session | CachedSession,
        service_type: str,
        version: str,
        *,
        region_name: str | None = None,
        interface: str | None = None,
        endpoint: str | None = None,
    ) -> None:
        self.session = session
        self.service_type = service_type
        self.version = version
        self.region_name = region_name
        self.interface = interface
        self.endpoint = endpoint

    @cached_property
    def base(self) -> str:
        """The service's address with its version at the end."""
        endpoint = (self.endpoint or self._from_catalog()).rstrip("/")
        return endpoint if VERSION_AT_END.search(endpoint) else f"{endpoint}/{self.version}"

    def get(self, path: str, params: Parameters | None = None) -> Json:
        return self._request("GET", path, params=params)

    def text(self, path: str) -> str:
        """Get a path as plain text. Raises Refused."""
        with errors.translated():
            answer = self.session.request(
                f"{self.base}{path}", "GET", raise_exc=False, headers={"Accept": "text/plain"}
            )
        if answer.status_code >= 400:
            raise errors.refused(answer.status_code, _reason(answer), answer.headers.get("x-openstack-request-id"))
        return str(answer.text)

    def post(self, path: str, body: Json) -> Json:
        return self._request("POST", path, json=body)

    def put(self, path: str, body: Json | None = None) -> Json:
        return self._request("PUT", path, json=body)

    def delete(self, path: str, params: Parameters | None = None) -> None:
        self._request("DELETE", path, params=params)

    def pages(self, path: str, collection: str, params: Parameters | None = None) -> Iterator[Json]:
        """Yield every object of a list, following the links to further pages."""
        marker = None
        while True:
            page = self.get(path, params)
            yield from page[collection]
            link = _next(next((page[key] for key in page if key.endswith("links")), None))
            following = dict(parse_qsl(urlsplit(link).query)) if link else {}
            if not page[collection] or following.get("marker") in (None, marker):
                return
            marker = following["marker"]
            params = {**(params or {}), **{key: following[key] for key in ("marker", "limit") if key in following}}

    def follow(self, path: str, params: Parameters | None = None) -> Iterator[Json]:
        """Yield the messages of a stream of server-sent events; connect again when it breaks, and miss none.

        Raises Refused, and Unreachable if the server cannot be reached for a minute.
        """
        from . import following  # imported late: few commands need it, and it needs keystoneauth1's session

        session: Any = self.session
        with errors.translated():
            yield from following.follow(getattr(session, "full", session), f"{self.base}{path}", params or {})

    def regions(self) -> list[str]:
        """The regions in which the catalog has the service."""
        session: Any = self.session
        session = getattr(session, "full", session)
        get_access = getattr(session.auth, "get_access", None)
        access = get_access(session) if get_access else None
        catalog = (access.service_catalog.catalog if access else None) or ()
        mine = [entry for entry in catalog if entry["type"] == self.service_type]
        endpoints = [each for entry in mine for each in entry.get("endpoints", ())]
        return sorted({str(each["region"]) for each in endpoints if each.get("region")})

    def _from_catalog(self) -> str:
        try:
            with errors.translated():
                endpoint = self.session.get_endpoint(
                    service_type=self.service_type,
                    interface=self.interface,
                    region_name=self.region_name,
                    skip_discovery=True,
                )
        except errors.NotConfigured as error:
            known = self.regions() if self.region_name else []
            if self.region_name in known or not known:
                raise
            raise errors.NotConfigured(f"{error} The catalog has it in {' and '.join(known)}.") from error
        if not endpoint:
            where = f" in region {self.region_name}" if self.region_name else ""
            variable = f"OS_{self.service_type.upper().replace('-', '_')}_ENDPOINT_OVERRIDE"
            raise errors.NotConfigured(
                f"The catalog names no service of type {self.service_type}{where}: give its address as {variable}."
            )
        return str(endpoint)

    def _request(self, method: str, path: str, **arguments: Any) -> Json:
        url = f"{self.base}{path}"
        with errors.translated():
            answer = self.session.request(
                url, method, raise_exc=False, headers={"Accept": "application/json"}, **arguments
            )
        if answer.status_code >= 400:
            refusal = errors.refused(answer.status_code, _reason(answer), answer.headers.get("x-openstack-request-id"))
            if isinstance(refusal, errors.Forbidden) and "olicy does not allow" in refusal.words:
                from . import roles  # imported here, because few requests are refused

                refusal = refusal.hinting(roles.needed(method, path))
            raise refusal
        if "warning" in answer.headers:
            LOG.warning("%s", _warning(answer.headers["warning"]))
        if not answer.content:
            return {}
        body = _body(answer)
        if not isinstance(body, dict):
            raise errors.Unreachable(
                f"What answers at {url} is no {self.service_type} service: it sends no JSON object."
            )
        return body


def _warning(header: str) -> str:
    """Return the text of a warning, which stands in quotation marks behind a code and a name (RFC 7234, 5.5)."""
    return header.partition('"')[2].rpartition('"')[0] or header


def _body(answer: Any) -> Any:
    try:
        return answer.json()
    except ValueError:
        return answer.text[:200] if "html" not in answer.headers.get("content-type", "") else answer.reason


def _reason(answer: Any) -> Any:
    """Return the body of an error; if it only repeats the status, a text with the method and the URL."""
    body = _body(answer)
    if errors.words_of(body) in ("", answer.reason):
        return f"{answer.reason}: {answer.request.method} {answer.request.url}"
    return body


def _next(links: Any) -> str | None:
    if isinstance(links, dict):  # Keystone's format
        return links.get("next")
    return next((link["href"] for link in links or () if link.get("rel") == "next"), None)
