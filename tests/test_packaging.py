"""The container, the compose file and the action: what they name exists and runs; checked without an engine."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from lbclient.lab.programs import LBCLIENT
from lbclient.server import config_sources
from running import end_server, processes_with, start_server

ROOT = Path(__file__).parents[1]


def known(words: list[str]) -> None:
    """Raises SystemExit where the server would not take these options."""
    import argparse

    parser = argparse.ArgumentParser()
    parser.add_argument("--detach", action="store_true")
    config_sources.add_arguments(parser)
    config_sources.from_arguments(vars(parser.parse_args(words)))


def dockerfile(instruction: str) -> list[str]:
    """The JSON words of an instruction."""
    found = re.findall(rf"^{instruction} (\[.*\])$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    return [str(word) for word in json.loads(found[-1])]


def test_the_container_starts_a_server_with_options_that_exist() -> None:
    entry = dockerfile("ENTRYPOINT")
    assert entry[:2] == ["lbclient", "server"]
    known([*entry[2:], *dockerfile("CMD")])


def test_the_container_runs_as_a_user_of_its_own() -> None:
    text = (ROOT / "Dockerfile").read_text()
    assert text.rindex("\nUSER lbclient") < text.rindex("\nENTRYPOINT")


def test_the_compose_file_starts_a_server_with_options_that_exist() -> None:
    [service] = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"].values()
    assert service["entrypoint"][:2] == ["lbclient", "server"]
    known([*service["entrypoint"][2:], *service["command"]])


def operation(instruction: str) -> list[str]:
    """The JSON words of an instruction of the image for operation."""
    [stage] = re.findall(
        r"^FROM base AS operation\n(.*?)\n\n", (ROOT / "Dockerfile").read_text(), re.MULTILINE | re.DOTALL
    )
    [found] = re.findall(rf"^{instruction} (\[.*?\])$", stage.replace("\\\n", ""), re.MULTILINE)
    return [str(word) for word in json.loads(found)]


def test_the_container_for_operation_starts_a_server_with_options_that_exist() -> None:
    words = operation("ENTRYPOINT")
    begin = words.index("lbclient")
    assert words[begin : begin + 2] == ["lbclient", "server"]
    known(words[begin + 2 :])
    assert operation("CMD")[0] == "--config-file"


def test_the_container_for_operation_keeps_the_capabilities_of_the_unit() -> None:
    unit = (ROOT / "contrib/systemd/lbclient.service").read_text()
    [wanted] = re.findall(r"^CapabilityBoundingSet=(.+)$", unit, re.MULTILINE)
    words = operation("ENTRYPOINT")
    command = [each.replace("=lbclient", "=65534") for each in words[: words.index("lbclient")]]
    command[command.index("--init-groups")] = "--clear-groups"
    if os.geteuid() != 0 or subprocess.run([*command, "true"], capture_output=True).returncode != 0:
        pytest.skip("no right to become another user")
    said = subprocess.run([*command, "cat", "/proc/self/status"], capture_output=True, text=True, check=True).stdout
    numbers = {"CAP_NET_BIND_SERVICE": 10, "CAP_NET_ADMIN": 12, "CAP_NET_RAW": 13}
    most = f"{sum(1 << numbers[name] for name in wanted.split()):016x}"
    found = dict(re.findall(r"^(Cap\w+):\t(\w+)$", said, re.MULTILINE))
    assert {found[name] for name in ("CapEff", "CapPrm", "CapBnd", "CapAmb")} == {most}
    assert re.search(r"^Uid:\t65534\t65534", said, re.MULTILINE)
    [service] = yaml.safe_load((ROOT / "contrib/container/compose.yaml").read_text())["services"].values()
    assert {f"CAP_{each}" for each in service["cap_add"]} >= set(wanted.split())
    assert (service["network_mode"], service["build"]["target"]) == ("host", "operation")


ON_A_LINK = (
    "ip link set lo up && ip link add lan type veth peer name far && ip address add 192.0.2.10/24 dev lan && "
    'ip link set lan up && ip link set far up && exec "$@"'
)
CONFIGURED = """[server]
auth = noauth
bind_port = 0
attachment = interface
interface = lan=192.0.2.0/24
private_cidr = 192.0.2.128/27
public_cidr = 192.0.2.160/27
"""
BALANCE = """
import sys, time, requests
lbaas, networking = sys.argv[1] + "/v2.0/lbaas/loadbalancers", sys.argv[1] + "/networking/v2.0/subnets"
[subnet] = requests.get(networking, params={"name": "private-subnet"}, timeout=30).json()["subnets"]
listener = {"protocol": "HTTP", "protocol_port": 80}
body = {"vip_subnet_id": subnet["id"], "project_id": "p" * 32, "listeners": [listener]}
made = requests.post(lbaas, json={"loadbalancer": body}, timeout=30).json()["loadbalancer"]
deadline = time.monotonic() + 30
while requests.get(f"{lbaas}/{made['id']}", timeout=30).json()["loadbalancer"]["provisioning_status"] != "ACTIVE":
    assert time.monotonic() < deadline
    time.sleep(0.05)
print(made["vip_address"], requests.get(f"http://{made['vip_address']}/", timeout=30).status_code)
"""


@pytest.fixture
def user(unprivileged: Sequence[str]) -> int:
    """The user of a container; root, without root's capabilities, where no other can read this installation."""
    if os.geteuid() != 0 or subprocess.run(["unshare", "--net", "true"], capture_output=True).returncode != 0:
        pytest.skip("no right to open a network as root")
    return 65534 if unprivileged else 0


@pytest.fixture
def volume(user: int) -> Iterator[Path]:
    """The state directory of a container, which belongs to its user."""
    with tempfile.TemporaryDirectory(prefix="lbclient-volume-", dir="/tmp") as directory:
        place = Path(directory)
        place.chmod(0o755)
        (place / "state").mkdir()
        os.chown(place / "state", user, user)
        yield place / "state"
        for pid in processes_with(str(place)):
            os.kill(pid, signal.SIGKILL)


def test_the_container_for_operation_serves_on_an_interface_as_its_user(volume: Path, user: int) -> None:
    """Its entry point, as its user and with its capabilities alone, in a network that is like the host's."""
    words = [each.replace("=lbclient", f"={user}") for each in operation("ENTRYPOINT")]
    words[words.index("--init-groups")] = "--clear-groups"
    begin, program = words.index("lbclient"), [sys.executable, "-c", LBCLIENT]
    configured = volume.parent / "server.ini"
    configured.write_text(CONFIGURED)
    configured.chmod(0o644)
    places = {"/var/lib/lbclient": str(volume), "/etc/lbclient/server.ini": str(configured)}
    command = [*words[:begin], *program, *words[begin + 1 :], *operation("CMD")]
    network = ["unshare", "--net", "sh", "-c", ON_A_LINK, "sh"]
    environment = {"HOME": str(volume), "PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"}
    whole = [*network, *(places.get(each, each) for each in command)]
    with subprocess.Popen(whole, stdout=subprocess.PIPE, text=True, env=environment, cwd=volume) as server:
        try:
            assert server.stdout is not None
            url = server.stdout.readline().split()[-1]
            within = ["nsenter", f"--net=/proc/{server.pid}/ns/net"]
            served = told(*within, sys.executable, "-c", BALANCE, url).split()
            assert served[1] == "503"  # there is no pool
            assert f"inet {served[0]}/32 metric 27746" in told(
                *within, "ip", "-oneline", "address", "show", "dev", "lan"
            )
            found = dict(re.findall(r"^(\w+):\t(\w+)", Path(f"/proc/{server.pid}/status").read_text(), re.MULTILINE))
            assert (int(found["Uid"]), int(found["CapBnd"], 16)) == (user, 1 << 10 | 1 << 12 | 1 << 13)
            [health] = re.findall(r"CMD (\[.*\])", (ROOT / "Dockerfile").read_text())[:1]
            told(*within, *program, *(places.get(each, each) for each in json.loads(health)[1:]))
        finally:
            server.terminate()
            server.wait(30)
    assert server.returncode == 0


def told(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


LEFT_OUT = {"openstacksdk": "openstack", "pygments": "pygments", "pip": "pip"}
WITHOUT = """
import sys
names = {names!r}
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in names:
            raise ModuleNotFoundError(f"{{name}} is not in the container")
sys.meta_path.insert(0, Missing())
"""


def test_the_container_has_everything_that_the_server_imports(tmp_path: Path) -> None:
    [removed] = re.findall(r"pip uninstall -y (.+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    without = WITHOUT.format(names={LEFT_OUT[name] for name in removed.split()})
    server = start_server(
        tmp_path / "s", program=("-c", without + "from lbclient.server.main import main\nsys.exit(main())")
    )
    try:
        told(sys.executable, "-c", without + LBCLIENT, "server", "status", f"--state-directory={tmp_path / 's'}")
    finally:
        end_server(server)


@pytest.fixture
def action() -> Any:
    return yaml.safe_load((ROOT / "action.yml").read_text())


def test_the_action_starts_a_server_with_options_that_exist(action: Any) -> None:
    known(shlex.split(action["inputs"]["options"]["default"]))


def test_the_action_takes_no_input_as_a_part_of_a_script(action: Any) -> None:
    assert all("${{" not in step["run"] for step in action["runs"]["steps"])
