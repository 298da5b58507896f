"""Servers in the background and for as long as their parent lives, from start to end."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
import requests

from lbclient.lab import lifecycle, loopback, programs
from lbclient.server.config import Config
from lbclient.server.state import held
from running import lbclient, own_networks, processes_with, wait_until


def run(*arguments: str, timeout: float = 90) -> subprocess.CompletedProcess[str]:
    return subprocess.run(lbclient("server", *arguments), capture_output=True, text=True, timeout=timeout)


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Path]:
    directory = tmp_path / "state"
    yield directory
    run("stop", f"--state-directory={directory}")
    for pid in processes_with(str(directory)):
        os.kill(pid, signal.SIGKILL)


def test_a_server_in_the_background_from_start_to_end(state: Path) -> None:
    where = f"--state-directory={state}"
    assert run("status", where).returncode == 3
    started = run("--detach", "--demo", "--bind-port=0", where, *own_networks())
    assert started.returncode == 0, started.stderr
    url = started.stdout.split()[-1]
    assert requests.get(f"{url}/", timeout=10).ok  # it is ready already
    status = run("status", where)
    assert status.returncode == 0
    assert url in status.stdout
    assert str(state / "clouds.yaml") in status.stdout
    assert run("wait", where).stdout.strip() == url
    again = run("--detach", "--bind-port=0", where)
    assert again.returncode == 1
    assert "Another lbclient server" in again.stderr
    assert requests.get(f"{url}/", timeout=10).ok
    assert run("stop", where).stdout == "Stopped.\n"
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{url}/", timeout=10)
    assert run("status", where).returncode == 3
    assert run("stop", where).returncode == 0


def test_a_server_that_was_killed_is_not_taken_for_a_running_one(state: Path) -> None:
    where = f"--state-directory={state}"
    assert run("--detach", "--bind-port=0", where, *own_networks()).returncode == 0
    pid = int(run("status", where).stdout.split()[1])
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: run("status", where).returncode == 3)
    waited = run("wait", "--timeout=0.1", where)
    assert waited.returncode == 1
    assert "none that uses" in waited.stderr


def test_a_process_that_got_the_id_of_a_killed_server_is_not_stopped(state: Path) -> None:
    state.mkdir()
    with subprocess.Popen(["sleep", "600"]) as other:
        try:
            left_over = {"pid": other.pid, "started": 1, "url": "http://127.0.0.1:1", "clouds_file": "/nowhere"}
            (state / "server.json").write_text(json.dumps(left_over))
            with open(state / "lock", "w") as lock:  # as a server that has not announced itself yet
                fcntl.flock(lock, fcntl.LOCK_EX)
                lock.write(f"{os.getpid()} 2\n")
                lock.flush()
                assert run("stop", "--timeout=0.5", f"--state-directory={state}").returncode == 1
                lock.seek(0)
                lock.truncate()
                lock.write(f"{other.pid} 1\n")  # the same ID, and another start
                lock.flush()
                refused = run("stop", "--timeout=0.5", f"--state-directory={state}")
                assert (refused.returncode, "cannot be seen from here" in refused.stderr) == (1, True), refused
            assert other.poll() is None
        finally:
            other.kill()


@pytest.mark.parametrize("content", ['{"pid": 1}', "null"])
def test_a_file_of_another_version_names_no_server(content: str, state: Path) -> None:
    with held(state):
        (state / "server.json").write_text(content)
        assert run("status", f"--state-directory={state}").returncode == 3


def test_a_look_at_the_directory_keeps_no_server_from_starting(state: Path) -> None:
    state.mkdir()
    with open(state / "lock", "w") as look:
        fcntl.flock(look, fcntl.LOCK_SH)
        timer = threading.Timer(0.3, fcntl.flock, (look, fcntl.LOCK_UN))
        timer.start()
        with held(state):  # raises StateError if it is refused
            timer.join()


def test_a_server_that_is_not_ready_in_time_is_ended_even_if_it_ignores_signals(
    state: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
    monkeypatch.setattr(lifecycle, "START_SECONDS", 1.0)
    monkeypatch.setattr(lifecycle, "END_SECONDS", 0.5)
    monkeypatch.setattr(programs, "command", lambda *_: [sys.executable, "-c", deaf, str(state)])
    assert lifecycle.detach(Config(state_directory=state), []) == 1
    assert "did not start within 1 seconds" in capfd.readouterr().err
    assert processes_with(str(state)) == []


def test_why_it_does_not_start_is_said(state: Path) -> None:
    refused = run("--detach", f"--state-directory={state}", "--haproxy=/nowhere")
    assert refused.returncode == 1
    assert "/nowhere" in refused.stderr


def test_one_way_of_life_at_a_time() -> None:
    refused = run("--detach", "--ephemeral")
    assert refused.returncode != 0
    assert "not allowed with" in refused.stderr


PARENT = """
import subprocess, sys
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE, text=True)
print(process.stdout.readline().split()[-1], flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_an_ephemeral_server_ends_with_its_parent_and_leaves_nothing(number: signal.Signals, tmp_path: Path) -> None:
    command = lbclient("server", "--ephemeral", "--testing")
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
        text=True,
    ) as parent:
        assert parent.stdout is not None
        url = parent.stdout.readline().strip()
        project = requests.post(f"{url}/testing/v1/projects", timeout=10).json()["project"]
        headers = {"X-Auth-Token": project["token"]}
        [subnet] = requests.get(
            f"{url}/networking/v2.0/subnets?name=private-subnet", headers=headers, timeout=10
        ).json()["subnets"]
        body = {"loadbalancer": {"vip_subnet_id": subnet["id"]}}
        made = requests.post(f"{url}/v2.0/lbaas/loadbalancers", json=body, headers=headers, timeout=10).json()
        id_ = made["loadbalancer"]["id"]
        listener = {"listener": {"loadbalancer_id": id_, "protocol": "TCP", "protocol_port": 8080}}
        requests.post(f"{url}/v2.0/lbaas/listeners", json=listener, headers=headers, timeout=10).raise_for_status()
        wait_until(lambda: processes_with(id_))
        parent.send_signal(number)
    wait_until(lambda: not processes_with(str(tmp_path)), 30)
    deadline = time.monotonic() + 10
    while list(tmp_path.iterdir()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert list(tmp_path.iterdir()) == []


def test_an_ephemeral_server_takes_the_usual_port_if_it_is_told_to(tmp_path: Path) -> None:
    with ExitStack() as until_the_end:
        with suppress(OSError):  # somebody has it already
            until_the_end.enter_context(socket.create_server(("127.0.0.1", Config().bind_port)))
        refused = run("--ephemeral", f"--bind-port={Config().bind_port}")
        assert (refused.returncode, refused.stdout) == (1, "")
        assert str(Config().bind_port) in refused.stderr
        file = tmp_path / "lbclient.ini"
        file.write_text(f"[server]\nbind_port = {Config().bind_port}\n")
        assert run("--ephemeral", f"--config-file={file}").returncode == 1


def test_an_ephemeral_server_refuses_a_state_directory(tmp_path: Path) -> None:
    refused = run("--ephemeral", f"--state-directory={tmp_path}")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "give it no state directory" in refused.stderr
    assert list(tmp_path.iterdir()) == []


def test_reserved_networks_are_given_to_nobody_else() -> None:
    with ExitStack() as until_the_end:
        places = [until_the_end.enter_context(loopback.reserved_networks()) for _ in range(60)]
        assert len({place.private for place in places}) == 60
        code = "from lbclient.lab import loopback\nwith loopback.reserved_networks() as place: print(place.private)"
        others = {subprocess.check_output([sys.executable, "-c", code], text=True).strip() for _ in range(5)}
        assert not others & {place.private for place in places}


def test_two_ephemeral_servers_share_nothing() -> None:
    servers = [
        subprocess.Popen(lbclient("server", "--ephemeral", "--testing"), stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    try:
        urls = [server.stdout.readline().split()[-1] for server in servers if server.stdout]
        cidrs = []
        for url in urls:
            project = requests.post(f"{url}/testing/v1/projects", timeout=10).json()["project"]
            found = requests.get(
                f"{url}/networking/v2.0/subnets", headers={"X-Auth-Token": project["token"]}, timeout=10
            )
            cidrs += [subnet["cidr"] for subnet in found.json()["subnets"]]
        assert len(set(urls)) == 2
        assert len(set(cidrs)) == len(cidrs)
    finally:
        for server in servers:
            server.terminate()
            server.communicate(timeout=60)
