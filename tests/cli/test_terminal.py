"""Every command that shows something, in every format, in a pipe and on a terminal, with names that are hard to carry.

Which commands there are is read from the entry points; how to call one, from its arguments.
"""

from __future__ import annotations

import argparse
import csv
import importlib.metadata
import io
import itertools
import json
import logging
import shlex
import subprocess
import sys
import unicodedata
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest
import yaml

from certificates import certified
from lbclient.cli.command import Lister, ShowOne
from lbclient.cli.program import Shell
from lbclient.cli.shell import main
from running import lbclient
from teletype import Teletype

ADMIN = "lbclient-admin"
ODD = {"dashes": "--two words", "everything": 'grüße-北京 it\'s "$HOME" `x` \\ %s'}
CHANGING = ("create", "enroll", "set", "unset", "delete", "reset", "failover", "configure", "issue", "undrain", "drain")
MARK = "\x1e"
# Takes command lines and runs each on this terminal, since starting a program for each takes long.
WORKER = f"""
import json, logging, sys
from lbclient.cli.shell import main
for line in open(sys.argv[1]):
    try:
        status = main(json.loads(line))
    except SystemExit as end:
        status = end.code
    logging.getLogger().handlers.clear()
    print(f"{MARK}{{status or 0}}", flush=True)
"""

Words = dict[str, str]  # what an argument stands for -> a name


def shown_commands() -> list[str]:
    """The commands that show a list or an object, and change nothing."""
    names = []
    for entry_point in importlib.metadata.distribution("lbclient").entry_points.select(group="lbclient.cli"):
        words = entry_point.name.split("_")
        if words[-1] not in CHANGING and issubclass(entry_point.load(), (Lister, ShowOne)):
            names.append(" ".join(words))
    return sorted(names)


# The doctor says another time each time, and the testing API is not offered by this server.
SHOWN = [name for name in shown_commands() if name != "doctor" and not name.startswith("testing ")]


class World:
    """One object of each kind, all with an odd name."""

    def __init__(self, cloud: Any, odd: str, pem: Path) -> None:
        self.pem = pem
        self._environment = cloud.environment(ADMIN)
        self.mark = uuid.uuid4().hex[:6]
        kinds = ("loadbalancer", "listener", "pool", "member", "healthmonitor", "l7policy", "flavor", "flavorprofile")
        kinds += ("availabilityzone", "availabilityzoneprofile")
        self.words = {kind: f"{odd} {kind[:6]}{kind[-4:]} {self.mark}" for kind in kinds}
        self.words |= {
            "host": "server",
            "project": "demo",
            "quota": "demo",
            "provider": "octavia",
            "network": "private-net",
            "subnet": "private-subnet",
        }

    def run(self, *words: str) -> str:
        """Return the output of a command, run in this process because starting one takes longer than most commands."""
        out, err = io.StringIO(), io.StringIO()
        root = logging.getLogger()
        handlers, level = list(root.handlers), root.level
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
            for name, value in self._environment.items():
                patch.setenv(name, value)
            status = main(words)
        root.handlers[:] = handlers
        root.setLevel(level)
        assert status == 0, (words, err.getvalue())
        return out.getvalue()

    def create(self, noun: str, *words: str, name: str = "", wait: bool = True) -> Any:
        named = [f"--name={name or self.words[noun]}"] if noun != "l7rule" else []
        verb = ("loadbalancer", *([] if noun == "loadbalancer" else [noun]), "create")
        return json.loads(self.run(*verb, "-f", "json", *named, *(["--wait"] if wait else []), *words))

    def build(self) -> None:
        words = self.words
        data = ("--provider", "octavia")
        self.create("flavorprofile", *data, "--flavor-data", "{}", wait=False)
        self.create("flavor", f"--flavorprofile={words['flavorprofile']}", wait=False)
        self.create("availabilityzoneprofile", *data, "--availability-zone-data", "{}", wait=False)
        zone_profile = words["availabilityzoneprofile"]
        self.create("availabilityzone", f"--availabilityzoneprofile={zone_profile}", wait=False)
        balancer = self.create("loadbalancer", "--vip-subnet-id", "private-subnet", f"--flavor={words['flavor']}")
        protocol = ("--protocol", "HTTP")
        self.create("listener", *protocol, "--protocol-port", "8090", "--", words["loadbalancer"])
        self.create("pool", *protocol, "--lb-algorithm", "ROUND_ROBIN", f"--listener={words['listener']}")
        self.create("member", "--address", "127.0.0.7", "--protocol-port", "80", "--", words["pool"])
        check = ("--type", "PING", "--delay", "600", "--timeout", "1", "--max-retries", "1")
        self.create("healthmonitor", *check, "--", words["pool"])
        self.create("l7policy", "--action", "REJECT", "--", words["listener"])
        rule = ("--type", "PATH", "--compare-type", "EQUAL_TO", "--value", "/x?y=1")
        words["l7rule"] = self.create("l7rule", *rule, "--", words["l7policy"])["id"]
        amphorae = json.loads(
            self.run("loadbalancer", "amphora", "list", "--loadbalancer", balancer["id"], "-f", "json")
        )
        words["amphora"] = amphorae[0]["id"]
        words["certificate"] = f"certificate {self.mark}"
        self.run("certificate", "create", f"--name={words['certificate']}", "--cert", str(self.pem))
        words["floating_ip"] = self.run(
            "floating", "ip", "create", "-f", "value", "-c", "floating_ip_address", "public-net"
        ).strip()

    def change_and_delete(self) -> None:
        """Set and unset each, and delete all: with the same names."""
        words = self.words
        for noun in ("listener", "pool", "l7policy", "healthmonitor", "member"):
            parent = [words["pool"]] if noun == "member" else []
            for verb, change in (("set", "--tag=a b"), ("unset", "--tag=a b")):
                self.run("loadbalancer", noun, verb, change, "--wait", "--", *parent, words[noun])
        for noun in ("healthmonitor", "l7policy", "listener"):
            self.run("loadbalancer", noun, "delete", "--wait", "--", words[noun])
        self.run("loadbalancer", "member", "delete", "--wait", "--", words["pool"], words["member"])
        self.run("loadbalancer", "delete", "--cascade", "--wait", "--", words["loadbalancer"])
        for noun in ("flavor", "flavorprofile", "availabilityzone", "availabilityzoneprofile"):
            self.run("loadbalancer", noun, "delete", "--", words[noun])
        self.run("floating", "ip", "delete", words["floating_ip"])
        self.run("certificate", "delete", words["certificate"])


@pytest.fixture(scope="module", params=ODD)
def world(request: pytest.FixtureRequest, cloud: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    pem = tmp_path_factory.mktemp("world") / "server.pem"
    server = certified("server.example.com")
    pem.write_text(f"{server.pem}{server.key_pem()}")
    world = World(cloud, ODD[request.param], pem)
    world.build()
    yield world
    world.change_and_delete()


@pytest.fixture(scope="module")
def shell() -> Shell:
    return Shell([])


def arguments(shell: Shell, name: str, words: Mapping[str, str]) -> list[str]:
    """Return the arguments of a command, as they are typed after its name."""
    command_class, _, _ = shell.command_manager.find_command(name.split())
    parser = command_class(shell, None, cmd_name=name).get_parser(name)
    resource = getattr(command_class, "resource", None)
    found = []
    for action in parser._actions:
        if not action.option_strings and action.nargs not in ("*", "?"):
            kinds = {"target": resource and resource.name, "parent": resource and resource.parent}
            kind = kinds.get(action.dest) or str(action.metavar).strip("<>").replace("-", "_")
            found.append(words[kind])
    return found


def line_of(shell: Shell, name: str, world: World, *options: str) -> list[str]:
    behind = arguments(shell, name, world.words)
    return [*name.split(), *options, *(["--", *behind] if behind else [])]


def formats(shell: Shell, name: str) -> list[str]:
    command_class, _, _ = shell.command_manager.find_command(name.split())
    parser = command_class(shell, None, cmd_name=name).get_parser(name)
    (action,) = (action for action in parser._actions if "--format" in action.option_strings)
    assert isinstance(action, argparse.Action)
    return [str(choice) for choice in action.choices or ()]


@pytest.fixture
def run_admin(run: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run `lbclient` as the administrator."""
    return lambda *words: run("--os-cloud", ADMIN, *words)


@pytest.mark.parametrize("name", SHOWN)
def test_every_format(run_admin: Any, shell: Shell, world: World, name: str) -> None:
    outputs = {kind: run_admin(*line_of(shell, name, world, "-f", kind)) for kind in formats(shell, name)}
    assert {output.status for output in outputs.values()} == {0}, {each.err for each in outputs.values()}
    assert {output.err for output in outputs.values()} == {""}
    as_json = json.loads(outputs["json"].out)
    assert yaml.safe_load(outputs["yaml"].out) == as_json
    if isinstance(as_json, list):
        assert len(list(csv.DictReader(io.StringIO(outputs["csv"].out)))) == len(as_json)
    else:
        check_variables(outputs["shell"].out, as_json)
        assert len(outputs["value"].out.splitlines()) >= len(as_json)
    if as_json:
        assert outputs["table"].out.startswith("+-")
        assert len({cells(line) for line in outputs["table"].out.splitlines()}) == 1


def check_variables(text: str, record: Mapping[str, Any]) -> None:
    """A shell reads back what is there."""
    names = [name for name, value in record.items() if isinstance(value, str) and "\n" not in value]
    variables = [name.replace(":", "_").lower() for name in names]
    reading = "; ".join(f'printf "%s\\n" "${variable}"' for variable in variables)
    done = subprocess.run(["bash", "-c", f"{text}\n{reading}"], capture_output=True, text=True, check=True)
    if names:
        assert done.stdout.splitlines() == [record[name] for name in names]


def cells(line: str) -> int:
    """Return the number of terminal columns that the text takes."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in line)


def on_terminal(
    lines: Sequence[Sequence[str]], environment: Mapping[str, str], folder: Any, columns: int = 80
) -> list[tuple[int, str]]:
    """Return the exit status and the output of each command on a terminal."""
    file = folder / "lines"
    file.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    terminal = Teletype([sys.executable, "-c", WORKER, str(file)], {**environment, "TERM": "xterm"}, columns=columns)
    try:
        assert terminal.end(120) == 0, terminal.text
    finally:
        terminal.close()
    parts, printed = terminal.text.split(MARK), []
    for before, after in itertools.pairwise(parts):
        text = before if not printed else before.partition("\n")[2]
        printed.append((int(after.partition("\n")[0]), text))
    return printed


def test_a_terminal_shows_what_a_pipe_gets(
    run_admin: Any, shell: Shell, world: World, cloud: Any, tmp_path: Any
) -> None:
    names = [name for name in SHOWN if name != "loadbalancer amphora list"]
    lines = [line_of(shell, name, world) for name in names]
    printed = on_terminal(lines, cloud.environment(ADMIN), tmp_path, columns=500)
    assert len(printed) == len(lines)
    for line, (status, text) in zip(lines, printed, strict=True):
        assert (status, text) == (0, run_admin(*line).out), line


def test_80_columns(shell: Shell, world: World, cloud: Any, tmp_path: Any) -> None:
    lines = [line_of(shell, name, world) for name in SHOWN]
    for line, (status, text) in zip(lines, on_terminal(lines, cloud.environment(ADMIN), tmp_path), strict=True):
        assert status == 0, line
        assert "\x1b" not in text
        assert max((cells(row) for row in text.splitlines()), default=0) <= 80, line


def test_ids_are_whole_on_80_columns(run_admin: Any, shell: Shell, world: World, cloud: Any, tmp_path: Any) -> None:
    names = [name for name in SHOWN if name.endswith(" list") and not name.startswith("loadbalancer event")]
    lines = [line_of(shell, name, world) for name in names]
    checked = 0
    for line, (status, text) in zip(lines, on_terminal(lines, cloud.environment(ADMIN), tmp_path), strict=True):
        assert status == 0, line
        for record in json.loads(run_admin(*line[: line.index("--")] if "--" in line else line, "-f", "json",
                                           *(line[line.index("--"):] if "--" in line else ())).out):  # fmt: skip
            for id_ in filter(None, (record.get("id"), record.get("ID"))):
                assert id_ in text, line
                checked += 1
    assert checked > 8


def test_wide_leaves_nothing_out(run_admin: Any, shell: Shell, world: World, cloud: Any, tmp_path: Any) -> None:
    lines = [line_of(shell, f"loadbalancer {noun}list", world) for noun in ("", "listener ", "member ")]
    narrow = on_terminal(lines, cloud.environment(ADMIN), tmp_path)
    assert all("Left out: " in text and "project_id" in text.partition("+-")[0] for _, text in narrow)
    wide = [[*line[:2], "list", "--wide", *line[3:]] if line[1] != "list" else [*line, "--wide"] for line in lines]
    for line, (status, text) in zip(lines, on_terminal(wide, cloud.environment(ADMIN), tmp_path), strict=True):
        assert (status, text) == (0, run_admin(*line).out)


@pytest.mark.parametrize("width", [60, 80, 100])
def test_a_narrow_table_loses_nothing(run_admin: Any, world: World, width: int) -> None:
    names = ("loadbalancer", "member", "list", "--max-width", str(width), "--", world.words["pool"])
    rows = [line.strip("|").split("|") for line in run_admin(*names).lines if line.startswith("|")]
    (record,) = json.loads(world.run(*names[:3], "-f", "json", "--", world.words["pool"]))
    columns = ["".join(cell.strip() for cell in column).replace(" ", "") for column in zip(*rows, strict=True)]
    assert columns == [f"{name}{value}".replace(" ", "") for name, value in record.items()]


def test_help_on_a_terminal(shell: Shell, cloud: Any, tmp_path: Any) -> None:
    environment = {**cloud.environment(), "PAGER": "cat"}
    lines = [["help", *name.split()] for name in SHOWN[:5]] + [["help", "loadbalancer", "member"], ["--help"]]
    for line, (status, text) in zip(lines, on_terminal(lines, environment, tmp_path), strict=True):
        assert status == 0, line
        rows = [row for row in text.splitlines() if "{" not in row and not row.startswith("  lbclient ")]
        assert max(cells(row) for row in rows) <= 80, line


def test_every_name_can_be_given_in_a_shell(world: World, cloud: Any) -> None:
    """Quoted as the shell's own printf does, behind --."""
    name = world.words["loadbalancer"]
    quoted = subprocess.run(["bash", "-c", 'printf %q "$1"', "-", name], capture_output=True, text=True, check=True)
    line = f"{shlex.join(lbclient('loadbalancer', 'show', '-f', 'value', '-c', 'name', '--'))} {quoted.stdout}"
    done = subprocess.run(["bash", "-c", line], env=cloud.environment(ADMIN), capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, f"{name}\n")
