"""The page about testing: its examples are played."""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from lbclient.server.config_sources import add_arguments

SOURCE = Path(__file__).parents[2] / "doc" / "source"
EXAMPLES = SOURCE / "examples" / "testing"
PAGE = (SOURCE / "testing.rst").read_text(encoding="utf-8")


def test_the_first_tests_and_the_twenty_failures(tmp_path: Path) -> None:
    for name in ("test_first.py", "test_failures.py"):
        shutil.copy(EXAMPLES / name, tmp_path)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "."]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert "22 passed" in done.stdout, done.stdout[-4000:] + done.stderr


def test_every_failure_of_the_table_has_its_test() -> None:
    rows = re.findall(r"^   \* - (\d+)$", PAGE, re.MULTILINE)
    tests = re.findall(r"^def test_(\d\d)_", (EXAMPLES / "test_failures.py").read_text(), re.MULTILINE)
    assert [int(each) for each in rows] == [int(each) for each in tests] == list(range(1, 21))


def test_every_example_is_on_the_page() -> None:
    named = set(re.findall(r"literalinclude:: examples/testing/(\S+)", PAGE))
    assert named == {path.name for path in EXAMPLES.iterdir() if path.is_file()}


def options_of(line: str) -> list[str]:
    return re.findall(r"(?<= )--[a-z-]+", line)


@pytest.mark.parametrize("name", ["workflow.yaml", "gitlab-ci.yaml"])
def test_the_files_for_ci_start_servers_with_options_that_exist(name: str) -> None:
    loaded: Any = yaml.safe_load((EXAMPLES / name).read_text())
    lines = (
        [f" {step['with']['options']}" for step in loaded["jobs"]["test"]["steps"] if "with" in step]
        if name == "workflow.yaml"
        else [line for line in loaded["test"]["script"] if " server " in line]
    )
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    known = {option for action in parser._actions for option in action.option_strings} | {"--detach", "--ephemeral"}
    assert lines
    assert [each for line in lines for each in options_of(line) if each not in known] == []


@pytest.mark.parametrize(("program", "check"), [("terraform", ("fmt", "-check")), ("gofmt", ("-d",))])
def test_examples_in_other_languages_are_well_formed(program: str, check: tuple[str, ...]) -> None:
    """With the provider, and with gophercloud, the tests in tests/outside play the same calls."""
    found = shutil.which(program)
    if not found:
        pytest.skip(f"{program} is not installed")
    name = "main.tf" if program == "terraform" else "first_test.go"
    done = subprocess.run([found, *check, str(EXAMPLES / name)], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
