"""diff and export: what exists as a file, and how it differs from one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

WORDS = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp"), exclude_characters="\ufeff\ufffe\uffff"),
    max_size=12,
)
TAGS = st.lists(st.sampled_from(["yes", "1.10", "a b", "ü", "null", "#x", "-"]), max_size=2, unique=True)
PERSISTENCE = st.sampled_from([{"type": "SOURCE_IP"}, {"type": "APP_COOKIE", "cookie_name": "on"}])
HTTP_MONITOR = {
    "type": "HTTP",
    "delay": 7,
    "timeout": 3,
    "max_retries": 2,
    "url_path": "/a?b=c",
    "expected_codes": "200-204",
}
MONITORS = st.sampled_from([{"type": "TCP", "delay": 5, "timeout": 3, "max_retries": 3, "name": "yes"}, HTTP_MONITOR])
RULES = st.fixed_dictionaries(
    {
        "type": st.just("HEADER"),
        "compare_type": st.sampled_from(["EQUAL_TO", "CONTAINS"]),
        "key": st.just("X-A"),
        "value": st.sampled_from(["1.10", "yes", "a:b", "~", "0x10"]),
    },
    optional={"invert": st.booleans(), "admin_state_up": st.booleans(), "tags": TAGS},
)


def optional(**fields: st.SearchStrategy[Any]) -> dict[str, st.SearchStrategy[Any]]:
    return {"description": WORDS, "admin_state_up": st.booleans(), "tags": TAGS, **fields}


@st.composite
def members(draw: st.DrawFn) -> list[dict[str, Any]]:
    ports = draw(st.lists(st.integers(1, 65535), max_size=3, unique=True))
    fields = {"name": WORDS, "weight": st.integers(0, 256), "backup": st.booleans(), "tags": TAGS}
    more = st.fixed_dictionaries({}, optional={**fields, "monitor_port": st.just(81)})
    return [{"address": "127.0.0.1", "protocol_port": port, **draw(more)} for port in ports]


@st.composite
def balancers(draw: st.DrawFn) -> dict[str, Any]:
    """Random load balancers: all attributes besides name and VIP."""
    names = draw(st.lists(WORDS.filter(bool), min_size=1, max_size=3, unique=True))
    more = optional(session_persistence=PERSISTENCE, healthmonitor=MONITORS)
    algorithms = {"lb_algorithm": st.sampled_from(["ROUND_ROBIN", "SOURCE_IP"])}
    pools = [
        {
            **draw(st.fixed_dictionaries(algorithms, optional=more)),
            "name": name,
            "protocol": "HTTP",
            "members": draw(members()),
        }
        for name in names
    ]
    prefix = {"action": "REDIRECT_PREFIX", "redirect_prefix": "http://a.example/", "redirect_http_code": 308}
    policies = st.one_of(
        st.fixed_dictionaries(
            {"action": st.just("REDIRECT_TO_POOL"), "redirect_pool": st.sampled_from(names)},
            optional=optional(name=WORDS, rules=st.lists(RULES, max_size=3)),
        ),
        st.fixed_dictionaries(
            {key: st.just(value) for key, value in prefix.items()},
            optional=optional(rules=st.lists(RULES, max_size=1)),
        ),
        st.just({"action": "REJECT"}),
    )
    more = optional(
        name=WORDS,
        default_pool=st.sampled_from(names),
        connection_limit=st.integers(-1, 100),
        timeout_client_data=st.just(1234),
        insert_headers=st.just({"X-Forwarded-For": "true"}),
        allowed_cidrs=st.just(["127.1.2.3/8"]),
        l7policies=st.lists(policies, max_size=3),
    )
    ports = draw(st.lists(st.integers(20000, 20009), max_size=2, unique=True))
    listeners = [
        {"protocol": "HTTP", "protocol_port": port, **draw(st.fixed_dictionaries({}, optional=more))} for port in ports
    ]
    return {**draw(st.fixed_dictionaries({}, optional=optional())), "pools": pools, "listeners": listeners}


@pytest.fixture
def made(run, name, tmp_path) -> Iterator[str]:
    """The name of a load balancer that was applied, and the file that says so."""
    path = tmp_path / "lb.yaml"
    whole = {
        "name": name,
        "vip_subnet_id": "private-subnet",
        "pools": [{"name": "p", "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN", "members": []}],
        "listeners": [{"protocol": "HTTP", "protocol_port": 8080, "default_pool": "p"}],
    }
    path.write_text(yaml.safe_dump(whole))
    assert run("loadbalancer", "apply", str(path)).status == 0
    yield name
    run("loadbalancer", "delete", "--cascade", name)


@settings(
    max_examples=6,
    deadline=None,
    derandomize=True,
    phases=(Phase.generate,),  # an example takes a second, and shrinking takes hundreds of them
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(before=balancers(), after=balancers())
def test_there_and_back(run, name, tmp_path: Path, before: dict[str, Any], after: dict[str, Any]) -> None:
    """Applying a file and exporting it again shows no difference, from any shape to any other."""
    path, back = tmp_path / "lb.yaml", tmp_path / "back.yaml"
    try:
        for whole, options in ((before, ()), (after, ("--prune",))):
            path.write_text(
                yaml.safe_dump({"name": name, "vip_subnet_id": "private-subnet", **whole}), encoding="utf-8"
            )
            result = run("loadbalancer", "apply", str(path), *options)
            if is_refused(result):
                return
            assert result.status == 0, result.err
            same = run("loadbalancer", "diff", str(path), *options)
            assert same.status == 0, same.out + same.err
            for way in ((), ("--full",), ("--ids",)):
                result = run("loadbalancer", "export", name, "--output", str(back), *way)
                assert result.status == 0, result.err
                same = run("loadbalancer", "diff", "--prune", str(back))
                assert (same.status, same.out) == (0, "No differences.\n"), back.read_text()
    finally:
        run("loadbalancer", "delete", "--cascade", "--wait", name)


def is_refused(result: Any) -> bool:
    """A listener or a pool of the shape before may have another protocol; nothing else may be refused."""
    return result.status == 1 and "keeps what it was created with" in result.err


def test_an_export_makes_the_same_anew(run, made, name, tmp_path) -> None:
    first = run("loadbalancer", "export", made).out
    path = tmp_path / "export.yaml"
    path.write_text(first)
    run("loadbalancer", "delete", "--cascade", "--wait", made)
    assert run("loadbalancer", "apply", str(path)).status == 0
    assert run("loadbalancer", "export", made).out == first
    assert yaml.safe_load(first)["vip_subnet_id"] == "private-subnet"


def test_all_load_balancers_in_one_file(run, made, tmp_path) -> None:
    path = tmp_path / "all.yaml"
    assert run("loadbalancer", "export", "--all", "-o", str(path)).status == 0
    names = [one["name"] for one in yaml.safe_load_all(path.read_text())]
    assert made in names
    assert len(names) == len(set(names))
    assert run("loadbalancer", "export").status == 2
    assert run("loadbalancer", "export", made, "--all").status == 2


def test_what_has_no_name_of_its_own_is_called_by_its_id(run, made, tmp_path) -> None:
    run("loadbalancer", "pool", "set", "--name", "", "--wait", "p")
    assert run("loadbalancer", "pool", "unset", "--name", "--wait", pool_id(run, made)).status == 0
    create = ("loadbalancer", "pool", "create", "--protocol", "HTTP", "--lb-algorithm", "ROUND_ROBIN", "--wait")
    for _ in range(2):
        assert run(*create, "--name", "twice", "--loadbalancer", made).status == 0
    path = tmp_path / "export.yaml"
    run("loadbalancer", "export", made, "-o", str(path))
    found = yaml.safe_load(path.read_text())
    assert [len(one["name"]) for one in found["pools"]] == [36, 36, 36]
    assert found["listeners"][0]["default_pool"] == found["pools"][0]["name"]
    assert run("loadbalancer", "diff", "--prune", str(path)).status == 0
    found["pools"][1]["name"] = "twice"
    path.write_text(yaml.safe_dump(found))
    result = run("loadbalancer", "diff", str(path))
    assert result.status == 1
    assert "several pools have this name: give the ID instead" in result.err


def test_load_balancers_of_the_same_name_are_told_apart_by_their_ids(run, made, tmp_path) -> None:
    other = run("loadbalancer", "create", "--name", made, "--vip-subnet-id", "private-subnet", "--wait", "-f", "json")
    path = tmp_path / "lb.yaml"
    path.write_text(yaml.safe_dump({"name": made, "tags": []}))
    result = run("loadbalancer", "diff", str(path))
    assert result.status == 1
    assert f"lb.yaml:1:7: name: 2 load balancers have the name '{made}': give the ID instead" in result.err
    run("loadbalancer", "export", other.json["id"], "-o", str(path))
    assert yaml.safe_load(path.read_text())["name"] == other.json["id"]
    assert run("loadbalancer", "diff", str(path)).status == 0
    run("loadbalancer", "delete", "--wait", other.json["id"])
    assert run("loadbalancer", "export", made, "-o", "/nonexistent/x").status == 1


def test_the_exit_status_tells_drift(run, made, tmp_path) -> None:
    path = tmp_path / "lb.yaml"
    run("loadbalancer", "export", made, "-o", str(path))
    assert run("loadbalancer", "diff", str(path)).status == 0
    run("loadbalancer", "set", "--description", "by hand", "--wait", made)
    found = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump({**found, "description": "by file", "tags": ["x"]}))
    result = run("loadbalancer", "diff", str(path))
    assert (result.status, result.err) == (2, "")
    assert "  ~ load balancer" in result.out
    assert "      description: by hand -> by file" in result.out
    assert result.out.endswith("1 to change.\n")
    result = run("loadbalancer", "diff", str(path), "--format", "json")
    assert result.status == 2
    (plan,) = json.loads(result.out)
    assert plan["loadbalancer"] == made
    assert plan["steps"][0]["differences"]["description"] == {"before": "by hand", "after": "by file"}
    assert run("loadbalancer", "diff").status == 1  # not the 2 of argparse
    assert run("loadbalancer", "diff", "x", "--no-such-option").status == 1
    assert run("loadbalancer", "diff", "--help").status == 0


def test_what_is_beside_the_file_is_drift_when_it_would_be_pruned(run, made, tmp_path) -> None:
    path = tmp_path / "lb.yaml"
    path.write_text(yaml.safe_dump({"name": made, "vip_subnet_id": "private-subnet", "listeners": []}))
    result = run("loadbalancer", "diff", str(path))
    assert result.status == 0
    assert "= listener (HTTP 8080): it is not in the file" in result.out
    result = run("loadbalancer", "diff", str(path), "--prune")
    assert result.status == 2
    assert "- listener (HTTP 8080)" in result.out


def pool_id(run, loadbalancer: str) -> str:
    (found,) = run("loadbalancer", "pool", "list", "--loadbalancer", loadbalancer, "-f", "json").json
    return str(found["id"])
