"""The pictures and the files that the documentation shows."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

from lbclient.cli.manifest import document

SOURCE = Path(__file__).resolve().parents[1] / "doc/source"
CAPTURES = SOURCE / "_static/captures"


def test_every_picture_is_shown_and_every_shown_picture_is_there() -> None:
    pages = "".join(path.read_text(encoding="utf-8") for path in SOURCE.rglob("*.rst"))
    shown = set(re.findall(r"_static/captures/(\S+\.svg)", pages))
    assert shown == {path.name for path in CAPTURES.glob("*.svg")}


def test_every_picture_is_well_formed_and_has_a_title() -> None:
    for path in CAPTURES.glob("*.svg"):
        root = ElementTree.fromstring(path.read_text(encoding="utf-8"))
        title = root.find("{http://www.w3.org/2000/svg}title")
        assert title is not None, path
        assert title.text, path


def test_files_of_examples_are_without_mistakes() -> None:
    paths = list((SOURCE / "examples").glob("*.yaml"))
    assert paths
    for path in paths:
        assert document.read(path.name, path.read_bytes())
