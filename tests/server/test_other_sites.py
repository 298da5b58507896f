"""Pages of other sites in a browser on this machine reach nothing of a server that asks for no login."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from running import RunningServer, end_server, start_server

FLAVORS = "/load-balancer/v2.0/lbaas/flavors"
OTHERS = [
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": ""},
    {"Origin": "http://localhost:1"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
]
REBOUND = ["evil.com", "evil.com:9876", "127.0.0.1.evil.com", "localhost.evil.com", "evil.com."]
OWN = ["localhost", "LOCALHOST:9876", "127.0.0.1:9876", "[::1]:9876", "lbclient", "api.localhost", "octavia.test"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    running = start_server(tmp_path_factory.mktemp("site") / "state", "--auth=noauth", "--testing")
    yield running
    end_server(running)


def reset(server: RunningServer, headers: dict[str, str]) -> requests.Response:
    return requests.post(f"{server.url}/testing/v1/reset", headers=headers, timeout=30)


@pytest.mark.parametrize("headers", OTHERS)
def test_a_page_of_another_site_changes_nothing(server: RunningServer, headers: dict[str, str]) -> None:
    fault = {"fault": {"path": "/nothing", "status": 503}}
    made = requests.post(f"{server.url}/testing/v1/faults", json=fault, timeout=30).json()["fault"]["id"]
    assert reset(server, headers).status_code == 403
    assert requests.get(f"{server.url}/testing/v1/faults/{made}", timeout=30).status_code == 200
    deleted = requests.delete(f"{server.url}{FLAVORS}/x", headers=headers, timeout=30)
    assert (deleted.status_code, "another site" in deleted.text) == (403, True)
    assert requests.get(server.url + FLAVORS, headers=headers, timeout=30).status_code == 200


@pytest.mark.parametrize("host", REBOUND)
@pytest.mark.parametrize("path", ["/testing/v1/requests", FLAVORS, "/dashboard/login", "/metrics", "/"])
def test_a_name_that_leads_here_reads_nothing(server: RunningServer, path: str, host: str) -> None:
    answer = requests.get(server.url + path, headers={"Host": host, "Accept": "*/*"}, timeout=30)
    assert (answer.status_code, "Host header" in answer.text) == (403, True)


@pytest.mark.parametrize("host", OWN)
def test_names_of_this_machine_and_its_own_pages_are_answered(server: RunningServer, host: str) -> None:
    headers = {"Host": host, "Origin": f"http://{host}", "Sec-Fetch-Site": "same-origin"}
    assert requests.get(server.url + FLAVORS, headers={"Host": host}, timeout=30).status_code == 200
    assert reset(server, headers).status_code == 204
    assert reset(server, {"Host": host}).status_code == 204


def test_with_a_login_a_name_of_the_internet_may_lead_here(tmp_path: Path) -> None:
    running = start_server(tmp_path, "--testing")
    try:
        for path, status in ((FLAVORS, 401), ("/dashboard/login", 200), ("/testing/v1/requests", 403)):
            answer = requests.get(running.url + path, headers={"Host": "lb.example.com"}, timeout=30)
            assert answer.status_code == status
    finally:
        end_server(running)


def test_pages_have_one_host_too(server: RunningServer) -> None:
    answer = requests.get(f"{server.url}/dashboard/login", headers={"Host": "a b"}, timeout=30)
    assert answer.status_code == 400
