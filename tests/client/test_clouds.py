"""clouds.yaml: where it is found and what is read from it."""

from __future__ import annotations

from pathlib import Path

import pytest

from lbclient.client import clouds
from lbclient.client.errors import NotConfigured

ONE = "clouds:\n  one:\n    auth: {auth_url: http://one, username: u}\n    region_name: R\n"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home and a working directory that are empty."""
    for name in ("home", "here"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("XDG_CONFIG_HOME", "XDG_CONFIG_DIRS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "home"


def test_the_file_that_a_variable_names(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(ONE)
    assert clouds.entry("one", None, {"OS_CLIENT_CONFIG_FILE": str(path)})["region_name"] == "R"


@pytest.mark.parametrize("place", ["../here/clouds.yaml", ".config/openstack/clouds.yml"])
def test_the_usual_places(home: Path, place: str) -> None:
    path = home / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(ONE)
    assert clouds.entry("one", None, {})["auth"]["username"] == "u"


def test_the_first_file_hides_the_others(home: Path) -> None:
    Path("clouds.yaml").write_text(ONE)
    folder = home / ".config/openstack"
    folder.mkdir(parents=True)
    (folder / "clouds.yaml").write_text(ONE.replace("one", "two"))
    with pytest.raises(NotConfigured, match=r"No cloud is named 'two': .*clouds\.yaml has one\."):
        clouds.entry("two", None, {})


def test_secrets_come_from_another_file(home: Path) -> None:
    Path("clouds.yaml").write_text(ONE)
    Path("secure.yaml").write_text("clouds:\n  one:\n    auth: {password: secret}\n")
    assert clouds.entry("one", None, {})["auth"] == {"auth_url": "http://one", "username": "u", "password": "secret"}


def test_the_only_cloud_needs_no_name() -> None:
    assert clouds.entry(None, None, {}) == {}
    Path("clouds.yaml").write_text(ONE)
    assert clouds.entry(None, None, {})["region_name"] == "R"
    Path("clouds.yaml").write_text(ONE + "  two: {}\n")
    assert clouds.entry(None, None, {}) == {}


def test_regions_by_name() -> None:
    Path("clouds.yaml").write_text("clouds:\n  c:\n    auth: {}\n    regions: [a, {name: b}]\n")
    assert clouds.entry("c", None, {})["region_name"] == "a"
    assert clouds.entry("c", "b", {})["region_name"] == "b"


@pytest.mark.filterwarnings("ignore:Support for InfluxDB")
def test_regions_with_values_of_their_own_go_through_openstacksdk() -> None:
    text = "clouds:\n  c:\n    auth: {auth_url: http://c}\n    regions: [{name: b, values: {interface: internal}}]\n"
    Path("clouds.yaml").write_text(text)
    entry = clouds.entry("c", "b", {})
    assert (entry["auth"]["auth_url"], entry["interface"]) == ("http://c", "internal")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("clouds: [", r"clouds\.yaml is not valid YAML: line \d:"),
        ("clouds:\n  one:\n   - x\n", "The entry of cloud 'one'"),
        ("- x\n", "should be a mapping with the key 'clouds'"),
        ("clouds: 5\n", "'clouds' in .* should be a mapping of names"),
    ],
)
def test_files_with_mistakes_are_named(text: str, said: str) -> None:
    Path("clouds.yaml").write_text(text)
    with pytest.raises(NotConfigured, match=said):
        clouds.entry("one", None, {})


def test_no_file_at_all() -> None:
    with pytest.raises(NotConfigured, match=r"No cloud is named 'one': there is no clouds\.yaml\."):
        clouds.entry("one", None, {})
