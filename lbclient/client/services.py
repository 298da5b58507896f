"""The services of a cloud that the client uses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from .api import Api
from .rest import Rest

if TYPE_CHECKING:
    from keystoneauth1.session import Session

    from .session import CachedSession


@dataclass
class Services:
    """A session and the services that it gives access to."""

    session: Session | CachedSession
    region_name: str | None = None
    interface: str | None = None
    endpoints: Mapping[str, str] = field(
        default_factory=dict
    )  # service type -> address, instead of the one in the catalog

    @cached_property
    def loadbalancer(self) -> Rest:
        return self._service("load-balancer", "v2.0")

    @cached_property
    def api(self) -> Api:
        return Api(self.loadbalancer)

    @cached_property
    def network(self) -> Rest:
        return self._service("network", "v2.0")

    @cached_property
    def identity(self) -> Rest:
        return self._service("identity", "v3")

    def access(self, *, is_new: bool = False) -> Any:
        """Return keystoneauth1's access information of the login; None for plugins that do not log in.

        With `is_new`, a new login is made instead of using the cached one.
        """
        session: Any = self.session
        if hasattr(session, "full"):
            session = session.new() if is_new else session.full
        get_access = getattr(session.auth, "get_access", None)
        return get_access(session) if get_access else None

    @cached_property
    def key_manager(self) -> Rest:
        return self._service("key-manager", "v1")

    def _service(self, service_type: str, version: str) -> Rest:
        return Rest(
            self.session,
            service_type,
            version,
            region_name=self.region_name,
            interface=self.interface,
            endpoint=self.endpoints.get(service_type),
        )
