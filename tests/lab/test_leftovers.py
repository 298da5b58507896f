"""Labs and demos inherit nothing from their surroundings, and leave nothing behind."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from lbclient.lab.loopback import LoopbackNetworks
from lbclient.lab.stage import Stage
from running import Lab, lbclient, wait_until
from teletype import Teletype

USERS = ("yaml", "requests", "falcon", "sqlalchemy", "uvicorn", "keystoneauth1", "lbclient", "sitecustomize")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that all users may write to."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o777)
        yield Path(name)


def test_nothing_is_imported_from_the_working_directory(
    open_lab: Lab, unprivileged: Sequence[str], folder: Path
) -> None:
    for module in {*sys.stdlib_module_names, *USERS}:
        (folder / f"{module}.py").write_text("raise SystemExit('imported from here')\n")
    script = (
        "lbclient loadbalancer list -f json; openstack loadbalancer list -f json; guide-servers & "
        "until curl -fs http://10.0.0.4/; do sleep 0.1; done; kill $!"
    )
    line = [*unprivileged, *lbclient("lab", "--", "sh", "-c", script)]
    done = subprocess.run(line, cwd=folder, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("[]\n[]\n")
    assert "Server : server-1 @ 10.0.0.4" in done.stdout


def test_no_login_and_no_cache_stays(open_lab: Lab, unprivileged: Sequence[str], folder: Path) -> None:
    direct = " ".join(f"'{word}'" for word in lbclient("loadbalancer", "list"))
    script = f"lbclient loadbalancer list; openstack loadbalancer list; {direct}; test -d $LBCLIENT_CACHE_HOME"
    home = ["env", "-u", "XDG_CACHE_HOME", f"HOME={folder}"]
    line = [*unprivileged, *home, *lbclient("lab", "--", "sh", "-c", script)]
    done = subprocess.run(line, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    # `openstack` keeps entry points, whatever plugins there are, unless Python itself is below /tmp.
    entry_points = folder / ".cache" / "python-entrypoints"
    left = {each for each in folder.rglob("*") if entry_points not in (each, *each.parents)}
    assert left <= {entry_points.parent}


@pytest.mark.parametrize("options", [(), ("--loopback",)], ids=["lab", "loopback"])
def test_an_interrupted_demo_ends_without_a_word(
    open_lab: Lab, unprivileged: Sequence[str], options: Sequence[str], folder: Path
) -> None:
    environment = {"TMPDIR": str(folder), "TERM": "xterm", "PATH": "/usr/bin:/bin"}
    terminal = Teletype([*unprivileged, "env", f"TMPDIR={folder}", *lbclient("demo", *options)], environment)
    try:
        terminal.wait_for("Server : server-1", 60)
        terminal.type("\x03")
        assert terminal.end() == 130
    finally:
        terminal.close()
    assert "Traceback" not in terminal.text
    wait_until(lambda: list(folder.iterdir()) == [])


def test_the_ports_that_stand_for_the_guides_are_told_apart(capsys: pytest.CaptureFixture[str]) -> None:
    stage = Stage({}, {}, LoopbackNetworks("127.20.10", "127.20.113").translate)
    stage.say("It listens on port 80.")
    stage.say_as_it_is("port 8080 for its port 80")
    assert capsys.readouterr().out == "\nIt listens on port 8080.\n\nport 8080 for its port 80\n"
