"""The commands within the genuine `openstack`, alone and beside python-octaviaclient."""

from __future__ import annotations

import importlib.metadata
import os
import site
import subprocess
import sys
from pathlib import Path

import pytest

import lbclient

SITE_PACKAGES = next(path for path in site.getsitepackages() if (Path(path) / "openstackclient").is_dir())
OPENSTACK = "import sys; from openstackclient.shell import main; sys.exit(main(sys.argv[1:]))"
# Without the peer: neither its module nor its entry points can be found.
WITHOUT_PEER = f"""
import importlib.metadata, sys
sys.modules["octaviaclient"] = None
genuine = importlib.metadata.Distribution.entry_points.fget
def without_peer(self):
    return [] if self.metadata["Name"] == "python-octaviaclient" else genuine(self)
importlib.metadata.Distribution.entry_points = property(without_peer)
{OPENSTACK}
"""


@pytest.fixture(scope="module")
def first_place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with lbclient and its metadata, to be put before or behind all other packages."""
    folder = tmp_path_factory.mktemp("path")
    (folder / "lbclient").symlink_to(Path(lbclient.__file__).parent)
    own = importlib.metadata.distribution("lbclient")
    information = folder / "lbclient-0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: lbclient\nVersion: 0\n")
    (information / "entry_points.txt").write_text(own.read_text("entry_points.txt") or "")
    return folder


@pytest.fixture(params=["lbclient first", "octaviaclient first", "octaviaclient not there"])
def openstack(request, cloud, first_place: Path, tmp_path_factory: pytest.TempPathFactory):
    """Run `openstack` with an order in which distributions are found."""
    # stevedore remembers what it found by path and installed files, neither of which tells that the peer is hidden.
    memory = str(tmp_path_factory.mktemp("cache"))
    paths = [str(first_place), SITE_PACKAGES]
    if request.param == "octaviaclient first":
        paths.reverse()
    program = WITHOUT_PEER if request.param == "octaviaclient not there" else OPENSTACK

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {**cloud.environment(), "PYTHONPATH": os.pathsep.join(paths), "XDG_CACHE_HOME": memory}
        command = [sys.executable, "-c", program, *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)

    return run


def test_our_commands_win_without_a_word(openstack, loadbalancer) -> None:
    result = openstack("loadbalancer", "show", loadbalancer)
    assert (result.returncode, result.stderr) == (0, "")
    assert "| flavor  " in result.stdout  # the guide's row, which the peer has not
    assert openstack("loadbalancer", "show", "nothing").stderr == "No load balancer has the name or ID 'nothing'.\n"


def test_operators_commands_are_there(openstack) -> None:
    result = openstack("loadbalancer", "quota", "defaults", "show", "-f", "value", "-c", "listener")
    assert (result.returncode, result.stdout, result.stderr) == (0, "-1\n", "")


def test_the_global_option_is_there_once(openstack) -> None:
    result = openstack("--os-loadbalancer-api-version", "2", "loadbalancer", "list", "--name", "none", "-f", "json")
    assert (result.returncode, result.stdout, result.stderr) == (0, "[]\n", "")


def test_help_is_ours(openstack) -> None:
    result = openstack("help", "loadbalancer", "member", "set")
    assert "A weight of 0 drains it" in result.stdout


def test_mistakes_end_as_they_should(openstack) -> None:
    result = openstack("loadbalancer", "listener", "create", "--protocol", "SPDY", "--protocol-port", "1", "x")
    assert result.returncode == 2
    result = openstack("loadbalancer", "member", "set", "--weight", "257", "p", "m")
    assert (result.returncode, result.stderr) == (2, "--weight: 257 is not from 0 to 256.\n")


def test_one_token_is_asked_for(openstack) -> None:
    result = openstack("--debug", "loadbalancer", "list", "-f", "json")
    requests = [line for line in result.stderr.splitlines() if line.startswith("REQ: curl")]
    assert result.returncode == 0
    assert result.stderr.count("Making authentication request to") == 1
    assert len([line for line in requests if "/lbaas/" in line]) == 1
    assert len(requests) <= 2, requests  # the identity service's versions, and the list
