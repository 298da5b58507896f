"""Golden pairs: cases/<name>.yaml is a load balancer, cases/<name>.cfg its configuration, byte for byte.

Where a relay is needed, cases/<name>.json is its plan; where policies are looked up, cases/<name>.maps are the maps.

A new case is the first file; REGENERATE=1 writes the second. Read what it wrote before you commit it.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import trees
import yaml

from lbclient.dataplane.config.render import render
from lbclient.dataplane.haproxy import binary, map_files, pem
from lbclient.dataplane.relay import plan

CASES = sorted((Path(__file__).parent / "cases").glob("*.yaml"))


@pytest.mark.parametrize("case", CASES, ids=[case.stem for case in CASES])
def test_the_configuration_is_the_golden_one(case: Path, haproxy: str, tmp_path: Path) -> None:
    configuration = render(trees.snapshot(yaml.safe_load(case.read_text())))
    text = configuration.text
    golden = case.with_suffix(".cfg")
    if os.environ.get("REGENERATE"):
        golden.write_text(text)
    assert text == golden.read_text()
    pem.store(tmp_path, configuration)
    map_files.store(tmp_path, configuration)
    (tmp_path / "haproxy.cfg").write_text(text)
    (tmp_path / "states").write_text("1\n")
    assert binary.objection(haproxy, tmp_path, "haproxy.cfg") is None


@pytest.mark.parametrize("case", CASES, ids=[case.stem for case in CASES])
def test_the_relays_plan_is_the_golden_one(case: Path) -> None:
    wanted = render(trees.snapshot(yaml.safe_load(case.read_text()))).relay
    golden = case.with_suffix(".json")
    text = json.dumps(json.loads(plan.dumps(wanted)), indent=2) + "\n"
    if os.environ.get("REGENERATE") and wanted.is_needed:
        golden.write_text(text)
    assert golden.exists() == wanted.is_needed
    assert not wanted.is_needed or text == golden.read_text()
    assert plan.loads(text) == wanted


@pytest.mark.parametrize("case", CASES, ids=[case.stem for case in CASES])
def test_the_maps_are_the_golden_ones(case: Path) -> None:
    maps = render(trees.snapshot(yaml.safe_load(case.read_text()))).maps
    golden = case.with_suffix(".maps")
    text = "\n".join(f"{each.name}\n{each.text}" for each in maps)
    if os.environ.get("REGENERATE") and maps:
        golden.write_text(text)
    assert golden.exists() == bool(maps)
    assert not maps or text == golden.read_text()


def test_every_golden_file_has_a_case() -> None:
    assert {each.stem for each in CASES} == {each.stem for each in (Path(__file__).parent / "cases").glob("*.cfg")}
