"""Any text of a user is matched literally, or refused with a message that names it."""

from __future__ import annotations

import http.client
import subprocess
from pathlib import Path
from typing import Any

import pytest
import trees
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from instances import Running
from members import free_port

from lbclient.dataplane.config import cfg
from lbclient.dataplane.config.render import render
from lbclient.dataplane.support import unsupported
from quick import examples

AWKWARD = ("'", '"', "\\", "$", "${HOME}", "%", "%[src]", "%%", ",", "#", "-", "--", "-f", "-i", "-m", " ", "{", "}")
AWKWARD += (
    "(",
    ")",
    "[",
    "]",
    "!",
    "|",
    "||",
    "or",
    "&",
    "\\n",
    "\\x41",
    "\\'",
    "$HOME",
    "ü",
    "☃",
    "\u2028",
    "\xa0",
    "*",
)
TEXT = st.lists(st.one_of(st.sampled_from(AWKWARD), st.characters(exclude_categories=("Cc", "Cs"))), max_size=12)
VALUES = TEXT.map("".join).filter(lambda text: text.strip() == text and 0 < len(text.encode()) <= 255)
ELEMENTS = VALUES.filter(lambda text: not set(text) & {",", '"'})  # of a list in a header, which commas divide
SEGMENTS = st.lists(st.sampled_from([each for each in AWKWARD if each.isascii() and not set(each) & set(" #?")]))
TOKEN = st.text("abcXYZ019!#$%&'*+-.^_`|~", min_size=1, max_size=20)  # what HTTP allows in names


def listener(port: int, rules: list[dict[str, Any]], url: str = "http://{}/") -> dict[str, Any]:
    """One policy a rule: each redirects to a URL with its number."""
    policies = {
        str(number): {"action": "REDIRECT_TO_URL", "redirect_url": url.format(number), "rules": [rule]}
        for number, rule in enumerate(rules)
    }
    return {"listeners": {"web": {"protocol": "HTTP", "protocol_port": port, "l7policies": policies}}}


def location(port: int, name: str, value: str, path: str = "/") -> str | None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path, headers={name: value.encode()})
        answer = connection.getresponse()
        assert answer.status in (302, 503)
        return answer.headers["Location"]
    finally:
        connection.close()


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(values=st.lists(ELEMENTS, min_size=20, max_size=60, unique=True))
def test_header_values_are_matched_literally(running: Running, values: list[str]) -> None:
    port = free_port()
    rules = [{"type": "HEADER", "compare_type": "EQUAL_TO", "key": "X-Value", "value": value} for value in values]
    running.tree = listener(port, rules)
    running.put()
    for number, value in enumerate(values):
        assert location(port, "X-Value", value) == f"http://{number}/", value
    assert location(port, "X-Value", "other than all of them") is None


@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
@given(paths=st.lists(SEGMENTS.map(lambda each: "/" + "".join(each)), min_size=20, max_size=60, unique=True))
def test_paths_are_matched_literally(running: Running, paths: list[str]) -> None:
    port = free_port()
    rules = [{"type": "PATH", "compare_type": "EQUAL_TO", "value": path} for path in paths]
    running.tree = listener(port, rules)
    running.put()
    for number, path in enumerate(paths):
        assert location(port, "X-Value", "any", path) == f"http://{number}/", path
    assert location(port, "X-Value", "any", "/other/than/all/of/them") is None


@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
@given(names=st.lists(TOKEN, min_size=20, max_size=60, unique_by=str.lower))
def test_names_of_headers_and_cookies_are_matched_literally(running: Running, names: list[str]) -> None:
    headers, cookies = free_port(), free_port()
    running.tree = {"listeners": {}}
    for port, kind in ((headers, "HEADER"), (cookies, "COOKIE")):
        rules = [{"type": kind, "compare_type": "EQUAL_TO", "key": f"x{name}", "value": "y"} for name in names]
        tree = listener(port, rules)["listeners"]["web"]
        tree["l7policies"] = {f"{kind} {key}": value for key, value in tree["l7policies"].items()}
        running.tree["listeners"][kind] = tree
    running.put()
    for number, name in enumerate(names):
        assert location(headers, f"x{name}", "y") == f"http://{number}/", name
        assert location(cookies, "Cookie", f"x{name}=y") == f"http://{number}/", name


@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
@given(values=st.lists(VALUES, min_size=20, max_size=60, unique=True))
def test_urls_are_sent_as_they_are(running: Running, values: list[str]) -> None:
    port = free_port()
    tree = listener(
        port, [{"type": "HEADER", "compare_type": "EQUAL_TO", "key": "X", "value": f"{n}."} for n in range(len(values))]
    )
    for number, value in enumerate(values):
        tree["listeners"]["web"]["l7policies"][str(number)]["redirect_url"] = f"http://{value}"
    running.tree = tree
    running.put()
    for number, value in enumerate(values):
        sent = (location(port, "X", f"{number}.") or "").encode("latin-1").decode()
        assert sent == f"http://{value}"


def test_the_environment_does_not_leak_in(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "s3cr3t")
    port = free_port()
    rule = {"type": "HEADER", "compare_type": "EQUAL_TO", "key": "X", "value": '"${SECRET}"'}
    running.apply(listener(port, [rule], url="http://$SECRET/${{SECRET}}/%[env(SECRET)]"))
    assert location(port, "X", '"${SECRET}"') == "http://$SECRET/${SECRET}/%[env(SECRET)]"


@settings(max_examples=examples(300), deadline=None)
@given(words=st.lists(st.one_of(VALUES, TEXT.map("".join)), min_size=1, max_size=8))
def test_words_are_read_back_by_the_tokenizer(words: list[str]) -> None:
    """The shell's single quotes follow the same rules as HAProxy's."""
    written = " ".join(cfg.quoted(word) for word in words)
    read = subprocess.run(["printf", r"%s\0", *words], capture_output=True, check=True).stdout
    assert subprocess.run(["sh", "-c", rf"printf '%s\0' {written}"], capture_output=True, check=True).stdout == read


@pytest.mark.parametrize("character", ["\n", "\r", "\0", "\t", "\x1b", "\x7f", "\udc80"])
@pytest.mark.parametrize(
    ("kind", "field"),
    [
        ("rule", "value"),
        ("rule", "key"),
        ("policy", "redirect_url"),
        ("pool", "cookie_name"),
        ("monitor", "url_path"),
    ],
)
def test_control_characters_are_refused_by_name(kind: str, field: str, character: str) -> None:
    bad = f"/a{character}b"
    rule = {"type": "HEADER", "compare_type": "EQUAL_TO", "key": "k", "value": "v"}
    policy = {"action": "REDIRECT_TO_URL", "redirect_url": "http://a/", "rules": [rule]}
    pool: dict[str, Any] = {"protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN"}
    if kind == "rule":
        rule[field] = bad
    elif kind == "policy":
        policy[field] = bad
    elif kind == "pool":
        pool["session_persistence"] = {"type": "APP_COOKIE", "cookie_name": bad}
    else:
        pool["healthmonitor"] = {"type": "HTTP", "delay": 1, "timeout": 1, "max_retries": 1, field: bad}
    snapshot = trees.snapshot(
        {
            "listeners": {
                "web": {"protocol": "HTTP", "protocol_port": 80, "default_pool": "p", "l7policies": {"x": policy}}
            },
            "pools": {"p": pool},
        }
    )
    with pytest.raises(cfg.Refused) as refusal:
        render(snapshot)
    assert field.removeprefix("redirect_") in str(refusal.value)
    assert repr(bad) in str(refusal.value)
    assert unsupported(snapshot) == str(refusal.value)


def test_bare_words_stay_readable(tmp_path: Path) -> None:
    assert cfg.word("10.0.0.1:80") == "10.0.0.1:80"
    assert cfg.word("") == "''"
    assert cfg.word("it's") == r"'it'\''s'"
