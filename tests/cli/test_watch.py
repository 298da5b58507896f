"""list and show with --watch: what changes is seen."""

from __future__ import annotations

import subprocess

from console import Console
from running import lbclient


def test_a_terminal_shows_changes(cloud, run, loadbalancer):
    words = ("loadbalancer", "show", "--watch", "--interval", "0.1", "-c", "description", loadbalancer)
    console = Console(cloud.environment(), *words)
    try:
        console.wait_for("| description |")
        for text in ("first", "second"):
            assert run("loadbalancer", "set", "--wait", "--description", text, loadbalancer).status == 0
            console.wait_for(f"| {text} ")
        console.type("\x03")
        assert console.end() == 130
    finally:
        console.close()
    assert "Traceback" not in console.text


def test_a_list_in_a_pipe(cloud, loadbalancer):
    words = (
        "loadbalancer",
        "list",
        "--watch",
        "--interval",
        "0.05",
        "-f",
        "value",
        "-c",
        "name",
        "--name",
        loadbalancer,
    )
    watching = subprocess.Popen(lbclient(*words), env=cloud.environment(), stdout=subprocess.PIPE, text=True)
    assert watching.stdout is not None
    try:
        assert [watching.stdout.readline() for _ in range(3)] == [f"{loadbalancer}\n"] * 3
    finally:
        watching.kill()
        watching.communicate()


def test_it_ends_with_what_it_watches(run, loadbalancer):
    assert run("loadbalancer", "delete", "--wait", loadbalancer).status == 0
    assert run("loadbalancer", "show", "--watch", loadbalancer).status == 1
