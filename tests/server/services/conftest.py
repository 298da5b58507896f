"""Identity and network in process: the real application, real tokens, a real database; no data plane."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import falcon.testing
import pytest

import applications
from fake_dataplane import FakeDataPlane
from lbclient.server.access.enforcer import Enforcer
from lbclient.server.config import Config
from lbclient.server.identity import passwords
from lbclient.server.identity.bootstrap import Login, bootstrap, create_demo
from lbclient.server.identity.tokens import Tokens
from lbclient.server.network.demo_networks import DemoNetworks, create_demo_networks
from lbclient.server.services import Services
from lbclient.store.store import Store
from lbclient.vault.sealing import Vault

Result = falcon.testing.Result


def password_body(name: str, password: str, scope: Any = None) -> dict[str, Any]:
    """Return the body of a request for a token."""
    user = {"name": name, "password": password, "domain": {"id": "default"}}
    auth: dict[str, Any] = {"identity": {"methods": ["password"], "password": {"user": user}}}
    return {"auth": auth if scope is None else {**auth, "scope": scope}}


@dataclass
class Person:
    """Requests with a token."""

    client: falcon.testing.TestClient
    token: str
    login: Login

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Result:
        path, _, query = path.partition("?")
        options = {"json": body} if body is not None else {}
        headers = {"X-Auth-Token": self.token, **{name.replace("_", "-"): value for name, value in headers.items()}}
        return self.client.simulate_request(method, path, query_string=query, headers=headers, **options)

    def get(self, path: str) -> Any:
        result = self.ask("GET", path)
        assert result.status_code == 200, result.text
        return result.json

    def made(self, path: str, key: str, **values: Any) -> Any:
        result = self.ask("POST", path, {key: values})
        assert result.status_code == 201, result.text
        return result.json[key]

    def changed(self, path: str, key: str, **values: Any) -> Any:
        result = self.ask("PATCH" if path.startswith("/identity") else "PUT", path, {key: values})
        assert result.status_code == 200, result.text
        return result.json[key]

    def deleted(self, path: str) -> None:
        result = self.ask("DELETE", path)
        assert result.status_code == 204, result.text

    def refused(self, status: int, method: str, path: str, body: Any = None) -> str:
        """The error's message."""
        result = self.ask(method, path, body)
        assert result.status_code == status, result.text
        error = result.json.get("NeutronError") or result.json.get("error") or {"message": result.json["description"]}
        return str(error["message"])


@dataclass
class Front:
    """The application, with an admin and a demo user."""

    store: Store
    tokens: Tokens
    client: falcon.testing.TestClient
    logins: dict[str, Login]
    world: DemoNetworks
    woken: list[str] = field(default_factory=list)

    def log_in(self, name: str, password: str | None = None, scope: Any = None) -> Result:
        body = password_body(name, password or self.logins[name].password or "", scope)
        return self.client.simulate_post("/identity/v3/auth/tokens", json=body)

    def person(self, name: str) -> Person:
        return Person(self.client, self.log_in(name).headers["X-Subject-Token"], self.logins[name])

    @property
    def admin(self) -> Person:
        return self.person("admin")

    @property
    def demo(self) -> Person:
        return self.person("demo")


@pytest.fixture
def make_front(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Front]]:
    """A front with networks of these CIDRs; with is_settling, changes of load balancers take effect at once."""
    monkeypatch.setattr(passwords, "COST", 4)  # every test logs in more than once
    store = Store(database_url, Vault(tmp_path / "key-manager-keys"))

    def make(private: str, public: str, is_settling: bool = False, **options: Any) -> Front:
        with store.writing() as tx:
            logins = {"admin": bootstrap(tx), "demo": create_demo(tx)}
            world = create_demo_networks(tx, logins["admin"].project_id, private, public)
        tokens = Tokens(store, tmp_path / "fernet-keys")
        woken: list[str] = []

        def settle(loadbalancer_id: str) -> None:
            snapshot = store.snapshot(loadbalancer_id)
            if snapshot is not None:
                store.settle(snapshot, None)

        config = Config(state_directory=tmp_path, busy_wait=0.0, **options)
        dataplane = FakeDataPlane(settle if is_settling else woken.append)
        services = Services(store, tokens, config, dataplane, Enforcer())
        return Front(store, tokens, applications.client(services), logins, world, woken)

    yield make
    store.close()


@pytest.fixture
def front(make_front: Callable[..., Front]) -> Front:
    return make_front("10.0.0.0/24", "203.0.113.0/24")


@pytest.fixture
def admin(front: Front) -> Person:
    return front.admin


@pytest.fixture
def demo(front: Front) -> Person:
    return front.demo
