"""One HAProxy: started, reloaded, adjusted, ended, and what happens when anything dies in between."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import instances
import pytest
from instances import Running
from members import free_port, until
from world import get, member, web

from lbclient import files
from lbclient.dataplane import ports
from lbclient.dataplane.config.cfg import Refused
from lbclient.dataplane.config.render import Configuration
from lbclient.dataplane.haproxy import binary, process, process_table, runtime, unprivileged
from lbclient.dataplane.relay.interface import HEALTH_EVENTS_SOCKET

NOBODY = 65534


def pid(running: Running) -> int:
    worker = running.instance.worker()
    assert worker is not None
    return worker.pid


def test_it_is_nobodys_child(running: Running, webs) -> None:
    running.apply(web(members={each.name: member(each) for each in webs("one")}))
    master = process_table.master(running.instance.directory)
    assert master is not None
    assert os.getsid(master) == master
    assert master not in {int(each) for each in children()}


def children() -> list[str]:
    return Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()


def test_how_a_change_is_made(running: Running, webs) -> None:
    (one,) = webs("one")
    tree = web(members={"one": member(one)})
    assert running.apply(tree).how == "started"
    first = pid(running)
    assert running.apply().how == "nothing"
    assert running.apply({"pools": {"pool": {"members": {"one": {"weight": 9}}}}}).how == "runtime"
    assert running.apply().how == "nothing"
    assert pid(running) == first
    assert running.apply({"listeners": {"web": {"timeout_client_data": 7}}}).how == "reloaded"
    assert pid(running) != first
    assert running.apply({"loadbalancer": {"admin_state_up": False}}).how == "stopped"
    assert running.apply().how == "nothing"
    assert process_table.family(running.instance.directory) == []


def test_what_is_on_disk_is_what_a_restarted_haproxy_would_have(running: Running, webs) -> None:
    (one,) = webs("one")
    tree = web(members={"one": member(one)})
    running.apply(tree)
    running.apply({"pools": {"pool": {"members": {"one": {"weight": 0}}}}})
    kill_all(running)
    port = tree["listeners"]["web"]["protocol_port"]
    directory = running.instance.directory
    command = [instances.binary(), "-W", "-D", "-C", str(directory), "-f", "haproxy.cfg", "-p", "haproxy.pid"]
    subprocess.run(command, check=True, capture_output=True)
    assert get(port).status == 503


def kill_all(running: Running) -> None:
    for each in process_table.family(running.instance.directory):
        os.kill(each, signal.SIGKILL)
    until(lambda: process_table.family(running.instance.directory) == [])


def test_a_weight_that_somebody_else_changed_is_put_right(running: Running, webs) -> None:
    """The wanted weight is compared with the one that HAProxy reports, not with the one sent last."""
    import trees

    one, two = webs("one", "two")
    running.apply(web(members={"one": member(one), "two": member(two)}))
    name = f"{trees.identity('pool')}/{trees.identity('one')}"
    for command in (f"set server {name} weight 77", f"set server {name} state maint"):
        runtime.ask(running.instance.directory, "admin.sock", command)
    assert running.apply().how == "runtime"
    row = next(each for each in runtime.states(running.instance.directory) if each["srv_name"] == trees.identity("one"))
    assert (row["srv_uweight"], row["srv_admin_state"]) == ("1", "0")


def test_a_refused_configuration_leaves_the_last_good_one(
    running: Running, webs, monkeypatch: pytest.MonkeyPatch
) -> None:
    (one,) = webs("one")
    tree = web(members={"one": member(one)})
    running.apply(tree)
    first = pid(running)
    good = (running.instance.directory / "haproxy.cfg").read_text()
    broken = Configuration(good + "    nonsense 'x'\n", "0000", (("127.0.0.1", 1),), {})
    with pytest.raises(Refused) as refusal:
        running.instance.apply(broken)
    assert "nonsense" in str(refusal.value)
    assert "/" not in str(refusal.value)
    assert (running.instance.directory / "haproxy.cfg").read_text() == good
    assert pid(running) == first
    assert get(tree["listeners"]["web"]["protocol_port"]).name == "one"
    # The same, where HAProxy finds out only when it loads it: a port that is taken a moment before.
    monkeypatch.setattr(ports, "refusal", lambda *arguments: None)
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        with pytest.raises(Refused, match=r"cannot bind socket|did not take up"):
            running.apply({"listeners": {"bad": {"protocol": "TCP", "protocol_port": taken, "default_pool": "pool"}}})
        assert (running.instance.directory / "haproxy.cfg").read_text() == good
        assert get(tree["listeners"]["web"]["protocol_port"]).name == "one"
    assert running.apply().how == "reloaded"
    assert get(taken).name == "one"


def test_a_long_directory(tmp_path: Path, webs) -> None:
    """The path of a unix socket has 107 bytes at most; a directory may have more."""
    running = Running(tmp_path / ("d" * 100) / ("e" * 100))
    (one,) = webs("one")
    tree = web(members={"one": member(one)})
    try:
        assert running.apply(tree).how == "started"
        assert running.apply({"listeners": {"web": {"timeout_client_data": 7}}}).how == "reloaded"
        assert get(tree["listeners"]["web"]["protocol_port"]).name == "one"
    finally:
        running.close()


def test_a_pidfile_that_names_somebody_else_harms_nobody(running: Running, webs) -> None:
    (one,) = webs("one")
    running.apply(web(members={"one": member(one)}))
    with subprocess.Popen(["sleep", "60"]) as bystander:
        try:
            (running.instance.directory / "haproxy.pid").write_text(f"{bystander.pid}\n")
            running.instance.remove()
            assert bystander.poll() is None
        finally:
            bystander.terminate()
    assert process_table.family(running.instance.directory) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can run a process as another user")
def test_a_process_of_another_user_with_the_same_words_is_nothing_to_us(running: Running, webs) -> None:
    (one,) = webs("one")
    running.apply(web(members={"one": member(one)}))
    directory = running.instance.directory
    with subprocess.Popen(["/bin/sh", "-c", "sleep 60; :", "-C", str(directory)], user=NOBODY, group=NOBODY) as forged:
        try:
            until(lambda: str(directory).encode() in process_table.command_line(forged.pid))
            assert forged.pid not in process_table.family(directory)
            (directory / "haproxy.pid").write_text(f"{forged.pid}\n")
            assert running.put().how == "nothing"
            running.instance.remove()
            assert forged.poll() is None
            assert not process_table.forget_ended([directory])
        finally:
            forged.kill()
    assert process_table.family(directory) == []


def test_a_haproxy_without_its_directory_is_ended(running: Running, webs) -> None:
    """The state was deleted: the process that still holds the ports gives way."""
    import shutil

    (one,) = webs("one")
    tree = web(members={"one": member(one)})
    running.apply(tree)
    until(lambda: master_answers(running))  # it writes into its directory until then
    shutil.rmtree(running.instance.directory)
    assert running.put().how == "started"
    assert get(tree["listeners"]["web"]["protocol_port"]).name == "one"
    assert len(process_table.family(running.instance.directory)) == 2


def master_answers(running: Running) -> bool:
    try:
        return "<PID>" in runtime.ask(running.instance.directory, runtime.MASTER_SOCKET, "show proc")
    except runtime.Unreachable:
        return False


def test_a_port_is_waited_for_that_becomes_free_in_a_moment(running: Running, webs) -> None:
    """An HAProxy that ends by itself is not recognised any more, and its sockets close last."""
    (one,) = webs("one")
    tree = web(members={"one": member(one)})
    port = tree["listeners"]["web"]["protocol_port"]
    with socket.create_server(("127.0.0.1", port)) as held:
        later = threading.Timer(0.2, held.close)
        later.start()
        assert running.apply(tree).how == "started"
        later.join()
    assert get(port).name == "one"


def test_a_master_that_executes_itself_anew_is_waited_for(
    running: Running, webs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has no words for a moment, and holds the ports all the same."""
    (one,) = webs("one")
    running.apply(web(members={"one": member(one)}))
    directory = running.instance.directory
    master = process_table.master(directory)
    assert master is not None
    is_changing = threading.Event()
    is_changing.set()
    words = process_table.command_line
    monkeypatch.setattr(
        process_table, "command_line", lambda pid: b"" if pid == master and is_changing.is_set() else words(pid)
    )

    def go_on() -> None:
        is_changing.clear()
        os.kill(master, signal.SIGCONT)

    os.kill(master, signal.SIGSTOP)
    (directory / process_table.PIDFILE).unlink()
    later = threading.Timer(0.3, go_on)
    later.start()
    process_table.end(directory)
    has_ended = process_table.is_zombie(master)
    later.join()
    assert has_ended


def test_a_hung_haproxy_is_replaced(running: Running, webs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "HUNG_SECONDS", 0.3)
    monkeypatch.setattr(runtime, "PATIENCE", 0.2)
    monkeypatch.setattr(process_table, "TERM_SECONDS", 0.2)
    (one,) = webs("one")
    tree = web(members={"one": member(one)})
    running.apply(tree)
    for each in process_table.family(running.instance.directory):
        os.kill(each, signal.SIGSTOP)
    assert running.put().how == "started"
    assert get(tree["listeners"]["web"]["protocol_port"]).name == "one"


def test_pidfiles_are_forgotten_where_nothing_runs(running: Running, webs, tmp_path: Path) -> None:
    (one,) = webs("one")
    running.apply(web(members={"one": member(one)}))
    first = pid(running)
    for name, text in (("gone", "4194303\n"), ("strange", f"{os.getpid()}\n"), ("unwritten", "")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "haproxy.pid").write_text(text)
    assert process_table.forget_ended((running.instance.directory, *tmp_path.iterdir(), tmp_path / "never-there")) == 3
    assert list(tmp_path.glob("*/haproxy.pid")) == [running.instance.directory / "haproxy.pid"]
    assert running.put().how == "nothing"
    assert pid(running) == first


def test_the_pidfile_of_a_master_that_executes_itself_anew_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has no command line for a moment."""
    (tmp_path / "haproxy.pid").write_text(f"{os.getpid()}\n")
    monkeypatch.setattr(process_table, "command_line", lambda pid: b"")
    assert process_table.forget_ended((tmp_path,)) == 0
    assert (tmp_path / "haproxy.pid").exists()


class Killed(BaseException):
    """The server's process ends here."""


def stop_at(monkeypatch: pytest.MonkeyPatch, number: int, is_after: bool) -> Callable[[], int]:
    """Dies at the n-th step that anything outside can see, before it or after it; gives how many there were."""
    count = 0

    def step(function: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **kwargs: Any) -> Any:
            nonlocal count
            count += 1
            is_the_one = count == number
            if is_the_one and not is_after:
                raise Killed
            try:
                return function(*args, **kwargs)
            finally:  # also where the step fails by itself: a question at a socket that is not open yet
                if is_the_one:
                    raise Killed

        return run

    for owner, name in (
        (files, "replace"),
        (process.os, "replace"),
        (process.os, "link"),
        (process.subprocess, "run"),
        (runtime, "ask"),
        (process_table, "end"),
        (process.counters, "keep_final_counters"),
    ):
        monkeypatch.setattr(owner, name, step(getattr(owner, name)))
    return lambda: count


CHANGES: dict[str, dict[str, Any]] = {
    "reloaded": {"listeners": {"web": {"timeout_client_data": 7000}}},
    "runtime": {"pools": {"pool": {"members": {"one": {"weight": 0}}}}},
    "started": {},
}


@pytest.mark.parametrize("is_after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("how", CHANGES)
def test_killed_at_any_step_it_converges(tmp_path: Path, webs, how: str, is_after: bool) -> None:
    one, two = webs("one", "two")
    tree = web(members={"one": member(one), "two": member(two)})
    port = tree["listeners"]["web"]["protocol_port"]
    reached = 0
    for number in range(1, 60):
        running = Running(tmp_path / str(number))
        try:
            if how != "started":
                running.apply(tree)
            running.tree = tree
            with pytest.MonkeyPatch.context() as monkeypatch:
                steps = stop_at(monkeypatch, number, is_after)
                try:
                    running.apply(CHANGES[how])
                except Killed:
                    reached += 1
                steps_made = steps()
            if how != "started":
                assert get(port).status == 200
            running.put()
            assert running.put().how == "nothing"
            text = (running.instance.directory / "haproxy.cfg").read_text()
            assert running.instance.worker().fingerprint == re.findall("description (.*)", text)[0]
            expected = {"two"} if how == "runtime" else {"one", "two"}
            assert {get(port).name for _ in range(4)} == expected
            until(lambda: len(process_table.family(running.instance.directory)) == 2)  # noqa: B023
        finally:
            running.close()
        if steps_made < number:
            break
    assert reached == number - 1
    assert reached >= 4


def test_ports() -> None:
    assert ports.refusal([("127.0.0.1", free_port()), ("::1", free_port())]) is None
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert ports.refusal([("127.0.0.1", port)]) == (
            f"Cannot listen on 127.0.0.1 port {port}: the port is in use by another program."
        )
    assert "not one of this machine" in (ports.refusal([("198.51.100.1", 80)]) or "")


def test_a_port_of_a_connection_that_ended_is_free(running: Running, webs) -> None:
    """TIME_WAIT does not count."""
    (one,) = webs("one")
    tree = web(members={"one": member(one)})
    running.apply(tree)
    port = tree["listeners"]["web"]["protocol_port"]
    get(port)
    running.instance.stop()
    assert ports.refusal([("127.0.0.1", port)]) is None


def test_find_haproxy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert binary.version(binary.find_haproxy()) >= (2, 4)
    with pytest.raises(binary.NotFound, match=r"/nowhere/haproxy cannot be executed"):
        binary.find_haproxy("/nowhere/haproxy")
    with pytest.raises(binary.NotFound, match="too old"):
        binary.find_haproxy(script(tmp_path / "old", "echo 'HAProxy version 2.2.9-2 2021/02/06'"))
    said = "if [ $1 = -v ]; then echo 'HAProxy version 2.5.0'; else echo '[ALERT] (1) : unknown option' >&2; exit 1; fi"
    with pytest.raises(binary.NotFound, match=r"a later patch release of 2\.5, or 2\.6 or newer, .*unknown option"):
        binary.find_haproxy(script(tmp_path / "lacking", said))
    with pytest.raises(binary.NotFound, match="is not HAProxy"):
        binary.find_haproxy(script(tmp_path / "other", "echo hello"))
    monkeypatch.setattr(binary, "_from_wheel", lambda: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(binary.NotFound, match=r"lbclient\[server\]"):
        binary.find_haproxy()
    path = script(tmp_path / "haproxy", "echo 'HAProxy version 2.4.0 2021/05/14'")
    assert binary.find_haproxy() == path


def script(path: Path, line: str) -> str:
    path.write_text(f"#!/bin/sh\n{line}\n")
    path.chmod(0o755)
    return str(path)


def test_reasons_are_readable() -> None:
    log = """[NOTICE]   (12) : haproxy version is 2.8
[ALERT]    (12) : config : parsing [next.cfg:20] : unknown keyword 'x' in 'backend' section
[ALERT]    (12) : config : Error(s) found in configuration file : next.cfg
[ALERT]    (12) : config : Fatal errors found in configuration.
"""
    assert binary.reason(log) == "unknown keyword 'x' in 'backend' section"
    log = "[ALERT]    (7) : [/opt/bin/haproxy.main()] Cannot raise FD limit to 100048, limit is 20000.\n"
    assert binary.reason(log) == "Cannot raise FD limit to 100048, limit is 20000."
    assert binary.reason("") == "HAProxy gave no reason."


def test_sockets_are_shared_after_a_death_between_opening_the_directory_and_sharing_them(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    if running.user is None:
        pytest.skip("HAProxy has the user of the server")

    def killed(path: Path, directory: Path) -> None:
        raise Killed

    directory = running.instance.directory
    directory.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as observer:
        with monkeypatch.context() as patched:
            patched.chdir(directory)  # paths of sockets are short
            observer.bind(HEALTH_EVENTS_SOCKET)
            patched.setattr(unprivileged, "share", killed)
            with pytest.raises(Killed):
                running.apply(web())
        running.apply()
        found = Path(directory, HEALTH_EVENTS_SOCKET).stat()
    assert (found.st_gid, found.st_mode & 0o777) == (running.user.gid, unprivileged.SOCKET)
