"""Fixtures for tests of the server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from members import Web

from agents import Hosts


@pytest.fixture
def hosts(tmp_path: Path, database_url: str) -> Iterator[Hosts]:
    made = Hosts(tmp_path, database_url)
    yield made
    made.end()


@pytest.fixture
def member() -> Iterator[Web]:
    made = Web("one")
    yield made
    made.down()
