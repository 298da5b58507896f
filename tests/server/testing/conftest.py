"""A server with the testing API, shared by the tests of a module and reset before each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from running import RunningServer, end_server, start_server


class Kit:
    """The testing API, and the cloud as a project of its own sees it."""

    def __init__(self, server: RunningServer) -> None:
        self.server = server
        self.project: dict[str, Any] = self.testing("POST", "/projects", 201)["project"]
        self.headers = {"X-Auth-Token": self.project["token"]}
        [subnet] = self.ask("GET", "/networking/v2.0/subnets?name=private-subnet").json()["subnets"]
        self.subnet_id = subnet["id"]

    @property
    def url(self) -> str:
        return self.server.url

    def testing(self, method: str, path: str, status: int, body: Any = None) -> Any:
        answer = requests.request(method, f"{self.url}/testing/v1{path}", json=body, timeout=30)
        assert answer.status_code == status, answer.text
        return answer.json() if answer.content else None

    def ask(self, method: str, path: str, body: Any = None, **options: Any) -> requests.Response:
        headers = {**self.headers, **options.pop("headers", {})}
        return requests.request(method, f"{self.url}{path}", json=body, headers=headers, timeout=30, **options)

    def fault(self, **values: Any) -> dict[str, Any]:
        made: dict[str, Any] = self.testing("POST", "/faults", 201, {"fault": values})["fault"]
        return made

    def pace(self, **values: Any) -> dict[str, Any]:
        made: dict[str, Any] = self.testing("POST", "/paces", 201, {"pace": values})["pace"]
        return made

    def create(self, provider: str = "noop_driver", **values: Any) -> requests.Response:
        body = {"loadbalancer": {"vip_subnet_id": self.subnet_id, "provider": provider, **values}}
        return self.ask("POST", "/load-balancer/v2.0/lbaas/loadbalancers", body)

    def loadbalancer(self, **values: Any) -> dict[str, Any]:
        answer = self.create(**values)
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()["loadbalancer"]
        return made

    def status(self, id_: str) -> str:
        """The provisioning status; GONE where there is no such load balancer."""
        answer = self.ask("GET", f"/load-balancer/v2.0/lbaas/loadbalancers/{id_}")
        return "GONE" if answer.status_code == 404 else str(answer.json()["loadbalancer"]["provisioning_status"])

    def listed(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.ask("GET", "/load-balancer/v2.0/lbaas/loadbalancers").json()["loadbalancers"]
        return found


@pytest.fixture(scope="module")
def testing_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    running = start_server(tmp_path_factory.mktemp("testing") / "state", "--testing")
    try:
        yield running
    finally:
        end_server(running)


@pytest.fixture
def kit(testing_server: RunningServer) -> Kit:
    requests.post(f"{testing_server.url}/testing/v1/reset", timeout=30).raise_for_status()
    return Kit(testing_server)


@pytest.fixture
def own_kit(tmp_path: Path) -> Iterator[Kit]:
    """A server of the test's own, which the test may kill and replace."""
    made = Kit(start_server(tmp_path / "state", "--testing"))
    try:
        yield made
    finally:
        end_server(made.server)
