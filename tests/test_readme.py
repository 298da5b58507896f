"""README.rst's promises about itself: two sections, each with one command block of one line, which CI runs too."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.rst").read_text(encoding="utf-8")


def section(title: str) -> str:
    match = re.search(rf"^{title}\n-+\n(.*?)(?=^[^\n]+\n-+\n)", README, re.MULTILINE | re.DOTALL)
    assert match, title
    return match[1]


@pytest.mark.parametrize(("title", "last"), [("Run it", "lbclient demo"), ("Test it", "tox run-parallel")])
def test_one_command_line(title: str, last: str) -> None:
    lines = [line for line in section(title).splitlines() if line.startswith(" ")]
    assert len(lines) == 1
    assert lines[0].startswith("    python3 -m venv .venv && ")
    assert lines[0].endswith(last)


def test_both_are_on_the_first_screen() -> None:
    assert len(README.partition("Test it")[0].splitlines()) + len(section("Test it").splitlines()) < 30


def test_what_it_links_to_exists() -> None:
    links = re.findall(r"<([^>]+\.rst)>`_", README)
    assert links
    assert [link for link in links if not (ROOT / link).is_file()] == []


def test_every_test_is_in_an_environment_of_tox() -> None:
    """The README's command runs them all, and a new folder cannot be forgotten."""
    named = re.findall(r"\btests/[\w/.]+", (ROOT / "tox.ini").read_text(encoding="utf-8"))
    run = [ROOT / place for place in named]
    found = sorted((ROOT / "tests").rglob("test_*.py"))
    assert [path for path in found if not any(path.is_relative_to(place) for place in run)] == []
