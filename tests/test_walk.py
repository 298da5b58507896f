"""The walk through the code in the contributors' documentation: what it names exists."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGES = sorted((ROOT / "doc/source/contributor").glob("*.rst"))


def defined(path: Path) -> Iterator[str]:
    """Yield the names of the functions, classes and methods of a module."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef):
            yield from (f"{node.name}.{each.name}" for each in node.body if isinstance(each, ast.FunctionDef))
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name


def test_what_the_pages_name_exists() -> None:
    found = {
        name for page in PAGES for name in re.findall(r"``([\w/]+\.py:[\w.]+)``", page.read_text(encoding="utf-8"))
    }
    assert len(found) > 30
    places = [(ROOT / "lbclient" / path, name) for path, _, name in (each.partition(":") for each in found)]
    assert [(str(path), name) for path, name in places if not path.is_file() or name not in defined(path)] == []
