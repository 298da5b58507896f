"""The pytest plugin, in runs of pytest of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from running import processes_with

USUAL = """
import os, subprocess, sys
import pytest


def test_a_tree_is_made_with_openstacksdk(cloud):
    connection = cloud.openstack()
    made = connection.load_balancer.create_load_balancer(name="lb1", vip_subnet_id=cloud.subnet["id"])
    assert connection.load_balancer.get_load_balancer(made.id).provisioning_status == "ACTIVE"
    assert [each["status"] for each in cloud.requests(method="POST", path="*/loadbalancers")] == [201]


def test_another_test_sees_nothing_of_it(cloud):
    assert list(cloud.openstack().load_balancer.load_balancers()) == []


def test_faults_strike_this_project_only(cloud, lbclient_server):
    cloud.faults.add(resource="pool", status=503, times=1)
    answer = cloud.get(f"{cloud.url}/v2.0/lbaas/pools", headers={"X-Auth-Token": cloud.token})
    assert answer.status_code == 503
    assert cloud.faults.list()[0]["hits"] == 1
    other = lbclient_server.testing.ask("POST", "/projects")["project"]
    answer = cloud.get(f"{cloud.url}/v2.0/lbaas/pools", headers={"X-Auth-Token": other["token"]})
    assert answer.status_code == 200


def test_faults_are_gone_with_their_test(lbclient_server):
    assert lbclient_server.testing.ask("GET", "/faults") == {"faults": []}


@pytest.mark.parametrize("way", ["env", "file"])
def test_a_program_logs_in(cloud, way):
    more = cloud.env if way == "env" else {"OS_CLIENT_CONFIG_FILE": str(cloud.clouds_yaml), "OS_CLOUD": "test"}
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OS_")}
    program = "from lbclient.cli.shell import main; import sys; sys.exit(main(['loadbalancer', 'list', '-f', 'json']))"
    done = subprocess.run([sys.executable, "-c", program], env={**kept, **more}, capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr


@pytest.mark.lbclient(busy="strict")
def test_a_strict_server_refuses_a_busy_load_balancer(cloud):
    cloud.pace(operation="create", manual=True)
    connection = cloud.openstack()
    made = connection.load_balancer.create_load_balancer(vip_subnet_id=cloud.subnet["id"])
    headers = {"X-Auth-Token": cloud.token}
    import requests
    url = f"{cloud.url}/v2.0/lbaas/loadbalancers/{made.id}"
    assert requests.put(url, json={"loadbalancer": {"name": "x"}}, headers=headers).status_code == 409
    cloud.release()
    cloud.wait_until(lambda: connection.load_balancer.get_load_balancer(made.id).provisioning_status == "ACTIVE")


def test_a_snapshot_is_brought_back(cloud):
    connection = cloud.openstack()
    with cloud.snapshot():
        connection.load_balancer.create_load_balancer(name="lb1", vip_subnet_id=cloud.subnet["id"])
    assert list(connection.load_balancer.load_balancers()) == []


@pytest.mark.lbclient(mode="traffic")
def test_traffic_reaches_the_members(cloud):
    api = cloud.openstack().load_balancer
    backends = [cloud.backend(text) for text in ("one", "two")]
    made = api.create_load_balancer(vip_subnet_id=cloud.subnet["id"])
    pool = api.create_pool(loadbalancer_id=made.id, protocol="HTTP", lb_algorithm="ROUND_ROBIN")
    for each in backends:
        api.create_member(pool, address=each.address, protocol_port=each.port)
    api.create_listener(loadbalancer_id=made.id, protocol="HTTP", protocol_port=8080, default_pool_id=pool.id)
    cloud.wait_until(lambda: api.get_load_balancer(made.id).operating_status == "ONLINE")
    assert sorted(set(cloud.traffic(f"http://{made.vip_address}:8080/"))) == ["one", "two"]


@pytest.mark.lbclient(mode="lab")
def test_in_a_lab(cloud):
    assert cloud.subnet["cidr"].startswith("10.")
"""


def run(directory: Path, text: str, *options: str) -> subprocess.CompletedProcess[str]:
    (directory / "test_it.py").write_text(text)
    command = [sys.executable, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", *options, "test_it.py"]
    return subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=300)


def test_everything_that_the_page_promises(tmp_path: Path) -> None:
    done = run(tmp_path, USUAL)
    assert "9 passed, 1 skipped" in done.stdout, done.stdout + done.stderr
    assert "this is not a lab: run lbclient lab -- pytest" in done.stdout
    assert processes_with(str(tmp_path)) == []


MANY = """
import json, os
from pathlib import Path
import pytest, requests

@pytest.mark.parametrize("number", range(COUNT))
def test_nothing_is_shared(cloud, number):
    headers, url = {"X-Auth-Token": cloud.token}, f"{cloud.url}/v2.0/lbaas/loadbalancers"
    def names():
        return [each["name"] for each in requests.get(url, headers=headers).json()["loadbalancers"]]
    assert names() == [] and cloud.requests(method="POST") == [] and cloud.faults.list() == []
    cloud.faults.add(resource="listener", status=503)
    body = {"loadbalancer": {"name": "lb", "vip_subnet_id": cloud.subnet["id"]}}
    assert requests.post(url, json=body, headers=headers).status_code == 201
    assert names() == ["lb"]
    line = json.dumps([os.environ["PYTEST_XDIST_WORKER"], cloud.url, cloud.project["id"]])
    Path(f"seen-{number}").write_text(line)
"""


def test_many_tests_on_workers_of_xdist_share_nothing(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """Two workers with ten tests each; with --long, a hundred tests on four workers."""
    pytest.importorskip("xdist")
    count, number = (100, 4) if request.config.getoption("--long") else (20, 2)
    done = run(tmp_path, MANY.replace("COUNT", str(count)), "-n", str(number))
    assert f"{count} passed" in done.stdout, done.stdout + done.stderr
    seen = [json.loads(path.read_text()) for path in tmp_path.glob("seen-*")]
    assert len({project_id for *_, project_id in seen}) == len(seen) == count
    workers = {worker for worker, *_ in seen}
    assert len({url for _, url, _ in seen}) == len({(worker, url) for worker, url, _ in seen}) == len(workers) == number


@pytest.mark.parametrize(
    ("marker", "words"),
    [
        ('mode="fast"', "is none of noop, traffic, lab"),
        ('busy="never"', "is none of wait, strict"),
        ('colour="red"', "the marker is lbclient("),
    ],
)
def test_a_marker_that_does_not_fit_is_an_error_with_what_is_allowed(tmp_path: Path, marker: str, words: str) -> None:
    done = run(tmp_path, f"import pytest\n\n@pytest.mark.lbclient({marker})\ndef test_it(cloud):\n    pass\n")
    assert words in done.stdout
    assert "1 error" in done.stdout


def test_a_server_that_does_not_start_is_waited_for_once(tmp_path: Path) -> None:
    text = """
import pytest
from lbclient.testing.server import NotStarted, Server

starts = []

def start(options):
    starts.append(options)
    raise NotStarted("it was not ready")

Server.start = start

@pytest.mark.parametrize("number", range(3))
def test_it(cloud, number):
    pass

def test_that_it_was_started_once():
    assert len(starts) == 1
"""
    done = run(tmp_path, text)
    assert "1 passed, 3 errors" in done.stdout
    assert done.stdout.count("NotStarted: it was not ready") == 3


def test_a_run_without_our_fixtures_imports_nothing_for_them(tmp_path: Path) -> None:
    text = """
import sys

def test_it():
    ours = {name for name in sys.modules if name.startswith("lbclient.")}
    assert ours == {"lbclient.testing", "lbclient.testing.plugin"}
"""
    assert "1 passed" in run(tmp_path, text).stdout
