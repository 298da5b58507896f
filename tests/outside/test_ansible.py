"""The genuine Ansible collection openstack.cloud: playbooks that make, keep, change and remove load balancers."""

from __future__ import annotations

import json
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from gopher import Gopher, answers, sites
from running import RunningServer, end_server, start_server

ANSIBLE = shutil.which("ansible-playbook", path=str(Path(sys.executable).parent))
if ANSIBLE is None:
    pytest.skip("Ansible is not installed: tox -e ansible", allow_module_level=True)

PLAYBOOKS = Path(__file__).with_name("playbooks")
EXAMPLES = Path(__file__).parents[2] / "doc" / "source" / "examples" / "testing"
CHANGED = {"weight": 3, "every": 7, "note": "Another", "methods": "HEAD", "milliseconds": 6000}
COLLECTIONS = ("loadbalancers", "listeners", "pools", "healthmonitors")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    running = start_server(tmp_path_factory.mktemp("ansible") / "state")
    yield running
    end_server(running)


@pytest.fixture(scope="module")
def ports() -> Iterator[list[int]]:
    with sites(2) as ports:
        yield ports


class Playbooks:
    """Plays them as one user of one cloud."""

    def __init__(self, server: RunningServer, home: Path, cloud: str = "lbclient") -> None:
        settings = {"HOME": str(home), "STDOUT_CALLBACK": "ansible.posix.json"}
        settings |= {"LOCALHOST_WARNING": "false", "INVENTORY_UNPARSED_WARNING": "false", "PIPELINING": "true"}
        ansible = {f"ANSIBLE_{name}": value for name, value in settings.items()}
        self.environment = {**server.environment, **ansible, "OS_CLOUD": cloud, "LC_ALL": "C.UTF-8"}

    def play(self, name: str, *options: str, **values: Any) -> list[str]:
        """The tasks that changed something, in a play that succeeds."""
        found = next(each / f"{name}.yaml" for each in (PLAYBOOKS, EXAMPLES) if (each / f"{name}.yaml").exists())
        command = [str(ANSIBLE), str(found), "-e", json.dumps(values), *options]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr
        [play] = json.loads(done.stdout[done.stdout.index("{") :])["plays"]
        return [each["task"]["name"] for each in play["tasks"] if each["hosts"]["localhost"]["changed"]]


def test_a_shop_is_opened_kept_changed_and_closed(server: RunningServer, ports: list[int], tmp_path: Path) -> None:
    ansible, gopher = Playbooks(server, tmp_path), Gopher(server)
    everything = ["Load balancer with a floating IP", "Listener", "Pool", "Members", "Health monitor"]
    assert ansible.play("shop", ports=ports) == everything
    [floating] = gopher.net("GET", "floatingips")["floatingips"]
    assert answers(f"http://{floating['floating_ip_address']}:8080/") == {str(port) for port in ports}
    assert ansible.play("shop", ports=ports) == []
    before = {each: gopher.lb("GET", each) for each in COLLECTIONS}
    assert ansible.play("shop", "--check", ports=ports, **CHANGED) == everything
    assert {each: gopher.lb("GET", each) for each in COLLECTIONS} == before
    assert ansible.play("shop", ports=ports, **CHANGED) == everything
    changed(gopher)
    assert len(ansible.play("gone", ports=ports)) == 5
    assert ansible.play("gone", ports=ports, is_gone=True) == []
    assert [gopher.lb("GET", each)[each] for each in COLLECTIONS] == [[]] * 4
    assert gopher.net("GET", "floatingips")["floatingips"] == []


def changed(gopher: Gopher) -> None:
    """Everything shows what the playbook was told the second time."""
    [balancer, listener, pool, monitor] = [gopher.lb("GET", each)[each][0] for each in COLLECTIONS]
    assert {each["description"] for each in (balancer, listener, pool)} == {"Another"}
    assert (listener["timeout_client_data"], listener["timeout_member_data"]) == (6000, 6000)
    assert (monitor["http_method"], monitor["delay"]) == ("HEAD", 7)
    assert [each["weight"] for each in gopher.lb("GET", f"pools/{pool['id']}/members")["members"]] == [3, 3]


def test_what_stands_around_it(server: RunningServer, tmp_path: Path) -> None:
    ansible = Playbooks(server, tmp_path)
    prefix = f"127.{230 + secrets.randbelow(20)}.{secrets.randbelow(250)}"
    assert len(ansible.play("around", prefix=prefix)) == 8
    assert ansible.play("around", "--skip-tags=look", prefix=prefix) == []
    assert ansible.play("around", "--skip-tags=look", prefix=prefix, note="Theirs") == [
        "Subnet",
        "Security group with its rules",
    ]
    assert len(ansible.play("nothing_around", prefix=prefix)) == 7


def test_what_operators_keep(server: RunningServer, tmp_path: Path) -> None:
    Playbooks(server, tmp_path, "lbclient-admin").play("operators")


def test_a_playbook_with_faults_and_pace(tmp_path: Path) -> None:
    """The example of the page about testing; what it has made is left."""
    server = start_server(tmp_path / "state", "--testing")
    try:
        changed = Playbooks(server, tmp_path).play("faults", testing=f"{server.url}/testing/v1")
        assert "Load balancer, tried again where it is refused" in changed
        gopher = Gopher(server)
        [balancer] = gopher.lb("GET", "loadbalancers")["loadbalancers"]
        assert balancer["name"] == "shop"
        assert gopher.lb("GET", "listeners")["listeners"] == []
        for kind in ("faults", "paces"):
            assert requests.get(f"{server.url}/testing/v1/{kind}", timeout=10).json() == {kind: []}
    finally:
        end_server(server)
