"""GET /healthcheck: the formats, and what it says when the database cannot be used."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

PATHS = ["/healthcheck", "/load-balancer/healthcheck"]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("accept", "kind", "body"),
    [
        ("*/*", "text/plain; charset=UTF-8", "OK"),
        ("text/plain", "text/plain; charset=UTF-8", "OK"),
        ("image/png", "text/plain; charset=UTF-8", "OK"),
        ("application/json", "application/json", '{"detailed":false,"reasons":["OK"]}'),
        ("text/html", "text/html; charset=UTF-8", None),
        ("text/plain;q=0.5, application/json", "application/json", '{"detailed":false,"reasons":["OK"]}'),
    ],
)
def test_all_is_well(api: Any, path: str, accept: str, kind: str, body: str | None) -> None:
    answer = api.client.simulate_get(path, headers={"Accept": accept})
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, kind)
    assert answer.text == body if body else "<td>OK</td>" in answer.text
    assert answer.headers["Vary"] == "Accept"


def test_other_methods(api: Any) -> None:
    head = api.client.simulate_head("/healthcheck")
    assert (head.status_code, head.text) == (200, "")
    assert api.client.simulate_post("/healthcheck").status_code == 405


@pytest.mark.parametrize("accept", ["text/plain", "application/json", "text/html"])
def test_a_database_that_cannot_be_used(api: Any, monkeypatch: pytest.MonkeyPatch, accept: str) -> None:
    def fail() -> Any:
        raise sa.exc.OperationalError("SELECT 1", {}, Exception("no such host"))

    monkeypatch.setattr(api.services.store, "reading", fail)
    answer = api.client.simulate_get("/healthcheck", headers={"Accept": accept})
    assert answer.status_code == 503
    assert "The database is unavailable." in answer.text
