"""Waiting: what is shown meanwhile, how it ends, and who is said to be in the way."""

from __future__ import annotations

import contextlib
import re
import socket
import threading

import pytest

import fronts
import held
from console import Console
from running import wait_until


@pytest.fixture
def busy(cloud, loadbalancer, listener):
    """The load balancer's name, while a change of its listener holds it; and what ends that."""
    directory = cloud.state_directory
    held.hold(directory, loadbalancer, listener)

    def release() -> None:
        held.release(directory, loadbalancer, listener)

    yield loadbalancer, release
    with contextlib.suppress(AssertionError):
        release()


@pytest.fixture
def terminal(cloud):
    """Runs lbclient on a pseudo-terminal."""
    opened = []

    def run(*arguments: str, columns: int = 80) -> Console:
        opened.append(Console(cloud.environment(), *arguments, columns=columns))
        return opened[-1]

    yield run
    for each in opened:
        each.close()


def test_an_immutable_error_says_which_change_holds_it_and_since_when(run, busy):
    name, _ = busy
    result = run("loadbalancer", "set", "--description", "x", name)
    assert result.status == 1
    assert result.err.endswith(
        f"(HTTP 409) Listener {name}-listener is PENDING_UPDATE since 2026-01-31 12:00:00 UTC:"
        " give --retry-on-conflict to wait for its end, or --wait to the command before.\n"
    )
    assert len(result.err.splitlines()) == 1


def test_who_holds_it_is_found_in_the_status_tree_where_the_refusal_does_not_tell(run, busy, cloud, monkeypatch):
    name, _ = busy
    with fronts.older(cloud.url) as address, monkeypatch.context() as patch:
        patch.setenv("OS_LOAD_BALANCER_ENDPOINT_OVERRIDE", address)
        result = run("loadbalancer", "set", "--description", "x", name)
    assert result.status == 1
    assert re.search(
        rf"\(HTTP 409\) Listener {name}-listener is PENDING_UPDATE since [-\d]+ [:\d]+ UTC: give --retry", result.err
    )


def test_what_is_in_error_is_not_waited_for(run_main, requests_mock):
    """Octavia's takes no change to it; ours does."""
    id_ = "12345678-1234-1234-1234-123456789abc"
    url = f"http://lb.invalid/v2.0/lbaas/loadbalancers/{id_}"
    words = f"Load Balancer {id_} is immutable and cannot be updated."
    broken = {"id": id_, "name": "lb1", "provisioning_status": "ERROR", "updated_at": "2026-01-31T12:00:00"}
    requests_mock.put(url, status_code=409, json={"faultcode": "Client", "faultstring": words, "debuginfo": None})
    requests_mock.get(url, json={"loadbalancer": broken})
    requests_mock.get(f"{url}/status", json={"statuses": {"loadbalancer": {**broken, "listeners": []}}})
    login = ("--os-auth-type", "none", "--os-endpoint", "http://lb.invalid")
    result = run_main(*login, "loadbalancer", "set", "--name", "n", "--retry-on-conflict", id_)
    assert result.status == 1
    assert result.err == (
        f"{words} (HTTP 409) Load balancer lb1 is ERROR since 2026-01-31 12:00:00 UTC:"
        " what is in ERROR can be deleted or failed over.\n"
    )
    assert [request.method for request in requests_mock.request_history].count("PUT") == 1


def test_retries_ride_out_a_conflict(run, busy):
    name, release = busy
    threading.Timer(1.5, release).start()
    result = run("loadbalancer", "set", "--description", "at last", "--retry-on-conflict", "--wait", name)
    assert (result.status, result.err) == (0, "")
    assert run("loadbalancer", "show", name, "-f", "json").json["description"] == "at last"


def test_retries_end(run, busy):
    name, _ = busy
    result = run("loadbalancer", "set", "--description", "x", "--retry-on-conflict", "--timeout", "0.5", name)
    assert result.status == 3
    assert result.err.endswith(
        f"Listener {name}-listener is PENDING_UPDATE since 2026-01-31 12:00:00 UTC: it was tried for 0.5 seconds.\n"
    )


def test_only_busy_load_balancers_are_tried_again(run, listener, loadbalancer):
    create = ("loadbalancer", "listener", "create", "--protocol", "TCP", "--protocol-port", "8080", loadbalancer)
    result = run(*create, "--retry-on-conflict")
    assert (result.status, "(HTTP 409)" in result.err, "--retry" in result.err) == (1, True, False)


def test_a_terminal_shows_what_is_waited_for_and_how_long(terminal, run, busy):
    name, release = busy
    screen = terminal("loadbalancer", "set", "--description", "x", "--retry-on-conflict", "--wait", name)
    screen.wait_for("the load balancer is busy with another change, ")
    release()
    assert screen.end() == 0
    assert screen.text.endswith("\r\x1b[K")  # nothing of it stays


def test_a_narrow_terminal_shows_one_line(terminal, busy):
    name, release = busy
    screen = terminal("loadbalancer", "set", "--description", "x", "--retry-on-conflict", name, columns=30)
    screen.wait_for("the load balancer is busy wi…")
    release()
    assert screen.end() == 0
    assert "\n" not in screen.text


def test_a_quiet_command_shows_nothing(terminal, busy):
    name, release = busy
    threading.Timer(1.0, release).start()
    screen = terminal("-q", "loadbalancer", "set", "--description", "x", "--retry-on-conflict", name)
    assert (screen.end(), screen.text) == (0, "")


def test_the_end_of_the_time_has_a_status_of_its_own(run, terminal, cloud, loadbalancer, listener, pool):
    shown = run("loadbalancer", "show", loadbalancer, "-f", "json").json
    create = ("loadbalancer", "member", "create", "--protocol-port", "80", "--wait", pool, "--address")
    with held.frozen_proxy(cloud.state_directory, shown["id"]):
        result = run(*create, "127.0.0.4", "--timeout", "0.4")
        assert (result.status, result.out) == (3, "")
        assert "is still PENDING_CREATE after 0.4 seconds." in result.err
    wait_until(lambda: run("loadbalancer", "show", loadbalancer, "-f", "json").json["provisioning_status"] == "ACTIVE")
    with held.frozen_proxy(cloud.state_directory, shown["id"]):
        screen = terminal(*create, "127.0.0.5", "--name", "fünf 5")
        screen.wait_for("member fünf 5: PENDING_CREATE, ")
    assert screen.end() == 0
    assert "| provisioning_status | ACTIVE" in screen.text


def test_an_error_is_explained(run, loadbalancer):
    address = run("loadbalancer", "show", loadbalancer, "-f", "json").json["vip_address"]
    with socket.create_server((address, 0)) as other:
        port = other.getsockname()[1]
        create = ("loadbalancer", "listener", "create", "--name", "taken", "--protocol", "TCP", "--wait")
        result = run(*create, "--protocol-port", str(port), loadbalancer)
    assert result.status == 1
    assert f"Cannot listen on {address} port {port}: the port is in use by another program." in result.err
    assert "In ERROR: " in result.err
    assert "listener taken" in result.err
    assert len(result.err.splitlines()) == 1
