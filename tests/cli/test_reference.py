"""The reference and the manual pages: every command and every option has its place in one of them."""

from __future__ import annotations

import argparse
import importlib.util
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

import pytest

from lbclient.cli.program import Shell

SOURCE = Path(__file__).parents[2] / "doc" / "source"


@pytest.fixture(scope="module")
def groups() -> ModuleType:
    """The extension that makes the reference."""
    pytest.importorskip("sphinx", reason="Sphinx is in the extra `docs`")
    spec = importlib.util.spec_from_file_location("command_groups", SOURCE / "_ext" / "command_groups.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def manual(groups: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """The manual pages by their names."""
    folder = tmp_path_factory.mktemp("man")
    command = [sys.executable, "-m", "sphinx", "-W", "-q", "-b", "man", "-d", str(folder / "trees"), str(SOURCE)]
    done = subprocess.run([*command, str(folder / "pages")], capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stderr) == (0, "")
    return {path.stem: path.read_text() for path in (folder / "pages").glob("*.1")}


def test_every_command_has_a_page(groups: ModuleType) -> None:
    names = groups.command_names()
    pages = {groups.page_of(name) for name in names}
    written = {path.stem for path in (SOURCE / "reference").glob("*.rst") if ".. commands::" in path.read_text()}
    assert written == pages
    listed = re.findall(r"^   (\w+)$", (SOURCE / "reference" / "index.rst").read_text(), re.MULTILINE)
    assert set(listed) == {*pages, "lbclient"}


def test_every_command_and_every_option_is_in_a_manual_page(groups: ModuleType, manual: Mapping[str, str]) -> None:
    shell, names = Shell([]), groups.command_names()
    for name in names:
        page = manual[f"lbclient-{groups.page_of(name)}"].casefold().replace("\\", "")
        assert f".sh {name}" in page, name
        command_class, _, _ = shell.command_manager.find_command(name.split())
        for action in command_class(shell, None, cmd_name=name).get_parser(name)._actions:
            if action.help != argparse.SUPPRESS and "--help" not in action.option_strings:
                assert all(option in page for option in action.option_strings), (name, action.option_strings)
    main = manual["lbclient"].replace("\\", "")
    for option in shell.parser._option_string_actions.values():
        assert option.help == argparse.SUPPRESS or option.dest == "deferred_help" or option.option_strings[-1] in main


def test_groff_takes_the_manual_pages(groups: ModuleType, manual: Mapping[str, str], tmp_path: Path) -> None:
    if not shutil.which("groff"):
        pytest.skip("groff is not installed here")
    for name, text in manual.items():
        (tmp_path / name).write_text(text)
    done = subprocess.run(
        ["groff", "-man", "-Tutf8", "-z", *map(str, tmp_path.iterdir())], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
