"""What the container, the compose file and the action run exists, as far as that can be seen without an engine."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from lbclient.server import config

ROOT = Path(__file__).parents[1]


def known(words: list[str]) -> None:
    """Raises SystemExit where the server would not take these options."""
    import argparse

    parser = argparse.ArgumentParser()
    parser.add_argument("--detach", action="store_true")
    config.add_arguments(parser)
    config.from_arguments(vars(parser.parse_args(words)))


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
    assert text.index("\nUSER lbclient") < text.index("\nENTRYPOINT")


def test_the_compose_file_starts_a_server_with_options_that_exist() -> None:
    [service] = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"].values()
    assert service["entrypoint"][:2] == ["lbclient", "server"]
    known([*service["entrypoint"][2:], *service["command"]])


@pytest.fixture
def action() -> Any:
    return yaml.safe_load((ROOT / "action.yml").read_text())


def test_the_action_starts_a_server_with_options_that_exist(action: Any) -> None:
    known(shlex.split(action["inputs"]["options"]["default"]))


def test_the_action_takes_no_input_as_a_part_of_a_script(action: Any) -> None:
    assert all("${{" not in step["run"] for step in action["runs"]["steps"])
