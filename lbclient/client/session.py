"""A session that reuses the cached login of an earlier command and logs in only if necessary."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from . import direct_http
from .token_cache import CachedToken, CacheEntry

if TYPE_CHECKING:
    from keystoneauth1.session import Session

# 401: the token was revoked before its expiry. 403: the user may have been given a role since the token was issued.
OUTDATED = (401, 403)


class CachedSession:
    """The part of keystoneauth1's session interface that services use; the real session is created only if needed."""

    def __init__(
        self,
        entry: CacheEntry,
        make: Callable[[], Session],
        direct: direct_http.DirectHttp | None,
        catalog: Mapping[str, str | None],
        service_types: Iterable[str],
    ) -> None:
        self._entry = entry
        self._make = make
        self._direct = direct  # None: all requests go through keystoneauth1
        self._catalog = catalog  # interface and region, by which endpoints are looked up in the catalog
        self._service_types = service_types
        self._kept: CachedToken | None = entry.read()
        self._written: str | None = None
        if self._kept is None:
            _ = self.full  # raises an error that names missing credentials

    @cached_property
    def full(self) -> Session:
        """keystoneauth1's session, with the cached login."""
        session = self._make()
        if self._kept and session.auth:
            try:
                session.auth.set_auth_state(self._kept.state)
            except (ValueError, TypeError, KeyError):
                self._forget()
        return session

    def new(self) -> Session:
        """Return a keystoneauth1 session with a new login that is not cached."""
        return self._make()

    def get_endpoint(self, service_type: str, **where: Any) -> str | None:
        if self._kept and service_type in self._kept.endpoints and where.items() >= self._catalog.items():
            return self._kept.endpoints[service_type]
        endpoint = self.full.get_endpoint(service_type=service_type, **where)
        self._keep()
        return endpoint

    def request(self, url: str, method: str, **arguments: Any) -> Any:
        """Send a request and return the answer. If the server rejects the cached login, repeat it with a new one."""
        if self._kept is None:
            return self._afresh(url, method, **arguments)
        try:
            answer = self._with_kept(url, method, arguments)
        except Exception:
            self._forget()  # the cached address may be outdated, too
            raise
        if answer.status_code not in OUTDATED:
            return answer
        self._forget()
        return self._afresh(url, method, allow_reauth=False, **arguments)

    def _with_kept(self, url: str, method: str, arguments: Mapping[str, Any]) -> Any:
        if self._direct and self._kept and "full" not in vars(self):
            headers = {**arguments.get("headers", {}), "X-Auth-Token": self._kept.token}
            answer = self._direct.request(method, url, headers, arguments.get("params"), arguments.get("json"))
            if answer is not None:
                return answer
        session = self.full
        if self._kept is None:  # the plugin state could not be read
            return self._afresh(url, method, **arguments)
        return session.request(url, method, allow_reauth=False, **arguments)

    def _afresh(self, url: str, method: str, **arguments: Any) -> Any:
        answer = self.full.request(url, method, **arguments)
        self._keep()
        return answer

    def _keep(self) -> None:
        auth: Any = self.full.auth
        access: Any = getattr(auth, "auth_ref", None)
        if not access or not access.expires or self._is_known(access.auth_token):
            return
        catalog: dict[str, Any] = dict(self._catalog)
        found = {kind: self.full.get_endpoint(service_type=kind, **catalog) for kind in self._service_types}
        endpoints = {kind: address for kind, address in found.items() if address}
        self._entry.write(CachedToken(access.auth_token, access.expires.timestamp(), endpoints, auth.get_auth_state()))
        self._written = access.auth_token

    def _is_known(self, token: str) -> bool:
        return token in (self._written, self._kept and self._kept.token)

    def _forget(self) -> None:
        if self._kept:
            self._entry.drop(self._kept.token)
            self._kept = None
        if "full" in vars(self) and self.full.auth:
            self.full.auth.invalidate()
