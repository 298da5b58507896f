"""Who may import whom: the arrows between the rooms, read from the code."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import lbclient

ROOT = Path(lbclient.__file__).parent
ROOMS = ("resources", "client", "cli", "server", "store", "vault", "dataplane", "lab")
ALLOWED = {
    "resources": set(),
    "client": {"resources"},
    "cli": {"resources", "client"},
    "store": {"resources"},
    "vault": {"store"},
    "server": {"resources", "store", "vault"},
    "dataplane": {"resources", "store"},
    "lab": {"resources", "client", "cli", "server", "store"},
}
# The one place that puts the server and the data plane together, and the doctor, who looks for the HAProxy of both.
EXCEPTIONS = {("server/main.py", "dataplane"), ("lab/checkup.py", "dataplane")}


def modules(room: str) -> list[Path]:
    return sorted((ROOT / room).rglob("*.py"))


def imports(path: Path) -> Iterator[str]:
    """The modules of ours that a module imports, from their room on: store.snapshot."""
    package = ("lbclient", *path.relative_to(ROOT).parts[:-1])
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = [*package[: len(package) - node.level + 1]] if node.level else []
            start = ".".join([*base, *([node.module] if node.module else [])])
            names = [f"{start}.{alias.name}" for alias in node.names]
        else:
            continue
        yield from (name.removeprefix("lbclient.") for name in names if name.startswith("lbclient."))


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_what_it_may(room: str) -> None:
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in modules(room)
        for name in imports(path)
        if (other := name.partition(".")[0]) in ROOMS
        and other not in ALLOWED[room] | {room}
        and (str(path.relative_to(ROOT)), other) not in EXCEPTIONS
    ]
    assert wrong == []


def test_the_data_plane_knows_the_store_only_by_its_front() -> None:
    allowed = ("store.store", "store.snapshot")
    wrong = [name for path in modules("dataplane") for name in imports(path) if name.startswith("store")]
    assert [name for name in wrong if not name.startswith(allowed)] == []


def test_rendering_does_no_input_or_output() -> None:
    """What decides the configuration reads the snapshot and nothing else."""
    outside = {"os", "socket", "subprocess", "pathlib", "time", "threading", "random", "shutil", "tempfile"}
    for path in (ROOT / "dataplane/config/render.py", ROOT / "dataplane/config/cfg.py"):
        nodes = [
            node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Import | ast.ImportFrom)
        ]
        names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
        names |= {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom) and not node.level}
        assert names & outside == set()
