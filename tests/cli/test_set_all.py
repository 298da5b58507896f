"""member set-all: files and options, the difference that is shown, and who is asked."""

from __future__ import annotations

import json
import subprocess

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

import fronts
from console import LBCLIENT, Console
from lbclient.cli.members import rows
from lbclient.client.errors import WrongInput
from quick import examples

SET_ALL = ("loadbalancer", "member", "set-all")


@pytest.fixture
def servers(run, pool):
    """A pool with the members a (127.0.0.4) and b (127.0.0.5)."""
    result = run(*SET_ALL, "--member", "address=127.0.0.4,protocol-port=80,name=a,weight=2", "--wait", pool)
    assert result.status == 0, result.err
    result = run(*SET_ALL, "--additive-only", "--member", "address=127.0.0.5,protocol_port=80,name=b", "--wait", pool)
    assert result.status == 0, result.err
    return pool


def members(run, pool):
    listed = run("loadbalancer", "member", "list", pool, "-f", "json").json
    return sorted((each["name"], each["address"], each["weight"]) for each in listed)


def test_a_yaml_file_adds_changes_and_removes(run, servers, tmp_path):
    file = tmp_path / "servers.yaml"
    file.write_text(
        "- address: 127.0.0.4\n  protocol_port: 80\n  weight: 5\n  tags: [blue, new]\n"
        "- {address: 127.0.0.6, protocol-port: 8080, name: two words, backup: yes}\n"
    )
    shown = (
        "+ 127.0.0.6:8080 name='two words' backup=true\n"
        "~ 127.0.0.4:80 (a) weight 2 -> 5, tags '' -> blue;new\n"
        "- 127.0.0.5:80 (b)\n"
        "1 added, 1 changed, 1 removed, 0 unchanged\n"
    )
    before = members(run, servers)
    result = run(*SET_ALL, "--file", str(file), "--dry-run", servers)
    assert (result.status, result.out, result.err) == (0, shown, "")
    assert members(run, servers) == before
    result = run(*SET_ALL, "--file", str(file), "--wait", servers)  # a pipe is not asked
    assert (result.status, result.out, result.err) == (0, shown, "")
    assert members(run, servers) == [("a", "127.0.0.4", 5), ("two words", "127.0.0.6", 1)]
    result = run(*SET_ALL, "--file", str(file), servers)
    assert (result.status, result.out) == (0, "0 added, 0 changed, 0 removed, 2 unchanged\n")


def test_json_and_csv(run, pool, tmp_path):
    as_json = tmp_path / "servers.json"
    as_json.write_text(json.dumps({"members": [{"address": "127.0.0.4", "protocol_port": 80, "name": "grüße-北京"}]}))
    assert run(*SET_ALL, "--file", str(as_json), "--wait", pool).status == 0
    as_csv = tmp_path / "servers.csv"
    as_csv.write_text(
        "name,address,protocol_port,weight,subnet\none,127.0.0.4,80,,\n--two,127.0.0.5,81,3,private-subnet\n"
    )
    result = run(*SET_ALL, "--file", str(as_csv), "--wait", pool)
    assert result.status == 0, result.err
    assert "~ 127.0.0.4:80 (grüße-北京) name grüße-北京 -> one\n" in result.out
    assert members(run, pool) == [("--two", "127.0.0.5", 3), ("one", "127.0.0.4", 1)]


def test_only_adding(run, servers):
    line = (*SET_ALL, "--additive-only", "--member", "address=127.0.0.7,protocol-port=80,name=c", "--wait", servers)
    assert run(*line).out == "+ 127.0.0.7:80 name=c\n1 added, 0 changed, 0 removed, 0 unchanged\n"
    assert [name for name, *_ in members(run, servers)] == ["a", "b", "c"]


def test_an_option_with_a_comma_in_a_name(run, pool):
    line = (*SET_ALL, "--member", 'address=127.0.0.7,protocol-port=80,"name=x, y"', "--wait", pool)
    assert run(*line).status == 0
    assert members(run, pool) == [("x, y", "127.0.0.7", 1)]


def test_a_terminal_is_asked_before_anything_goes(cloud, run, servers):
    line = (*SET_ALL, "--member", "address=127.0.0.4,protocol-port=80", "--wait", servers)
    for answer, status, left in (("n", 1, ["a", "b"]), ("y", 0, ["a"])):
        console = Console(cloud.environment(), *line)
        try:
            console.wait_for("Remove 1 member? [y/N] ")
            assert "- 127.0.0.5:80 (b)\n" in console.text
            console.type(f"{answer}\n")
            assert console.end() == status
        finally:
            console.close()
        assert [name for name, *_ in members(run, servers)] == left


def test_a_terminal_is_not_asked_with_yes(cloud, run, servers):
    console = Console(cloud.environment(), *SET_ALL, "--yes", "--member", "address=127.0.0.4,protocol-port=80", servers)
    try:
        assert console.end() == 0
    finally:
        console.close()


def test_an_empty_file_does_not_remove_everything_by_accident(run, servers, tmp_path):
    file = tmp_path / "empty.yaml"
    file.write_text("")
    result = run(*SET_ALL, "--file", str(file), servers)
    assert (result.status, len(members(run, servers))) == (1, 2)
    assert result.err == "No member is given: removing all of the pool (2 members) needs --yes.\n"
    assert run(*SET_ALL, "--file", str(file), "--yes", "--wait", servers).status == 0
    assert members(run, servers) == []


def test_what_cannot_be_changed_is_said(run, servers):
    line = (*SET_ALL, "--member", "address=127.0.0.4,protocol-port=80,subnet=private-subnet", servers)
    result = run(*line)
    assert result.status == 1
    assert result.err == (
        "--member 1: the subnet_id of a member cannot be changed (it is None): remove the member first.\n"
    )


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.yaml", "- address: 10.0.0.4\n  protocol_port: 80\n- address: 10.0.0.5\n", ":3: protocol_port is missing."),
        (
            "a.yaml",
            "- address: 10.0.0.4\n  protocol_port: 80\n  wieght: 1\n",
            ":1: a member has no 'wieght'. Did you mean 'weight'?",
        ),
        (
            "a.yaml",
            "- address: x\n  protocol_port: 80\n",
            ":1: address: 'x' is not an IP address.",
        ),
        (
            "a.yaml",
            "- {address: 10.0.0.4, protocol_port: 0}\n",
            ":1: protocol_port: 0 is not a whole number from 1 to 65535.",
        ),
        ("a.yaml", "a: [\n", ":2: "),
        ("a.yaml", "just words\n", ":1: this should be a list of members."),
        ("a.yaml", "- just words\n", ":1: this should be a member: address, protocol_port and so on."),
        (
            "a.yaml",
            "- {address: 10.0.0.4, protocol_port: 80}\n- {address: 10.0.0.4, protocol_port: 80}\n",
            ":2: 10.0.0.4 port 80 stands at ",
        ),
        (
            "a.csv",
            "address,protocol_port\n10.0.0.4,80\n10.0.0.5,http\n",
            ":3: protocol_port: 'http' is not a whole number",
        ),
        ("a.csv", "address,protocol_port\n10.0.0.4,80,5\n", ":2: more values than headings."),
    ],
)
def test_mistakes_in_files_name_the_line(run, tmp_path, name, content, said):
    file = tmp_path / name
    file.write_text(content)
    result = run(*SET_ALL, "--file", str(file), "nothing")
    assert (result.status, len(result.err.splitlines())) == (1, 1)
    assert result.err.startswith(f"{file}{said}")


def test_a_file_that_is_not_there(run, tmp_path):
    result = run(*SET_ALL, "--file", str(tmp_path / "none.yaml"), "p")
    assert (result.status, result.err) == (1, f"{tmp_path}/none.yaml cannot be read: No such file or directory.\n")


def test_a_server_without_additive_updates_is_sent_all(run, servers, cloud, monkeypatch):
    """Before v2.11: the query is refused, and what is there already is sent along."""
    line = (*SET_ALL, "--additive-only", "--member", "address=127.0.0.7,protocol-port=80,name=c", "--wait", servers)
    with fronts.older(cloud.url, is_additive=False) as address, monkeypatch.context() as patch:
        patch.setenv("OS_LOAD_BALANCER_ENDPOINT_OVERRIDE", address)
        result = run(*line)
    assert result.status == 0, result.err
    assert members(run, servers) == [("a", "127.0.0.4", 2), ("b", "127.0.0.5", 1), ("c", "127.0.0.7", 1)]


def test_standard_input(cloud, run, pool):
    command = [*LBCLIENT, *SET_ALL, "--file", "-", "--wait", pool]
    content = '[{"address": "127.0.0.9", "protocol_port": 80, "name": "piped"}]'
    result = subprocess.run(
        command, input=content, env=cloud.environment(), capture_output=True, text=True, timeout=30, check=True
    )
    assert result.stdout == "+ 127.0.0.9:80 name=piped\n1 added, 0 changed, 0 removed, 0 unchanged\n"
    assert members(run, pool) == [("piped", "127.0.0.9", 1)]


WORDS = st.sampled_from(["address", "protocol_port", "weight", "tags", "backup"]) | st.text(max_size=5)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=4), max_leaves=8
)


@settings(max_examples=examples(200), deadline=None)
@given(st.text(max_size=60) | VALUES.map(json.dumps) | VALUES.map(yaml.safe_dump), st.sampled_from(["yaml", "csv"]))
def test_any_file_is_read_or_refused_in_one_line(tmp_path_factory, content, kind):
    file = tmp_path_factory.getbasetemp() / f"any.{kind}"
    file.write_text(content, encoding="utf-8", errors="replace", newline="")
    said = ""
    try:
        rows.of_file(str(file))
    except WrongInput as error:
        said = str(error)
    assert len(said.splitlines()) <= 1


@pytest.mark.parametrize("kind", ["csv", "json", "yaml"])
@pytest.mark.parametrize("how", ["file", "pipe"])
def test_what_a_list_has_written_can_be_given_back(cloud, run, servers, tmp_path, kind, how):
    listed = run("loadbalancer", "member", "list", servers, "-f", kind).out
    path = tmp_path / f"members.{kind}"
    path.write_text(listed.replace("127.0.0.5", "127.0.0.6"))
    source = str(path) if how == "file" else "-"
    command = [*LBCLIENT, *SET_ALL, "--file", source, "--wait", "--yes", servers]
    with path.open() as content:
        done = subprocess.run(command, env=cloud.environment(), stdin=content, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == "1 added, 0 changed, 1 removed, 1 unchanged"
    assert [name for name, *_ in members(run, servers)] == ["a", "b"]


def test_nothing_changes_where_nothing_was_changed(run, servers, tmp_path):
    path = tmp_path / "members.json"
    path.write_text(run("loadbalancer", "member", "list", servers, "-f", "json").out)
    assert run(*SET_ALL, "--file", str(path), servers).lines == ["0 added, 0 changed, 0 removed, 2 unchanged"]
