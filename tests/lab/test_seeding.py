"""Servers that start with the content of a seed file."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from gopher import Gopher
from lbclient.lab import seeding
from lbclient.lab.programs import LBCLIENT
from lbclient.server.testing.seeding import Access, SeedError
from running import RunningServer, end_server, lbclient, own_networks, processes_with, start_server, wait_until

EXAMPLE = Path(__file__).parents[2] / "doc" / "source" / "examples" / "testing" / "seed.yaml"
PLAIN = "  - {name: plain, vip_subnet_id: private-subnet, provider: noop_driver}\n"


@pytest.fixture
def seed(tmp_path: Path) -> Path:
    path = tmp_path / "seed.yaml"
    _, place = own_networks()  # --public-cidr=127.a.b.0/24, which the server itself gets another of
    path.write_text(EXAMPLE.read_text().replace("127.77.3.0/24", place.partition("=")[2]) + PLAIN)
    return path


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "state"
    for pid in processes_with(str(tmp_path / "state")):
        os.kill(pid, signal.SIGKILL)


def start(state: Path, seed: Path, *options: str) -> RunningServer:
    return start_server(state, "--testing", f"--seed={seed}", *options, program=("-c", LBCLIENT, "server"))


def tried(state: Path, seed: Path) -> subprocess.CompletedProcess[str]:
    """A server that is to refuse to start."""
    command = lbclient("server", "--demo", "--bind-port=0", f"--state-directory={state}", f"--seed={seed}")
    return subprocess.run([*command, *own_networks()], capture_output=True, text=True, timeout=120)


def names(gopher: Gopher) -> set[str]:
    return {each["name"] for each in gopher.lb("GET", "loadbalancers")["loadbalancers"]}


def test_everything_is_there_when_the_server_is_ready(state: Path, seed: Path) -> None:
    server = start(state, seed)
    try:
        admin, demo = Gopher(server, "lbclient-admin"), Gopher(server)
        assert names(admin) == {"web", "plain"}
        assert names(demo) == {"plain"}  # what names no project is the demo project's
        [web] = admin.lb("GET", "loadbalancers?name=web")["loadbalancers"]
        assert admin.active(f"loadbalancers/{web['id']}")["vip_address"].startswith("127.")
        wait_until(lambda: processes_with(web["id"]))
        assert [each["name"] for each in admin.lb("GET", "listeners")["listeners"]] == ["http"]
        network = admin.found("networks", "shop-net")
        assert network["project_id"] == web["project_id"]
        assert admin.found("subnets", "shop-subnet")["network_id"] == network["id"]
        assert logged_in(server, "alice", "correct horse", "shop") == {"member"}
    finally:
        end_server(server)


def logged_in(server: RunningServer, name: str, password: str, project: str) -> set[str]:
    """The roles of a user in a project."""
    domain = {"id": "default"}
    user = {"name": name, "password": password, "domain": domain}
    body = {
        "auth": {
            "identity": {"methods": ["password"], "password": {"user": user}},
            "scope": {"project": {"name": project, "domain": domain}},
        }
    }
    answer = requests.post(f"{server.url}/identity/v3/auth/tokens", json=body, timeout=20)
    assert answer.status_code == 201, answer.text
    return {each["name"] for each in answer.json()["token"]["roles"]}


def test_a_seed_is_loaded_once_and_reset_brings_it_back(state: Path, seed: Path) -> None:
    server = start(state, seed, "--default-provider=noop_driver")
    gopher = Gopher(server)
    [plain] = gopher.lb("GET", "loadbalancers")["loadbalancers"]
    gopher.lb("DELETE", f"loadbalancers/{plain['id']}")
    gopher.gone(f"loadbalancers/{plain['id']}")
    end_server(server)
    server = start(state, seed, "--default-provider=noop_driver")
    try:
        assert names(Gopher(server)) == set()
        requests.post(f"{server.url}/testing/v1/reset", timeout=20).raise_for_status()
        assert names(Gopher(server)) == {"plain"}
    finally:
        end_server(server)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "projects: [{name: a, decription: a}]",
            ":1:22: projects[0].decription: a project has no such key. Did you mean",
        ),
        ("projects: [{}]", "projects[0]: name is missing"),
        ("projects: 7", "projects: it should be a list, not a single value"),
        ("users: [{name: a, roles: [member]}]", "users[0].roles: default_project_id is missing"),
        ("users: [{name: a, default_project_id: p, roles: x}]", "users[0].roles: 'x' is not a list of names"),
        ("networks: [{name: a, subnets: [{}]}]", "networks[0].subnets[0]: cidr is missing"),
        ("networks: [{name: a, name: b}]", "networks[0].name: it stands in line 1 already"),
        ("projects: []\nservers: []", "seed.yaml:2:1: servers: there is no such section; there are loadbalancers, "),
        ("loadbalancers: [{name: a, vip_subnet_id: s, admin_state_up: 7}]", "'7' is neither true nor false"),
        ("projects: [{name: &a [*a]}]", "nested too deeply"),
        ("projects: [", "it is not valid YAML"),
        ("? [a]\n: b\nprojects: []", "it should be a single value, not a list"),
        ("projects: [{tags: {? [a] : b}, name: a}]", "projects[0]: it should be a single value, not a list"),
        ("7", "it should be a mapping (key: value), not a single value"),
        ("", "there is no load balancer in it"),
    ],
)
def test_a_file_with_a_mistake_is_refused(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "seed.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SeedError) as refusal:
        seeding.read(path)
    [line] = str(refusal.value).splitlines()
    assert line.startswith(str(path))
    assert told in line


def test_mistakes_are_told_before_anything_is_made(state: Path, tmp_path: Path) -> None:
    path = tmp_path / "seed.yaml"
    path.write_text("projects: [{nam: a}]\nusers: [{name: a, color: red}]")
    done = tried(state, path)
    assert (done.returncode, done.stdout) == (2, "")
    assert [line.count(str(path)) for line in done.stderr.splitlines()] == [1, 1, 1]  # name is missing, too
    with pytest.raises(SeedError, match=r"it cannot be read: No such file"):
        seeding.read(tmp_path / "none.yaml")
    with pytest.raises(SeedError, match=r"it cannot be read: Is a directory"):
        seeding.read(tmp_path)
    assert not state.exists()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("networks: [{name: a, subnets: [{cidr: nowhere}]}]", "subnets[0]: Invalid input for cidr. Reason: 'nowhere'"),
        ("networks: [{name: a, mtu: 5}]", "networks[0]: Invalid input for mtu. Reason: '5' is not between 68 and"),
        ("networks: [{name: a, project_id: nobody}]", "networks[0].project_id: No project has the name or ID 'nobody'"),
        ("projects: [{name: demo}]", "projects[0]: Conflict occurred attempting to store project"),
        (
            "users: [{name: a, default_project_id: demo, roles: [king]}]",
            "users[0].roles: 'king' is none of admin, ",
        ),
        ("loadbalancers: [{name: a, vip_subnet_id: nowhere}]", "vip_subnet_id: "),
        (
            "loadbalancers: [{name: a, vip_subnet_id: private-subnet, vip_address: 9.9.9.9}]",
            "load balancer a: ",
        ),
    ],
)
def test_what_the_server_refuses_is_told_with_its_place(
    loading: Callable[[Path], None], tmp_path: Path, text: str, told: str
) -> None:
    path = tmp_path / "seed.yaml"
    path.write_text(text)
    with pytest.raises(SeedError) as refusal:
        loading(path)
    [line] = str(refusal.value).splitlines()
    assert line.startswith(f"{path}:1:")
    assert told in line


@pytest.fixture(scope="module")
def loading(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Path], None]]:
    """Loads seed files into one server."""
    server = start_server(tmp_path_factory.mktemp("seeding") / "state", "--default-provider=noop_driver")
    admin = Gopher(server, "lbclient-admin")
    access = Access(server.url, admin.token, admin.project_id)
    try:
        yield lambda path: seeding.read(path).load(access)
    finally:
        end_server(server)


def test_a_seed_that_fails_leaves_nothing_and_can_be_mended(state: Path, seed: Path) -> None:
    good = seed.read_text()
    seed.write_text(good.replace("private-subnet", "nowhere"))
    done = tried(state, seed)
    assert done.returncode == 1
    [said] = [line for line in done.stderr.splitlines() if line.startswith("lbclient server: ")]
    assert f"{seed}:" in said
    assert "vip_subnet_id: " in said
    assert "'nowhere'" in said
    assert "Traceback" not in done.stderr
    seed.write_text(good)  # the names in it are still free
    server = start(state, seed, "--default-provider=noop_driver")
    try:
        gopher = Gopher(server, "lbclient-admin")
        assert names(gopher) == {"web", "plain"}
        assert len(gopher.net("GET", "networks")["networks"]) == 3
    finally:
        end_server(server)


KILLED = """
import os, signal, sys
from lbclient.lab import seeding

def die(self, declared):
    os.kill(os.getpid(), signal.SIGKILL)

seeding._Loading.create_loadbalancer = die
from lbclient.cli.shell import main
sys.exit(main())
"""


def test_a_server_killed_in_the_middle_of_a_seed_starts_without_it(state: Path, seed: Path) -> None:
    options = ["--bind-port=0", f"--state-directory={state}", *own_networks(), f"--seed={seed}"]
    done = subprocess.run([sys.executable, "-c", KILLED, "server", *options], capture_output=True, timeout=120)
    assert done.returncode == -signal.SIGKILL
    server = start_server(state)
    try:
        Gopher(server)  # the user demo is new at this start
        gopher = Gopher(server, "lbclient-admin")
        found: Any = gopher.ask("GET", "v3/projects", service="identity")["projects"]
        assert sorted(each["name"] for each in found) == ["admin", "demo"]
        assert {each["name"] for each in gopher.net("GET", "networks")["networks"]} == {"private-net", "public-net"}
    finally:
        end_server(server)


def test_a_seed_needs_users_of_this_server(state: Path, seed: Path) -> None:
    command = lbclient("server", "--auth=noauth", "--bind-port=0", f"--state-directory={state}", f"--seed={seed}")
    done = subprocess.run([*command, *own_networks()], capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert "--seed: it needs the users of this server" in done.stderr
