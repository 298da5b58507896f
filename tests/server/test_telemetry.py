"""Telemetry of the server: /metrics, the dashboards and alert rules for it, and the request log."""

from __future__ import annotations

import json
import logging
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
from prometheus_client.parser import text_string_to_metric_families

from running import RunningServer, end_server, lbclient, start_server, wait_until
from server_process import clouds, log_in

CONTRIB = Path(__file__).parents[2] / "contrib"
RULES = CONTRIB / "prometheus" / "lbclient.rules.yaml"
NAME = re.compile(r"\b(?:lbclient|octavia|process)_[a-z0-9_]+")

Start = Callable[..., RunningServer]


@pytest.fixture
def start(tmp_path: Path, database_url: str) -> Iterator[Start]:
    """start(*options): a server that logs its requests to requests.log."""
    made: list[RunningServer] = []

    def start(*options: str) -> RunningServer:
        log = f"--request-log={tmp_path / 'requests.log'}"
        made.append(start_server(tmp_path / "state", f"--database={database_url}", log, *options))
        return made[-1]

    yield start
    for each in made:
        end_server(each)


def do(server: RunningServer, *words: str) -> str:
    done = subprocess.run(lbclient(*words), env=server.environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def metrics(url: str, **headers: str) -> dict[tuple[str, ...], float]:
    """The samples, by their name and the values of their labels, in the order of the labels' names."""
    answer = requests.get(url, headers=headers, timeout=10)
    assert answer.status_code == 200, answer.text
    families = text_string_to_metric_families(answer.text)
    return {
        (each.name, *(value for _, value in sorted(each.labels.items()))): each.value
        for family in families
        for each in family.samples
    }


def names(document: Any) -> set[str]:
    """The metrics that the expressions and variables of dashboards and rules name."""
    if isinstance(document, dict):
        found = {name for key in ("expr", "query") for name in NAME.findall(str(document.get(key, "")))}
        return found.union(*map(names, document.values()))
    return set().union(*map(names, document)) if isinstance(document, list) else set()


def test_dashboards_and_alerts_name_metrics_that_exist(start: Start) -> None:
    server = start()
    create = ("create", "--name", "lb1", "--vip-subnet-id", "private-subnet", "--wait", "-f", "json")
    address = json.loads(do(server, "loadbalancer", *create))["vip_address"]
    for kind, port in (("HTTP", "8080"), ("PROMETHEUS", "8088")):
        listener = ("--name", kind, "--protocol", kind, "--protocol-port", port)
        do(server, "loadbalancer", "listener", "create", *listener, "--wait", "lb1")
    pool = ("--name", "pool", "--protocol", "HTTP", "--lb-algorithm", "ROUND_ROBIN", "--listener", "HTTP")
    do(server, "loadbalancer", "pool", "create", *pool, "--wait")
    member = ("--name", "one", "--address", "127.0.0.1", "--protocol-port", "1")
    do(server, "loadbalancer", "member", "create", *member, "--wait", "pool")
    found = metrics(f"{server.url}/metrics")
    known = {name for name, *_ in found}
    wait_until(lambda: requests.get(f"http://{address}:8088/metrics", timeout=10).status_code == 200)
    known |= {name for name, *_ in metrics(f"http://{address}:8088/metrics")}
    documents = [yaml.safe_load(RULES.read_text())]
    documents += [json.loads(path.read_text()) for path in (CONTRIB / "grafana").iterdir()]
    assert len(documents) == 3
    for document in documents:
        assert names(document)
        assert names(document) <= known, names(document) - known

    assert found["lbclient_requests_total", "POST", "/lbaas/loadbalancers", "load-balancer", "201"] == 1
    assert found["lbclient_request_duration_seconds_count", "POST", "load-balancer"] >= 5
    assert found["lbclient_reconciles_total", "started"] == 1
    assert found["lbclient_reconciles_total", "reloaded"] >= 1
    assert found["lbclient_haproxy_reloads_total",] >= 1
    assert found["lbclient_haproxy_processes",] >= 2  # master and worker
    assert found["lbclient_loadbalancers_by_provisioning_status", "ACTIVE"] == 1
    assert found["lbclient_oldest_pending_seconds",] == 0
    assert found["lbclient_database_transactions_total",] > 5
    reconciled = "lbclient_reconcile_duration_seconds"
    assert found[f"{reconciled}_count",] == found[f"{reconciled}_bucket", "+Inf"]


def test_rules_are_valid() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        for group in yaml.safe_load(RULES.read_text())["groups"]:
            assert {"alert", "expr", "labels", "annotations"} <= {key for rule in group["rules"] for key in rule}
        return
    for words in (["rules", str(RULES)], ["config", "--syntax-only", str(CONTRIB / "prometheus" / "prometheus.yaml")]):
        done = subprocess.run([promtool, "check", *words], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def test_a_stuck_change_is_told_by_its_age(start: Start) -> None:
    server = start("--testing")
    requests.post(f"{server.url}/testing/v1/paces", json={"pace": {"manual": True}}, timeout=10)
    do(server, "loadbalancer", "create", "--name", "lb1", "--vip-subnet-id", "private-subnet")
    wait_until(lambda: metrics(f"{server.url}/metrics")["lbclient_oldest_pending_seconds",] > 0.2)


def test_who_may_read_the_metrics(start: Start) -> None:
    server = start()
    url = f"{server.url}/metrics"
    proxied = {"X-Forwarded-For": "192.0.2.1"}
    assert requests.get(url, headers=proxied, timeout=10).status_code == 401
    mine, admins = (
        log_in(clouds(server.state_directory)[cloud]).headers["X-Subject-Token"]
        for cloud in ("lbclient", "lbclient-admin")
    )
    assert requests.get(url, headers={**proxied, "X-Auth-Token": mine}, timeout=10).status_code == 403
    assert metrics(url, **proxied, **{"X-Auth-Token": admins})


@pytest.mark.parametrize(("readers", "status"), [("login", 401), ("off", 404), ("all", 200)])
def test_the_option_decides(start: Start, readers: str, status: int) -> None:
    server = start(f"--metrics={readers}")
    assert requests.get(f"{server.url}/metrics", headers={"Via": "x"}, timeout=10).status_code == status


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_each_request_is_logged_once_without_secrets(start: Start, tmp_path: Path) -> None:
    server = start("--log-format=json")
    path = tmp_path / "requests.log"
    assert path.stat().st_mode & 0o777 == 0o600
    cloud = clouds(server.state_directory)["lbclient"]
    logged_in = log_in(cloud)
    token = logged_in.headers["X-Subject-Token"]
    sent_id = "req-00000000-1111-2222-3333-444444444444"
    headers = {"X-Auth-Token": token, "X-Openstack-Request-Id": sent_id}
    hostile = "/load-balancer/v2.0/lbaas/%1b%5B2J%0Aforged?secret=hidden"
    answers = [
        logged_in,
        requests.get(f"{server.url}/load-balancer/v2.0/lbaas/loadbalancers?name=hidden", headers=headers, timeout=10),
        requests.get(f"{server.url}{hostile}", headers=headers, timeout=10),
    ]
    wrong = {"auth": {**cloud["auth"], "password": "hidden\n"}}
    answers.append(log_in(wrong))
    found = lines(path)
    assert [each["request_id"] for each in found] == [each.headers["X-Openstack-Request-Id"] for each in answers]
    assert [each["status"] for each in found] == [201, 200, 404, 401]
    assert (found[1]["user_name"], len(found[1]["project_id"])) == ("demo", 32)
    assert found[1]["global_request_id"] == sent_id
    assert found[1]["path"] == "/load-balancer/v2.0/lbaas/loadbalancers"
    assert found[3]["login"] == "demo"
    assert {each["source"] for each in found} == {"127.0.0.1"}
    text = path.read_text()
    for secret in ("hidden", token, cloud["auth"]["password"], "\x1b"):
        assert secret not in text


def test_the_log_is_rotated(start: Start, tmp_path: Path) -> None:
    server = start()
    path = tmp_path / "requests.log"
    requests.get(f"{server.url}/one", timeout=10)
    path.rename(tmp_path / "requests.log.1")
    requests.get(f"{server.url}/two words", timeout=10)
    assert "GET /one 404" in (tmp_path / "requests.log.1").read_text()
    [line] = path.read_text().splitlines()
    assert re.fullmatch(r"\S+ 127\.0\.0\.1 - - GET /two%20words 404 \d+\.\dms req-\S+", line)


def test_a_log_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    from server_process import run

    done = run(f"--state-directory={tmp_path}", f"--request-log={tmp_path}/none/requests.log", "--bind-port=0")
    assert done.returncode == 1
    assert "request_log: " in done.stderr
    assert "No such file or directory" in done.stderr


def test_a_full_disk_does_not_fail_requests(caplog: pytest.LogCaptureFixture) -> None:
    from lbclient.server.telemetry.request_log import Line, RequestFile

    log = RequestFile(Path("/dev/full"), "json")
    line = Line("127.0.0.1", "u", "n", "p", "GET", "/", 200, 1.0, "req-1")
    with caplog.at_level(logging.WARNING):
        log.write(line)
        log.write(line)
    log.close()
    assert [each.message for each in caplog.records] == ["the request log /dev/full cannot be written"]
