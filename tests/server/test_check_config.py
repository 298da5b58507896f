"""Whether a server would start: `check-config` and the start refuse the same configurations in the same words."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
import sqlalchemy as sa

from certificates import certified
from lbclient.server import config_sources
from lbclient.store.store import Store
from machines import IN_NAMESPACE
from running import end_server, lbclient, start_server
from server_process import MAIN

Options = dict[str, object]


def check(*options: str, within: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
    command = [*within, *lbclient("server", "check-config", *options)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


def start(*options: str, within: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
    """A server that is expected not to start."""
    return subprocess.run([*within, *MAIN, *options], capture_output=True, text=True, timeout=300)


def written(path: Path, content: str | bytes = "damaged") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def other_key(place: Path) -> Options:
    return {
        "tls_certificate": written(place / "one.pem", certified("one").pem),
        "tls_key": written(place / "other.key", certified("other").key_pem()),
    }


def database(place: Path, change: str) -> Options:
    store = Store(f"sqlite:///{place}/db")
    store.migrate()
    with store.writing() as tx:
        tx.execute(sa.text(change))
    store.close()
    return {"database": f"sqlite:///{place}/db"}


def strange_database(place: Path) -> Options:
    """A database with a load balancer, which another state directory has."""
    written(place / "state" / "database-id", "another")
    (place / "state" / "haproxy" / "6a6c2a2e-13f3-4a5e-8b6a-0d3a9d4f4a11").mkdir(parents=True)
    return database(place, "UPDATE schema_version SET version = version")


REFUSED: dict[str, tuple[Callable[[Path], Options], str]] = {
    "no certificate": (
        lambda place: {"tls_certificate": place / "no.pem"},
        "tls_certificate: {place}/no.pem cannot be",
    ),
    "no PEM": (
        lambda place: {"tls_certificate": written(place / "x")},
        "tls_certificate: The certificate {place}/x and",
    ),
    "another's key": (other_key, "tls_certificate, tls_key: The certificate {place}/one.pem and the key "),
    "no address": (lambda place: {"bind_host": "192.0.2.99"}, "bind_host, bind_port: Cannot listen on 192.0.2.99:"),
    "no name": (lambda place: {"bind_host": "a..b"}, "bind_host, bind_port: Cannot listen on a..b:0: it is no name"),
    "agents": (lambda place: {"agents": "192.0.2.99:1"}, "agents: Cannot listen on 192.0.2.99:1: "),
    "no log": (lambda place: {"request_log": place / "no" / "log"}, "request_log: {place}/no/log cannot be written: "),
    "log is none": (lambda place: {"request_log": place}, "request_log: {place} cannot be written: Is a directory."),
    "state": (
        lambda place: {"state_directory": written(place / "file") / "state"},
        "The state directory {place}/file/state cannot be used: Not a directory.",
    ),
    "database": (
        lambda place: {"database": "nonsense"},
        "{place}/server.ini: database: 'nonsense' is not allowed: a URL",
    ),
    "no database": (
        lambda place: {"database": f"sqlite:///{place}/no/db"},
        "The database sqlite:///{place}/no/db cannot",
    ),
    "damaged database": (
        lambda place: {"database": f"sqlite:///{written(place / 'db', bytes(range(256)) * 64)}"},
        "The database sqlite:///{place}/db cannot be used: file is not a database.",
    ),
    "newer database": (
        lambda place: database(place, "UPDATE schema_version SET version = 99"),
        "The database has schema version 99, this program knows ",
    ),
    "another's database": (strange_database, "The database does not belong to the state directory {place}/state: "),
    "no webhooks": (lambda place: {"webhooks": place / "no"}, "webhooks: {place}/no: No such file or directory."),
    "HAProxy": (lambda place: {"haproxy": "/nonesuch"}, "haproxy: HAProxy not found: /nonesuch cannot be executed."),
    "user": (lambda place: {"haproxy_user": "nonesuch"}, "haproxy_user: there is no user nonesuch."),
    "policy": (lambda place: {"policy_file": written(place / "p", "a: [")}, "policy_file: {place}/p cannot be used: "),
    "no policy": (
        lambda place: {"policy_file": place / "no"},
        "policy_file: {place}/no cannot be used: No such file or directory.",
    ),
    "usual policy": (
        lambda place: {"state_directory": written(place / "state" / "policy.yaml", "a: [").parent},
        "{place}/state/policy.yaml cannot be used: ",
    ),
    "key": (
        lambda place: {"state_directory": written(place / "state" / "fernet-keys" / "1").parents[1]},
        "The key {place}/state/fernet-keys/1 is damaged: ",
    ),
    "clouds.yaml": (
        lambda place: {"state_directory": written(place / "state" / "clouds.yaml").parent},
        "{place}/state/clouds.yaml is damaged: ",
    ),
    "master key": (
        lambda place: {"master_key": place / "no" / "key"},
        "The master key {place}/no/key cannot be used: No ",
    ),
    "password": (
        lambda place: {"keystone_url": "http://127.0.0.1:1", "keystone_password_file": place / "no"},
        "keystone_password_file: {place}/no cannot be read: No such file or directory.",
    ),
}


@pytest.mark.parametrize("kind", list(REFUSED))
def test_what_the_start_refuses_is_refused_before(tmp_path: Path, kind: str) -> None:
    prepare, words = REFUSED[kind]
    options = {"state_directory": tmp_path / "state", "bind_port": 0, **prepare(tmp_path)}
    refused_alike(tmp_path, options, words)


def refused_alike(place: Path, options: Options, words: str, within: Sequence[str] = ()) -> None:
    ini = written(place / "server.ini", "[server]\n" + "".join(f"{name} = {it}\n" for name, it in options.items()))
    before = sorted(place.rglob("*"))
    checked = check(f"--config-file={ini}", within=within)
    assert sorted(place.rglob("*")) == before
    assert (checked.returncode, checked.stdout) == (2, "")
    assert checked.stderr.startswith(f"lbclient server: {words.format(place=place)}"), checked.stderr
    assert checked.stderr.count("\n") == 1
    assert checked.stderr.endswith(".\n")
    started = start(f"--config-file={ini}", within=within)
    assert started.returncode in (1, 2)
    assert started.stderr.splitlines()[-1] == checked.stderr.rstrip("\n")


@pytest.mark.parametrize(
    ("options", "dropped", "words"),
    [
        (
            {"attachment": "interface", "interface": "lan=192.0.2.0/24"},
            [],
            "attachment, interface: There is no interface lan on this machine: it has lo",
        ),
        ({"attachment": "anyip"}, ["net_admin"], "attachment: Addresses cannot be attached to this machine without "),
        ({"attachment": "interface"}, ["net_raw"], "attachment: Addresses cannot be attached to interfaces without "),
        ({"bind_port": 80}, ["net_bind_service"], "bind_host, bind_port: Cannot listen on 127.0.0.1:80: Permission"),
    ],
    ids=["interface", "anyip", "raw", "port"],
)
def test_rights_and_interfaces_are_checked(tmp_path: Path, options: Options, dropped: list[str], words: str) -> None:
    sets = [f"--bounding-set=-{each}" for each in dropped] + [f"--inh-caps=-{each}" for each in dropped]
    within = [*IN_NAMESPACE, "sh", "-c", 'ip link set lo up && exec "$@"', "sh", "setpriv", *sets]
    if subprocess.run([*within, "true"], capture_output=True).returncode != 0:
        pytest.skip("no user namespaces here")
    usual = {"state_directory": tmp_path / "state", "bind_port": 0}
    refused_alike(tmp_path, {**usual, **options}, words, within)


def test_without_bird_no_address_can_be_announced(tmp_path: Path) -> None:
    hidden = 'ip link set lo up && mount -t tmpfs none /usr/sbin && exec "$@"'
    within = [*IN_NAMESPACE, "--mount", "sh", "-c", hidden, "sh"]
    if subprocess.run([*within, "true"], capture_output=True).returncode != 0:
        pytest.skip("no user namespaces here")
    options = {"state_directory": tmp_path / "state", "bind_port": 0, "attachment": "anyip", "announce": "bgp"}
    words = "attachment, announce: BIRD not found: install it (on Debian, the package bird2)."
    refused_alike(tmp_path, options, words, within)


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as taking:
        yield taking.getsockname()[1]


def test_a_port_that_another_program_has_is_refused(tmp_path: Path, taken: int) -> None:
    options = {"state_directory": tmp_path / "state", "bind_port": taken}
    refused_alike(
        tmp_path, options, f"bind_host, bind_port: Cannot listen on 127.0.0.1:{taken}: Address already in use."
    )


def test_a_running_server_is_not_disturbed_and_its_own_port_is_no_obstacle(tmp_path: Path) -> None:
    state = tmp_path / "state"
    server = start_server(state)
    try:
        options = [f"--state-directory={state}", f"--bind-port={server.url.rpartition(':')[2]}", "--demo"]
        assert (check(*options).returncode, server.process.poll()) == (0, None)
    finally:
        end_server(server)
    before = sorted(state.rglob("*"))
    checked = check(*options)
    assert (checked.returncode, checked.stderr) == (0, "")
    assert sorted(state.rglob("*")) == before


def test_a_configuration_that_fits_is_printed_and_nothing_is_created(tmp_path: Path) -> None:
    key = certified("127.0.0.1")
    certificate = written(tmp_path / "api.pem", key.pem + key.key_pem())
    log = tmp_path / "requests"
    options = [f"--tls-certificate={certificate}", f"--request-log={log}", f"--state-directory={tmp_path / 's' / 't'}"]
    shown = check(*options, "--bind-port=0")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert f"request_log = {log}\n" in shown.stdout
    assert sorted(tmp_path.iterdir()) == [certificate]


def test_passwords_are_not_shown() -> None:
    config = config_sources.from_arguments({"database": "postgresql://lb:secret@db/lb"})
    assert config_sources.shown(config)["database"] == "postgresql://lb:***@db/lb"


def test_a_checked_configuration_is_printed_as_it_is_written(tmp_path: Path) -> None:
    options = {
        "attachment": "interface",
        "interface": "eth0=192.0.2.0/24,eth0=2001:db8::/64",
        "vip_ranges": "192.0.2.0/24,2001:db8::/64",
        "quotas": "loadbalancer=10,member=500",
    }
    path = written(tmp_path / "server.ini", "[server]\n" + "".join(f"{name} = {it}\n" for name, it in options.items()))
    shown = config_sources.shown(config_sources.from_arguments({"config_file": str(path)}))
    assert {name: shown[name] for name in options} == options
