"""Maps that decide among policies: the lowest place wins, and no text breaks out of its line."""

from __future__ import annotations

import re
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lbclient.dataplane.config import maps

MATCH: dict[str, Callable[[str, str], bool]] = {
    "str": str.__eq__,
    "beg": str.startswith,
    "end": str.endswith,
    "sub": str.__contains__,
}
COMPARISONS = {"EQUAL_TO": "str", "STARTS_WITH": "beg", "ENDS_WITH": "end", "CONTAINS": "sub"}
SHORT = st.text("ab/", min_size=1, max_size=5)
HOSTS = st.text("ab:81", min_size=1, max_size=5)
RULES = st.builds(
    lambda kind, compare, value: SimpleNamespace(type=kind, compare_type=compare, value=value, invert=False),
    st.sampled_from(["HOST_NAME", "PATH"]),
    st.sampled_from(list(COMPARISONS)),
    SHORT | HOSTS,
)


def group(rules: list[Any]) -> maps.Group:
    looked_up = {place: maps.Entry(how, rule.value) for place, rule in enumerate(rules) if (how := maps.lookup([rule]))}
    return maps.Group("listener", 0, rules, looked_up)


def found(text: str, method: str, asked: str) -> int | None:
    """Return the value that HAProxy finds in a map: that of the longest prefix, or of the first key that matches."""
    pairs = [line.split(" ", 1) for line in text.splitlines()]
    fitting = [(key, int(value)) for key, value in pairs if MATCH[method](asked, key)]
    if method == "beg":
        fitting.sort(key=lambda pair: -len(pair[0]))
    return fitting[0][1] if fitting else None


def without_port(host: str) -> str:
    return re.sub(r":[0-9]*\Z", "", host, count=1)


@settings(deadline=None)
@given(st.lists(RULES, max_size=30), SHORT, HOSTS)
def test_the_lowest_place_is_found(rules: list[Any], path: str, host: str) -> None:
    sent = {"path": path, maps.HOST: host, maps.HOST_WITHOUT_PORT: without_port(host)}
    places = [
        place
        for (fetch, method), each in group(rules).maps().items()
        for asked, condition in maps.fetches(fetch, method, each)
        if not condition or (condition == maps.HAS_PORT and ":" in host)
        if (place := found(each.text, method, sent[asked])) is not None
    ]
    wanted = [
        place
        for place, rule in enumerate(rules)
        for asked in ((host, without_port(host)) if rule.type == "HOST_NAME" else (path,))
        if MATCH[COMPARISONS[rule.compare_type]](asked, rule.value)
    ]
    assert min(places, default=None) == min(wanted, default=None)


@pytest.mark.parametrize("compare", ["EQUAL_TO", "ENDS_WITH"])
@pytest.mark.parametrize("value", ["shop.example.com", "80a", "[::1]", ":a"])
def test_hosts_without_ports_are_looked_up_once(compare: str, value: str) -> None:
    rule = SimpleNamespace(type="HOST_NAME", compare_type=compare, value=value, invert=False)
    [((fetch, method), each)] = group([rule]).maps().items()
    assert maps.fetches(fetch, method, each) == ((maps.HOST_WITHOUT_PORT, ()),)


@settings(deadline=None)
@given(st.lists(st.text(max_size=20), max_size=20), st.sampled_from(list(COMPARISONS)))
def test_no_text_breaks_out_of_its_line(values: list[str], compare: str) -> None:
    rules = [SimpleNamespace(type="PATH", compare_type=compare, value=value, invert=False) for value in values]
    kept = {value for value in values if maps.is_plain(value)}
    assert all(value.isascii() and value.isprintable() and " " not in value and value[0] != "#" for value in kept)
    for each in group(rules).maps().values():
        assert each.text.endswith("\n")
        keys = [line.partition(" ")[0] for line in each.text.split("\n")[:-1]]
        assert sorted(keys) == sorted(kept)


def test_what_a_map_does_not_decide() -> None:
    def rule(**fields: Any) -> Any:
        given: dict[str, Any] = {"type": "PATH", "compare_type": "EQUAL_TO", "value": "/", "invert": False, **fields}
        return SimpleNamespace(**given)

    assert maps.lookup([rule()]) == ("path", "str")
    for other in ({"invert": True}, {"compare_type": "REGEX"}, {"type": "HEADER"}, {"value": "#"}, {"value": "/ü"}):
        assert maps.lookup([rule(**other)]) is None
    assert maps.lookup([rule(), rule()]) is None
