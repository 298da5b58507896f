"""The package's metadata, where it cannot be derived from one place."""

from __future__ import annotations

import configparser
import importlib.metadata
import re
from pathlib import Path

import pytest

import lbclient
import lowest

ROOT = Path(__file__).parents[1]
CHANGELOG = (ROOT / "CHANGELOG.rst").read_text(encoding="utf-8")


def test_there_is_one_version() -> None:
    setup = configparser.ConfigParser(interpolation=None)
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    newest = re.search(r"^(\d+\.\d+\.\d+) \(.+\)$", CHANGELOG, re.MULTILINE)
    assert newest is not None
    assert {setup["metadata"]["version"], importlib.metadata.version("lbclient"), newest[1]} == {lbclient.__version__}


def test_every_requirement_has_a_lower_bound() -> None:
    pins = list(lowest.constraints())
    assert len(pins) == len(set(pins)) == len(list(lowest.requirements()))
    assert "cliff==4.9" in pins


def test_a_requirement_without_a_lower_bound_is_named(tmp_path: Path) -> None:
    setup = tmp_path / "setup.cfg"
    setup.write_text(
        "[options]\ninstall_requires =\n    requests<3\n\n[options.extras_require]\nserver =\npostgresql =\n"
    )
    with pytest.raises(ValueError, match="requests<3 has no lower bound"):
        list(lowest.constraints(setup))
