"""Fixtures of the store's tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lbclient.store.store import Store


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    """A store with its tables, and nothing in them."""
    store = Store(database_url)
    store.migrate()
    yield store
    store.close()
