"""The modules that `lbclient loadbalancer list` may import with a cached login; any other one fails the test."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

NAME = "import-budget"  # a table with wide characters, such as those of other tests' names, needs more modules
CREATE = ("loadbalancer", "create", "--name", NAME, "--vip-subnet-id", "private-subnet")
LIST = ("loadbalancer", "list", "--name", NAME)
# Modules that are there when Python has started do not count.
PROGRAM = """
import sys
before = set(sys.modules)
from lbclient.cli.shell import main
status = main(sys.argv[1:])
print(status, *sorted(set(sys.modules) - before), file=sys.stderr)
"""
PACKAGES = {
    "lbclient",
    "cliff",  # commands and formats, with what its modules import at their top:
    "autopage",
}
# A tenth above what it takes now (164 and 57): room for another Python, none for another library.
MODULES = 180
OURS = 62
# Of the standard library, what is dear and not needed.
TOO_DEAR = {
    *("asyncio", "concurrent", "ctypes", "curses", "email", "http", "multiprocessing", "sqlite3"),
    *("ssl", "subprocess", "unittest", "uuid", "xml"),
}


@pytest.fixture(scope="module")
def loaded(cloud, tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    environment: Mapping[str, str] = {
        **cloud.environment(),
        "XDG_CACHE_HOME": str(tmp_path_factory.mktemp("budget")),
        "LBCLIENT_AUTH_CACHE": "on",
    }
    for words in (CREATE, LIST):  # the first one logs in
        command = [sys.executable, "-c", PROGRAM, *words]
        result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True)
    status, *modules = result.stderr.split()
    assert status == "0", result.stderr
    assert NAME in result.stdout
    return set(modules)


def test_no_other_package(loaded: set[str]) -> None:
    known = PACKAGES | set(sys.stdlib_module_names)
    intruders = {module for module in loaded if module.partition(".")[0] not in known}
    assert intruders == set()


def test_nothing_dear_of_the_standard_library(loaded: set[str]) -> None:
    assert {module for module in loaded if module.partition(".")[0] in TOO_DEAR} == set()


def test_no_other_room_and_no_other_command(loaded: set[str]) -> None:
    ours = {module for module in loaded if module.startswith("lbclient.")}
    rooms = {".".join(module.split(".")[:2]) for module in ours}
    assert rooms == {"lbclient.cli", "lbclient.client", "lbclient.resources", "lbclient.streams"}
    assert {module for module in ours if module.startswith("lbclient.cli.nouns.")} == {
        "lbclient.cli.nouns.loadbalancer",
        "lbclient.cli.nouns.logs",  # the option --logging
    }
    assert {module for module in ours if module.startswith("lbclient.cli.neutron")} == set()
    assert len(ours) <= OURS, sorted(ours)


def test_not_many(loaded: set[str]) -> None:
    assert len(loaded) <= MODULES, sorted(loaded)


def test_the_first_completion_of_a_word_loads_nothing_dear(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PROGRAM, "__complete", "bash", "lbclient loadbalancer l"]
    environment = {**os.environ, "LBCLIENT_CACHE_HOME": str(tmp_path)}
    result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True)
    assert "list" in result.stdout.split()
    status, *modules = result.stderr.split()
    assert status == "0"
    packages = {module.partition(".")[0] for module in modules}
    assert packages & TOO_DEAR == set()
    assert packages <= {*PACKAGES, *sys.stdlib_module_names}
    assert "importlib.metadata" not in modules
