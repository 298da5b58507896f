"""A session that reuses the cached login of an earlier command and logs in only if necessary."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from . import direct_http
from .token_cache import CachedToken, CacheEntry

if TYPE_CHECKING:
    from keystoneauth1.session import Session

# 401: the token was revoked before its expiry. 403: the user may have been given a role since the token was issued.
OUTDATED = (401, 403)
REVOKED = (401,)


class CachedSession:
    """The part of keystoneauth1's session interface that services use; the real session is created only if needed."""

    def __init__(
        self,
        entry: CacheEntry | None,
        make: Callable[[], Session],
        direct: direct_http.DirectHttp | None,
        catalog: Mapping[str, str | None],
        service_types: Iterable[str],
        log_in: Callable[[], CachedToken | None] | None = None,
    ) -> None:
        self._entry = entry  # None: the login is not cached
        self._make = make
        self._direct = direct  # None: all requests go through keystoneauth1
        self._catalog = catalog  # interface and region, by which endpoints are looked up in the catalog
        self._service_types = service_types
        self._log_in = log_in  # a way to log in without keystoneauth1, to be tried once
        self._is_logging_in = threading.Lock()
        self._is_new = False  # whether the login was made by this command
        self._kept: CachedToken | None = entry.read() if entry else None
        self._written: str | None = None
        if self._kept is None and log_in is None:
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
        self._begin()
        if self._kept and service_type in self._kept.endpoints and where.items() >= self._catalog.items():
            self._keep_new()
            return self._kept.endpoints[service_type]
        endpoint = self.full.get_endpoint(service_type=service_type, **where)
        self._keep()
        return endpoint

    def request(self, url: str, method: str, **arguments: Any) -> Any:
        """Send a request and return the answer. If the server rejects the cached login, repeat it with a new one."""
        self._begin()
        if self._kept is None:
            return self._afresh(url, method, **arguments)
        try:
            answer = self._with_kept(url, method, arguments)
        except Exception:
            self._forget()  # the cached address may be outdated, too
            raise
        if answer.status_code not in (REVOKED if self._is_new else OUTDATED):
            self._keep_new()
            return answer
        self._forget()
        return self._afresh(url, method, allow_reauth=False, **arguments)

    def _begin(self) -> None:
        """Log in without keystoneauth1 if there is no login. Raises errors.Refused and errors.Unreachable."""
        with self._is_logging_in:
            if self._kept is not None or self._log_in is None or "full" in vars(self):
                return
            log_in, self._log_in = self._log_in, None
            self._kept = log_in()
            self._is_new = self._kept is not None

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

    def _keep_new(self) -> None:
        """Store a login that was made without keystoneauth1, once it has been of use."""
        if self._entry and self._is_new and self._kept and self._written is None:
            self._entry.write(self._kept)
            self._written = self._kept.token

    def _keep(self) -> None:
        """Store the login of keystoneauth1's session."""
        auth: Any = self.full.auth
        access: Any = getattr(auth, "auth_ref", None)
        if not self._entry or not access or not access.expires or self._is_known(access.auth_token):
            self._keep_new()
            return
        endpoints = {kind: address for kind in self._service_types if (address := self._offered(kind))}
        self._entry.write(CachedToken(access.auth_token, access.expires.timestamp(), endpoints, auth.get_auth_state()))
        self._written = access.auth_token

    def _offered(self, service_type: str) -> str | None:
        """Return the address of a service in the catalog of keystoneauth1's login; None if the catalog has none."""
        from keystoneauth1.exceptions import CatalogException

        where: dict[str, Any] = dict(self._catalog)
        try:
            return self.full.get_endpoint(service_type=service_type, **where)
        except CatalogException:
            return None

    def _is_known(self, token: str) -> bool:
        return token in (self._written, self._kept and self._kept.token)

    def _forget(self) -> None:
        if self._kept:
            if self._entry:
                self._entry.drop(self._kept.token)
            self._kept = None
        if "full" in vars(self) and self.full.auth:
            self.full.auth.invalidate()
