"""One request of a browser to the dashboard, and what answers it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ..client.api import Api
from ..client.services import Services
from . import calls as calling
from .sessions import Session

if TYPE_CHECKING:
    import falcon

    from .rates import Rates
    from .rendering import Renderer
    from .sessions import Sessions

HTML = "text/html; charset=utf-8"
# Where a login may lead to: a page of the dashboard, never another host.
OWN_PAGE = re.compile(r"/dashboard(?:/[A-Za-z0-9._~%-]+)*/?(?:\?[A-Za-z0-9._~=&%+-]*)?")


@dataclass(frozen=True)
class Options:
    """Properties of the server that the dashboard belongs to."""

    is_enabled: bool = True
    is_noauth: bool = False
    has_testing: bool = False
    has_proxy_headers: bool = False
    outside: Mapping[str, str] = field(default_factory=dict)  # service type -> address, where another server offers it
    # Whether the policy permits an action (such as loadbalancer:post) in the project of the session.
    allows: Callable[[Session, str], bool] = lambda session, action: True


@dataclass(frozen=True)
class Parts:
    """State shared by all requests."""

    api: calling.Wsgi
    options: Options
    sessions: Sessions
    renderer: Renderer
    rates: Rates


@dataclass(frozen=True)
class Reply:
    """An answer to a browser."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    cookies: dict[str, str] = field(default_factory=dict)  # "" deletes one
    stream: Any = None  # of server-sent events, instead of a body


@dataclass
class Visit:
    """A request, with the session that it belongs to."""

    parts: Parts
    http: falcon.Request
    found: Session | None  # the session; None before the login
    form: dict[str, list[str]] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)

    @property
    def session(self) -> Session:
        assert self.found is not None
        return self.found

    @cached_property
    def calls(self) -> calling.Calls:
        return self.calls_as(self.session.headers)

    def calls_as(self, headers: Mapping[str, str]) -> calling.Calls:
        return calling.Calls(self.parts.api, self.http.env, headers, self.parts.options.outside)

    @cached_property
    def services(self) -> Services:
        return calling.services(self.calls)

    @property
    def api(self) -> Api:
        return self.services.api

    @property
    def is_fragment(self) -> bool:
        """Whether a part of a page is asked for, by the page itself."""
        return bool(self.http.get_header("HX-Request"))

    def value(self, name: str, default: str = "") -> str:
        """The last value of a form's field."""
        return (self.form.get(name) or [default])[-1]

    def query(self, name: str, default: str = "") -> str:
        found: Any = self.http.params.get(name, default)
        return str(found[-1] if isinstance(found, list) else found)

    def may(self, action: str) -> bool:
        """Whether the policy permits an action in the project of the session, such as loadbalancer:post."""
        return self.parts.options.allows(self.session, action)

    def url(self, path: str) -> str:
        """The address of a page, behind the prefix of a reverse proxy."""
        return f"{self.http.root_path}{path}"

    def page(self, template: str, code: int = 200, /, **values: Any) -> Reply:
        text = self.parts.renderer.page(self, template, values)
        return Reply(text.encode(errors="replace"), code, {"Content-Type": HTML})

    def redirect(self, path: str, notice: str = "", **more: Any) -> Reply:
        """Lead the browser to another page, which shows a notice."""
        if notice and self.found:
            self.found.notices.append(notice)
        return Reply(b"", 303, {"Location": self.url(path)}, **more)

    def json(self, values: Any) -> Reply:
        return Reply(json.dumps(values).encode(), 200, {"Content-Type": "application/json"})
