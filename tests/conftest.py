"""Fixtures for all tests: a running server, and labs."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import quick
from lbclient.lab import namespace
from lbclient.store.store import Store
from running import Lab, RunningServer, end_server, lbclient, start_server

if TYPE_CHECKING:
    from databases import Cluster

NOBODY = "65534"
ENVIRONMENT = ("env", "HOME=/nonexistent", "PATH=/usr/local/bin:/usr/bin:/bin")  # root's may not be nobody's to read


def pytest_configure(config: pytest.Config) -> None:
    """Inherit nothing that matters: neither ignored signals nor, from tox or pytest-xdist, the size of a terminal."""
    os.environ.pop("COLUMNS", None)
    os.environ.pop("LINES", None)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, set())


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--long",
        type=int,
        default=0,
        help="minutes that each test with random requests takes; any number also runs the full form of other tests",
    )
    parser.addoption("--quick", action="store_true", help="only tests that start no other program")
    parser.addoption("--database", choices=["sqlite", "postgresql"], default="sqlite", help="what stores are kept in")


@pytest.hookimpl(tryfirst=True)
def pytest_collection(session: pytest.Session) -> None:
    """Turn the quick lane on before any test is imported, and after pytest-xdist has started its workers."""
    if session.config.getoption("quick"):
        quick.turn_on()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Run only a sample of the cases of each test in the quick lane."""
    if config.getoption("quick"):
        chosen = quick.sample(items)
        kept = set(chosen)
        config.hook.pytest_deselected(items=[item for item in items if item not in kept])
        items[:] = chosen


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Cluster]:
    """A PostgreSQL of this run's own; skips where none is installed."""
    pytest.importorskip("psycopg", reason="psycopg is in the extra `postgresql`")
    from databases import Cluster, programs

    binaries = programs()
    if binaries is None:
        pytest.skip("PostgreSQL is not installed")
    cluster = Cluster(binaries)
    yield cluster
    cluster.remove()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with its tables, to be copied."""
    path = tmp_path_factory.mktemp("template") / "state.db"
    store = Store(f"sqlite:///{path}")
    store.migrate()
    store.close()
    return path


def _database(request: pytest.FixtureRequest, tmp_path: Path, is_empty: bool) -> str:
    if request.config.getoption("database") == "sqlite":
        if not is_empty:
            shutil.copy(request.getfixturevalue("sqlite_template"), tmp_path / "state.db")
        return f"sqlite:///{tmp_path}/state.db"
    cluster: Cluster = request.getfixturevalue("postgresql")
    return cluster.new_database(is_empty)


@pytest.fixture
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database of the kind that --database names, with its tables; nothing is in it."""
    return _database(request, tmp_path, is_empty=False)


@pytest.fixture
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """One without any tables."""
    return _database(request, tmp_path, is_empty=True)


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Logins that commands keep are kept for the tests alone."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder))
        yield folder


@pytest.fixture
def server(tmp_path: Path, database_url: str) -> Iterator[RunningServer]:
    """A server on a free port of 127.0.0.1, whose load balancers get addresses of a subnet of its own."""
    running = start_server(tmp_path / "state", f"--database={database_url}")
    try:
        yield running
    finally:
        end_server(running)


@pytest.fixture(scope="session")
def unprivileged() -> Sequence[str]:
    """Return the beginning of a command line that runs as an ordinary user; nothing where that is impossible."""
    if os.getuid() != 0 or not shutil.which("setpriv"):
        return ()
    prefix = ("setpriv", "--reuid", NOBODY, "--regid", NOBODY, "--clear-groups", "--inh-caps=-all", *ENVIRONMENT)
    trial = subprocess.run(
        [*prefix, sys.executable, "-c", "import lbclient.lab.namespace, pyroute2"], capture_output=True
    )
    return prefix if trial.returncode == 0 else ()


@pytest.fixture(scope="session")
def open_lab(unprivileged: Sequence[str]) -> Lab:
    """Runs a command in a lab of its own: open_lab("sh", "-c", …) is the completed process."""
    reason = namespace.obstacle()
    if reason:
        pytest.skip(reason)

    def run(*command: str, timeout: float = 300.0) -> subprocess.CompletedProcess[str]:
        line = [*unprivileged, *lbclient("lab", "--", *command)]
        return subprocess.run(line, capture_output=True, text=True, timeout=timeout, stdin=subprocess.DEVNULL)

    return run
