"""Logins that are kept for the next command: used, private, never believed too much, and easy to be rid of."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lbclient.client import token_cache
from running import lbclient

LIST = ("loadbalancer", "list", "-f", "json")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("LBCLIENT_AUTH_CACHE", raising=False)
    return tmp_path / "cache/lbclient/logins"


@pytest.fixture
def requests_of(run: Any, cloud: Any, folder: Path) -> Callable[..., list[str]]:
    """Runs a command that has to succeed; the requests it made, as its log has them."""

    def run_and_look(*words: str) -> list[str]:
        result = run("--debug", *words)
        assert result.status == 0, result.err
        lines = result.err.splitlines()
        urls = [next(word for word in line.split() if "http://" in word) for line in lines if "REQ: curl" in line]
        return urls + ["login" for line in lines if "Making authentication request" in line]

    return run_and_look


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.json"))


def changed(path: Path, **values: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def token_of(path: Path) -> str:
    return str(json.loads(path.read_text())["token"])


def test_the_second_command_does_not_log_in(requests_of, folder) -> None:
    assert "login" in requests_of(*LIST)
    assert len(requests_of(*LIST)) == 1


def test_it_is_private_and_holds_no_password(run, cloud, folder) -> None:
    assert run(*LIST).status == 0
    [path] = files(folder)
    assert (path.stat().st_mode & 0o777, folder.stat().st_mode & 0o777) == (0o600, 0o700)
    password = cloud_password(cloud)
    assert all(password not in other.read_bytes().decode(errors="replace") for other in folder.iterdir())
    [known] = folder.glob("*.known")
    assert known.stat().st_mode & 0o777 == 0o600
    assert {other.name for other in folder.iterdir()} == {"secret", path.name, known.name}


def test_a_changed_clouds_yaml_is_read_at_once(run, cloud, folder, tmp_path, monkeypatch) -> None:
    clouds = tmp_path / "clouds.yaml"
    content = (cloud.state_directory / "clouds.yaml").read_text()
    clouds.write_text(content)
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(clouds))
    assert [run(*LIST).status for _ in range(2)] == [0, 0]
    clouds.write_text(content.replace(cloud_password(cloud), "wrong"))
    result = run(*LIST)
    assert (result.status, "401" in result.err) == (1, True)
    clouds.write_text("clouds: [")
    assert "is not valid YAML" in run(*LIST).err


def test_an_expired_login_is_replaced_without_asking(requests_of, folder) -> None:
    requests_of(*LIST)
    [path] = files(folder)
    changed(path, expires=time.time() - 1)
    assert "login" in requests_of(*LIST)
    assert len(requests_of(*LIST)) == 1


@pytest.mark.parametrize("content", ["{", "[]", "null", '{"form": 1}', '{"form": 1, "login": "../x", "settings": {}}'])
def test_odd_known_settings_are_read_again(run, folder, content) -> None:
    assert run(*LIST).status == 0
    [known] = folder.glob("*.known")
    known.write_text(content)
    assert run(*LIST).status == 0
    assert known.read_text() != content


def test_settings_are_kept_wherever_openstacksdk_happens_to_be_loaded(run, folder) -> None:
    import openstack.config  # noqa: F401 (another plugin of the same process may have done so)

    assert run(*LIST).status == 0
    assert len(list(folder.glob("*.known"))) == 1


def test_settings_that_openstacksdk_has_read_are_not_kept(run, cloud, folder, tmp_path, monkeypatch) -> None:
    clouds = tmp_path / "clouds.yaml"
    clouds.write_text(
        (cloud.state_directory / "clouds.yaml").read_text().replace("    auth:", "    profile: p\n    auth:")
    )
    (tmp_path / "clouds-public.yaml").write_text("public-clouds: {p: {interface: public}}")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(clouds))
    assert run(*LIST).status == 0
    assert (len(files(folder)), list(folder.glob("*.known"))) == (1, [])


def cloud_password(cloud: Any, name: str = "lbclient") -> str:
    import yaml

    entry = yaml.safe_load((cloud.state_directory / "clouds.yaml").read_text())["clouds"][name]
    return str(entry["auth"]["password"])


@pytest.mark.parametrize(
    "words",
    [
        ("--os-cloud", "lbclient-admin"),
        ("--os-password", "wrong"),
        ("--os-region-name", "RegionOne", "--os-interface", "internal"),
        ("--insecure",),
        ("--os-load-balancer-endpoint-override", "{url}/load-balancer"),
    ],
)
def test_whoever_says_something_else_does_not_get_it(run, cloud, folder, words) -> None:
    assert run(*LIST).status == 0
    [path] = files(folder)
    before = path.read_bytes()
    run(*(word.format(url=cloud.url) for word in words), *LIST)
    assert path.read_bytes() == before
    assert len(files(folder)) == (1 if "wrong" in words else 2)


def test_a_wrong_password_is_refused_all_the_same(run, folder) -> None:
    assert run(*LIST).status == 0
    result = run("--os-password", "wrong", *LIST)
    assert (result.status, "401" in result.err) == (1, True)


@pytest.mark.parametrize(
    "how", ["too open", "too open a folder", "broken", "half", "nearly over", "a link", "odd state"]
)
def test_what_cannot_be_trusted_is_not_used(requests_of, folder, tmp_path, how) -> None:
    requests_of(*LIST)
    [path] = files(folder)
    content = path.read_text()
    if how == "too open":
        path.chmod(0o640)
    elif how == "too open a folder":
        folder.chmod(0o750)
    elif how == "broken":
        path.write_text("{")
    elif how == "half":
        path.write_text(content[: len(content) // 2])
    elif how == "nearly over":
        changed(path, expires=time.time() + 50)
    elif how == "a link":
        path.rename(tmp_path / "elsewhere")
        path.symlink_to(tmp_path / "elsewhere")
    else:
        changed(path, state="[]")
    assert "login" in requests_of(*LIST)
    if how == "too open a folder":
        assert path.read_text() == content
    else:
        assert len(requests_of(*LIST)) == 1  # the new login is kept in its place
        assert (path.is_symlink(), path.stat().st_mode & 0o777) == (False, 0o600)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_another_users_file_is_not_used(requests_of, folder) -> None:
    requests_of(*LIST)
    os.chown(files(folder)[0], 65534, 65534)
    assert "login" in requests_of(*LIST)


def test_a_token_that_ended_leads_to_one_login(run, requests_of, folder) -> None:
    """Both ways: with keystoneauth1's session, which logs, and without."""
    assert run(*LIST).status == 0
    [path] = files(folder)
    changed(path, token="gone")
    assert run(*LIST).status == 0
    assert token_of(path) != "gone"
    state = json.loads(json.loads(path.read_text())["state"])
    changed(path, token="gone", state=json.dumps({**state, "auth_token": "gone"}))
    seen = requests_of(*LIST)
    assert (seen.count("login"), len([url for url in seen if "/lbaas/" in url])) == (1, 2)
    assert token_of(path) != "gone"


def test_a_change_is_repeated_once_too(run, folder, name) -> None:
    assert run(*LIST).status == 0
    changed(files(folder)[0], token="gone")
    create = ("loadbalancer", "create", "--name", name, "--vip-subnet-id", "private-subnet", "--wait")
    assert run(*create).status == 0
    assert len(run("loadbalancer", "list", "--name", name, "-f", "json").json) == 1
    assert run("loadbalancer", "delete", "--wait", name).status == 0


def test_a_new_role_is_had_at_once(run, folder) -> None:
    """A 403 may come from roles that have changed since the login."""
    assert run(*LIST).status == 0
    [path] = files(folder)
    before = token_of(path)
    result = run("loadbalancer", "amphora", "list")
    assert (result.status, "HTTP 403" in result.err) == (1, True)
    assert token_of(path) != before


def test_an_address_that_nobody_answers_at_is_not_believed_again(run, folder) -> None:
    assert run(*LIST).status == 0
    [path] = files(folder)
    changed(path, endpoints={"load-balancer": "http://127.0.0.1:1"})
    result = run(*LIST)
    assert (result.status, "cannot be reached" in result.err) == (1, True)
    assert files(folder) == []
    assert run(*LIST).status == 0


@pytest.mark.parametrize("switch", [("--no-auth-cache",), ()])
def test_it_can_be_switched_off(run, folder, monkeypatch, switch) -> None:
    if not switch:
        monkeypatch.setenv("LBCLIENT_AUTH_CACHE", "off")
    assert run(*switch, *LIST).status == 0
    assert not folder.exists()


def test_logout(run, folder, tmp_path) -> None:
    assert run(*LIST).status == 0
    (folder / "a note").write_text("of whoever put it there")
    assert run("logout").out == "1 login is forgotten.\n"
    assert [path.name for path in folder.iterdir()] == ["a note"]
    assert run("logout").out == "0 logins are forgotten.\n"


def test_old_logins_are_removed(run, folder) -> None:
    assert run(*LIST).status == 0
    [path] = files(folder)
    old, abandoned, fresh = folder / "0ld.json", folder / ".1.new", folder / ".2.new"
    old.write_text(path.read_text())
    old.chmod(0o600)
    changed(old, expires=time.time() - 1)
    for each in (abandoned, fresh):
        each.write_text("{")
    os.utime(abandoned, (1, 1))
    assert run("--os-cloud", "lbclient-admin", *LIST).status == 0
    assert (old.exists(), abandoned.exists(), fresh.exists(), path.exists()) == (False, False, True, True)


def test_many_at_once(cloud, folder) -> None:
    environment = {**cloud.environment(), "XDG_CACHE_HOME": str(folder.parent.parent)}
    commands = [
        subprocess.Popen(lbclient(*LIST), env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(6)
    ]
    ends = [(command.communicate(timeout=60), command.returncode) for command in commands]
    assert all(status == 0 for _, status in ends), ends
    [path] = files(folder)
    assert token_of(path)
    assert not list(folder.glob(".*"))


@pytest.mark.parametrize(
    "words",
    [
        ("--os-auth-type", "none", "--os-endpoint", "{url}/load-balancer"),
        ("--os-auth-type", "admin_token", "--os-token", "x", "--os-endpoint", "{url}/load-balancer"),
        ("--os-auth-type", "http_basic", "--os-username", "u", "--os-password", "p", "--os-endpoint", "{url}"),
    ],
)
def test_where_nobody_logs_in_nothing_is_kept(run, cloud, folder, monkeypatch, words) -> None:
    monkeypatch.delenv("OS_CLOUD")
    result = run(*(word.format(url=cloud.url) for word in words), *LIST)
    assert "HTTP 401" in result.err, result.err  # the server has been asked
    assert files(folder) == []


def test_a_token_is_a_login_of_its_own(run, cloud, folder, monkeypatch) -> None:
    token = run("token", "issue", "-f", "value", "-c", "id").out.strip()
    assert files(folder) == []  # what is shown is not what is kept
    monkeypatch.delenv("OS_CLOUD")
    words = ("--os-auth-url", f"{cloud.url}/identity", "--os-project-name", "demo", "--os-token", token)
    for _ in range(2):
        assert run(*words, *LIST).status == 0
    [path] = files(folder)
    assert token not in path.read_text()


def test_nothing_can_be_kept_without_a_home(folder) -> None:
    assert token_cache.entry({}, {}) is None
    assert token_cache.entry({}, {"XDG_CACHE_HOME": "relative"}) is None


def test_a_folder_that_cannot_be_made_is_no_error(run, folder) -> None:
    folder.parent.parent.write_text("not a folder")
    assert run(*LIST).status == 0


def test_what_is_said_by_variables_counts_like_options(cloud, folder) -> None:
    """The same credentials in other clothes log in once each, and give the same."""
    environment = {**cloud.environment(), "XDG_CACHE_HOME": str(folder.parent.parent)}
    variables = {
        "OS_AUTH_URL": f"{cloud.url}/identity",
        "OS_USERNAME": "demo",
        "OS_PASSWORD": cloud_password(cloud),
        "OS_PROJECT_NAME": "demo",
    }
    bare = {name: value for name, value in environment.items() if not name.startswith("OS_")}
    for env in ({**bare, **variables}, environment, {**bare, **variables}):
        subprocess.run(lbclient(*LIST), env=env, check=True, capture_output=True, timeout=60)
    assert len(files(folder)) == 2


def test_python_alone_logs_in_and_talks(cloud, folder) -> None:
    environment = {**cloud.environment(), "XDG_CACHE_HOME": str(folder.parent.parent)}
    program = "import sys\nfrom lbclient.cli.shell import main\nmain()\nprint(*sys.modules, file=sys.stderr)"
    command = [sys.executable, "-c", program]
    runs = [
        subprocess.run([*command, *words], env=environment, capture_output=True, text=True, check=True, timeout=60)
        for words in (("--no-auth-cache", *LIST), LIST, LIST)
    ]
    for run in runs:
        assert not {"keystoneauth1", "requests", "urllib3"} & set(run.stderr.split())
        assert run.stdout == runs[0].stdout
