"""L7 policies, by the traffic that they direct."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from instances import Running
from members import free_port
from world import Answer, get, member, web

pytestmark = pytest.mark.usefixtures("vips")


def rule(type: str, compare: str, value: str, **fields: Any) -> dict[str, Any]:
    return {"type": type, "compare_type": compare, "value": value, **fields}


def policies(running: Running, one, two, **wanted: Any) -> int:
    """An HTTP listener with these policies; `one` serves what no policy decides, `two` is another pool."""
    tree = web(members={"one": member(one)})
    tree["listeners"]["web"]["l7policies"] = wanted
    tree["pools"]["other"] = {"protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN", "members": {"two": member(two)}}
    running.apply(tree)
    return int(tree["listeners"]["web"]["protocol_port"])


def to_other(*rules: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"action": "REDIRECT_TO_POOL", "redirect_pool": "other", "rules": list(rules), **fields}


def reject(*rules: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"action": "REJECT", "rules": list(rules), **fields}


def test_the_four_actions(running: Running, webs) -> None:
    one, two = webs("one", "two")
    port = policies(
        running,
        one,
        two,
        a=reject(rule("PATH", "EQUAL_TO", "/no")),
        b=to_other(rule("PATH", "EQUAL_TO", "/other")),
        c={
            "action": "REDIRECT_TO_URL",
            "redirect_url": "http://example.com/%20?%ci=%[src]&a=$HOME",
            "rules": [rule("PATH", "EQUAL_TO", "/url")],
        },
        d={
            "action": "REDIRECT_PREFIX",
            "redirect_prefix": "https://example.com/%ci",
            "redirect_http_code": 308,
            "rules": [rule("PATH", "STARTS_WITH", "/prefix")],
        },
    )
    assert get(port, "/no").status == 403
    assert get(port, "/other").name == "two"
    assert where(get(port, "/url")) == (302, "http://example.com/%20?%ci=%[src]&a=$HOME")
    assert where(get(port, "/prefix/a%20b?c=d")) == (308, "https://example.com/%ci/prefix/a%20b?c=d")
    assert get(port, "/").name == "one"


def where(answer: Answer) -> tuple[int, str | None]:
    return answer.status, answer.headers["Location"]


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_redirect_codes(running: Running, webs, code: int) -> None:
    one, two = webs("one", "two")
    redirect = {"action": "REDIRECT_TO_URL", "redirect_url": "http://a/", "redirect_http_code": code}
    port = policies(running, one, two, a={**redirect, "rules": [rule("PATH", "EQUAL_TO", "/")]})
    assert get(port).status == code


@pytest.mark.parametrize("order", list(itertools.permutations(("pool", "url", "prefix", "reject"))))
def test_rejections_come_first_and_then_redirects(running: Running, webs, order: tuple[str, ...]) -> None:
    """Rejections precede redirects at any position, as in Octavia; within a kind the first match decides."""
    one, two = webs("one", "two")

    def on(*paths: str) -> list[dict[str, Any]]:
        return [rule("PATH", "REGEX", f"^/({'|'.join(paths)})$")]

    actions = {
        "pool": to_other(*on("pool", "url", "prefix", "reject")),
        "url": {"action": "REDIRECT_TO_URL", "redirect_url": "http://a/", "rules": on("url", "both", "reject")},
        "prefix": {"action": "REDIRECT_PREFIX", "redirect_prefix": "http://b", "rules": on("prefix", "both", "reject")},
        "reject": reject(*on("reject")),
    }
    port = policies(running, one, two, **{name: actions[name] for name in order})
    assert get(port, "/reject").status == 403
    first = min(("url", "prefix"), key=order.index)
    assert where(get(port, "/both"))[1] == {"url": "http://a/", "prefix": "http://b/both"}[first]
    assert where(get(port, "/url")) == (302, "http://a/")
    assert where(get(port, "/prefix")) == (302, "http://b/prefix")
    assert [get(port, path).name for path in ("/pool", "/none")] == ["two", "one"]


def test_the_first_pool_that_is_chosen_counts(running: Running, webs) -> None:
    one, two = webs("one", "two")
    every = rule("PATH", "STARTS_WITH", "/")
    back = {"action": "REDIRECT_TO_POOL", "redirect_pool": "pool", "rules": [rule("PATH", "EQUAL_TO", "/back")]}
    port = policies(running, one, two, first=back, second=to_other(every), third={**back, "rules": [every]})
    assert [get(port, path).name for path in ("/back", "/")] == ["one", "two"]


def test_policies_and_rules_that_do_not_count(running: Running, webs) -> None:
    one, two = webs("one", "two")
    every = rule("PATH", "STARTS_WITH", "/")
    port = policies(
        running,
        one,
        two,
        empty=reject(),
        none_enabled=reject({**every, "admin_state_up": False}),
        disabled=reject(every, admin_state_up=False),
        partly=to_other(every, rule("PATH", "EQUAL_TO", "/never", admin_state_up=False)),
    )
    assert get(port).name == "two"


def test_all_rules_must_match_and_may_be_inverted(running: Running, webs) -> None:
    one, two = webs("one", "two")
    port = policies(
        running,
        one,
        two,
        a=to_other(
            rule("HEADER", "EQUAL_TO", "yes", key="X-A"),
            rule("HEADER", "EQUAL_TO", "yes", key="X-B", invert=True),
        ),
    )
    assert get(port, headers={"X-A": "yes"}).name == "two"
    assert get(port, headers={"X-A": "yes", "X-B": "no"}).name == "two"
    assert get(port, headers={"X-A": "yes", "X-B": "yes"}).name == "one"
    assert get(port).name == "one"


def test_fifty_rules_in_a_policy(running: Running, webs) -> None:
    one, two = webs("one", "two")

    def rules(key: str) -> list[dict[str, Any]]:
        return [rule("HEADER", "CONTAINS", f"<{number}>", key=key) for number in range(50)]

    several = {
        "a": to_other(rule("PATH", "EQUAL_TO", "/a")),
        "b": to_other(*rules("X-All")),
        "c": reject(*rules("X-No")),
    }
    port = policies(running, one, two, **several)
    everything = "".join(f"<{number}>" for number in range(50))
    for key, name in (("X-All", "two"), ("X-No", "403")):
        assert get(port, headers={key: everything}).name == name
        assert get(port, headers={key: everything.replace("<25>", "")}).name == "one"


def test_a_redirect_to_an_empty_pool_is_503_and_to_a_disabled_one_is_none(running: Running, webs) -> None:
    """A policy with a disabled pool is passed over, as in Octavia."""
    one, two = webs("one", "two")
    later = {"action": "REDIRECT_TO_POOL", "redirect_pool": "pool", "rules": [rule("PATH", "EQUAL_TO", "/other")]}
    port = policies(running, one, two, a=to_other(rule("PATH", "STARTS_WITH", "/other")), b=later)
    running.apply({"pools": {"other": {"admin_state_up": False}}})
    assert [get(port, path).name for path in ("/other", "/other/x")] == ["one", "one"]
    running.tree["pools"]["other"] |= {"admin_state_up": True, "members": {}}
    running.put()
    assert get(port, "/other").status == 503
    assert get(port, "/").name == "one"


CASES = [
    # type, comparison, value, key, request, whether it matches
    ("HOST_NAME", "EQUAL_TO", "Shop.Example.com", None, {"Host": "shop.example.COM"}, True),
    ("HOST_NAME", "EQUAL_TO", "shop.example.com", None, {"Host": "shop.example.com:8080"}, True),
    ("HOST_NAME", "EQUAL_TO", "shop.example.com:8080", None, {"Host": "shop.example.com:8080"}, True),
    ("HOST_NAME", "EQUAL_TO", "shop.example.com", None, {"Host": "xshop.example.com"}, False),
    ("HOST_NAME", "EQUAL_TO", "[::1]", None, {"Host": "[::1]:80"}, True),
    ("HOST_NAME", "STARTS_WITH", "shop.", None, {"Host": "shop.example.com"}, True),
    ("HOST_NAME", "ENDS_WITH", ".example.com", None, {"Host": "shop.example.com:80"}, True),
    ("HOST_NAME", "CONTAINS", "EXAMPLE", None, {"Host": "shop.example.com"}, True),
    ("HOST_NAME", "REGEX", r"^(shop|login)\.example\.com$", None, {"Host": "LOGIN.example.com:80"}, True),
    ("HOST_NAME", "REGEX", r"^shop$", None, {"Host": "shop.example.com"}, False),
    ("PATH", "EQUAL_TO", "/a", None, "/a?b=c", True),
    ("PATH", "EQUAL_TO", "/a", None, "/A", False),
    ("PATH", "STARTS_WITH", "/a", None, "/ab/c", True),
    ("PATH", "STARTS_WITH", "/a", None, "/b/a", False),
    ("PATH", "ENDS_WITH", "c", None, "/ab/c?d", True),
    ("PATH", "CONTAINS", "b/", None, "/ab/c", True),
    ("PATH", "REGEX", r"^/\d+$", None, "/123", True),
    ("PATH", "REGEX", r"^/\d+$", None, "/12a", False),
    ("FILE_TYPE", "EQUAL_TO", "jpg", None, "/a.b/c.jpg?d.gif", True),
    ("FILE_TYPE", "EQUAL_TO", "jpg", None, "/a.jpg/c", False),
    ("FILE_TYPE", "EQUAL_TO", "jpg", None, "/jpg", True),
    ("FILE_TYPE", "EQUAL_TO", "jpg", None, "/a.JPG", False),
    ("FILE_TYPE", "EQUAL_TO", "css", None, "/test/css", True),
    ("FILE_TYPE", "EQUAL_TO", "css", None, "/test/css/", False),
    ("FILE_TYPE", "EQUAL_TO", "css", None, "/cssx?a=css", False),
    ("FILE_TYPE", "EQUAL_TO", "gz", None, "/a.tar.gz", True),
    ("FILE_TYPE", "EQUAL_TO", "tar.gz", None, "/a.tar.gz", True),
    ("FILE_TYPE", "REGEX", r"\.(jpe?g|png)$", None, "/a.jpeg", True),
    ("FILE_TYPE", "REGEX", r"\.(jpe?g|png)$", None, "/a.jpegs", False),
    ("FILE_TYPE", "REGEX", "jpeg", None, "/a.jpeg/c", True),
    ("FILE_TYPE", "REGEX", "^jpeg$", None, "/a.jpeg", False),
    ("HEADER", "EQUAL_TO", "a, b", "X-List", {"x-list": "a, b"}, False),
    ("HEADER", "EQUAL_TO", "a", "X-List", {"x-list": "a, b"}, True),
    ("HEADER", "EQUAL_TO", "b", "X-List", {"x-list": "a , b"}, True),
    ("HEADER", "STARTS_WITH", "b", "X-List", {"x-list": "a,bc"}, True),
    ("HEADER", "ENDS_WITH", "a", "X-List", {"x-list": "aa,bc"}, True),
    ("HEADER", "CONTAINS", ",", "X-List", {"x-list": "a,b"}, False),
    ("HEADER", "REGEX", "^b$", "X-List", {"x-list": "a,b,c"}, True),
    ("HEADER", "REGEX", "^a,b$", "X-List", {"x-list": "a,b"}, False),
    ("HEADER", "STARTS_WITH", "Moz", "User-Agent", {"User-Agent": "Mozilla/5.0"}, True),
    ("HEADER", "ENDS_WITH", "/5.0", "User-Agent", {"User-Agent": "Mozilla/5.0"}, True),
    ("HEADER", "CONTAINS", "illa", "User-Agent", {"User-Agent": "Mozilla/5.0"}, True),
    ("HEADER", "REGEX", r"/\d", "User-Agent", {"User-Agent": "Mozilla/5.0"}, True),
    ("COOKIE", "EQUAL_TO", "yes", "a", {"Cookie": "b=no; a=yes"}, True),
    ("COOKIE", "EQUAL_TO", "yes", "b", {"Cookie": "b=no; a=yes"}, False),
    ("COOKIE", "STARTS_WITH", "y", "a", {"Cookie": "a=yes"}, True),
    ("COOKIE", "ENDS_WITH", "s", "a", {"Cookie": "a=yes"}, True),
    ("COOKIE", "CONTAINS", "e", "a", {"Cookie": "a=yes"}, True),
    ("COOKIE", "REGEX", "^y.s$", "a", {"Cookie": "a=yes"}, True),
]


def test_types_and_comparisons(running: Running, webs) -> None:
    """Each case has a listener of its own, so that one HAProxy answers all."""
    one, two = webs("one", "two")
    tree = web(members={"one": member(one)})
    tree["pools"]["other"] = {"protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN", "members": {"two": member(two)}}
    ports = []
    for number, (type_, compare, value, key, _, _) in enumerate(CASES):
        ports.append(free_port())
        policy = to_other(rule(type_, compare, value, key=key))
        tree["listeners"][f"case {number}"] = {
            "protocol": "HTTP",
            "protocol_port": ports[-1],
            "default_pool": "pool",
            "l7policies": {f"policy {number}": policy},
        }
    running.apply(tree)
    wrong = []
    for port, case in zip(ports, CASES, strict=True):
        request: Any
        request, matches = case[4:]
        path, headers = (request, {}) if isinstance(request, str) else ("/", request)
        if (get(port, path, headers).name == "two") != matches:
            wrong.append(case)
    assert not wrong
