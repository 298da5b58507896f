"""Names that would steer a terminal reach none: from lists, objects, single values and errors, in `openstack`, too."""

from __future__ import annotations

import re
import sys
from typing import Any

import pytest
import requests
import yaml
from hypothesis import given
from hypothesis import strategies as st

from lbclient.client.errors import Error
from lbclient.client.safe_text import safe, safe_value
from teletype import Teletype

NAME = "a\x9b2J\u202eb\u2066c\x85"
WRITTEN = r"a\x9b2J\u202eb\u2066c\x85"
NETWORK = "\x1b[2J\x1b]0;title\x07\r"
OPENSTACK = "import sys; from openstackclient.shell import main; sys.exit(main(sys.argv[1:]))"
LBCLIENT = "import sys; from lbclient.cli.shell import main; sys.exit(main(sys.argv[1:]))"


@pytest.fixture(scope="module")
def names(cloud: Any) -> Any:
    """A load balancer and a network that are called so."""
    environment = cloud.environment()
    said = _on_terminal(environment, LBCLIENT, "token", "issue", "-f", "value", "-c", "id")
    headers = {"X-Auth-Token": said.strip()}
    networks = f"{cloud.url}/networking/v2.0/networks"
    network = requests.post(networks, json={"network": {"name": NETWORK}}, headers=headers, timeout=30)
    network.raise_for_status()
    subnets = requests.get(f"{cloud.url}/networking/v2.0/subnets", headers=headers, timeout=30).json()["subnets"]
    subnet = next(each for each in subnets if each["name"] == "private-subnet")
    url = f"{cloud.url}/load-balancer/v2.0/lbaas/loadbalancers"
    body = {"loadbalancer": {"name": NAME, "vip_subnet_id": subnet["id"], "tags": [NAME]}}
    made = requests.post(url, json=body, headers=headers, timeout=30)
    made.raise_for_status()
    yield made.json()["loadbalancer"]["id"]
    requests.delete(f"{url}/{made.json()['loadbalancer']['id']}", headers=headers, timeout=30)
    requests.delete(f"{networks}/{network.json()['network']['id']}", headers=headers, timeout=30).raise_for_status()


def _on_terminal(environment: dict[str, str], program: str, *words: str) -> str:
    terminal = Teletype([sys.executable, "-c", program, *words], environment, columns=400)
    try:
        terminal.end(60)
        return terminal.text
    finally:
        terminal.close()


def is_harmless(text: str) -> bool:
    return safe(text.replace("\r\n", "\n")) == text.replace("\r\n", "\n")


FORMATS = (
    *(("loadbalancer", "list", "-f", kind) for kind in ("table", "value", "csv", "json", "yaml")),
    *(("loadbalancer", "show", "{id}", "-f", kind) for kind in ("table", "value", "shell", "json", "yaml")),
    ("loadbalancer", "show", NAME + "?"),
)
PLUGIN = (FORMATS[1], FORMATS[7], FORMATS[-1])


@pytest.mark.parametrize(
    ("program", "words"),
    [*((LBCLIENT, words) for words in FORMATS), *((OPENSTACK, words) for words in PLUGIN)],
    ids=lambda words: (
        " ".join(words) if isinstance(words, tuple) else "openstack" if words is OPENSTACK else "lbclient"
    ),
)
def test_a_terminal_gets_nothing_that_steers_it(cloud: Any, names: str, program: str, words: tuple[str, ...]) -> None:
    text = _on_terminal(cloud.environment(), program, *(word.replace("{id}", names) for word in words))
    assert is_harmless(text), ascii(text)
    assert any(written in text for written in (r"\x9b2J", r"\u009b2J", r"\x9B2J", r"\u009B2J")), text


# Other ways to show a load balancer: on a terminal, in a pipe, and in the format of a program.
VIEWS = (
    *(("loadbalancer", "topology", "{id}", "-f", kind) for kind in ("text", "svg", "dot", "mermaid")),
    *(("loadbalancer", "export", "{id}", *more) for more in ((), ("--full", "--ids"))),
    *(("loadbalancer", "status", "show", "{id}", "-f", kind) for kind in ("tree", "json")),
    *(("loadbalancer", "event", "list", "{id}", "-f", kind) for kind in ("table", "json", "csv")),
    ("loadbalancer", "top", "--batch", "--count", "1"),
    ("loadbalancer", "show", "{id}", "-f", "yaml"),
)


@pytest.mark.parametrize("words", VIEWS, ids=" ".join)
def test_no_view_steers_a_terminal(cloud: Any, names: str, words: tuple[str, ...]) -> None:
    text = _on_terminal(cloud.environment(), LBCLIENT, *(word.replace("{id}", names) for word in words))
    assert "2J" in text, text  # the rest of the name
    assert is_harmless(re.sub("\x1b\\[[0-9;]*[mKHJ]", "", text)), ascii(text)


def test_an_export_escapes_marks_for_pipes_too_and_is_read_back(run: Any, names: str) -> None:
    text = run("loadbalancer", "export", names).out
    assert is_harmless(text), ascii(text)
    assert r"\u202e" in text.lower()
    assert (yaml.safe_load(text)["name"], yaml.safe_load(text)["tags"]) == (NAME, [NAME])


def test_neither_do_networks(cloud: Any, names: str) -> None:
    for kind in ("table", "value", "csv"):
        text = _on_terminal(cloud.environment(), LBCLIENT, "network", "list", "-f", kind)
        assert is_harmless(text), ascii(text)
        assert r"\x1b[2J" in text


def test_a_pipe_gets_values_as_they_are(run: Any, names: str) -> None:
    assert run("loadbalancer", "show", names, "-f", "value", "-c", "name").out == f"{NAME}\n"
    assert WRITTEN in run("loadbalancer", "show", names).out  # tables are for people


@given(st.text())
def test_what_is_safe_stays_as_it_is(text: str) -> None:
    assert safe(safe(text)) == safe(text)
    assert str(Error(text)) == safe(text)
    assert all(ord(each) >= 0xA0 or each.isprintable() or each in "\n\t" for each in safe(text))
    assert safe_value({text: [text, 1, None]}) == {safe(text): [safe(text), 1, None]}


def test_letters_of_any_writing_are_safe() -> None:
    for text in ("naïve", "名前", "👩\u200d💻", "می\u200cخواهم", "עברית", "a\tb\nc"):
        assert safe(text) == text
