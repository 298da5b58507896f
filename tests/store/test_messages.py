"""Messages between processes on one PostgreSQL database."""

from __future__ import annotations

import queue
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any

import pytest

from lbclient.store.messages import HELLO_SECONDS, Handler, Messages
from lbclient.store.store import Store
from running import wait_until


@pytest.fixture
def url(request: pytest.FixtureRequest, database_url: str) -> str:
    if request.config.getoption("database") != "postgresql":
        pytest.skip("for --database=postgresql")
    return database_url


@contextmanager
def member(url: str, handlers: Mapping[str, Handler] | None = None) -> Iterator[Messages]:
    """One of the processes, which listens already."""
    listening: queue.Queue[None] = queue.Queue()
    with closing(Store(url)) as store:
        messages = Messages(store.engine, handlers or {}, lambda: listening.put(None))
        messages.start()
        try:
            listening.get(timeout=20)
            yield messages
        finally:
            messages.stop()


def test_what_one_asks_another_answers(url: str) -> None:
    def double(said: Mapping[str, Any]) -> int:
        return int(said["number"]) * 2

    with member(url, {"double": double}), member(url) as asking:
        assert asking.ask("double", seconds=20, number=21) == 42


def test_an_answer_may_be_longer_than_a_message(url: str) -> None:
    def parts(said: Mapping[str, Any]) -> dict[str, Any]:
        return {f"é{number}": {"requests": number} for number in range(said["number"])}

    with member(url, {"parts": parts}), member(url) as asking:
        for number in (5000, 0):
            assert asking.ask("parts", seconds=20, number=number) == parts({"number": number})


def test_they_know_of_each_other(url: str) -> None:
    with member(url) as first:
        assert not first.has_others
        with member(url) as second:
            wait_until(lambda: first.has_others and second.has_others)


def test_what_is_too_long_is_not_sent(url: str) -> None:
    with member(url) as messages:
        assert messages.post("event", text="x" * 100)
        assert not messages.post("event", text="x" * 10_000)


def test_it_stops_without_waiting_for_a_message(url: str) -> None:
    with member(url, {"ping": lambda said: True}):
        with member(url) as asking:
            for _ in range(3):  # the messages of the beginning have come by then
                assert asking.ask("ping", seconds=20)
            begun = time.monotonic()
        assert time.monotonic() - begun < HELLO_SECONDS / 2
