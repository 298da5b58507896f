"""The genuine Terraform provider of OpenStack, driven over its plugin protocol by Terraform itself.

LBCLIENT_TERRAFORM_PROVIDER names the provider's binary; Terraform is found on PATH. What these tests expect of the
provider when the cloud fails comes from its source, and is proved only where the binary is. Beside it stands what
openstacksdk does, for which no binary is needed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from openstack import exceptions

from gopher import Gopher
from lbclient.testing.cloud import Cloud
from lbclient.testing.server import Server
from running import RunningServer, end_server, start_server, wait_until

PROVIDER = os.environ.get("LBCLIENT_TERRAFORM_PROVIDER")
TERRAFORM = shutil.which("terraform")
SOURCE = Path(__file__).with_name("terraform")
CREATED, CHANGED = 12, 9  # resources; what the second apply changes
EVERYTHING = ("loadbalancers", "listeners", "pools", "healthmonitors", "l7policies")

pytestmark = pytest.mark.filterwarnings("ignore::Warning")  # openstacksdk warns of itself

Json = dict[str, Any]


class Terraform:
    """A working directory with the resources, used by one user."""

    def __init__(self, server: RunningServer, directory: Path) -> None:
        gopher = Gopher(server)
        self.directory = directory
        shutil.copytree(SOURCE, directory, dirs_exist_ok=True)
        settings = directory / "terraform.rc"
        # The binary in its directory is used as it is: nothing is downloaded, and no lock file is needed.
        (directory / "bin").mkdir()
        (directory / "bin" / "terraform-provider-openstack").symlink_to(Path(str(PROVIDER)).absolute())
        settings.write_text(
            "provider_installation {\n  dev_overrides {\n"
            f'    "terraform-provider-openstack/openstack" = "{directory / "bin"}"\n  }}\n  direct {{}}\n}}\n'
        )
        self._environment = {
            **server.environment,
            "TF_CLI_CONFIG_FILE": str(settings),
            "TF_IN_AUTOMATION": "1",
            "CHECKPOINT_DISABLE": "1",
            "OS_CLIENT_CONFIG_FILE": str(server.state_directory / "clouds.yaml"),
            "OS_CLOUD": "lbclient",
            "TF_VAR_subnet_id": gopher.found("subnets", "private-subnet")["id"],
            "TF_VAR_project_id": gopher.project_id,
        }

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(TERRAFORM), *words, "-no-color"],
            cwd=self.directory,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=600,
        )

    def apply(self, change: int = 0, *words: str) -> subprocess.CompletedProcess[str]:
        return self.run("apply", "-auto-approve", "-input=false", f"-var=change={change}", *words)

    def differs(self, change: int = 0) -> bool:
        """Whether what there is differs from the resources."""
        done = self.run("plan", "-detailed-exitcode", "-input=false", f"-var=change={change}")
        assert done.returncode in (0, 2), done.stdout + done.stderr
        return done.returncode == 2

    def destroy(self) -> subprocess.CompletedProcess[str]:
        return self.run("destroy", "-auto-approve", "-input=false")


def needs_provider() -> None:
    if not PROVIDER:
        pytest.skip("LBCLIENT_TERRAFORM_PROVIDER does not name the binary of the provider")
    if not TERRAFORM:
        pytest.skip("terraform is not on PATH")


@pytest.fixture(scope="module", params=["wait", "strict"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    options = ["--busy-wait=strict"] if request.param == "strict" else []
    running = start_server(tmp_path_factory.mktemp("terraform") / "state", "--testing", *options)
    yield running
    end_server(running)


@pytest.fixture(autouse=True)
def as_at_first(server: RunningServer) -> None:
    requests.post(f"{server.url}/testing/v1/reset", timeout=30).raise_for_status()


@pytest.fixture
def terraform(server: RunningServer, tmp_path: Path) -> Terraform:
    needs_provider()
    return Terraform(server, tmp_path / "terraform")


@pytest.fixture
def fault(server: RunningServer) -> Callable[..., str]:
    def add(kind: str = "fault", **values: Any) -> str:
        url = f"{server.url}/testing/v1/{kind}s"
        answer = requests.post(url, json={kind: values}, timeout=10)
        assert answer.status_code == 201, answer.text
        return f"{url}/{answer.json()[kind]['id']}"

    return add


def hits(url: str) -> int:
    return int(requests.get(url, timeout=10).json()["fault"]["hits"])


def test_the_resources_are_well_formed() -> None:
    if not TERRAFORM:
        pytest.skip("terraform is not on PATH")
    done = subprocess.run([TERRAFORM, "fmt", "-check", "-diff", str(SOURCE)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_all_resources_from_creation_to_destruction(server: RunningServer, terraform: Terraform) -> None:
    gopher = Gopher(server)
    done = terraform.apply()
    assert f"{CREATED} added, 0 changed, 0 destroyed" in done.stdout, done.stdout + done.stderr
    assert not terraform.differs()
    done = terraform.apply(1)
    assert f"0 added, {CHANGED} changed, 0 destroyed" in done.stdout, done.stdout + done.stderr
    assert not terraform.differs(1)
    [balancer] = gopher.lb("GET", "loadbalancers")["loadbalancers"]
    assert (balancer["description"], sorted(balancer["tags"])) == ("Change 1", ["a", "b1"])
    done = terraform.destroy()
    assert f"{CREATED} destroyed" in done.stdout, done.stdout + done.stderr
    assert [gopher.lb("GET", each)[each] for each in EVERYTHING] == [[]] * 5


@pytest.mark.parametrize(("status", "times"), [(409, 3), (503, 1)])
def test_the_provider_repeats_what_is_refused_for_now(
    terraform: Terraform, fault: Callable[..., str], status: int, times: int
) -> None:
    """409, 500, 502, 503 and 504 are repeated for everything below a load balancer, with a growing pause."""
    refused = fault(resource="listener", operation="create", status=status, times=times)
    done = terraform.apply()
    assert done.returncode == 0, done.stdout + done.stderr
    assert hits(refused) == times


def test_the_provider_does_not_repeat_the_creation_of_a_load_balancer(
    terraform: Terraform, fault: Callable[..., str]
) -> None:
    refused = fault(resource="loadbalancer", operation="create", status=503, times=1)
    done = terraform.apply()
    assert done.returncode == 1
    assert hits(refused) == 1
    assert terraform.apply().returncode == 0


def test_the_provider_forgets_a_load_balancer_whose_answer_was_lost(
    server: RunningServer, terraform: Terraform, fault: Callable[..., str]
) -> None:
    """It is not in the state: the next apply makes another, and destroy leaves the first and its flavor."""
    fault(resource="loadbalancer", operation="create", drop="after", times=1)
    assert terraform.apply().returncode == 1
    assert terraform.apply().returncode == 0
    assert len(Gopher(server).lb("GET", "loadbalancers")["loadbalancers"]) == 2
    done = terraform.destroy()
    assert done.returncode == 1
    assert "is in use" in done.stderr, done.stderr
    assert len(Gopher(server).lb("GET", "loadbalancers")["loadbalancers"]) == 1


def test_the_provider_replaces_a_load_balancer_in_error(
    server: RunningServer, terraform: Terraform, fault: Callable[..., str]
) -> None:
    """It is tainted: the next apply deletes it and makes a new one."""
    fault("pace", resource="loadbalancer", operation="create", outcome="ERROR", reason="no valid host", times=1)
    assert terraform.apply().returncode == 1
    done = terraform.apply()
    assert done.returncode == 0, done.stdout + done.stderr
    [balancer] = Gopher(server).lb("GET", "loadbalancers")["loadbalancers"]
    assert balancer["provisioning_status"] == "ACTIVE"


# The same with openstacksdk.


@pytest.fixture
def cloud(server: RunningServer, tmp_path: Path) -> Iterator[Any]:
    """A connection as the user of a project."""
    made = Cloud(Server(server.url), tmp_path)
    yield made.openstack()
    made.close()


def private_subnet(cloud: Any) -> Any:
    return next(iter(cloud.network.subnets(name="private-subnet")))


def settled(cloud: Any, id_: str) -> Any:
    return cloud.load_balancer.wait_for_load_balancer(id_, interval=0.05, wait=60)


def test_the_same_calls_with_openstacksdk(cloud: Any) -> None:
    api, subnet = cloud.load_balancer, private_subnet(cloud)
    balancer = api.create_load_balancer(name="shop", vip_subnet_id=subnet.id, tags=["a", "b"])
    settled(cloud, balancer.id)
    listener = api.create_listener(load_balancer_id=balancer.id, protocol="HTTP", protocol_port=8080)
    settled(cloud, balancer.id)
    pool = api.create_pool(listener_id=listener.id, protocol="HTTP", lb_algorithm="ROUND_ROBIN")
    settled(cloud, balancer.id)
    member = api.create_member(pool.id, address="127.0.0.1", protocol_port=9001)
    settled(cloud, balancer.id)
    monitor = api.create_health_monitor(pool_id=pool.id, type="TCP", delay=5, timeout=3, max_retries=2)
    settled(cloud, balancer.id)
    policy = api.create_l7_policy(listener_id=listener.id, action="REJECT")
    settled(cloud, balancer.id)
    rule = api.create_l7_rule(policy.id, type="PATH", compare_type="STARTS_WITH", value="/api")
    settled(cloud, balancer.id)
    assert api.get_l7_rule(rule.id, policy.id).rule_value == "/api"
    for change in (
        lambda: api.update_member(member.id, pool.id, weight=5),
        lambda: api.update_health_monitor(monitor.id, delay=7),
        lambda: api.update_listener(listener.id, connection_limit=7),
    ):
        change()
        settled(cloud, balancer.id)
    assert api.get_member(member.id, pool.id).weight == 5
    api.delete_load_balancer(balancer.id, cascade=True)
    wait_until(lambda: list(api.load_balancers()) == [])


def test_openstacksdk_and_a_conflict(cloud: Any, fault: Callable[..., str]) -> None:
    """It raises at once, whatever the reason; the caller has to repeat it."""
    refused = fault(resource="loadbalancer", operation="create", status=409, times=3)
    subnet = private_subnet(cloud)
    for _ in range(3):
        with pytest.raises(exceptions.ConflictException):
            cloud.load_balancer.create_load_balancer(vip_subnet_id=subnet.id)
    assert cloud.load_balancer.create_load_balancer(vip_subnet_id=subnet.id).id
    assert hits(refused) == 3


def test_openstacksdk_and_a_lost_answer(cloud: Any, fault: Callable[..., str]) -> None:
    """It raises, and the load balancer is there."""
    fault(resource="loadbalancer", operation="create", drop="after", times=1)
    subnet = private_subnet(cloud)
    with pytest.raises(Exception, match=r"(?i)connect|remote end|aborted"):
        cloud.load_balancer.create_load_balancer(name="lost", vip_subnet_id=subnet.id)
    assert [each.name for each in cloud.load_balancer.load_balancers()] == ["lost"]


def test_openstacksdk_and_an_error(cloud: Any, fault: Callable[..., str]) -> None:
    """Waiting for ACTIVE raises as soon as the status is ERROR."""
    fault("pace", resource="loadbalancer", operation="create", outcome="ERROR", reason="no valid host", times=1)
    subnet = private_subnet(cloud)
    made = cloud.load_balancer.create_load_balancer(vip_subnet_id=subnet.id)
    with pytest.raises(exceptions.ResourceFailure):
        settled(cloud, made.id)
