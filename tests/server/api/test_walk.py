"""The walk through the code in the contributors' documentation: requests really call what it names for them."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import lbclient

ROOT = Path(lbclient.__file__).parent
PAGE = Path(__file__).parents[3] / "doc/source/contributor/walk.rst"
# Not here: what runs in other threads or processes, and functions that made the handlers before the request.
ELSEWHERE = ("dataplane/", "server/agents/", "server/loadbalancer/handlers.py", "server/settlements.py")
REQUESTS: dict[str, Callable[[Any, Any], Any]] = {
    "Create a listener": lambda api, tree: api.listener(tree.loadbalancer, protocol_port=81),
    "Change the weight of a member": lambda api, tree: api.put(tree.paths["member"], "member", weight=3),
    "List the members of a pool": lambda api, tree: api.get(f"{tree.paths['pool']}/members?sort=name&limit=20"),
    "Delete a load balancer with all its parts": lambda api, tree: api.request(
        "DELETE", f"{tree.paths['loadbalancer']}?cascade=true"
    ),
}


def named(title: str) -> set[tuple[str, str]]:
    """Return the (file, function) pairs in a section of the page."""
    section = re.split(r"\n=+\n", PAGE.read_text(encoding="utf-8").partition(f"\n{title}\n=")[2], maxsplit=1)[0]
    found = re.findall(r"``([\w/]+\.py):(?:\w+\.)?(\w+)``", section)
    return {(path, name) for path, name in found if not path.startswith(ELSEWHERE)}


def forget_statements() -> None:
    """Forget the statements that other requests have left: a request whose statement is known calls less."""
    for name, module in list(sys.modules.items()):
        if name.startswith("lbclient.server."):
            for each in vars(module).values():
                if hasattr(each, "cache_clear"):
                    each.cache_clear()


@pytest.mark.parametrize("title", REQUESTS)
def test_a_request_calls_what_the_page_names(api: Any, tree: Any, title: str) -> None:
    called = set()
    forget_statements()

    def note(frame: FrameType, event: str, argument: object) -> None:
        path = Path(frame.f_code.co_filename)
        if event == "call" and path.is_relative_to(ROOT):
            called.add((str(path.relative_to(ROOT)), frame.f_code.co_name))

    sys.setprofile(note)
    try:
        REQUESTS[title](api, tree)
    finally:
        sys.setprofile(None)
    wanted = named(title)
    assert wanted
    assert wanted - called == set()
