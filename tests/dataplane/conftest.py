"""Fixtures of the data plane's tests."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for the modules beside the tests

from instances import Running, binary
from members import Echo, Web
from world import World


@pytest.fixture(scope="session")
def haproxy() -> str:
    return binary()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.close()


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    made = Running(tmp_path)
    yield made
    made.close()


@pytest.fixture
def webs() -> Iterator[Callable[..., list[Web]]]:
    """Makes named web servers, which end with the test."""
    made: list[Web] = []

    def make(*names: str) -> list[Web]:
        new = [Web(name) for name in names]
        made.extend(new)
        return new

    yield make
    for each in made:
        each.down()


@pytest.fixture
def echoes() -> Iterator[Callable[..., list[Echo]]]:
    made: list[Echo] = []

    def make(*names: str) -> list[Echo]:
        new = [Echo(name) for name in names]
        made.extend(new)
        return new

    yield make
    for each in made:
        each.down()
