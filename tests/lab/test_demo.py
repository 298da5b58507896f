"""The demo from its first to its last statement, wherever it may have to play, and what a false statement does."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import uuid
from collections.abc import Sequence
from pathlib import Path

import pytest

from lbclient.dataplane.haproxy import process_table
from lbclient.lab.demo import play
from lbclient.lab.loopback import LoopbackNetworks
from lbclient.lab.stage import Stage
from lbclient.lab.steps import Export, Gets, Prints, Run, Step, Until, cell
from lbclient.lab.webserver import Machine
from running import Lab, lbclient, processes_with, wait_until
from teletype import Teletype

SUMMARY = re.compile(r"\n(\d+) commands, (\d+) checks, [\d.]+ seconds: all as the guide says\.\n")


@pytest.mark.parametrize("options", [(), ("--loopback",)], ids=["lab", "loopback"])
def test_the_whole_demo(open_lab: Lab, unprivileged: Sequence[str], options: Sequence[str]) -> None:
    line = [*unprivileged, *lbclient("demo", *options)]
    done = subprocess.run(line, capture_output=True, text=True, timeout=600, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    summary = SUMMARY.search(done.stdout)
    assert summary, done.stdout[-500:]
    assert done.stdout.count("\n") <= 281  # a third of what it prints with --full
    assert "Then open this page: http://127.0.0.1:9876/dashboard\n" in done.stdout[summary.end() :]
    assert int(summary[1]) > 40
    assert int(summary[2]) > 90
    assert "\033" not in done.stdout


def test_full_tables(capfd: pytest.CaptureFixture[str]) -> None:
    step = Run("echo '| Field | Value |'; echo '| name | a |'; echo '| hidden | b |'", shows=[("name", "a")])
    for is_full in (False, True):
        assert play(Stage(dict(os.environ), {}, is_full=is_full), [step]) == 0
        said = capfd.readouterr().out
        assert "  ok: name is a\n" in said
        assert ("\n| hidden | b |\n" in said) == is_full


WIDE = """
import os, sys
from lbclient.lab.demo import play
from lbclient.lab.stage import Stage
from lbclient.lab.steps import Run
id_, project = "3ba2d5f3-16e0-45fb-baf3-18d4bfb5391d", "0f0d77042af646f8a8b09bbc3b21f910"
rule = "+".join(["", "-" * 38, "-" * 34, "-" * 21, "-" * 18, ""])
heading = f"| {'id':<36} | {'project_id':<32} | {'provisioning_status':<19} | {'operating_status':<16} |"
cells = f"| {id_} | {project} | {'ACTIVE':<19} | {'ONLINE':<16} |"
line = "; ".join(f"echo '{each}'" for each in (rule, heading, rule, cells, rule, "a line " * 20))
sys.exit(play(Stage(dict(os.environ), {}), [Run(line)]))
"""


def test_tables_fit_into_the_terminal_without_breaking_an_id() -> None:
    """The commands of the demo write into pipes, and know of no terminal."""
    console = Teletype([sys.executable, "-c", WIDE], os.environ, columns=80)
    try:
        assert console.end() == 0
    finally:
        console.close()
    shown = console.text.partition("Left out: ")[2]
    assert shown.startswith("project_id; --wide shows all.\n+-")
    table = [line for line in shown.splitlines() if line.startswith(("+", "| "))]
    assert max(map(len, table)) <= 80
    assert any(line.startswith("| 3ba2d5f3-16e0-45fb-baf3-18d4bfb5391d | ACTIVE ") for line in table)
    assert "a line " * 20 in shown


def test_killed_on_loopback_it_leaves_nothing(unprivileged: Sequence[str], tmp_path: Path) -> None:
    marker = f"lbclient-test-{uuid.uuid4()}"
    environment = {**os.environ, "MARKER": marker}
    demo = subprocess.Popen(
        [*unprivileged, *lbclient("demo", "--loopback")], env=environment, stdout=subprocess.PIPE, text=True
    )
    assert demo.stdout is not None
    while "member create" not in demo.stdout.readline():
        assert demo.poll() is None
    demo.kill()
    demo.communicate()
    wait_until(lambda: not processes_with(marker))


@pytest.mark.parametrize("options", [(), ("--openstack",)], ids=["lbclient", "openstack"])
def test_which_client_it_calls(unprivileged: Sequence[str], options: Sequence[str]) -> None:
    genuine = shutil.which("openstack", path=str(Path(sys.executable).parent))
    if options and not genuine:
        pytest.skip("python-openstackclient is not installed")
    marker = f"lbclient-test-{uuid.uuid4()}"
    demo = subprocess.Popen(
        [*unprivileged, *lbclient("demo", "--loopback", *options)],
        env={**os.environ, "MARKER": marker},
        stdout=subprocess.DEVNULL,
    )
    wanted = str(genuine) if options else "lbclient.cli.shell"
    wait_until(lambda: any(wanted in words and " loadbalancer " in words for words in lines_of(marker)), 60)
    demo.kill()
    demo.communicate()
    wait_until(lambda: not processes_with(marker))


def lines_of(marker: str) -> list[str]:
    """The command lines of all processes with this in their environment."""
    return [process_table.command_line(pid).replace(b"\0", b" ").decode() for pid in processes_with(marker)]


def test_it_goes_on_where_namespaces_are_forbidden(open_lab: Lab) -> None:
    forbid = "echo 0 > /proc/sys/user/max_user_namespaces; "
    done = open_lab("sh", "-c", forbid + "lbclient demo | head -n 30")
    assert "does not allow a private network" in done.stdout
    assert "goes on without, with addresses out of 127.0.0.0/8" in done.stdout
    assert re.search(r"GET http://127\.\d+\.0\.4:8080/ +Server : server-1", done.stdout)


@pytest.fixture
def stage() -> Stage:
    return Stage(dict(os.environ), {"web": Machine("Hello", "127.0.0.1", (0,))})


@pytest.mark.parametrize(
    ("step", "expected", "came"),
    [
        (Run("echo '| Field | Value |'; echo '| name | b |'", shows=[("name", "a")]), "a", "b"),
        (Run("exit 4"), "exit status 0", "exit status 4"),
        (Export("export A=`true`"), "1", "0"),
        (Prints("echo no", "yes"), "yes", "no"),
        (Gets("http://127.0.0.1:1/", "Hello"), "an answer", "[Errno 111] Connection refused"),
    ],
)
def test_a_false_statement_ends_it(
    stage: Stage, capfd: pytest.CaptureFixture[str], step: Step, expected: str, came: str
) -> None:
    assert play(stage, [step, Run("echo never reached")]) == 1
    said = capfd.readouterr().out
    assert f"  expected: {expected}\n  came:     {came}\n" in said
    assert "never reached" not in said


def test_what_a_line_exports_is_there_for_the_next(stage: Stage) -> None:
    assert play(stage, [Export("export A=`echo b c | cut -c1`"), Prints("echo $A | tr b d", "d")]) == 0
    assert stage.environment["A"] == "b"


def test_until_waits(stage: Stage, tmp_path: Path) -> None:
    line = f"echo x >> {tmp_path}/tries; wc -l < {tmp_path}/tries"
    assert play(stage, [Until(line, "3")]) == 0


def test_cells() -> None:
    shown = "+---+\n| Field | Value |\n+---+\n| id | 1 |\n| name |  |\n+---+\n"
    assert (cell(shown, "id"), cell(shown, "name"), cell(shown, "weight")) == ("1", "", None)
    listed = "+---+\n| name | weight |\n+---+\n| a | 1 |\n| b | 2 |\n+---+\n"
    assert (cell(listed, "weight"), cell(listed, "id"), cell("", "id")) == ("1, 2", None, None)


def test_the_guides_places_elsewhere() -> None:
    translate = LoopbackNetworks("127.20.10", "127.20.113").translate
    assert translate("member create --address 10.0.0.4 --protocol-port 80  80_pool") == (
        "member create --address 127.20.10.4 --protocol-port 8080  80_pool"
    )
    assert translate("http://$VIP:443/") == "http://$VIP:8443/"
    assert translate("http://$VIP/health") == "http://$VIP:8080/health"
    assert translate("80") == "8080"


def test_pause_waits_for_enter(open_lab: Lab) -> None:
    script = "import sys; from lbclient.lab.stage import Stage; Stage({}, {}, is_paused=True).pause(); print('on')"
    done = subprocess.run([sys.executable, "-c", script], input="\n", capture_output=True, text=True, timeout=60)
    assert done.stdout == "\n-- Enter goes on --\non\n"
