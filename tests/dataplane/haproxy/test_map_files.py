"""Files of maps beside a configuration: there when it is loaded, gone when nothing names them."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest
import trees
from instances import Running
from members import free_port
from world import get, member, web

from lbclient.dataplane.config.render import render
from lbclient.dataplane.haproxy import map_files, process_table, runtime
from running import wait_until


def shop(port: int, server: int, words: str, count: int = 9) -> dict[str, Any]:
    """A listener with a policy for each path, which redirects to a page named by the words."""
    tree = web(members={"one": member(server)})
    tree["listeners"]["web"]["protocol_port"] = port
    tree["listeners"]["web"]["l7policies"] = {
        f"{number}": {
            "action": "REDIRECT_TO_URL",
            "redirect_url": f"http://{words}.example/{number}",
            "rules": [{"type": "PATH", "compare_type": "EQUAL_TO", "value": f"/{number}"}],
        }
        for number in range(count)
    }
    return tree


def where(port: int) -> str:
    return str(get(port, "/7").headers["Location"])


def names(running: Running) -> set[str]:
    return {f"maps/{path.name}" for path in running.instance.directory.glob("maps/*")}


def put(running: Running, tree: dict[str, Any]) -> str:
    running.tree = tree
    return running.put().how


def test_a_server_killed_between_the_file_and_the_run_time_converges(running: Running, webs) -> None:
    (one,) = webs("one")
    port = free_port()
    first, second = (shop(port, one, words) for words in ("first", "second"))
    put(running, first)
    assert where(port) == "http://first.example/7"
    # Killed after the maps were written, and before HAProxy was given them.
    wanted = render(trees.snapshot(second))
    map_files.store(running.instance.directory, wanted)
    half = running.instance.directory / "maps" / f"{'0' * 32}.map.new"
    half.write_text("/7 ")
    assert where(port) == "http://first.example/7"
    running.last = None
    assert put(running, first) == "nothing"
    running.last = None
    assert put(running, second) == "runtime"
    assert where(port) == "http://second.example/7"
    assert names(running) == {f"{each.name}{suffix}" for each in wanted.maps for suffix in ("", ".good")}
    running.last = None
    assert put(running, second) == "nothing"
    end(running)
    assert put(running, second) == "started"
    assert where(port) == "http://second.example/7"


def test_the_last_good_configuration_has_its_own_maps(running: Running, webs) -> None:
    (one,) = webs("one")
    port = free_port()
    put(running, shop(port, one, "first"))
    put(running, shop(port, one, "second"))
    # Killed after the maps of a configuration were written that cannot be loaded.
    map_files.store(running.instance.directory, render(trees.snapshot(shop(port, one, "third"))))
    end(running)
    assert running.instance.start_last_good()
    assert where(port) == "http://second.example/7"


def end(running: Running) -> None:
    master = process_table.master(running.instance.directory)
    assert master
    os.kill(master, signal.SIGKILL)
    wait_until(lambda: running.instance.worker() is None)


def test_a_damaged_map_is_written_again_before_it_is_loaded(running: Running, webs) -> None:
    (one,) = webs("one")
    port = free_port()
    tree = shop(port, one, "first")
    put(running, tree)
    for path in running.instance.directory.glob("maps/*"):
        path.write_text("")
    end(running)
    assert put(running, tree) == "started"
    assert where(port) == "http://first.example/7"


def test_they_go_with_the_policies(running: Running, webs) -> None:
    (one,) = webs("one")
    port = free_port()
    put(running, shop(port, one, "first"))
    assert len(names(running)) == 2
    put(running, shop(port, one, "first", count=7))
    assert not (running.instance.directory / "maps").exists()
    assert get(port, "/7").name == "one"


@pytest.mark.parametrize("count", [20, 200])
def test_one_more_policy_is_one_command(running: Running, webs, monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    (one,) = webs("one")
    port = free_port()
    put(running, shop(port, one, "first", count))
    commands: list[str] = []
    ask = runtime.ask

    def noted(directory: Path, name: str, command: str, *patience: float) -> str:
        commands.append(command)
        return ask(directory, name, command, *patience)

    monkeypatch.setattr(runtime, "ask", noted)
    assert put(running, shop(port, one, "first", count + 1)) == "runtime"
    [command] = [each for each in commands if " map " in each]
    assert command.startswith("add map ")
    assert command.endswith(f"<<\n/{count} {count}|location-302|http://first.example/{count}\n")
    assert get(port, f"/{count}").headers["Location"] == f"http://first.example/{count}"
