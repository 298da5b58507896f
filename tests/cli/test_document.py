"""Files that declare load balancers: what is read of them, and how mistakes are told."""

from __future__ import annotations

from typing import Any

import pytest

from lbclient.cli import schema
from lbclient.cli.manifest import document
from lbclient.resources import LOADBALANCER, Api

WHOLE = """\
name: web
vip_subnet_id: private-subnet
tags: [a, b]
pools:
- name: shop
  protocol: http
  lb_algorithm: ROUND_ROBIN
  session_persistence: {type: http_cookie}
  members:
  - {address: 10.0.0.4, protocol_port: 80, weight: 0}
  healthmonitor: {type: HTTP, delay: 5, timeout: 3, max_retries: 3, expected_codes: 200}
listeners:
- protocol: HTTP
  protocol_port: 80
  default_pool: shop
  insert_headers: {X-Forwarded-For: yes}
  l7policies:
  - action: REDIRECT_TO_POOL
    redirect_pool: {name: login, protocol: HTTP, lb_algorithm: ROUND_ROBIN}
    rules: [{type: PATH, compare_type: STARTS_WITH, value: 1.10}]
"""


def read(text: str) -> list[schema.Declared]:
    return document.read("lb.yaml", text.encode())


def mistakes(text: str) -> list[str]:
    with pytest.raises(document.Mistakes) as caught:
        read(text)
    return caught.value.lines


def changed(old: str, new: str) -> str:
    assert old in WHOLE
    return WHOLE.replace(old, new)


def test_values_are_what_stands_there() -> None:
    (balancer,) = read(WHOLE)
    shop, login = balancer.parts["pools"]
    (listener,) = balancer.parts["listeners"]
    (policy,) = listener.parts["l7policies"]
    assert (shop.values["protocol"], shop.values["session_persistence"]) == ("HTTP", {"type": "HTTP_COOKIE"})
    assert shop.parts["members"][0].values["weight"] == 0
    assert shop.parts["healthmonitor"][0].values["expected_codes"] == "200"
    assert listener.values["insert_headers"] == {"X-Forwarded-For": "true"}
    assert policy.parts["rules"][0].values["value"] == "1.10"
    assert (login.values["name"], policy.values["redirect_pool"]) == ("login", "login")


@pytest.mark.parametrize(
    ("old", "new", "mistake"),
    [
        ("protocol: http", "protocol: htpp", "lb.yaml:6:13: pools[0].protocol: 'htpp' is none of TCP, HTTP,"),
        ("protocol: http", "protocol: htpp", "Did you mean 'HTTP'"),
        (
            "lb_algorithm: ROUND_ROBIN\n  s",
            "lb_algoritm: ROUND_ROBIN\n  s",
            "lb.yaml:7:3: pools[0].lb_algoritm: a pool",
        ),
        ("lb_algorithm: ROUND_ROBIN\n  s", "lb_algoritm: ROUND_ROBIN\n  s", "Did you mean 'lb_algorithm'"),
        (
            "lb_algorithm: ROUND_ROBIN\n  s",
            "lb_algoritm: ROUND_ROBIN\n  s",
            "lb.yaml:5:3: pools[0]: lb_algorithm is miss",
        ),
        ("vip_subnet_id", "vip-subnet-id", "Did you mean 'vip_subnet_id'"),
        ("weight: 0", "weight: 257", "lb.yaml:10:52: pools[0].members[0].weight: 257 is not from 0 to 256"),
        ("weight: 0", "weight: 1.5", "'1.5' is not a whole number"),
        ("weight: 0", "weight: [1]", "it should be a single value, not a list"),
        ("weight: 0", "backup: maybe", "'maybe' is neither true nor false"),
        ("10.0.0.4", "10.0.0.400", "'10.0.0.400' is no IPv4 or IPv6 address"),
        ("tags: [a, b]", "tags: a", "lb.yaml:3:7: tags: it should be a list, not a single value"),
        ("tags: [a, b]", "tags: [a, {b: c}]", "it should be a single value, not a mapping"),
        ("tags: [a, b]", "name: again", "lb.yaml:3:1: name: it stands in line 1 already"),
        ("name: web", "name: null", "lb.yaml:1:1: name is missing"),
        ("name: web", "name: ''", "name is missing"),
        ("name: shop", "name: login", "lb.yaml:19:20: pool login stands in line 5 already"),
        ("protocol_port: 80\n", "protocol_port: 0\n", "0 is not from 1 to 65535"),
        ("X-Forwarded-For: yes", "X-Forwarded-Four: yes", "Did you mean 'X-Forwarded-For'"),
        ("type: http_cookie", "type: cookie", "'cookie' is none of SOURCE_IP, HTTP_COOKIE, APP_COOKIE"),
        ("healthmonitor: {type: HTTP", "healthmonitor: {type: ''", "'' is none of PING"),
        ("- protocol: HTTP\n", "- 7\n- protocol: HTTP\n", "lb.yaml:13:3: listeners[0]: it should be a mapping"),
        ("name: web", "position: 1\nname: web", "a load balancer has no such key"),
        ("- action", "- position: 1\n    action", "listeners[0].l7policies[0].position: a policy has no such key"),
        ("name: web", "name: 'a\\x1b'\nname2: \"\\e\"", "name2"),
        ("name: web", 'name: "\\e[2J"', "contains control characters"),
        ("name: web", f"name: {'x' * 256}", "it has 256 characters; at most 255 are allowed"),
        ("name: web", "name: [web", "lb.yaml:2:14: it is not valid YAML"),
        ("name: web", "name: \x00", "it is not valid YAML"),
        ("name: web", "a: &a {<<: *a}\nname: web", "lb.yaml"),
        ("name: web", "[[]]: 1\nname: web", "it should be a single value, not a list"),
    ],
)
def test_a_mistake_names_its_place_and_what_is_allowed(old: str, new: str, mistake: str) -> None:
    lines = mistakes(changed(old, new))
    assert any(mistake in line for line in lines), lines
    assert all(line.startswith("lb.yaml:") for line in lines)


def test_all_mistakes_are_told_in_the_order_of_the_file() -> None:
    text = changed("protocol: http", "protocol: x").replace("weight: 0", "weight: -1").replace("tags: [a, b]", "tag: a")
    lines = mistakes(text)
    assert [line.split(":")[1] for line in lines] == ["3", "6", "10"]


@pytest.mark.parametrize("text", ["", "---\n---\n", "# nothing\n"])
def test_a_file_without_a_load_balancer_is_a_mistake(text: str) -> None:
    assert mistakes(text) == ["lb.yaml:1:1: there is no load balancer in it"]


@pytest.mark.parametrize(
    "text",
    [
        "name: a\n---\nname: b\n",
        "loadbalancers:\n- name: a\n- name: b\n",
        '{"loadbalancer": {"name": "a"}}\n---\nname: b\n',
        "\ufeffname: a\n---\n\n---\nname: b\n",
    ],
)
def test_several_load_balancers(text: str) -> None:
    assert [balancer.values["name"] for balancer in read(text)] == ["a", "b"]


def test_the_same_name_twice_is_a_mistake() -> None:
    assert mistakes("name: a\n---\nname: a\n") == ["lb.yaml:3:1: load balancer a stands in line 1 already"]


def test_what_is_merged_counts_as_written() -> None:
    text = """\
name: a
pools:
- &usual {name: p, protocol: HTTP, lb_algorithm: ROUND_ROBIN}
- {<<: *usual, name: q}
"""
    (balancer,) = read(text)
    assert [pool.values["name"] for pool in balancer.parts["pools"]] == ["p", "q"]
    assert balancer.parts["pools"][1].values["protocol"] == "HTTP"


@pytest.mark.parametrize("content", [b"name: \xff", b"[" * 100000, b"\x80", b"a: *b", b"!!python/object:os.system {}"])
def test_what_is_no_text_or_no_yaml_is_one_mistake(content: bytes) -> None:
    with pytest.raises(document.Mistakes):
        document.read("lb.yaml", content)


def test_every_field_that_can_be_given_to_the_api_has_a_key() -> None:
    def fields(resource: Any) -> None:
        known = {each.name for each in schema.keys(resource).values()}
        missing = {each.name for each in resource.fields if Api.POST in each.api} - known
        owners = {"loadbalancer_id", "listener_id", "pool_id", "project_id", "position"}
        assert missing <= owners
        for part in schema.PARTS.get(resource.name, ()):
            fields(part.resource)

    fields(LOADBALANCER)


POOL = "{name: p, protocol: HTTP, lb_algorithm: ROUND_ROBIN}"


def repeated(levels: int) -> str:
    """A small file in which each level repeats the one below a thousand times."""
    rule = "{type: PATH, compare_type: EQUAL_TO, value: /a}"
    policy = f"{{action: REJECT, rules: &r [&one {rule}{', *one' * 999}]}}"
    listener = f"{{protocol: HTTP, protocol_port: 80, l7policies: &p [&two {policy}{', *two' * 999}]}}"
    return f"name: a\nlisteners: [&three {listener}{', *three' * (1000**levels // 1000**2 - 1)}]\n"


def merged(levels: int) -> str:
    """Mappings that merge the one before ten times."""
    lines = ["name: a", "pools:", f"- &a0 {POOL}"]
    lines += [f"- &a{number}\n  <<: [{', '.join([f'*a{number - 1}'] * 10)}]" for number in range(1, levels)]
    return "\n".join(lines)


@pytest.mark.parametrize(
    "text",
    [
        repeated(2),
        repeated(3),
        f"name: a\npools: [&p {POOL}{', *p' * 300_000}]",
        f"name: a\ntags: &t [x{', x' * 999}]\n"
        f"listeners: [&l {{protocol: HTTP, protocol_port: 80, tags: *t}}{', *l' * 999}]",
    ],
)
def test_a_small_file_cannot_stand_for_a_huge_one(text: str) -> None:
    found = mistakes(text)
    assert len(found) <= document.MOST_MISTAKES
    assert found[-1].endswith("aliases and merge keys repeat too many values")


@pytest.mark.parametrize("text", [merged(12), "name: a\npools:\n- &x {name: b, <<: *x}"])
def test_merge_keys_do_not_multiply(text: str) -> None:
    """Some versions of PyYAML merge a key once for each time that it is named."""
    assert len(mistakes(text)) < 100


def test_aliases_may_repeat_as_usual() -> None:
    member = "{address: 10.0.0.4, protocol_port: 80}"
    pools = [f"- &p{number} {{<<: *common, name: p{number}, members: [*m]}}" for number in range(200)]
    text = f"name: a\nvip_subnet_id: s\npools:\n- &common {{{POOL.strip('{}')}, members: [&m {member}]}}\n"
    (balancer,) = read(text + "\n".join(pools).replace("name: p0,", "name: p00,"))
    assert len(balancer.parts["pools"]) == 201


def test_only_the_first_mistakes_are_told() -> None:
    found = mistakes("name: a\n" + "\n".join(f"k{number}: 1" for number in range(5000)))
    assert len(found) == document.MOST_MISTAKES + 1
    assert found[-1].endswith("there are more mistakes, which are not told")
