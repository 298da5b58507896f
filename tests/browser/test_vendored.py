"""The libraries of others in the package are what their authors published."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import lbclient

VENDOR = Path(lbclient.__file__).parent / "dashboard" / "static" / "vendor"
LISTED = json.loads((VENDOR / "vendor.json").read_text())


def test_every_file_has_the_checksum_that_is_written_down() -> None:
    wanted = {name: digest for package in LISTED for name, digest in package["files"].items()}
    found = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in VENDOR.iterdir()}
    del found["vendor.json"]
    assert found == wanted


def test_every_package_has_its_version_and_its_licence() -> None:
    for package in LISTED:
        assert package["version"]
        assert package["licence"]
        assert package["integrity"].startswith("sha512-")
        [licence] = [name for name in package["files"] if name.endswith(".LICENSE")]
        assert "Permission" in (VENDOR / licence).read_text()


def test_the_scripts_say_the_same_version() -> None:
    versions = {package["name"]: package["version"] for package in LISTED}
    assert f'this.version="{versions["htmx.org"]}"' in (VENDOR / "htmx.min.js").read_text()
    assert f"(v{versions['uplot']})" in (VENDOR / "uPlot.iife.min.js").read_text()
