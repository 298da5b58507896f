"""Every verb of every resource, against a real server."""

from __future__ import annotations

import re

import pytest


def words(line: str) -> list[str]:
    return line.split()


def test_load_balancer_from_create_to_delete(run, name):
    created = run(*words("loadbalancer create --vip-subnet-id private-subnet --wait -f json"), "--name", name).json
    assert created["provisioning_status"] == "ACTIVE"
    assert run("loadbalancer", "show", created["id"], "-f", "json").json["name"] == name
    assert run(*words("loadbalancer set --description"), "two words", *words(f"--disable --wait {name}")).status == 0
    shown = run("loadbalancer", "show", name, "-f", "json").json
    assert (shown["description"], shown["admin_state_up"]) == ("two words", False)
    assert run(*words(f"loadbalancer unset --description --wait {name}")).status == 0
    assert run("loadbalancer", "show", name, "-f", "json").json["description"] == ""
    assert run(*words(f"loadbalancer delete --wait {name}")).status == 0
    assert run("loadbalancer", "show", name).err == f"No load balancer has the name or ID '{name}'.\n"


def test_create_answers_while_the_change_is_pending(run, name):
    result = run(
        *words("loadbalancer create --vip-subnet-id private-subnet -f value -c provisioning_status --name"), name
    )
    assert result.lines == ["PENDING_CREATE"]
    assert run("loadbalancer", "delete", "--cascade", name).status == 0


def test_load_balancers_by_filter(run, loadbalancer, cloud):
    def names(*filters):
        return run("loadbalancer", "list", *filters, "-f", "value", "-c", "name").out.split()

    assert names("--name", loadbalancer) == [loadbalancer]
    assert names("--name", loadbalancer, "--disable") == []
    assert loadbalancer in names("--enable", "--provider", "octavia", "--provisioning-status", "active")
    assert loadbalancer in names("--vip-subnet-id", "private-subnet", "--vip-network-id", "private-net")
    assert loadbalancer not in names("--operating-status", "error")
    assert loadbalancer in names("--project", "demo")
    assert loadbalancer not in names("--project", "another")


def test_listener(run, loadbalancer, name):
    create = words("loadbalancer listener create --protocol http --protocol-port 8081 --wait -f json --name")
    created = run(*create, name, "--insert-headers", "x-forwarded-for=true,X-Forwarded-Port=true", loadbalancer).json
    assert created["protocol"] == "HTTP"
    assert created["insert_headers"] == {"X-Forwarded-For": "true", "X-Forwarded-Port": "true"}
    change = words("loadbalancer listener set --connection-limit 7 --timeout-client-data 1000 --wait")
    assert run(*change, "--allowed-cidr", "10.0.0.0/8", "--allowed-cidr", "127.0.0.0/8", name).status == 0
    shown = run("loadbalancer", "listener", "show", name, "-f", "json").json
    assert (shown["connection_limit"], shown["timeout_client_data"]) == (7, 1000)
    assert shown["allowed_cidrs"] == ["10.0.0.0/8", "127.0.0.0/8"]
    assert (
        run(
            *words("loadbalancer listener unset --connection-limit --allowed-cidrs --insert-headers --wait"), name
        ).status
        == 0
    )
    shown = run("loadbalancer", "listener", "show", name, "-f", "json").json
    assert (shown["connection_limit"], shown["allowed_cidrs"], shown["insert_headers"]) == (-1, None, {})
    listed = run(*words("loadbalancer listener list -f json --loadbalancer"), loadbalancer).json
    assert [row["name"] for row in listed] == [name]
    assert run(*words("loadbalancer listener delete --wait"), name).status == 0


def test_pool_and_session_persistence(run, loadbalancer, listener, name):
    create = words("loadbalancer pool create --protocol HTTP --lb-algorithm least_connections -f json --wait --name")
    persistence = "type=app_cookie,cookie_name=JSESSIONID"
    created = run(*create, name, "--session-persistence", persistence, "--listener", listener).json
    assert created["lb_algorithm"] == "LEAST_CONNECTIONS"
    assert created["session_persistence"]["type"] == "APP_COOKIE"
    assert created["session_persistence"]["cookie_name"] == "JSESSIONID"
    assert run(*words("loadbalancer pool set --lb-algorithm SOURCE_IP --wait"), name).status == 0
    assert run(*words("loadbalancer pool unset --session-persistence --wait"), name).status == 0
    shown = run("loadbalancer", "pool", "show", name, "-f", "json").json
    assert (shown["lb_algorithm"], shown["session_persistence"]) == ("SOURCE_IP", None)
    assert run(*words("loadbalancer listener show -f value -c default_pool_id"), listener).lines == [created["id"]]
    assert run(*words("loadbalancer listener unset --default-pool --wait"), listener).status == 0
    assert run(*words("loadbalancer listener show -f value -c default_pool_id"), listener).lines == ["None"]
    assert run(*words("loadbalancer pool delete --wait"), name).status == 0


def test_member(run, pool):
    create = ("loadbalancer", "member", "create", "--address", "127.0.0.4", "--wait", "-f", "json")
    one = run(*create, "--name", "one", "--subnet", "private-subnet", "--protocol-port", "80", pool).json
    assert (one["weight"], one["backup"], one["operating_status"]) == (1, False, "NO_MONITOR")
    two = run(*create, "--name", "two", "--protocol-port", "81", "--enable-backup", "--weight", "0", pool).json
    assert (two["weight"], two["backup"], two["subnet_id"]) == (0, True, None)
    assert (
        run("loadbalancer", "member", "set", pool, "one", "--weight", "0", "--monitor-port", "99", "--wait").status == 0
    )
    shown = run("loadbalancer", "member", "show", pool, "one", "-f", "json").json
    assert (shown["weight"], shown["monitor_port"]) == (0, 99)
    unset = ("loadbalancer", "member", "unset", "--weight", "--monitor-port", "--backup", "--wait", pool)
    assert run(*unset, one["id"]).status == 0
    shown = run("loadbalancer", "member", "show", pool, one["id"], "-f", "json").json
    assert (shown["weight"], shown["monitor_port"]) == (1, None)
    listed = run("loadbalancer", "member", "list", pool, "-f", "value", "-c", "name", "-c", "weight").lines
    assert listed == ["one 1", "two 0"]
    assert run("loadbalancer", "member", "delete", "--wait", pool, "one", "two").status == 0
    assert run("loadbalancer", "member", "list", pool, "-f", "json").json == []


def test_health_monitor(run, pool, name):
    create = words(
        "loadbalancer healthmonitor create --delay 60 --timeout 20 --max-retries 10 --type http --wait -f json"
    )
    created = run(*create, "--name", name, "--url-path", "/health", pool).json
    assert (created["type"], created["max_retries"], created["timeout"]) == ("HTTP", 10, 20)
    assert run(*words("loadbalancer healthmonitor set --timeout 10 --http-method head --wait"), name).status == 0
    assert run(*words("loadbalancer healthmonitor unset --http-method --url-path --wait"), name).status == 0
    shown = run("loadbalancer", "healthmonitor", "show", name, "-f", "json").json
    assert (shown["timeout"], shown["http_method"], shown["url_path"]) == (10, "GET", "/")
    assert run(*words("loadbalancer pool show -f value -c healthmonitor_id"), pool).lines == [created["id"]]
    assert name in run("loadbalancer", "healthmonitor", "list").out
    assert run("loadbalancer", "healthmonitor", "delete", "--wait", name).status == 0


def test_http_version_and_domain_name(run, pool, name):
    create = words("loadbalancer healthmonitor create --delay 5 --timeout 2 --max-retries 2 --type HTTP --wait -f json")
    created = run(*create, "--name", name, "--http-version", "1.1", "--domain-name", "www.example.com", pool).json
    assert (str(created["http_version"]), created["domain_name"]) == ("1.1", "www.example.com")


def test_l7_policy_and_rule(run, listener, pool, name):
    create = words("loadbalancer l7policy create --action redirect_to_pool --wait -f json --name")
    created = run(*create, name, "--redirect-pool", pool, listener).json
    assert (created["action"], created["position"]) == ("REDIRECT_TO_POOL", 1)
    create = words(
        "loadbalancer l7rule create --type host_name --compare-type equal_to --invert --wait -f json --value"
    )
    rule = run(*create, "shop.example.com", name).json
    assert (rule["type"], rule["invert"], rule["key"]) == ("HOST_NAME", True, None)
    assert run(*words("loadbalancer l7rule set --value www.example.com --wait"), name, rule["id"]).status == 0
    assert run(*words("loadbalancer l7rule unset --invert --wait"), name, rule["id"]).status == 0
    shown = run("loadbalancer", "l7rule", "show", name, rule["id"], "-f", "json").json
    assert (shown["value"], shown["invert"]) == ("www.example.com", False)
    assert len(run("loadbalancer", "l7rule", "list", name, "-f", "json").json) == 1
    assert run("loadbalancer", "l7rule", "delete", "--wait", name, rule["id"]).status == 0
    change = words("loadbalancer l7policy set --action REDIRECT_TO_URL --redirect-url http://example.com/ --wait")
    assert run(*change, "--redirect-http-code", "301", name).status == 0
    assert run("loadbalancer", "l7policy", "unset", "--redirect-http-code", "--wait", name).status == 0
    shown = run("loadbalancer", "l7policy", "show", name, "-f", "json").json
    assert (shown["action"], shown["redirect_http_code"]) == ("REDIRECT_TO_URL", 302)
    assert name in run("loadbalancer", "l7policy", "list", "--listener", listener).out
    assert run("loadbalancer", "l7policy", "delete", "--wait", name).status == 0


def test_tags_are_added_removed_and_found(run, name):
    create = words("loadbalancer create --vip-subnet-id private-subnet --wait --tag a --tag b -f json --name")
    assert run(*create, name).json["tags"] == ["a", "b"]

    def tags():
        return sorted(run("loadbalancer", "show", name, "-f", "json").json["tags"])

    assert run("loadbalancer", "set", "--tag", "c", "--tag", "a", "--wait", name).status == 0
    assert tags() == ["a", "b", "c"]
    assert run("loadbalancer", "unset", "--tag", "a", "--wait", name).status == 0
    assert tags() == ["b", "c"]
    assert name in run("loadbalancer", "list", "--tags", "b,c", "--not-tags", "a").out
    assert name in run("loadbalancer", "list", "--any-tags", "a,b", "--not-any-tags", "x,y").out
    assert name not in run("loadbalancer", "list", "--tags", "a,b").out
    assert run("loadbalancer", "set", "--no-tag", "--tag", "d", "--wait", name).status == 0
    assert tags() == ["d"]
    assert run("loadbalancer", "unset", "--all-tag", "--wait", name).status == 0
    assert tags() == []
    assert run("loadbalancer", "delete", name).status == 0


def test_additional_vips_take_names(run, name):
    create = words(
        "loadbalancer create --vip-subnet-id private-subnet --additional-vip subnet-id=private-subnet --name"
    )
    result = run(*create, name)
    # One VIP a subnet: the server's own words, which prove that the name was found.
    assert result.status == 1
    assert re.fullmatch(
        r"Validation failure: additional_vips: subnet [-0-9a-f]{36} has a VIP already\. \(HTTP 400\)\n", result.err
    )


def test_statistics_and_status(run, loadbalancer, listener):
    assert run("loadbalancer", "stats", "show", loadbalancer, "-f", "json").json == {
        "active_connections": 0,
        "bytes_in": 0,
        "bytes_out": 0,
        "request_errors": 0,
        "total_connections": 0,
    }
    assert run("loadbalancer", "listener", "stats", "show", listener, "-f", "value", "-c", "bytes_in").lines == ["0"]
    result = run("loadbalancer", "status", "show", loadbalancer)
    assert result.json["loadbalancer"]["listeners"][0]["name"] == listener
    assert result.out.startswith('{\n    "loadbalancer": {\n')


def test_several_are_deleted_although_one_change_blocks_the_next(run, loadbalancer):
    for port in "8081", "8082", "8083":
        create = ("loadbalancer", "listener", "create", "--protocol", "TCP", "--protocol-port", port, "--wait")
        assert run(*create, "--name", f"{loadbalancer}-{port}", loadbalancer).status == 0
    delete = ("loadbalancer", "listener", "delete", "--wait")
    result = run(*delete, f"{loadbalancer}-8081", "no-such", f"{loadbalancer}-8082", f"{loadbalancer}-8083")
    assert result.status == 1
    assert result.err.splitlines() == [
        "no-such: No listener has the name or ID 'no-such'.",
        "1 of 4 could not be deleted: no-such.",
    ]
    assert run("loadbalancer", "listener", "list", "--loadbalancer", loadbalancer, "-f", "json").json == []


def test_nothing_to_change_is_said_and_sent_to_nobody(run, loadbalancer):
    run("loadbalancer", "set", "--description", "changed", "--wait", loadbalancer)
    before = run("loadbalancer", "show", loadbalancer, "-f", "json").json["updated_at"]
    for verb in "set", "unset":
        result = run("loadbalancer", verb, loadbalancer)
        assert (result.status, result.err) == (0, "Nothing to change: no option says what.\n")
    assert run("loadbalancer", "show", loadbalancer, "-f", "json").json["updated_at"] == before


@pytest.mark.parametrize("odd", ["two words", "--dashes", "grüße-北京", "a'b\"c", "100%", "-", "a/b?c&d#e"])
def test_odd_names(run, odd, name):
    odd = f"{odd} {name}"
    create = words("loadbalancer create --vip-subnet-id private-subnet --wait -f json")
    assert run(*create, f"--name={odd}").json["name"] == odd
    assert run("loadbalancer", "show", "-f", "json", "--", odd).json["name"] == odd
    assert odd in run("loadbalancer", "list").out
    assert run("loadbalancer", "delete", "--", odd).status == 0


def test_a_name_that_looks_like_an_id(run, name):
    looks = "0f0f0f0f-0000-4000-8000-0123456789ab"
    created = run(*words("loadbalancer create --vip-subnet-id private-subnet --wait -f json --name"), looks).json
    assert run("loadbalancer", "show", looks, "-f", "json").json["id"] == created["id"]
    assert run("loadbalancer", "set", "--description", "found", "--wait", looks).status == 0
    assert run("loadbalancer", "show", created["id"], "-f", "json").json["description"] == "found"
    assert run("loadbalancer", "delete", "--wait", looks).status == 0


def test_the_same_name_twice(run, name):
    ids = [
        run(*words("loadbalancer create --vip-subnet-id private-subnet --wait -f value -c id --name"), name).lines[0]
        for _ in range(2)
    ]
    result = run("loadbalancer", "show", name)
    assert result.status == 1
    assert result.err == f"2 load balancers have the name '{name}': give the ID instead ({', '.join(ids)}).\n"
    assert run("loadbalancer", "delete", *ids).status == 0
