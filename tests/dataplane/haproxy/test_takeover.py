"""Takeover by a server that was killed, or whose HAProxy no longer obeys."""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import trees
import vips
from instances import Running
from members import free_port, until
from world import get, member, web

from lbclient.dataplane.config.cfg import Refused
from lbclient.dataplane.config.render import Settings, render
from lbclient.dataplane.haproxy import binary, bound, master, process, process_table, runtime

pytestmark = pytest.mark.usefixtures("some_vips")


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "RELOAD_SECONDS", 0.5)
    monkeypatch.setattr(master, "SILENT_SECONDS", 0.2)
    monkeypatch.setattr(process, "DRAIN_SECONDS", 1.0)


def other_listener(port: int) -> dict[str, Any]:
    return {"listeners": {"other": {"protocol": "HTTP", "protocol_port": port, "default_pool": "pool"}}}


@pytest.mark.parametrize("count", [1, 600])
def test_the_worker_itself_says_what_it_listens_on(running: Running, webs, count: int) -> None:
    """More sockets than one message passes, too."""
    (one,) = webs("one")
    tree = web(members={"one": member(one)})
    running.apply(tree)
    base = free_port()
    text = re.sub("maxconn .*", "maxconn 1000", (running.instance.directory / "haproxy.cfg").read_text())
    extra = "".join(f"    bind 127.77.{number // 250}.{number % 250 + 1}:{base}\n" for number in range(count))
    directory = running.instance.directory
    (directory / "haproxy.cfg").write_text(text + f"frontend many\n    mode http\n    timeout client 1s\n{extra}")
    master.ask_to_reload(directory, time.monotonic() + 5)
    until(lambda: len(bound.listened_on(directory)) == count + len(vips.addresses()))
    port = tree["listeners"]["web"]["protocol_port"]
    assert {(address, port) for address in vips.addresses()} <= set(bound.listened_on(directory))
    assert len(os.listdir("/proc/self/fd")) < 200, "descriptors that were handed over are left open"


def test_killed_between_the_reload_and_remembering_it_the_next_change_works(
    running: Running, webs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The port of the new listener is the worker's own, whatever is written about the last one that was good."""
    (one,) = webs("one")
    running.apply(web(members={"one": member(one)}))
    port = free_port()
    end_after_reload(running, monkeypatch, other_listener(port))
    assert running.apply({"listeners": {"other": {"timeout_client_data": 7}}}).how == "reloaded"
    assert get(port).name == "one"


def end_after_reload(running: Running, monkeypatch: pytest.MonkeyPatch, change: Mapping[str, Any]) -> None:
    """Makes the change and comes to an end when the worker has loaded it, before anything is written about that."""
    original = process.Instance._is_taken_up

    def interrupted(*arguments: Any) -> bool:
        assert original(*arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as killed:
        killed.setattr(process.Instance, "_is_taken_up", interrupted)
        with pytest.raises(KeyboardInterrupt):
            running.apply(change)


def test_killed_before_remembering_what_ran_is_restored_when_the_next_change_is_refused(
    running: Running, webs, monkeypatch: pytest.MonkeyPatch
) -> None:
    (one,) = webs("one")
    running.apply(web(members={"one": member(one)}))
    port = free_port()
    end_after_reload(running, monkeypatch, other_listener(port))
    with monkeypatch.context() as late:
        late.setattr(master, "ask_to_reload", refuse)
        with pytest.raises(Refused):
            running.apply({"listeners": {"other": {"timeout_client_data": 7}}})
    assert f":{port}" in (running.instance.directory / "haproxy.cfg").read_text()
    assert f":{port}" in (running.instance.directory / "good.cfg").read_text()


def refuse(*_: object) -> None:
    raise Refused("no")


def answers(directory: Path) -> bool:
    try:
        return "<PID>" in runtime.ask(directory, runtime.MASTER_SOCKET, "show proc")
    except runtime.Unreachable:
        return False


def ask_nothing_of_the_master(directory: Path) -> None:
    until(lambda: answers(directory))
    (directory / runtime.MASTER_SOCKET).unlink()


def stop_the_master(directory: Path) -> None:
    master = process_table.master(directory)
    assert master is not None
    os.kill(master, signal.SIGSTOP)


@pytest.mark.parametrize("break_it", [ask_nothing_of_the_master, stop_the_master])
def test_a_master_that_does_not_answer_is_replaced_without_a_refused_request(
    running: Running, webs, quick: None, break_it
) -> None:
    (one,) = webs("one")
    tree = web(members={"one": member(one)})
    running.apply(tree)
    port = tree["listeners"]["web"]["protocol_port"]
    before = set(process_table.family(running.instance.directory))
    break_it(running.instance.directory)
    failures: list[str] = []
    is_over = threading.Event()
    sent = 0

    def load() -> None:
        nonlocal sent
        while not is_over.is_set():
            try:
                if get(port).status != 200:
                    failures.append("not 200")
            except OSError as error:
                failures.append(repr(error))
            sent += 1

    thread = threading.Thread(target=load)
    thread.start()
    try:
        assert running.apply(other_listener(free_port())).how == "reloaded"
        at = sent
        until(lambda: sent > at + 20)
    finally:
        is_over.set()
        thread.join()
    assert failures == []
    until(lambda: len(process_table.family(running.instance.directory)) == 2)
    assert not before & set(process_table.family(running.instance.directory))
    assert running.put().how == "nothing"
    assert running.apply({"listeners": {"web": {"timeout_client_data": 9}}}).how == "reloaded"


def test_a_master_that_answers_is_left_alone(
    running: Running, webs, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reload that takes too long is no reason to start another one beside it."""
    (one,) = webs("one")
    running.apply(web(members={"one": member(one)}))
    monkeypatch.setattr(master, "ask_to_reload", lambda *_: None)
    with pytest.raises(Refused, match="did not take up the configuration in time"):
        running.apply({"listeners": {"web": {"timeout_client_data": 7}}})


@pytest.mark.parametrize("is_running", [False, True], ids=["start", "change"])
def test_a_haproxy_that_hangs_is_named(
    running: Running, webs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_running: bool
) -> None:
    (one,) = webs("one")
    tree = web(members={"one": member(one)})
    if is_running:
        running.apply(tree)
    hung = tmp_path / "hangs"
    hung.write_text("#!/bin/sh\nexec sleep 60\n")
    hung.chmod(0o700)
    instance = process.Instance(running.instance.directory, str(hung))
    changed = trees.merged(tree, {"listeners": {"web": {"timeout_client_data": 7}}})
    with monkeypatch.context() as impatient:
        impatient.setattr(binary, "CHECK_SECONDS", 0.2)
        impatient.setattr(process, "START_SECONDS", 0.2)
        with pytest.raises(Refused, match=r"^HAProxy hangs: it was run and had not ended after 0.2 seconds\.$"):
            instance.apply(render(trees.snapshot(changed), Settings()))
    assert running.apply(changed).how == ("reloaded" if is_running else "started")
