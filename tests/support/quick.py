"""The quick lane: tests that start no other program, neither a server nor HAProxy nor a genuine client.

Nothing says of a test which lane it is in. Where a test, or a fixture that it uses, begins to start a program, it is
skipped; a fixture of the session is asked once for all tests that use it. Of a test with many cases, the first and the
last one run, and of random examples a tenth.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from itertools import groupby
from typing import Any, NoReturn

import pytest

SHARE = 10
CASES = (0, -1)  # the cases that run of each test

_is_on = False


def examples(usual: int) -> int:
    """Return the number of random examples of a test: fewer in the quick lane."""
    return max(1, usual // SHARE) if _is_on else usual


def sample(items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """Return the first and the last case of each test, in their order."""
    found = []
    for _, cases in groupby(items, key=lambda item: item.nodeid.partition("[")[0]):
        every = list(cases)
        found += dict.fromkeys(every[number] for number in CASES)
    return found


def is_on() -> bool:
    return _is_on


def turn_on() -> None:
    """Skip whatever starts a program, from now on."""
    global _is_on
    _is_on = True

    def refuse(*arguments: Any, **options: Any) -> NoReturn:
        pytest.skip("it starts a program", allow_module_level=True)

    subprocess.Popen.__init__ = refuse  # type: ignore[method-assign]
    subprocess.Popen.__del__ = lambda process: None  # type: ignore[attr-defined, method-assign]
    os.fork = refuse
