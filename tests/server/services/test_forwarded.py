"""Links of a server behind a proxy."""

from __future__ import annotations

from typing import Any

import falcon.testing
import pytest

import applications
from fake_dataplane import FakeDataPlane
from lbclient.server.access.enforcer import Enforcer
from lbclient.server.config import Config
from lbclient.server.services import Services

PROXY = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "lb.example:8443, inner", "X-Forwarded-Prefix": "/cloud/"}


@pytest.fixture
def behind(front: Any, tmp_path: Any) -> falcon.testing.TestClient:
    config = Config(state_directory=tmp_path, proxy_headers=True)
    services = Services(front.store, front.tokens, config, FakeDataPlane(front.woken.append), Enforcer())
    return applications.client(services)


def link(client: falcon.testing.TestClient, headers: dict[str, str]) -> str:
    answer = client.simulate_get("/identity/v3", headers={"Host": "10.0.0.1:9876", **headers})
    return str(answer.json["version"]["links"][0]["href"])


def test_links_lead_to_the_proxy(behind: falcon.testing.TestClient) -> None:
    assert link(behind, PROXY) == "https://lb.example:8443/cloud/identity/v3/"
    assert link(behind, {"X-Forwarded-Host": "[fd00::1]:80"}) == "http://[fd00::1]:80/identity/v3/"
    assert link(behind, {}) == "http://10.0.0.1:9876/identity/v3/"


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Forwarded-Proto": "javascript"},
        {"X-Forwarded-Host": "evil/path"},
        {"X-Forwarded-Host": "a b"},
        {"X-Forwarded-Prefix": "//evil.example"},
        {"X-Forwarded-Prefix": "/a?b"},
    ],
)
def test_what_is_no_host_is_not_believed(behind: falcon.testing.TestClient, headers: dict[str, str]) -> None:
    assert link(behind, headers) == "http://10.0.0.1:9876/identity/v3/"


def test_without_the_option_nobody_is_believed(front: Any) -> None:
    assert link(front.client, PROXY) == "http://10.0.0.1:9876/identity/v3/"
