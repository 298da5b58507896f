"""Files and commands named in the container, the compose file and the action exist; checked without an engine."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from lbclient.server import config_sources

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


@pytest.fixture
def action() -> Any:
    return yaml.safe_load((ROOT / "action.yml").read_text())


def test_the_action_starts_a_server_with_options_that_exist(action: Any) -> None:
    known(shlex.split(action["inputs"]["options"]["default"]))


def test_the_action_takes_no_input_as_a_part_of_a_script(action: Any) -> None:
    assert all("${{" not in step["run"] for step in action["runs"]["steps"])
