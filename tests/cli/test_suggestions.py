"""Mistakes are answered with what may have been meant."""

from __future__ import annotations

import pytest

REFERENCE = "http://127.0.0.1/key-manager/v1/containers/12345678-1234-1234-1234-123456789abc"


def last_line(result):
    return result.err.splitlines()[-1]


def test_names_that_are_almost_right(run, loadbalancer, pool):
    for wrong in (loadbalancer.upper(), loadbalancer[:-1], loadbalancer.replace("n-", "m-")):
        result = run("loadbalancer", "show", wrong)
        assert (result.status, len(result.err.splitlines())) == (1, 1)
        assert result.err.startswith(f"No load balancer has the name or ID '{wrong}'. Did you mean '{loadbalancer}'")
    result = run("loadbalancer", "member", "list", f"{pool}s")
    assert result.err == f"No pool has the name or ID '{pool}s'. Did you mean '{pool}'?\n"
    result = run("loadbalancer", "create", "--vip-subnet-id", "privat-subnet")
    assert result.err == "No subnet has the name or ID 'privat-subnet'. Did you mean 'private-subnet'?\n"


def test_nothing_similar_is_nothing_said(run):
    result = run("loadbalancer", "pool", "show", "completely-different-0815")
    assert result.err == "No pool has the name or ID 'completely-different-0815'.\n"


def test_one_list_is_asked_for_and_only_after_the_failure(run_main, requests_mock):
    requests_mock.get("http://lb.invalid/v2.0/lbaas/pools", json={"pools": []})
    login = ("--os-auth-type", "none", "--os-endpoint", "http://lb.invalid")
    result = run_main(*login, "loadbalancer", "pool", "delete", "one", "two", "three")
    assert result.status == 1
    assert [request.query for request in requests_mock.request_history] == [
        "name=one",
        "fields=name",
        "name=two",
        "name=three",
    ]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (("set", "--desciption", "x", "lb"), "unrecognized arguments: --desciption lb. Did you mean '--description'?"),
        (("list", "--opertating-status=ERROR"), "Did you mean '--operating-status'?"),
        (("member", "create", "--adress", "10.0.0.4", "--protocol-port", "80", "p"), "--address"),
        (
            ("pool", "create", "--protocol", "HTPP", "--lb-algorithm", "ROUND_ROBIN", "--listener", "x"),
            "Did you mean 'HTTP'",
        ),
        (
            ("pool", "create", "--protocol", "HTTP", "--lb-algorithm", "ROUNDROBIN", "--listener", "x"),
            "Did you mean 'ROUND_ROBIN'?",
        ),
        (("show", "x", "--zzzzzz"), "unrecognized arguments: --zzzzzz"),
    ],
)
def test_options_and_choices(run_main, line, said):
    result = run_main("loadbalancer", *line)
    assert result.status == 2
    assert said in last_line(result)


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (("loadbalancer", "membr", "list"), "Did you mean 'loadbalancer member list'?"),
        (("loadbalancer", "listner", "create", "--protocol", "TCP"), "Did you mean 'loadbalancer listener create'?"),
        (("loadbalancer", "pool", "lst"), "Did you mean 'loadbalancer pool list'?"),
        (("loadbalancr", "show"), "Did you mean 'loadbalancer show'?"),
        (("lb",), "'loadbalancer'"),
        (("lodbalancer",), "Did you mean 'loadbalancer'?"),
        (("loadbalancer", "member", "un-drain"), "Did you mean 'loadbalancer member undrain'"),
    ],
)
def test_commands(run_main, typed, said):
    result = run_main(*typed)
    assert (result.status, len(result.err.splitlines())) == (2, 1)
    assert said in result.err


def test_the_protocols_that_go_together(run, loadbalancer, listener):
    create = ("loadbalancer", "pool", "create", "--protocol", "TCP", "--lb-algorithm", "ROUND_ROBIN")
    result = run(*create, "--listener", listener)
    assert result.status == 1
    assert result.err.endswith("With a listener of protocol HTTP, a pool's --protocol can be HTTP, PROXY or PROXYV2.\n")


SIBLINGS = [  # what is typed for a load balancer LB, and what is said

        (
            ("listener", "create", "--protocol", "TERMINATED_HTTPS", "--protocol-port", "443", "LB"),
            "Add --default-tls-container-ref <ref>: the secret or container with the certificate and its key.",
        ),
        (
            ("listener", "create", "--protocol", "HTTP", "--protocol-port", "81", "LB",
             "--default-tls-container-ref", REFERENCE),
            "--default-tls-container-ref may need --protocol TERMINATED_HTTPS.",
        ),
        (
            ("pool", "create", "--protocol", "HTTP", "--lb-algorithm", "ROUND_ROBIN", "--loadbalancer", "LB",
             "--session-persistence", "type=APP_COOKIE"),
            "Add the cookie: --session-persistence type=APP_COOKIE,cookie_name=<name>.",
        ),
        (
            ("l7policy", "create", "--action", "REDIRECT_TO_URL", "LB-listener"),
            "Add --redirect-url <url>: where --action REDIRECT_TO_URL leads.",
        ),
        (
            ("healthmonitor", "create", "--type", "TCP", "--delay", "5", "--timeout", "2", "--max-retries", "2",
             "--url-path", "/x", "LB-pool"),
            "--url-path needs --type HTTP or --type HTTPS.",
        ),
        (
            ("healthmonitor", "create", "--type", "HTTP", "--delay", "5", "--timeout", "2", "--max-retries", "2",
             "--domain-name", "x.example", "LB-pool"),
            "Add --http-version 1.1: --domain-name is its Host header.",
        ),
    ]  # fmt: skip


def test_the_missing_sibling(run, pool):
    name = pool.removesuffix("-pool")
    for line, said in SIBLINGS:
        result = run("loadbalancer", *(word.replace("LB", name) for word in line))
        assert (result.status, len(result.err.splitlines())) == (1, 1)
        assert "(HTTP 400) " in result.err
        assert said in result.err


def test_a_rule_without_its_key(run, listener, name):
    assert (
        run("loadbalancer", "l7policy", "create", "--action", "REJECT", "--name", name, "--wait", listener).status == 0
    )
    create = (
        "loadbalancer",
        "l7rule",
        "create",
        "--type",
        "HEADER",
        "--compare-type",
        "EQUAL_TO",
        "--value",
        "x",
        name,
    )
    result = run(*create)
    assert (result.status, result.err.endswith("Add --key <name>: which header is compared.\n")) == (1, True)
