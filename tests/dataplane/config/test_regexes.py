"""Regular expressions that are accepted compile in HAProxy, and do not hold it up."""

from __future__ import annotations

import random
import re
import subprocess
import time
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from instances import Running
from members import free_port
from world import get

from lbclient.dataplane.config import cfg
from lbclient.dataplane.config.regexes import refusal
from lbclient.dataplane.config.rules import acls as acls_of

PIECES = (
    *"aé☃.^$|()[]{}*+?#,-'",
    *(
        r"\\",
        r"\d",
        r"\W",
        r"\s",
        r"\b",
        r"\B",
        r"\A",
        r"\Z",
        r"\n",
        r"\x41",
        r"\.",
        r"\-",
        r"\]",
        r"\/",
        r"\07",
        r"\0",
    ),
    *("[a-z]", "[^a]", "[]a]", r"[\d-]", "[[]", r"[\b]", "[:alpha:]", "[[:alpha:]]", "[[:foo:]]", "[.a.]", "[[=a=]]"),
    *("(?:", "(?=", "(?!", "(?<=", "(?<!", "(?P<n>", "(?P=n)", "(?>", "(?#c)", "(?(1)", r"\1", r"\2"),
    *(
        "(?i)",
        "(?s)",
        "(?m)",
        "(?x)",
        "(?i:",
        "(?-i:",
        "(?a)",
        "(?u:",
        r"\u0041",
        r"\U00000041",
        r"[\u0041]",
        r"\N{DIGIT}",
    ),
    *("(a)", "(?P<n>a)", "(?:b)", "(a|b)*", "(?P<m>b?)+"),
    *("{2}", "{2,}", "{,3}", "{1,2}", "{70000}", "{900}", "*?", "+?", "??", "++", "*+"),
)


def random_pattern(chance: random.Random) -> str:
    return "".join(chance.choice(PIECES) for _ in range(chance.randint(1, 7)))


def compiles(pattern: str) -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            re.compile(pattern)
        except (re.error, OverflowError, RecursionError):
            return False
    return True


def test_what_is_accepted_compiles_in_haproxy(haproxy: str, tmp_path: Path) -> None:
    chance = random.Random(5)
    patterns = {random_pattern(chance) for _ in range(60000)}
    accepted = sorted(each for each in patterns if compiles(each) and refusal(each) is None)
    assert len(accepted) > 3000
    assert objections(accepted, haproxy, tmp_path) == []


def _rule(**values: object) -> Any:
    return SimpleNamespace(**{"type": "PATH", "compare_type": "REGEX", "invert": False, **values})


def objections(patterns: list[str], haproxy: str, directory: Path) -> list[str]:
    """The patterns that HAProxy refuses."""
    rules = [_rule(id=f"a{number}", value=each) for number, each in enumerate(patterns)]
    acls = [line for rule in rules for line in acls_of(rule, is_strict=True)]
    sections = (cfg.Section(("defaults",), (cfg.line("mode", "http"),)), cfg.Section(("frontend", "f"), tuple(acls)))
    (directory / "haproxy.cfg").write_text(cfg.text(sections))
    command = [haproxy, "-c", "-f", "haproxy.cfg"]
    said = subprocess.run(command, cwd=directory, capture_output=True, check=False).stderr.decode(errors="replace")
    return [patterns[int(number)] + ": " + why for number, why in re.findall(r"ACL 'a(\d+)' : (.*)", said)]


@pytest.mark.parametrize(
    "pattern",
    [r"\u0041", r"[\u0041]", "[[:foo:]]", "[:alpha:]", "(?a)x", "(?u:x)", "x{70000}", "(x{900}){900}", "(?P<é>x)"],
)
def test_what_pcre_would_refuse_is_refused(pattern: str) -> None:
    assert compiles(pattern)
    assert pattern in (refusal(pattern) or "").replace("\\\\", "\\")


@pytest.mark.parametrize(
    "pattern",
    [r"\\u0041", r"^/(shop|login)/\d{1,3}$", r"[^/]+\.(jpe?g|png)$", "(?i)a", r"a{2}", "(?P<n>a)(?P=n)"],
)
def test_common_ones_are_accepted(pattern: str) -> None:
    assert refusal(pattern) is None


@pytest.mark.parametrize("pattern", [r"(a)\1", r"(?P<n>a)(b)\1", r"((?P<n>a))\2", "(?x)a # b"])
def test_what_pcre_would_read_as_something_else_is_refused(pattern: str) -> None:
    """HAProxy numbers only groups that have a name."""
    assert compiles(pattern)
    assert refusal(pattern)


@pytest.mark.parametrize("pattern", [r"(?P<n>a)\1", "a#b", r"(a)[\1]", "(?P<n>a)(b)(?P=n)"])
def test_what_only_looks_like_that_is_accepted(pattern: str) -> None:
    assert refusal(pattern) is None


@pytest.mark.parametrize("pattern", ["^(/(a+)+)+$", "^/(a|a)*$", "(a*)*b", "(.*)*x"])
def test_no_match_takes_long(running: Running, pattern: str) -> None:
    port = free_port()
    rule = {"type": "PATH", "compare_type": "REGEX", "value": pattern}
    policies = {"p": {"action": "REJECT", "rules": [rule]}}
    running.apply({"listeners": {"web": {"protocol": "HTTP", "protocol_port": port, "l7policies": policies}}})
    for length in (30, 8000):
        start = time.monotonic()
        get(port, "/" + "a" * length + "!")
        assert time.monotonic() - start < 1


# Expression, a path that it comes to no end with, and one that it matches.
DEEP = (
    ("^/(a|b)*z$", "/" + "ab" * 2000 + "z", "/abz"),
    ("(/[^/]+)+/admin$", "/" + "a/" * 2000 + "admin", "/a/admin"),
    ("a*a*a*a*a*a*a!", "/" + "a" * 3999, "/a!"),
)


@pytest.mark.parametrize(("pattern", "deep", "matching"), DEEP)
def test_a_match_that_is_given_up_rejects(running: Running, pattern: str, deep: str, matching: str) -> None:
    """And those that match are told from those that do not, inverted or not."""
    plain, inverted = free_port(), free_port()
    rule = {"type": "PATH", "compare_type": "REGEX", "value": pattern}
    listeners = {
        name: {
            "protocol": "HTTP",
            "protocol_port": port,
            "l7policies": {name: {"action": "REJECT", "rules": [{**rule, "invert": name == "inverted"}]}},
        }
        for name, port in (("plain", plain), ("inverted", inverted))
    }
    running.apply({"listeners": listeners})
    assert get(plain, deep).status == 403
    assert (get(plain, matching).status, get(inverted, matching).status) == (403, 503)
    assert (get(plain, "/x").status, get(inverted, "/x").status) == (503, 403)


def test_a_value_that_is_given_up_is_not_hidden_behind_another(running: Running) -> None:
    port = free_port()
    rule = {"type": "HEADER", "key": "x-path", "compare_type": "REGEX", "value": "^(a|b)*z$"}
    policies = {"p": {"action": "REJECT", "rules": [rule]}}
    running.apply({"listeners": {"web": {"protocol": "HTTP", "protocol_port": port, "l7policies": policies}}})
    for value, status in (("ab" * 2000 + "z", 403), ("c, " + "ab" * 2000, 403), ("c, d", 503), ("abz", 403), ("", 503)):
        assert get(port, "/", headers={"X-Path": value}).status == status, value[:20]
    assert get(port, "/").status == 503
