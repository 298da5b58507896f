"""apply: load balancers become what a file says, on the real server."""

from __future__ import annotations

import subprocess
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import intercepting
from console import Console
from lbclient.client import keymanager
from lbclient.client.connect import connect
from lbclient.client.names import Names
from running import lbclient

Apply = Callable[..., Any]


def pool(name: str, *ports: int, **values: Any) -> dict[str, Any]:
    members = [{"address": "127.0.0.1", "protocol_port": port} for port in ports]
    return {"name": name, "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN", "members": members, **values}


def path_rule(value: str) -> dict[str, Any]:
    return {"type": "PATH", "compare_type": "STARTS_WITH", "value": value}


@pytest.fixture
def whole(name: str) -> dict[str, Any]:
    """A load balancer with everything in it."""
    return {
        "name": name,
        "vip_subnet_id": "private-subnet",
        "pools": [
            pool("shop", 81, 82, healthmonitor={"type": "TCP", "delay": 5, "timeout": 3, "max_retries": 3}),
            pool("login", 83),
        ],
        "listeners": [
            {
                "name": "http",
                "protocol": "HTTP",
                "protocol_port": 8080,
                "default_pool": "shop",
                "allowed_cidrs": ["127.0.0.9/8"],
                "l7policies": [
                    {
                        "name": "first",
                        "action": "REDIRECT_TO_POOL",
                        "redirect_pool": "login",
                        "rules": [path_rule("/login"), path_rule("/log")],
                    },
                    {"name": "second", "action": "REJECT", "rules": [path_rule("/admin")]},
                ],
            }
        ],
    }


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., str]:
    """Writes load balancers into a file, one document each."""

    def write(*balancers: Any) -> str:
        path = tmp_path / f"{uuid.uuid4().hex}.yaml"
        path.write_text(yaml.safe_dump_all(balancers, allow_unicode=True))
        return str(path)

    return write


@pytest.fixture
def apply(run, write, name) -> Iterator[Apply]:
    """Applies load balancers and asserts that nothing differs behind it."""

    def apply(balancer: Any, *options: str) -> Any:
        path = write(balancer)
        result = run("loadbalancer", "apply", path, *options)
        assert result.status == 0, result.err
        again = run("loadbalancer", "diff", path, *(option for option in options if option == "--prune"))
        assert again.status == 0, again.out + again.err
        return result

    yield apply
    run("loadbalancer", "delete", "--cascade", name)


@pytest.fixture
def older(cloud, monkeypatch) -> Iterator[intercepting.InterceptingProxy]:
    """A relay through which the commands go."""
    with intercepting.before(cloud.url) as found:
        monkeypatch.setenv("OS_LOAD_BALANCER_ENDPOINT_OVERRIDE", found.url)
        yield found


def rows(run, *words: str) -> list[dict[str, Any]]:
    return run("loadbalancer", *words, "-f", "json").json


def exported(run, name: str) -> Any:
    return yaml.safe_load(run("loadbalancer", "export", name).out)


def test_a_whole_load_balancer_is_made_in_one_request(run, older, apply, whole) -> None:
    result = apply(whole)
    assert "+ member 127.0.0.1:81 of pool shop" in result.out
    assert result.out.endswith("13 to create.\nApplied.\n")
    assert older.changes == [("POST", "/loadbalancers")]
    found = exported(run, whole["name"])
    assert [one["name"] for one in found["pools"]] == ["shop", "login"]
    assert [one["name"] for one in found["listeners"][0]["l7policies"]] == ["first", "second"]


def test_what_is_as_it_should_be_is_not_touched(run, older, apply, write, whole) -> None:
    apply(whole)
    before = rows(run, "show", whole["name"])["updated_at"]
    older.asked.clear()
    result = run("loadbalancer", "apply", write(whole))
    assert (result.status, result.out) == (0, "No differences.\n")
    assert older.changes == []
    assert rows(run, "show", whole["name"])["updated_at"] == before


@pytest.mark.parametrize("kind", ["refuses", "drops"])
def test_an_older_server_gets_it_step_by_step(run, older, apply, whole, kind) -> None:
    older.takes_parts, older.drops_parts, older.takes_batches = kind == "drops", kind == "drops", False
    apply(whole)
    made = [path for method, path in older.changes if method == "POST"]
    assert made.count("/pools") == 2
    assert sum(path.endswith("/members") for path in made) == 3
    assert made.index("/listeners") > max(number for number, path in enumerate(made) if path == "/pools")
    assert len(rows(run, "list", "--name", whole["name"])) == 1


def test_a_policy_of_several_rules_is_enabled_when_it_has_them(run, older, apply, whole) -> None:
    older.takes_parts = False
    apply(whole)
    policies = [body["l7policy"] for method, path, body in older.asked if (method, path) == ("POST", "/l7policies")]
    assert [policy.get("admin_state_up") for policy in policies] == [False, None]
    listed = rows(run, "l7policy", "list")
    assert all(policy["admin_state_up"] for policy in listed if policy["name"] in ("first", "second"))


def test_an_apply_after_an_interrupted_one_does_the_rest(run, older, apply, write, whole) -> None:
    """A policy that was created disabled for the time until it has its rules does not stay so."""
    older.takes_parts, older.fails_at = False, "/rules"
    result = run("loadbalancer", "apply", write(whole))
    assert result.status == 1
    assert "It is not to be." in result.err
    older.fails_at = ""
    apply(whole)
    first = rows(run, "l7policy", "show", policy_id(run, whole, "first"))
    assert (first["admin_state_up"], first["tags"], len(first["rules"])) == (True, [], 2)


def test_only_what_differs_is_changed(run, older, apply, whole) -> None:
    apply(whole)
    whole["description"] = "now with words"
    whole["pools"][0]["lb_algorithm"] = "LEAST_CONNECTIONS"
    whole["pools"][0]["members"][0]["weight"] = 7
    whole["listeners"][0]["l7policies"][1]["rules"][0]["value"] = "/private"
    older.asked.clear()
    result = apply(whole)
    assert "description: none -> now with words" in result.out
    assert "lb_algorithm: ROUND_ROBIN -> LEAST_CONNECTIONS" in result.out
    bodies = [body for method, _, body in older.asked if method == "PUT"]
    assert [next(iter(body.values())) for body in bodies] == [
        {"description": "now with words"},
        {"lb_algorithm": "LEAST_CONNECTIONS"},
        {"weight": 7},
        {"value": "/private"},
    ]


def test_members_are_changed_in_one_request(run, older, apply, whole) -> None:
    apply(whole)
    shop = whole["pools"][0]
    shop["members"][0] |= {"weight": 3, "name": "one"}
    shop["members"] += [{"address": "127.0.0.1", "protocol_port": port} for port in (91, 92, 93)]
    older.asked.clear()
    apply(whole)
    assert len(older.changes) == 1
    assert [one["weight"] for one in rows(run, "member", "list", pool_id(run, whole, "shop"))] == [3, 1, 1, 1, 1]


def test_members_that_the_file_does_not_name_survive_a_batch_as_they_are(run, older, apply, whole) -> None:
    apply(whole)
    shop = pool_id(run, whole, "shop")
    run("loadbalancer", "member", "create", "--address", "127.0.0.1", "--protocol-port", "99", "--weight", "9", shop)
    whole["pools"][0]["members"] += [{"address": "127.0.0.1", "protocol_port": port} for port in (91, 92)]
    apply(whole)
    weights = {one["protocol_port"]: one["weight"] for one in rows(run, "member", "list", shop)}
    assert weights == {81: 1, 82: 1, 99: 9, 91: 1, 92: 1}
    batches = [body for method, path, body in older.asked if method == "PUT" and "/members" in path]
    assert {"address": "127.0.0.1", "protocol_port": 99, "weight": 9} in [
        {key: one[key] for key in ("address", "protocol_port", "weight")}
        for one in batches[-1]["members"]
        if "weight" in one
    ]


def test_what_is_not_in_the_file_stays_unless_pruned(run, apply, whole) -> None:
    apply(whole)
    whole["pools"].pop()
    whole["pools"][0]["members"].pop()
    whole["pools"][0]["healthmonitor"] = None
    whole["listeners"][0]["l7policies"] = [whole["listeners"][0]["l7policies"][1]]
    result = apply(whole)
    assert "  = pool login: it is not in the file (--prune removes it)" in result.out
    assert "- health monitor of pool shop" in result.out  # null is a word of its own
    assert len(exported(run, whole["name"])["pools"]) == 2
    result = apply(whole, "--prune")
    assert result.out.endswith("3 to remove.\nApplied.\n")
    found = exported(run, whole["name"])
    assert [one["name"] for one in found["pools"]] == ["shop"]
    assert len(found["pools"][0]["members"]) == 1
    assert [one["name"] for one in found["listeners"][0]["l7policies"]] == ["second"]


def test_a_section_that_is_not_there_is_not_looked_at(run, apply, whole) -> None:
    apply(whole)
    result = apply({"name": whole["name"], "tags": ["x"]}, "--prune")
    assert result.out.endswith("1 to change.\nApplied.\n")
    assert len(exported(run, whole["name"])["listeners"]) == 1


def test_everything_goes_in_the_right_order(run, apply, whole) -> None:
    """A new pool before the listener that wants it; the old one when nothing refers to it any more."""
    apply(whole)
    whole["pools"] = [pool("new", 95), pool("other", 96)]
    whole["listeners"][0]["default_pool"] = "new"
    whole["listeners"][0]["l7policies"][0]["redirect_pool"] = "other"
    whole["listeners"].append({"protocol": "TCP", "protocol_port": 8081, "default_pool": "new"})
    apply(whole, "--prune")
    assert [one["name"] for one in exported(run, whole["name"])["pools"]] == ["new", "other"]


def test_the_order_of_policies_is_that_of_the_file(run, apply, whole) -> None:
    policies = [{"name": name, "action": "REJECT", "rules": [path_rule(f"/{name}")]} for name in "abcde"]
    whole["listeners"][0]["l7policies"] = policies
    apply(whole)
    for order in ("edcba", "abcde", "bacxed", "xabcd"):
        names = {policy["name"]: policy for policy in policies}
        wanted = [names.get(name) or {"name": name, "action": "REJECT", "rules": []} for name in order]
        whole["listeners"][0]["l7policies"] = wanted
        apply(whole, "--prune")
        found = exported(run, whole["name"])["listeners"][0]["l7policies"]
        assert "".join(policy["name"] for policy in found) == order


def test_what_cannot_be_changed_is_told_before_anything_is_done(run, older, apply, write, whole) -> None:
    apply(whole)
    older.asked.clear()
    whole["listeners"][0] |= {"protocol": "TCP", "l7policies": []}
    whole["pools"][0]["protocol"] = "TCP"
    whole["description"] = "new"
    result = run("loadbalancer", "apply", write(whole))
    assert result.status == 1
    assert "protocol: a listener keeps what it was created with, here HTTP, so it cannot become TCP" in result.err
    assert "protocol: a pool keeps what it was created with" in result.err
    assert ".yaml:" in result.err
    assert older.changes == []


def test_a_monitor_of_another_type_takes_the_place_of_the_old_one(run, apply, whole) -> None:
    apply(whole)
    whole["pools"][0]["healthmonitor"] = {"type": "HTTP", "delay": 6, "timeout": 2, "max_retries": 2, "url_path": "/up"}
    result = apply(whole)
    assert "-/+ health monitor of pool shop" in result.out
    assert exported(run, whole["name"])["pools"][0]["healthmonitor"]["url_path"] == "/up"


def test_null_is_the_default(run, apply, whole) -> None:
    apply({**whole, "description": "x", "tags": ["a"]})
    apply({**whole, "description": None, "tags": None})
    found = rows(run, "show", whole["name"])
    assert (found["description"], found["tags"]) == ("", [])


def test_a_dry_run_does_nothing(run, older, write, whole) -> None:
    result = run("loadbalancer", "apply", "--dry-run", write(whole))
    assert result.status == 0
    assert "13 to create." in result.out
    assert older.changes == []


def test_several_load_balancers_and_one_that_fails(run, write, whole, name) -> None:
    other = {"name": f"{name}-b", "vip_subnet_id": "private-subnet", "vip_address": "203.0.113.77"}
    last = {"name": f"{name}-c", "vip_subnet_id": "private-subnet"}
    result = run("loadbalancer", "apply", write(whole, other), write(last))
    try:
        assert result.status == 1
        assert f"{name}-b: " in result.err
        assert f"1 of 3 could not be applied: {name}-b." in result.err
        assert len(rows(run, "list", "--name", f"{name}-c")) == 1
    finally:
        run("loadbalancer", "delete", "--cascade", name, f"{name}-c")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"vip_subnet_id": "no-such-subnet"}, "vip_subnet_id: No subnet has the name or ID 'no-such-subnet'"),
        ({"vip_subnet_id": None}, "to create it one of vip_subnet_id, vip_network_id, vip_port_id is needed"),
        ({"pools": []}, "default_pool: no pool is named 'shop'; there is no pool at all"),
        ({"pools": [pool("shopp"), pool("login")]}, "no pool is named 'shop'; there are login, shopp"),
    ],
)
def test_names_that_lead_nowhere_are_told_with_their_place(run, older, write, whole, changes, words) -> None:
    result = run("loadbalancer", "apply", write({**whole, **changes}))
    assert result.status == 1
    assert words in result.err
    assert ".yaml:" in result.err
    assert older.changes == []


def test_mistakes_are_told_all_and_nothing_is_done(run, older, write, whole) -> None:
    whole["pools"][0]["lb_algoritm"] = whole["pools"][0].pop("lb_algorithm")
    whole["listeners"][0]["protocol_port"] = 70000
    result = run("loadbalancer", "apply", write(whole))
    assert result.status == 1
    assert result.err.count(".yaml:") == 3
    assert "Did you mean 'lb_algorithm'?" in result.err
    assert "3 mistakes: nothing was changed." in result.err
    assert older.asked == []


def test_a_file_from_stdin(cloud, name) -> None:
    text = f"name: {name}\nvip_subnet_id: private-subnet\n"
    options = {"env": cloud.environment(), "capture_output": True, "timeout": 60, "input": text.encode()}
    result = subprocess.run(lbclient("loadbalancer", "apply", "-"), **options)
    assert result.returncode == 0, result.stderr
    result = subprocess.run(lbclient("loadbalancer", "diff", "-"), **options)
    assert (result.returncode, result.stdout) == (0, b"No differences.\n")
    options["input"] = b"name: [\n"
    result = subprocess.run(lbclient("loadbalancer", "diff", "-"), **options)
    assert result.returncode == 1
    assert b"stdin:2:1: it is not valid YAML" in result.stderr
    subprocess.run(lbclient("loadbalancer", "delete", "--cascade", name), **options)


def test_a_file_that_is_not_there(run) -> None:
    result = run("loadbalancer", "apply", "/nonexistent/lb.yaml")
    assert (result.status, result.err.strip()) == (1, "/nonexistent/lb.yaml cannot be read: No such file or directory.")


def test_names_of_certificates_lead_to_their_references(run, cloud, write, name) -> None:
    services = connect({}, cloud.environment())
    secret = {"name": name, "payload": "x", "payload_content_type": "text/plain"}
    reference = services.key_manager.post("/secrets", secret)["secret_ref"]
    names = Names(services)
    assert keymanager.reference(names, name) == reference
    assert keymanager.reference(names, reference.rsplit("/", 1)[1]) == reference
    assert keymanager.reference(names, "https://elsewhere/v1/secrets/1") == "https://elsewhere/v1/secrets/1"
    listener = {"protocol": "TERMINATED_HTTPS", "protocol_port": 8443, "default_tls_container_ref": name}
    whole = {"name": name, "vip_subnet_id": "private-subnet", "listeners": [listener]}
    assert run("loadbalancer", "apply", "--dry-run", write(whole)).status == 0
    services.key_manager.post("/secrets", secret)
    result = run("loadbalancer", "apply", "--dry-run", write(whole))
    assert f"default_tls_container_ref: 2 containers and secrets have the name '{name}'" in result.err
    listener["default_tls_container_ref"] = "no-such-secret"
    result = run("loadbalancer", "apply", write(whole))
    assert result.status == 1
    assert "default_tls_container_ref: No container and no secret has the name or ID 'no-such-secret'." in result.err


def pool_id(run, whole: dict[str, Any], name: str) -> str:
    (found,) = [one["id"] for one in rows(run, "pool", "list", "--loadbalancer", whole["name"]) if one["name"] == name]
    return str(found)


def policy_id(run, whole: dict[str, Any], name: str) -> str:
    listed = rows(run, "listener", "list", "--loadbalancer", whole["name"])
    listed = [policy for one in listed for policy in rows(run, "l7policy", "list", "--listener", one["id"])]
    (found,) = [one["id"] for one in listed if one["name"] == name]
    return str(found)


def test_a_terminal_is_asked_before_anything_is_pruned(cloud, run, apply, write, whole) -> None:
    apply(whole)
    whole["pools"][0]["members"] = whole["pools"][0]["members"][:1]
    path = write(whole)

    def pruned(*options: str, answer: str = "") -> int:
        console = Console(cloud.environment(), "loadbalancer", "apply", "--prune", *options, path)
        try:
            if answer:
                console.wait_for("Remove 1 object? [y/N] ")
                assert "- member 127.0.0.1:82 of pool shop" in console.text
                console.type(f"{answer}\n")
            return console.end()
        finally:
            console.close()

    found = len(exported(run, whole["name"])["pools"][0]["members"])
    assert pruned(answer="n") == 1
    assert len(exported(run, whole["name"])["pools"][0]["members"]) == found == 2
    assert pruned(answer="y") == 0
    assert len(exported(run, whole["name"])["pools"][0]["members"]) == 1
    whole["listeners"][0]["l7policies"] = []
    path = write(whole)
    assert pruned("--yes") == 0
    assert exported(run, whole["name"])["listeners"][0]["l7policies"] == []


def test_files_and_formats_are_told_apart(run, write, whole) -> None:
    path = write(whole)
    for words in ((path,), ("--file", path)):
        (found,) = run("loadbalancer", "apply", "--dry-run", "-f", "json", *words).json
        assert found["loadbalancer"] == whole["name"]
    result = run("loadbalancer", "apply", "-f", path)
    assert (result.status, len(result.err.splitlines())) == (2, 1)
    assert "is not text or json; a file stands by itself, without -f" in result.err
    result = run("loadbalancer", "apply")
    assert (result.status, result.err) == (2, "No file is given; - is standard input.\n")
    assert run("loadbalancer", "diff").status == 1  # where 2 says that something differs
