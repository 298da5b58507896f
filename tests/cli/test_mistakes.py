"""Wrong input and bad luck: one line on stderr, the right exit status, no traceback."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys

import pytest

CREATE = ("loadbalancer", "create", "--vip-subnet-id", "private-subnet")
LOGIN = ("--os-auth-type", "none", "--os-endpoint", "http://lb.invalid")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            ("listener", "create", "--protocol", "SPDY", "--protocol-port", "80", "x"),
            "invalid choice: 'SPDY' (choose from",
        ),
        (("listener", "create", "--protocol", "TCP", "--protocol-port", "http", "x"), "'http' is not a whole number"),
        (("listener", "create", "--protocol", "TCP", "x"), "required: --protocol-port"),
        (("listener", "create", "--protocol", "TCP", "--protocol-port", "1"), "required: <loadbalancer>"),
        (("listener", "set", "--insert-headers", "X-Foo=true", "x"), "'X-Foo' is not one of the keys: X-Forwarded-For"),
        (("listener", "set", "--insert-headers", "nonsense", "x"), "'nonsense' is not <key>=<value>"),
        (("listener", "set", "--enable", "--disable", "x"), "not allowed with argument"),
        (("pool", "create", "--protocol", "TCP", "--lb-algorithm", "SOURCE_IP"), "one of the arguments"),
        (("healthmonitor", "set", "--max-retries", "11", "x"), "invalid choice: 11"),
        (("healthmonitor", "set", "--delay", "soon", "x"), "'soon' is not a whole number"),
        (("listener", "set", "--tls-version", "x"), "required: <listener>"),
        (("show", "x", "--nonsense"), "unrecognized arguments: --nonsense"),
        (("set", "--wait", "--timeout", "never", "x"), "'never' is not a number of seconds above 0"),
    ],
)
def test_usage_errors(run_main, line, said):
    result = run_main("loadbalancer", *line)
    assert (result.status, len(result.err.splitlines())) == (2, 1)
    assert said in result.err
    assert "`lbclient help loadbalancer " in result.err or "Did you mean" in result.err


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (("create",), "One of --vip-subnet-id, --vip-network-id and --vip-port-id is needed."),
        (("create", "--vip-subnet-id", "nowhere"), "No subnet has the name or ID 'nowhere'."),
        (("create", "--vip-network-id", "nowhere"), "No network has the name or ID 'nowhere'."),
        (("create", "--vip-port-id", "nowhere"), "No port has the name or ID 'nowhere'."),
        ((*CREATE[1:], "--vip-qos-policy-id", "no"), "No QoS policy has the name or ID 'no'."),
        (
            (*CREATE[1:], "--additional-vip", "ip-address=10.0.0.1"),
            "--additional-vip: subnet-id=<name or ID> is missing.",
        ),
        (("show", "nothing"), "No load balancer has the name or ID 'nothing'."),
        (("l7policy", "show", "nothing"), "No L7 policy has the name or ID 'nothing'."),
        (("member", "list", "nothing"), "No pool has the name or ID 'nothing'."),
        (
            ("listener", "create", "--protocol", "TCP", "--protocol-port", "70000", "x"),
            "--protocol-port: 70000 is not from 1 to 65535.",
        ),
        (("member", "set", "--weight", "257", "p", "m"), "--weight: 257 is not from 0 to 256."),
        (
            ("show", "12345678-1234-1234-1234-123456789abc"),
            "Load Balancer 12345678-1234-1234-1234-123456789abc not found. (HTTP 404)",
        ),
    ],
)
def test_wrong_values(run, line, said):
    result = run("loadbalancer", *line)
    is_usage = said.startswith(("--", "One of"))  # whatever there is in the cloud
    assert (result.status, result.out, result.err) == (2 if is_usage else 1, "", f"{said}\n")


def test_the_servers_own_words(run, loadbalancer):
    result = run(*CREATE, "--vip-address", "127.10.0.300", "--name", "x")
    assert (result.status, len(result.err.splitlines())) == (1, 1)
    assert "vip_address" in result.err
    assert "127.10.0.300" in result.err


def test_a_busy_load_balancer_is_explained(run_main, requests_mock):
    url = "http://lb.invalid/v2.0/lbaas/loadbalancers/12345678-1234-1234-1234-123456789abc"
    fault = {
        "faultcode": "Client",
        "faultstring": "Invalid state PENDING_UPDATE of loadbalancer resource X",
        "debuginfo": None,
    }
    requests_mock.put(url, status_code=409, json=fault)
    result = run_main(*LOGIN, "loadbalancer", "set", "--name", "n", url.rpartition("/")[2])
    assert (result.status, result.err) == (
        1,
        "Invalid state PENDING_UPDATE of loadbalancer resource X (HTTP 409) It is busy with another change:"
        " give --retry-on-conflict to wait for its end, or --wait to the command before.\n",
    )


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"status_code": 500, "json": {"faultstring": "Boom", "faultcode": "Server"}}, "Boom (HTTP 500)"),
        ({"status_code": 503, "text": "<html>busy</html>", "headers": {"content-type": "text/html"}}, "(HTTP 503)"),
        (
            {"status_code": 403, "json": {"faultstring": "Policy does not allow this request to be performed."}},
            "(HTTP 403)",
        ),
        (
            {"status_code": 401, "json": {"error": {"code": 401, "title": "Unauthorized", "message": "Log in."}}},
            "Log in. (HTTP 401)",
        ),
        (
            {"status_code": 404, "json": {"code": 404, "title": "Not Found", "description": ""}},
            "GET http://lb.invalid/v2.0/lbaas/loadbalancers",
        ),
        ({"status_code": 400, "json": {"faultstring": "two\nlines  here"}}, "two lines here (HTTP 400)"),
        ({"status_code": 200, "text": "hello"}, "sends no JSON object"),
    ],
)
def test_bad_answers(run_main, requests_mock, monkeypatch, answer, said):
    requests_mock.get("http://lb.invalid/v2.0/lbaas/loadbalancers", **{"reason": "Not Found"} | answer)
    result = run_main(*LOGIN, "loadbalancer", "list")
    assert (result.status, result.out, len(result.err.splitlines())) == (1, "", 1)
    assert said in result.err


def test_no_server(run_main):
    result = run_main("--os-auth-type", "none", "--os-endpoint", "http://127.0.0.1:9", "loadbalancer", "list")
    assert (result.status, len(result.err.splitlines())) == (1, 1)
    assert "http://127.0.0.1:9" in result.err
    assert "Is the server running" in result.err


def test_no_credentials(run_main, monkeypatch, tmp_path):
    for name in os.environ:
        if name.startswith("OS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.chdir(tmp_path)
    result = run_main("loadbalancer", "list")
    assert result.status == 1
    assert result.err.startswith("No credentials: set OS_CLOUD or give --os-cloud")
    assert len(result.err.splitlines()) == 1


def test_a_wrong_password(run):
    result = run("--os-password", "wrong", "loadbalancer", "list")
    assert (result.status, len(result.err.splitlines())) == (1, 1)
    assert result.err.endswith("(HTTP 401) Are the user name, the password and the project right?\n")


def test_an_unknown_cloud(run):
    result = run("--os-cloud", "nowhere", "loadbalancer", "list")
    assert result.status == 1
    assert result.err.startswith("No cloud is named 'nowhere': ")


def test_debug_shows_where_an_error_comes_from(run):
    result = run("--debug", "loadbalancer", "show", "nothing")
    assert result.status == 1
    assert "Traceback" in result.err


def test_an_unknown_command_and_an_unknown_option(run_main):
    result = run_main("loadbalancer", "frobnicate")
    assert result.status == 2
    assert "not a lbclient command" in result.out + result.err
    result = run_main("--nonsense", "loadbalancer", "list")
    assert (result.status, "no such option: --nonsense" in result.err) == (2, True)


def test_a_timeout_ends_waiting(run, loadbalancer, monkeypatch):
    # Between the deadline's first look and its last there is time for the server, so it has to be very short.
    result = run("loadbalancer", "set", "--name", loadbalancer, "--wait", "--timeout", "0.000001", loadbalancer)
    assert result.status in (0, 3)
    if result.status:
        assert "is still PENDING_UPDATE after 1e-06 seconds." in result.err


def lbclient_process(cloud, *arguments, **more):
    command = [sys.executable, "-m", "lbclient.cli.shell", *arguments]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, env=cloud.environment(), **{**pipes, **more})


def test_an_interrupt(cloud):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(20)
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        process = lbclient_process(cloud, "--os-auth-url", address, "loadbalancer", "list")
        connection, _ = silent.accept()  # it waits for an answer now
        with connection:
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (130, "", "")


def test_a_reader_that_goes_away(cloud, run, loadbalancer):
    reading, writing = os.pipe()
    os.close(reading)
    process = lbclient_process(cloud, "loadbalancer", "list", stdout=writing)
    os.close(writing)
    _, err = process.communicate(timeout=60)
    assert err == ""
    assert process.returncode == 141


def test_a_server_that_is_not_there(run_main, monkeypatch):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{probe.getsockname()[1]}/identity"
    for name in [name for name in os.environ if name.startswith("OS_")]:
        monkeypatch.delenv(name)
    login = ("--os-auth-url", url, "--os-username", "a", "--os-password", "b", "--os-project-name", "c")
    result = run_main(*login, "loadbalancer", "list")
    assert result.status == 1
    assert (
        result.err == f"{url} cannot be reached: connection refused. Is the server running, and is its address right?\n"
    )
