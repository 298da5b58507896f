"""An external Keystone: validate its tokens, authenticated as a service user."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from datetime import datetime
from typing import Any

from keystoneauth1 import exceptions, session
from keystoneauth1.identity import v3

from .. import errors
from ..access.context import Context
from ..config import Config

TIMEOUT = 10.0  # seconds for an answer
REMEMBERED_SECONDS = 60.0  # how long a token is cached, and so the longest time that a revoked one is accepted
REMEMBERED = 4096  # size of the token cache
UNREACHABLE = "Keystone cannot be reached; try again."


class Keystone:
    """Validates tokens and caches the results. Raises errors.Unavailable if Keystone does not answer."""

    def __init__(self, config: Config) -> None:
        """Read the service user's password. Raises OSError and UnicodeDecodeError if its file cannot be read."""
        assert config.keystone_url is not None
        assert config.keystone_password_file is not None
        self.url = config.keystone_url.rstrip("/").removesuffix("/v3")
        self._auth = v3.Password(
            auth_url=f"{self.url}/v3",
            username=config.keystone_username,
            password=config.keystone_password_file.read_text(encoding="utf-8").strip(),
            user_domain_name=config.keystone_domain,
            project_name=config.keystone_project,
            project_domain_name=config.keystone_domain,
        )
        self._session = session.Session(auth=self._auth, user_agent="lbclient-server")
        self._lock = threading.Lock()
        self._known: OrderedDict[str, tuple[float, Context]] = OrderedDict()

    def check(self, token: str) -> Context:
        """Return the sender that a token identifies. Raises errors.Unauthorized and errors.Unavailable."""
        now = time.time()
        with self._lock:
            until, who = self._known.get(token, (0.0, None))
        if who is None or until <= now:
            expires_at, who = self._ask(token)
            self._remember(token, min(expires_at, now + REMEMBERED_SECONDS), who)
        return who

    def project_id(self) -> str:
        """Return the ID of the service user's project. Raises errors.Unavailable."""
        try:
            return str(self._session.get_project_id())
        except exceptions.ClientException as error:
            raise errors.Unavailable(f"{UNREACHABLE} {error}") from None

    def _ask(self, token: str) -> tuple[float, Context]:
        try:
            answer = self._session.get(
                f"{self.url}/v3/auth/tokens?nocatalog",
                headers={"X-Subject-Token": token},
                raise_exc=False,
                timeout=TIMEOUT,
            )
        except exceptions.ClientException as error:
            raise errors.Unavailable(UNREACHABLE) from error
        if answer.status_code in (400, 401, 404):
            raise errors.Unauthorized("The request you have made requires authentication.")
        if answer.status_code != 200:
            raise errors.Unavailable(UNREACHABLE)
        found = answer.json()["token"]
        return _seconds(found["expires_at"]), _context(found)

    def _remember(self, token: str, until: float, who: Context) -> None:
        with self._lock:
            self._known[token] = (until, who)
            if len(self._known) > REMEMBERED:
                self._known.popitem(last=False)


def _context(found: dict[str, Any]) -> Context:
    """Return the sender that the body of a token describes."""
    project = found.get("project", {}).get("id")
    roles = frozenset(role["name"] for role in found.get("roles", ()))
    return Context(found["user"]["id"], project, roles, found["user"]["domain"]["id"], found["user"].get("name", ""))


def _seconds(time_: str) -> float:
    return datetime.fromisoformat(time_.replace("Z", "+00:00")).timestamp()
