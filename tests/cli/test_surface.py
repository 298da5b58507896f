"""The whole public surface beside a frozen inventory of python-octaviaclient 3.15.

The inventory is a table of facts: what a command's arguments are called, what they take, what excludes what.
Where lbclient differs on purpose, DIFFERENCES says so.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
from pathlib import Path
from typing import Any

import pytest

from lbclient.cli.program import Shell

SURFACE: dict[str, Any] = json.loads(Path(__file__).with_name("surface.json").read_text())
OURS_ALONE = {"--timeout", "--wait-timeout", "--retry-on-conflict", "--wide", "--watch", "--interval"}
FILES = {"--certificate-file", "--certificate-key-file", "--certificate-chain-file"}
ADDED = {  # command -> options of its own
    "loadbalancer status show": {"--format", "--color"},
    "loadbalancer listener create": FILES,
    "loadbalancer listener set": {*FILES, "--logging"},
    "loadbalancer set": {"--logging"},
}
TEN = [str(number) for number in range(1, 11)]

# (command, option) -> what is different
DIFFERENCES = {
    # The API takes 10.
    ("loadbalancer healthmonitor create", "--max-retries"): {"choices": TEN},
    ("loadbalancer healthmonitor create", "--max-retries-down"): {"choices": TEN},
    ("loadbalancer healthmonitor set", "--max-retries"): {"choices": TEN},
    ("loadbalancer healthmonitor set", "--max-retries-down"): {"choices": TEN},
}


@pytest.fixture(scope="module")
def shell() -> Shell:
    return Shell([])


def parser_of(shell: Shell, name: str) -> argparse.ArgumentParser:
    command_class, _, _ = shell.command_manager.find_command(name.split())
    return command_class(shell, None, cmd_name=name).get_parser(name)


def takes(action: argparse.Action) -> str:
    if isinstance(action, argparse._HelpAction):
        return "help"
    if isinstance(action, argparse._AppendAction):
        return "append"
    if action.nargs == 0:
        return "switch"
    return "many" if action.nargs == "*" else "one"


def described(action: argparse.Action) -> dict[str, Any]:
    described: dict[str, Any] = {"takes": takes(action)}
    if action.required:
        described["required"] = True
    if action.choices is not None:
        described["choices"] = sorted(str(choice) for choice in action.choices)
    if action.help == argparse.SUPPRESS:
        described["hidden"] = True
    return described


def options_of(parser: argparse.ArgumentParser) -> dict[str, dict[str, Any]]:
    """Option -> facts; shown options by their longest spelling."""
    return {
        max(action.option_strings, key=len): described(action) for action in parser._actions if action.option_strings
    }


@pytest.mark.parametrize("name", SURFACE)
def test_every_option_is_there_as_the_inventory_has_it(shell: Shell, name: str) -> None:
    options = options_of(parser_of(shell, name))
    for option, facts in SURFACE[name]["options"].items():
        expected = {key: value for key, value in facts.items() if key != "strings"}
        if "choices" in expected:
            expected["choices"] = sorted(expected["choices"])
        expected |= {key: sorted(value) for key, value in DIFFERENCES.get((name, option), {}).items()}
        assert options[option] == expected, option


@pytest.mark.parametrize("name", SURFACE)
def test_every_spelling_of_an_option_is_understood(shell: Shell, name: str) -> None:
    known = set(parser_of(shell, name)._option_string_actions)
    for option, facts in SURFACE[name]["options"].items():
        assert known.issuperset(facts.get("strings", [option]))


@pytest.mark.parametrize("name", SURFACE)
def test_nothing_is_shown_that_the_inventory_has_not(shell: Shell, name: str) -> None:
    shown = {option for option, facts in options_of(parser_of(shell, name)).items() if not facts.get("hidden")}
    assert shown - set(SURFACE[name]["options"]) <= OURS_ALONE | ADDED.get(name, set())


@pytest.mark.parametrize("name", SURFACE)
def test_positionals_are_called_as_in_the_inventory(shell: Shell, name: str) -> None:
    actions = [action for action in parser_of(shell, name)._actions if not action.option_strings]
    assert [action.metavar for action in actions] == SURFACE[name]["positionals"]
    # delete takes several
    assert [action.nargs for action in actions if action.nargs] == (["+"] if name.endswith(" delete") else [])


@pytest.mark.parametrize("name", SURFACE)
def test_what_excludes_what(shell: Shell, name: str) -> None:
    groups = sorted(
        sorted(max(action.option_strings, key=len) for action in group._group_actions)
        for group in parser_of(shell, name)._mutually_exclusive_groups
    )
    assert groups == SURFACE[name]["exclusive"]


def test_every_command_of_the_inventory_is_there() -> None:
    entry_points = importlib.metadata.entry_points(group="openstack.load_balancer.v2")
    ours = {
        entry_point.name.replace("_", " ") for entry_point in entry_points if entry_point.value.startswith("lbclient.")
    }
    assert ours >= set(SURFACE)
