"""The server as a process: its start, its files, its end."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from lbclient.server import config_sources
from running import lbclient, wait_until
from server_process import MAIN, Server, clouds, log_in, networks, run

ROOT = Path(__file__).parents[2]


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_first_start_makes_an_admin_that_only_this_user_knows(state: Path) -> None:
    server = Server(state)
    assert server.line == f"lbclient server is listening on {server.url}\n"
    assert mode(state) == 0o700
    assert mode(state / "clouds.yaml") == 0o600
    assert {mode(path) for path in (state / "fernet-keys").iterdir()} == {0o600}
    assert list(clouds(state)) == ["lbclient-admin"]
    answer = log_in(clouds(state)["lbclient-admin"])
    assert answer.status_code == 201
    names = [each["name"] for each in networks(server, answer.headers["X-Subject-Token"]).json()["networks"]]
    assert names == ["private-net", "public-net"]
    assert server.end()[0] == 0


def test_a_later_start_knows_what_was_and_tells_the_new_url(state: Path) -> None:
    first = Server(state, "--demo")
    before = clouds(state)
    token = log_in(before["lbclient"]).headers["X-Subject-Token"]
    assert first.end(signal.SIGINT)[0] == 0
    second = Server(state, "--demo")
    after = clouds(state)
    assert list(after) == ["lbclient-admin", "lbclient"]
    for name, cloud in after.items():
        assert cloud["auth"] == {**before[name]["auth"], "auth_url": f"{second.url}/identity"}
        assert log_in(cloud).status_code == 201
    assert networks(second, token).status_code == 200
    assert second.end()[0] == 0


def test_two_servers_do_not_share_a_state_directory(state: Path) -> None:
    first = Server(state)
    second = run(f"--state-directory={state}", "--bind-port=0")
    assert second.returncode == 1
    why = f"Another lbclient server (process {first.process.pid}) uses the state directory {state}."
    assert second.stderr == f"lbclient server: {why}\n"
    assert first.end()[0] == 0
    assert Server(state).end()[0] == 0


def test_a_port_that_is_taken(state: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = run(f"--state-directory={state}", f"--bind-port={port}")
    assert ended.returncode == 1
    assert ended.stderr.startswith(f"lbclient server: bind_host, bind_port: Cannot listen on 127.0.0.1:{port}: ")
    assert ended.stderr.count("\n") == 1
    assert "in use" in ended.stderr
    assert not (state / "clouds.yaml").exists()


def test_a_request_under_way_is_finished(state: Path) -> None:
    server = Server(state)
    body = json.dumps({"auth": {}}).encode()
    head = f"POST /identity/v3/auth/tokens HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(head.encode() + body[:5])
        requests.get(f"{server.url}/identity/v3", timeout=10)  # by now the first request is being read
        server.process.send_signal(signal.SIGTERM)
        while _accepts(host, int(port)):
            pass
        connection.sendall(body[5:])
        assert connection.recv(65536).startswith(b"HTTP/1.1 400 ")
    assert server.process.wait(20) == 0
    server.process.communicate()


def _accepts(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=1).close()
    except OSError:
        return False
    return True


def test_a_log_for_programs(state: Path) -> None:
    status, log = Server(state, "--log-format=json").end()
    assert status == 0
    lines = [json.loads(line) for line in log.splitlines()]
    assert lines[-1]["message"] == "stopping"
    assert set(lines[-1]) == {"time", "level", "logger", "thread", "message"}


def test_root_is_warned_of_itself_where_it_could_be_another_user(state: Path) -> None:
    is_able = subprocess.run(["setpriv", "--reuid=1", "true"], capture_output=True).returncode == 0
    assert ("runs as root" in Server(state).end()[1]) is is_able


def test_without_demo_and_without_the_password_there_is_a_warning(state: Path) -> None:
    Server(state).end()
    (state / "clouds.yaml").unlink()
    status, log = Server(state).end()
    assert status == 0
    assert "the password of the user admin is unknown here" in log


def test_answers_name_the_host_that_was_asked(state: Path) -> None:
    server = Server(state)
    answer = requests.get(f"{server.url}/identity", headers={"Host": "lb.example:80"}, timeout=10)
    assert answer.status_code == 300
    assert answer.headers["Location"] == "http://lb.example:80/identity/v3/"
    server.end()


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--bind-port=x"], "--bind-port: 'x' is not allowed: a port number from 0 to 65535."),
        (["--bind-port=70000"], "--bind-port: '70000' is not allowed: a port number from 0 to 65535."),
        (
            ["--attachment=interface", "--interface=eth0"],
            "--interface: 'eth0' is not allowed: an interface and its network",
        ),
        (["--interface=eth0=192.0.2.0/24"], "interface needs attachment interface; it is loopback."),
        (["--announce=bgp"], "announce bgp needs attachment anyip; it is loopback."),
        (["--announce=ospf"], "--announce: 'ospf' is not allowed: one of none, bgp."),
        (["--attachment=x"], "--attachment: 'x' is not allowed: one of lab, loopback, anyip, interface."),
        (["--busy-wait=-1"], "--busy-wait: '-1' is not allowed: seconds from 0 to 60, or strict."),
        (["--busy-wait=nan"], "--busy-wait: 'nan' is not allowed: seconds from 0 to 60, or strict."),
        (["--private-cidr=10.0.0.0/24"], "10.0.0.0/24 is not allowed: with attachment loopback"),
        (["--private-cidr=10.0.0.1/24"], "--private-cidr: '10.0.0.1/24' is not allowed: a network like 10.0.0.0/24."),
        (["--default-provider=x"], "default_provider: 'x' is not allowed: one of octavia, amphora, noop_driver."),
        (["--haproxy=/nonesuch"], "haproxy: HAProxy not found: /nonesuch cannot be executed."),
        (["--database=nonesuch://u:secret@h/"], "--database: 'nonesuch://u:***@h/' is not allowed: a URL such as "),
        (["--database=nonsense"], "--database: 'nonsense' is not allowed: a URL such as sqlite:////"),
        (["--database=postgresql://u:secret@h:x/"], "The database that is configured cannot be used: "),
        (["--database=sqlite:////nonesuch/db"], "The database sqlite:////nonesuch/db cannot be used: /nonesuch is no "),
        (["--state-directory=/proc/x"], "The state directory /proc/x cannot be used"),
    ],
)
def test_options_that_do_not_fit(state: Path, options: list[str], why: str) -> None:
    ended = run(f"--state-directory={state}", *options)
    assert ended.returncode in (1, 2)
    assert ended.stderr.startswith(f"lbclient server: {why}")
    assert ended.stderr.count("\n") == 1
    assert ended.stderr.endswith(".\n")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[server]\nbind_prt = 1\n", "unknown option bind_prt; there are state_directory, "),
        ("[server]\nbind_port = 1.5\n", "bind_port: '1.5' is not allowed: a port number from 0 to 65535."),
        ("[server]\ndemo = maybe\n", "demo: 'maybe' is not allowed: true or false."),
        ("[sever]\n", "unknown section [sever]; there are [server] and [quotas]."),
        ("[quotas]\nloadbalancers = 1\n", "[quotas]: 'loadbalancers=1' is not allowed: a limit like loadbalancer=10; "),
        ("[quotas]\npool = -2\n", "[quotas]: 'pool=-2' is not allowed: a number from -1 (no limit) to 2000000000."),
        ("bind_port = 1\n", "File contains no section headers."),
        (None, "No such file or directory"),
    ],
)
def test_files_that_do_not_fit(tmp_path: Path, text: str | None, why: str) -> None:
    path = tmp_path / "lbclient.ini"
    if text is not None:
        path.write_text(text)
    ended = run(f"--config-file={path}")
    assert ended.returncode == 2
    assert ended.stderr.startswith(f"lbclient server: {path}: {why}")
    assert ended.stderr.count("\n") == 1
    assert ended.stderr.endswith(".\n")


def test_the_command_line_wins_over_the_file(tmp_path: Path, state: Path) -> None:
    path = tmp_path / "lbclient.ini"
    path.write_text(f"[server]\nstate_directory = {state}\nbind_port = 1\ndemo = yes\nprivate_cidr = 127.7.0.0/24\n")
    server = Server(state, f"--config-file={path}")
    token = log_in(clouds(state)["lbclient"]).headers["X-Subject-Token"]
    url = f"{server.url}/networking/v2.0/subnets?name=private-subnet"
    found = requests.get(url, headers={"X-Auth-Token": token}, timeout=10).json()["subnets"]
    assert found[0]["cidr"] == "127.7.0.0/24"
    server.end()


def test_usual_quotas_have_a_section(tmp_path: Path) -> None:
    path = tmp_path / "lbclient.ini"
    path.write_text("[server]\ndebug = yes\n[quotas]\nloadbalancer = 10\nmember=-1\n")
    assert config_sources.from_arguments({"config_file": str(path)}).quotas == {"loadbalancer": 10, "member": -1}
    assert config_sources.from_arguments({"quotas": "pool=3, l7rule=4"}).quotas == {"pool": 3, "l7rule": 4}


def test_strict_is_no_patience() -> None:
    assert config_sources.from_arguments({"busy_wait": "strict"}).busy_wait == 0


def quota(url: str, name: str) -> int:
    """The usual limit of a project's objects."""
    answer = requests.get(f"{url}/v2.0/lbaas/quotas/defaults", headers={"X-Roles": "admin"}, timeout=30)
    found: int = answer.json()["quota"][name]
    return found


def test_a_detached_server_writes_on_in_a_log_that_is_copied_and_truncated(tmp_path: Path) -> None:
    """As logrotate does with the file in contrib: the next line is the first one, and no hole is before it."""
    rules = (ROOT / "contrib/logrotate/lbclient").read_text()
    assert "copytruncate" in rules
    state = tmp_path / "state"
    server = lbclient("server", "--detach", f"--state-directory={state}", "--bind-port=0", "--auth=noauth")
    subprocess.run(server, check=True, stdin=subprocess.DEVNULL, timeout=120)
    log = state / "server.log"
    try:
        wait_until(lambda: "the state is in" in log.read_text(), 30)
        (tmp_path / "server.log.1").write_bytes(log.read_bytes())
        os.truncate(log, 0)
        os.kill(json.loads((state / "server.json").read_text())["pid"], signal.SIGHUP)
        wait_until(lambda: log.read_bytes().endswith(b"nothing to do\n"), 30)
        assert len(log.read_text().splitlines()) == 1
        assert log.read_bytes()[:2] == b"20"
    finally:
        subprocess.run(lbclient("server", "stop", f"--state-directory={state}"), check=True, timeout=120)


@contextmanager
def configured(path: Path, log: Path) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """A server with a configuration file, which logs into a file, and its URL; it ends well after the block."""
    with log.open("w") as stderr:
        command = [*MAIN, f"--config-file={path}"]
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=stderr, start_new_session=True
        )
    try:
        assert process.stdout is not None
        yield process, process.stdout.readline().decode().split()[-1]
    finally:
        process.terminate()
        process.communicate(timeout=60)
    assert process.returncode == 0


def test_a_hangup_reads_the_configuration_again(tmp_path: Path) -> None:
    path = tmp_path / "server.ini"
    log = tmp_path / "log"

    def write(text: str) -> None:
        path.write_text(f"[server]\nstate_directory = {tmp_path / 'state'}\nbind_port = 0\nauth = noauth\n{text}")

    def says(words: str, number: int = 1) -> None:
        wait_until(lambda: log.read_text().count(words) >= number, 30)

    write("")
    with configured(path, log) as (process, url):
        assert quota(url, "pool") == -1
        says(f"the state is in {tmp_path / 'state'}; to log in: no login is needed (noauth)")
        process.send_signal(signal.SIGHUP)
        says("nothing to do")
        write("log_format = json\nthreads = 4\n[quotas]\npool = 3\n")
        process.send_signal(signal.SIGHUP)
        says('"message": "the configuration was read again: quotas, log_format changed"')
        says("threads: changed in the configuration, but only a restart of the server applies it")
        assert quota(url, "pool") == 3
        write("threads = many\n")
        process.send_signal(signal.SIGHUP)
        says("'many' is not allowed: a number from 1 to 256. The configuration stays as it was.")
        path.unlink()
        process.send_signal(signal.SIGHUP)
        says(f"{path}: No such file or directory. The configuration stays as it was.")


def test_hangups_in_any_number_are_answered_and_the_last_one_counts(tmp_path: Path) -> None:
    path, log = tmp_path / "server.ini", tmp_path / "log"
    text = f"[server]\nstate_directory = {tmp_path / 'state'}\nbind_port = 0\nauth = noauth\n"
    path.write_text(text)
    with configured(path, log) as (process, url):
        wait_until(lambda: "the state is in" in log.read_text(), 30)
        for number in range(20):
            path.write_text(f"{text}[quotas]\npool = {number}\n")
            for _ in range(100):
                process.send_signal(signal.SIGHUP)
            wait_until(lambda wanted=number: quota(url, "pool") == wanted, 30)
        for _ in range(100):
            process.send_signal(signal.SIGHUP)
