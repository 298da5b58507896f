"""Import directions between packages, read from the code; imports for types alone count like any others."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

import lbclient

ROOT = Path(lbclient.__file__).parent
API = {"server", "server.access", "server.web", "store"}  # what the handlers of every service need
BALANCING = "server.loadbalancer"
# Package -> the packages that its modules may import; these are open to all of them:
OPEN = {"", "resources"}
ALLOWED: dict[str, set[str]] = {
    "": set(),
    "resources": set(),
    "vault": set(),
    "store": {"vault"},
    "client": set(),
    "cli": {"cli.output", "client"},
    "cli.completion": {"cli", "client"},
    "cli.manifest": {"cli", "cli.output", "client"},
    "cli.members": {"cli", "client"},
    "cli.neutron": {"cli", "cli.output", "client"},
    "cli.nouns": {"cli", "cli.output", "cli.output.drawing", "cli.output.watching", "client"},
    "cli.output": {"cli", "client"},
    "cli.output.drawing": {"cli", "cli.output", "client"},
    "cli.output.watching": {"cli.output", "client"},
    "server": {"server.access", "server.external", "server.identity", "store"},
    "server.access": {"server"},
    "agent": {"dataplane", "dataplane.haproxy", "dataplane.vrrp", "server", "store", "vault"},
    "server.agents": {"server", "server.web", "store", "vault"},
    "server.external": {"server", "server.access", "store"},
    "server.identity": API | {"vault"},
    "server.keymanager": API | {"server.lists", "vault"},
    "server.lists": {"server", "store"},
    "server.loadbalancer": API | {"server.lists", "server.network", f"{BALANCING}.rules"},
    "server.loadbalancer.openapi": {"server", "server.web"},
    "server.loadbalancer.operators": {"server", "server.web", "store", BALANCING, f"{BALANCING}.writes"},
    "server.loadbalancer.rules": {"server", "store"},
    "server.loadbalancer.writes": API | {BALANCING, f"{BALANCING}.rules", "server.keymanager", "server.network"},
    "server.network": API | {"server.lists"},
    "server.outbound": {"server", "server.telemetry", "store", BALANCING},
    "server.telemetry": API | {BALANCING},
    "server.testing": API | {BALANCING, "server.identity", "server.telemetry"},
    "server.web": {"server", "server.access", "store"},
    "dashboard": {"cli", "cli.manifest", "cli.output.drawing", "client", "server.web"},
    "dataplane": {"dataplane.config", "dataplane.haproxy", "store"},
    "dataplane.config": {"dataplane.relay", "store", "vault"},
    "dataplane.haproxy": {"dataplane", "dataplane.config", "dataplane.relay"},
    "dataplane.observe": {"dataplane", "dataplane.config", "dataplane.haproxy", "dataplane.relay", "store"},
    "dataplane.relay": {"dataplane"},
    "dataplane.vrrp": {"dataplane.config", "dataplane.haproxy"},
    "testing": {"lab"},
    "lab": {"cli", "cli.output", "client", "server"},
}
# Modules that put things together, and the few that know more than their package.
EXCEPTIONS = {
    "cli/shell.py": {"cli.completion"},
    "server/main.py": {
        "server.outbound",
        "server.telemetry",
        "server.testing",
        "server.web",
    },
    "server/assembly.py": {
        "server.agents",
        "dashboard",
        "dataplane",
        "dataplane.haproxy",
        BALANCING,
        "server.outbound",
        "server.telemetry",
        "server.testing",
        "server.web",
    },
    "server/preflight.py": {"dataplane.haproxy", "server.outbound", "server.web", "vault"},
    "server/planes.py": {"dataplane", "server.agents"},
    "server/preparation.py": {"server.network", "vault"},
    "server/privileges.py": {"dataplane.haproxy"},
    "server/app.py": {
        "server.keymanager",
        "server.lists",
        "server.network",
        "server.telemetry",
        "server.testing",
        "server.web",
        BALANCING,
    },
    "server/loadbalancer/routes.py": {f"{BALANCING}.{name}" for name in ("openapi", "operators", "writes")},
    "server/services.py": {"server.telemetry", "server.testing"},
    "server/key_rings.py": {"vault"},
    "server/config.py": {BALANCING},  # the providers that can be configured
    "server/access/sender.py": {BALANCING},  # a project's ID is checked as that of a load balancer's project
    "server/loadbalancer/handlers.py": {f"{BALANCING}.writes"},
    "server/loadbalancer/logs.py": {f"{BALANCING}.openapi", f"{BALANCING}.writes"},
    "dataplane/local.py": {"dataplane.observe"},
    "dataplane/remote.py": {"dataplane.observe"},
    "dataplane/support.py": {"dataplane.observe"},  # whether this machine lets the server ping
    "lab/maintenance.py": {"store"},  # where a server's rows are
    "lab/seeding.py": {"cli.manifest", "server.identity", "server.network", "server.testing"},
    "lab/hosts.py": {"agent"},
    "lab/failover.py": {"dataplane.vrrp"},  # where keepalived's log is
    "lab/site.py": {"agent", "dataplane.haproxy", "dataplane.vrrp"},
    "agent/sharing.py": {"dataplane.config"},  # Refused
    "lab/lifecycle.py": {"server.testing"},  # for types
    "lab/commands.py": {"server.testing"},  # the error of a seed
    "lab/checkup.py": {"dataplane.haproxy"},  # which HAProxy there is
}
PURE = {"os", "socket", "subprocess", "pathlib", "time", "threading", "random", "shutil", "tempfile"}


def package_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).parts[:-1])


def modules(package: str) -> list[Path]:
    """The modules of a package, without those of the packages in it."""
    return sorted(ROOT.joinpath(*package.split(".")).glob("*.py"))


@cache
def imports(path: Path) -> tuple[Path, ...]:
    """The modules of ours that a module imports, wherever it does: within functions and for types alone, too."""
    package = ("lbclient", *path.relative_to(ROOT).parts[:-1])
    found: list[Path] = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = [*package[: len(package) - node.level + 1]] if node.level else []
            start = ".".join([*base, *([node.module] if node.module else [])])
            names = [f"{start}.{alias.name}" for alias in node.names]
        else:
            continue
        found += (module for name in names if (module := _module(name)))
    return tuple(found)


@cache
def _module(name: str) -> Path | None:
    """The file of a dotted name, which may be that of something within a module."""
    first, *words = name.split(".")
    if first != "lbclient":
        return None
    for count in range(len(words), 0, -1):
        place = ROOT.joinpath(*words[:count])
        if place.with_suffix(".py").exists():
            return place.with_suffix(".py")
        if (place / "__init__.py").exists():
            return place / "__init__.py"
    return None


def test_every_package_has_its_directions() -> None:
    assert {package_of(path) for path in ROOT.rglob("*.py")} == set(ALLOWED)


@pytest.mark.parametrize("package", ALLOWED)
def test_a_package_imports_only_what_it_may(package: str) -> None:
    wrong = [
        f"{name} imports {other.relative_to(ROOT)}"
        for path in modules(package)
        for other in imports(path)
        if package_of(other)
        not in ALLOWED[package] | OPEN | {package} | EXCEPTIONS.get(name := str(path.relative_to(ROOT)), set())
    ]
    assert wrong == []


def test_no_exception_is_left_over() -> None:
    used = {name: {package_of(other) for other in imports(ROOT / name)} for name in EXCEPTIONS}
    assert {name: allowed - used[name] for name, allowed in EXCEPTIONS.items() if allowed - used[name]} == {}


def test_no_direction_is_left_over() -> None:
    used = {package: {package_of(other) for path in modules(package) for other in imports(path)} for package in ALLOWED}
    assert {name: allowed - used[name] for name, allowed in ALLOWED.items() if allowed - used[name]} == {}


def test_the_data_plane_knows_the_store_only_by_its_front() -> None:
    known = {
        other.name
        for path in (ROOT / "dataplane").rglob("*.py")
        for other in imports(path)
        if package_of(other) == "store"
    }
    assert known == {"records.py", "snapshot.py", "store.py"}


def test_rendering_does_no_input_or_output() -> None:
    """The modules that render the configuration read the snapshot and nothing else."""
    for path in modules("dataplane.config"):
        nodes = [
            node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Import | ast.ImportFrom)
        ]
        names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
        names |= {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom) and not node.level}
        assert names & PURE == set(), path
