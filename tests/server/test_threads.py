"""Threads of the server and the agent outlast any fault in one of their turns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from members import until

from lbclient.agent import main
from lbclient.agent.distant import DistantControlPlane
from lbclient.server.agents import cluster
from lbclient.server.outbound import forwarding, webhooks
from lbclient.server.outbound.forwarding import Carrier, Record
from lbclient.server.outbound.webhook_file import Webhook
from lbclient.server.outbound.webhooks import Webhooks
from lbclient.store.feed import Feed, Told

FAULT = ValueError("a fault")
SECONDS = 30.0


class Failing:
    """A function whose first call raises an error; counts the later ones."""

    def __init__(self, error: Exception = FAULT, value: Any = None) -> None:
        self.error: Exception | None = error
        self.value = value
        self.count = 0

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        error, self.error = self.error, None
        if error is not None:
            raise error
        self.count += 1
        return self.value


class Server:
    """The server of an agent, which accepts everything."""

    def post(self, path: str, values: Any) -> Any:
        return {"epoch": 1, "beat": 0.01} if path == "/register" else None

    def get(self, path: str) -> Any:
        return []

    @contextmanager
    def stream(self, path: str) -> Iterator[Iterator[bytes]]:
        yield iter([b"\n"])


@pytest.fixture
def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[main.Agent]:
    for name in ("LIST_SECONDS", "RETRY_SECONDS"):
        monkeypatch.setattr(main, name, 0.01)
    given = main.Settings("127.0.0.1", 1, tmp_path, tmp_path, "loopback", (), None)
    server: Any = Server()
    made = main.Agent(server, given, "/bin/false")
    yield made
    made.stop()


@pytest.mark.parametrize("name", ["beat", "changed"])
def test_an_agent_goes_on_after_a_fault(agent: main.Agent, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    failing = Failing(value=[])
    monkeypatch.setattr(DistantControlPlane, name, failing)
    for each in agent._threads:
        each.start()
    until(lambda: failing.count >= 1, SECONDS)


def test_hosts_are_looked_after_after_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "SWEEP_SECONDS", 0.01)
    failing = Failing()
    monkeypatch.setattr(cluster.Cluster, "_sweep", failing)
    nothing: Any = None
    made = cluster.Cluster(nothing, nothing, nothing)
    made.start()
    try:
        until(lambda: failing.count >= 1, SECONDS)
    finally:
        made.stop()


def told(serial: int) -> Told:
    return Told(serial, "lb", "project", {"action": "create", "resource": "loadbalancer", "resource_id": "lb"})


def test_a_webhook_goes_on_after_an_event_that_cannot_be_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    feed = Feed()
    outcomes: list[str] = []
    monkeypatch.setattr(webhooks, "message", Failing(value=b"{}"))
    monkeypatch.setattr(webhooks.Sender, "_post", lambda self, id_, body: True)
    wanted = Webhook("one", "http://127.0.0.1:1/", b"k" * 24)
    made = Webhooks([wanted], feed, lambda *_: [], tmp_path / "positions", lambda _, what: outcomes.append(what))
    made.start()
    try:
        feed.publish([told(1)])
        until(lambda: outcomes == ["dropped"], SECONDS)
        feed.publish([told(2)])
        until(lambda: (tmp_path / "positions" / "one").exists(), SECONDS)
        assert (tmp_path / "positions" / "one").read_text() == "2\n"
    finally:
        made.stop()


class Destination:
    """A destination whose name cannot be resolved at first."""

    kind = "test"

    def __init__(self) -> None:
        self.received: list[Record] = []
        self._resolve = Failing(UnicodeError("label too long"))

    def send(self, records: Sequence[Record]) -> None:
        self._resolve()
        self.received += records

    def close(self) -> None:
        pass


def test_lines_are_sent_after_a_fault_of_their_destination(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forwarding, "FIRST_PAUSE", 0.01)
    destination = Destination()
    carrier = Carrier(destination, lambda *_: None)
    carrier.start()
    try:
        carrier.put([Record(1.0, {"ts": 1.0})])
        until(lambda: len(destination.received) == 1, SECONDS)
    finally:
        carrier.end(0.0)
