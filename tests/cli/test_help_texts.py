"""The help of every command: it has an example that works, is no wider than 80 columns, and its sentences are whole."""

from __future__ import annotations

import argparse
import importlib.metadata
import re
import shlex
import subprocess
from typing import Any

import pytest

from lbclient.cli.program import Shell
from running import lbclient

NAMES = sorted(
    entry_point.name.replace("_", " ")
    for entry_point in importlib.metadata.distribution("lbclient").entry_points.select(group="lbclient.cli")
)
LIMIT = 80
STARTS_SMALL = re.compile(r"^[a-z]")


@pytest.fixture(scope="module")
def shell() -> Shell:
    return Shell([])


@pytest.fixture
def parser(shell: Shell, request: pytest.FixtureRequest) -> argparse.ArgumentParser:
    return parser_of(shell, request.param)


def parser_of(shell: Shell, name: str) -> argparse.ArgumentParser:
    command_class, _, _ = shell.command_manager.find_command(name.split())
    return command_class(shell, None, cmd_name=name).get_parser(f"lbclient {name}")


def shown(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    return [action for action in parser._actions if action.help != argparse.SUPPRESS]


@pytest.mark.parametrize("name", NAMES)
def test_every_example_works(shell: Shell, name: str) -> None:
    command_class: Any = shell.command_manager.find_command(name.split())[0]
    assert command_class.examples, "there is no example"
    parser = parser_of(shell, name)
    for example in command_class.examples:
        words = shlex.split(example.partition(" > ")[0])
        if ">" not in words:
            parser.parse_args(words)
        assert f"lbclient {name} {example}".strip() in parser.format_help()


@pytest.mark.parametrize("parser", NAMES, indirect=True)
def test_help_fits_80_columns(parser: argparse.ArgumentParser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(LIMIT))
    text, _, examples = parser.format_help().partition("\nexample")
    # Choices stand in one word, which cannot be broken, and examples can be copied.
    too_long = [line for line in text.splitlines() if len(line) > LIMIT and "{" not in line]
    assert too_long == []
    assert examples


@pytest.mark.parametrize("parser", NAMES, indirect=True)
def test_every_option_says_in_a_sentence_what_it_does(parser: argparse.ArgumentParser) -> None:
    wrong = [
        action.option_strings or action.metavar
        for action in shown(parser)
        if not action.help or not action.help.endswith(".") or STARTS_SMALL.match(action.help)
    ]
    assert wrong == []
    assert (parser.description or "").partition("\n")[0].rstrip().endswith((".", ":"))


@pytest.mark.parametrize("parser", NAMES, indirect=True)
def test_values_are_called_by_a_word_between_angles(parser: argparse.ArgumentParser) -> None:
    """Or the choices are shown, so that no help shows an attribute's name in capitals."""
    cliffs = {"columns", "sort_columns", "prefix", "max_width"}
    bare = [
        action.option_strings or action.dest
        for action in shown(parser)
        if action.nargs != 0 and action.choices is None and action.dest not in cliffs
        if "<" not in str(action.metavar) and action.dest != "command"
    ]
    assert bare == []


def test_the_programs_own_help(run_main: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(LIMIT))
    result = run_main("--help")
    assert result.status == 0
    for name in NAMES:
        assert re.search(rf"^  {name}  +[A-Z]", result.out, re.MULTILINE), name
    start, _, behind = result.out.partition("\ncommands:")
    commands, _, options = behind.partition("\noptions:")
    assert [line for line in [*start.splitlines(), *options.splitlines()] if len(line) > LIMIT] == []
    groups = re.findall(r"^(\S.*):$", commands, re.MULTILINE)
    assert groups[:3] == ["load balancers", "listeners", "pools"]
    assert {"networks and addresses", "lbclient itself"} <= set(groups)
    last = re.findall(r"^(\S.*):$", options, re.MULTILINE)[-1]
    assert last == "logging in"  # what is needed least stands last
    assert len(start.splitlines()) < 12


def test_help_is_shown_where_nothing_is_asked_for(run_main: Any) -> None:
    assert run_main() == run_main("--help")


@pytest.mark.parametrize("words", ["loadbalancer", "loadbalancer quota", "loadbalancer member stats", "floating"])
def test_a_group_alone_shows_its_commands(run_main: Any, words: str) -> None:
    result = run_main(*words.split())
    assert (result.status, result.err) == (0, "")
    within = [name for name in NAMES if name.startswith(f"{words} ")]
    assert [re.split(r"  +", line.strip())[0] for line in result.lines] == within


def test_the_prompt(cloud: Any) -> None:
    typed = "loadbalancer list --name nothing -f json\nquit\n"
    done = subprocess.run(
        lbclient("shell"), input=typed, env=cloud.environment(), capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "[]" in done.stdout


@pytest.mark.parametrize(
    ("typed", "command"),
    [
        ("loadbalancer list --name x --help", "loadbalancer list"),
        ("loadbalancer list --help --name x", "loadbalancer list"),
        ("loadbalancer member create po --address ::1 -h", "loadbalancer member create"),
        ("server --ephemeral --help", "server"),
        ("-v lab --cidr --help", "lab"),
        ("help loadbalancer show --wide", "loadbalancer show"),
    ],
)
def test_help_after_other_options(run_main: Any, typed: str, command: str) -> None:
    result = run_main(*typed.split())
    assert (result.status, result.err) == (0, "")
    usage = f"usage: lbclient {command}".split()
    assert result.out.split()[: len(usage)] == usage


def test_help_of_a_group(run_main: Any) -> None:
    result = run_main("help", "loadbalancer", "memb")
    assert result.status == 0
    assert [" ".join(line.split()[:3]) for line in result.lines if line.startswith("  loadbalancer member list")]
    assert all(line.startswith("  loadbalancer member ") for line in result.lines)


@pytest.mark.parametrize("words", ["member", "stats", "healthmonitor set"])
def test_help_of_words_within(run_main: Any, words: str) -> None:
    result = run_main("help", *words.split())
    assert result.status == 0
    assert result.lines
    assert all(f" {words} " in f" {' '.join(line.split()[:5])} " for line in result.lines)


def test_help_of_nothing_that_there_is(run_main: Any) -> None:
    result = run_main("help", "loadbalancer", "lisst")
    assert (result.status, result.out) == (2, "")
    assert result.err == "'loadbalancer lisst' is not a lbclient command. Did you mean 'loadbalancer list'?\n"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("lodbalancer list", "Did you mean 'loadbalancer list'?"),
        ("loadbalancer memebr lst", "Did you mean 'loadbalancer member list'?"),
        ("loadbalancer shwo lb1", "Did you mean 'loadbalancer show'?"),
        ("loadbalancer listner create --protocol x", "Did you mean 'loadbalancer listener create'?"),
        ("loadbalancer memebr", "Did you mean 'loadbalancer member'?"),
        ("member list", "Did you mean 'loadbalancer member list'?"),
        ("Loadbalancer List", "Did you mean 'loadbalancer list'?"),
        (
            "loadbalancer quota frobnicate",
            "'loadbalancer quota list', 'loadbalancer quota reset' or 'loadbalancer quota set'?",
        ),
        ("status web", "'loadbalancer status show'?"),
        ("loadbalancer status web", "Did you mean 'loadbalancer status show'?"),
        ("stats web", "or 'loadbalancer listener stats show'?"),
        ("lb list", "Did you mean 'loadbalancer list'?"),
        ("lb member list", "Did you mean 'loadbalancer member list'?"),
        ("xyzzy", "`lbclient help` lists them."),
    ],
)
def test_unknown_commands(run_main: Any, line: str, said: str) -> None:
    result = run_main(*line.split())
    assert (result.status, result.out) == (2, "")
    assert result.err.startswith(f"lbclient: '{line.partition(' --')[0]}' is not a lbclient command")
    assert result.err.endswith(f"{said}\n")
    assert len(result.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("loadbalancer list --nmae x", "unrecognized arguments: --nmae x. Did you mean '--name'?"),
        ("loadbalancer member set p m --wieght=1", "unrecognized arguments: --wieght=1. Did you mean '--weight'"),
        ("loadbalancer list --debgu", "unrecognized arguments: --debgu. Did you mean '--debug'?"),
        ("loadbalancer list --xyzzy", "unrecognized arguments: --xyzzy"),
        ("--os-clod x loadbalancer list", "no such option: --os-clod. Did you mean '--os-cloud'"),
        ("loadbalancer listener create --protocol HTPP --protocol-port 1 x", "Did you mean 'HTTP'"),
        ("loadbalancer list -f jsn", "Did you mean 'json'?"),
    ],
)
def test_unknown_options_and_choices(run_main: Any, line: str, said: str) -> None:
    result = run_main(*line.split())
    assert (result.status, result.out) == (2, "")
    assert said in result.err.splitlines()[-1]
    assert "Traceback" not in result.err
