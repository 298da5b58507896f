"""The application for tests in process, built once: to compile its hundreds of routes takes longer than most tests."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextvars import ContextVar
from functools import cache
from typing import Any

import falcon.testing

from lbclient.server import app
from lbclient.server.services import Services

_current: ContextVar[Services] = ContextVar("services")


class _Current:
    """The services that the current request is for."""

    def __getattr__(self, name: str) -> Any:
        return getattr(_current.get(), name)


def client(services: Services) -> falcon.testing.TestClient:
    """Asks an application that works with these services."""
    before = _current.set(services)
    built = _built(services.config.proxy_headers, services.keystone is None, services.barbican is None)
    _current.reset(before)

    def answer(environ: Any, start_response: Callable[..., Any]) -> Iterable[bytes]:
        before = _current.set(services)
        try:
            return list(built(environ, start_response))
        finally:
            _current.reset(before)

    return falcon.testing.TestClient(answer)


@cache
def _built(has_proxy: bool, has_identity: bool, has_key_manager: bool) -> Any:
    """Return an application, shared by all tests that need the same services: building one takes long."""
    services: Any = _Current()
    return app.build(services)
