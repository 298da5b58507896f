"""Passwords that are tried: who has to wait, for how long, and who does not."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbclient.server import app
from lbclient.server.config import Config
from lbclient.server.errors import TooManyRequests
from lbclient.server.identity import throttle
from lbclient.server.identity.throttle import Allowance, Throttle

HOME, AWAY = "192.0.2.1", "198.51.100.1"


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def guard(clock: Clock) -> Throttle:
    return Throttle(Allowance(3, 30.0), Allowance(10, 30.0), clock)


def wait(guard: Throttle, user: str, address: str = HOME) -> int:
    """The seconds that an attempt has to wait; 0 where it is allowed."""
    try:
        guard.attempt(user, address)
    except TooManyRequests as error:
        return error.retry_after
    return 0


def test_the_delay_grows_with_each_failure_up_to_a_bound(guard: Throttle, clock: Clock) -> None:
    assert [wait(guard, "ann") for _ in range(3)] == [0, 0, 0]
    delays = []
    for _ in range(7):
        delays.append(wait(guard, "ann"))
        clock.now += delays[-1]
        assert wait(guard, "ann") == 0
    assert delays == [1, 2, 4, 8, 16, 30, 30]


def test_an_attempt_that_is_refused_costs_nothing(guard: Throttle, clock: Clock) -> None:
    waits = [wait(guard, "ann") for _ in range(50)]
    assert waits == [0] * 3 + [1] * 47


def test_others_do_not_wait(guard: Throttle) -> None:
    waits = [wait(guard, "ann") for _ in range(4)]
    assert waits[-1] == 1
    assert wait(guard, "bob") == 0
    assert wait(guard, "ann", AWAY) == 0


def test_success_ends_the_delay(guard: Throttle) -> None:
    for _ in range(100):
        assert wait(guard, "ann") == 0
        guard.succeeded("ann", HOME)


def test_many_names_from_one_address(guard: Throttle) -> None:
    guard.attempt("ann", HOME)
    guard.succeeded("ann", HOME)
    waits = [wait(guard, f"user{number}") for number in range(12)]
    assert waits == [0] * 10 + [1] * 2
    assert wait(guard, "ann") == 0  # has been here before
    assert wait(guard, "user0", AWAY) == 0


def test_failures_are_forgotten(guard: Throttle, clock: Clock) -> None:
    assert [wait(guard, "ann") for _ in range(4)] == [0, 0, 0, 1]
    clock.now += throttle.FORGOTTEN + 30
    assert [wait(guard, "ann") for _ in range(4)] == [0, 0, 0, 1]


def test_memory_is_bounded(guard: Throttle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throttle, "REMEMBERED", 20)
    for number in range(200):
        guard.attempt(f"user{number}", f"192.0.2.{number}")
        guard.succeeded(f"user{number}", f"192.0.2.{number}")
        guard.attempt("ann", f"198.51.100.{number}")
    assert len(guard._tries) <= 20
    assert len(guard._welcome) <= 20


@given(st.lists(st.tuples(st.sampled_from("ab"), st.booleans(), st.floats(0, 100)), max_size=60))
def test_whatever_happens_nobody_waits_longer_than_the_longest_delay(steps: list[tuple[str, bool, float]]) -> None:
    clock = Clock()
    guard = Throttle(Allowance(2, 30.0), Allowance(4, 30.0), clock)
    for user, is_right, pause in steps:
        waited = wait(guard, user)
        assert waited <= 30
        if not waited and is_right:
            guard.succeeded(user, HOME)
            assert wait(guard, user) == 0
        clock.now += pause


def user_id(front: Any, name: str) -> str:
    return str(front.log_in(name).json["token"]["user"]["id"])


def test_wrong_passwords_over_the_api(front: Any) -> None:
    demo = user_id(front, "demo")
    found = [front.log_in("demo", "wrong").status_code for _ in range(7)]
    assert found == [401] * 5 + [429] * 2
    refused = front.log_in("demo")  # with the right one: otherwise a guess could be told from others
    assert refused.status_code == 429
    assert 1 <= int(refused.headers["Retry-After"]) <= 2
    assert refused.json["error"]["message"].startswith("Too many failed logins; try again in ")
    assert front.log_in("admin").status_code == 201
    by_id = {"user": {"id": demo, "password": "wrong"}}
    body = {"auth": {"identity": {"methods": ["password"], "password": by_id}}}
    assert front.client.simulate_post("/identity/v3/auth/tokens", json=body).status_code == 429  # the same user


def test_names_that_do_not_exist_are_delayed_alike(front: Any) -> None:
    body = {"user": {"name": "nobody", "domain": {"id": "default"}, "password": "wrong"}}
    auth = {"auth": {"identity": {"methods": ["password"], "password": body}}}
    answers = [front.client.simulate_post("/identity/v3/auth/tokens", json=auth) for _ in range(7)]
    assert [answer.status_code for answer in answers] == [401] * 5 + [429] * 2


def test_wrong_old_passwords(front: Any) -> None:
    path = f"/identity/v3/users/{user_id(front, 'demo')}/password"
    body = {"user": {"original_password": "wrong", "password": "new"}}
    answers = [front.client.simulate_post(path, json=body) for _ in range(7)]
    assert [answer.status_code for answer in answers] == [401] * 5 + [429] * 2


@pytest.mark.parametrize("length", [4097, 60_000])
def test_a_password_has_a_bounded_length(front: Any, length: int) -> None:
    answer = front.log_in("demo", "x" * length)
    assert answer.status_code == 400
    assert "'password': it is longer than 4096 characters" in answer.json["error"]["message"]


@pytest.fixture
def clock_ahead(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """A clock that is half an hour ahead, until it is called."""
    true = time.time
    monkeypatch.setattr(time, "time", lambda: true() + 1800)
    return lambda: monkeypatch.setattr(time, "time", true)


def test_a_token_from_a_clock_that_was_ahead_ends_with_the_password(
    front: Any, clock_ahead: Callable[[], None]
) -> None:
    demo = front.demo
    clock_ahead()  # the clock is set right
    assert demo.ask("GET", "/identity/v3/auth/projects").status_code == 200
    path = f"/identity/v3/users/{user_id(front, 'demo')}/password"
    body = {"user": {"original_password": demo.login.password, "password": "new"}}
    assert front.client.simulate_post(path, json=body).status_code == 204
    assert demo.ask("GET", "/identity/v3/auth/projects").status_code == 401
    assert front.log_in("demo", "new").status_code == 201


def test_a_token_that_is_revoked_stays_so_whatever_the_clock(front: Any, clock_ahead: Callable[[], None]) -> None:
    demo, other = front.demo, front.demo
    demo.ask("DELETE", "/identity/v3/auth/tokens", X_Subject_Token=demo.token)
    clock_ahead()
    other.ask("DELETE", "/identity/v3/auth/tokens", X_Subject_Token=other.token)  # others are forgotten now
    assert demo.ask("GET", "/identity/v3/auth/projects").status_code == 401


@pytest.mark.parametrize(
    ("method", "path", "is_login"),
    [
        ("POST", "/auth/tokens", True),
        ("POST", "/auth/tokens.json", True),
        ("GET", "/auth/tokens", False),
        ("POST", "/users", True),
        ("POST", "/users/", True),
        ("PATCH", "/users/some", True),
        ("POST", "/users/some/password", True),
        ("POST", "/users/some/application_credentials", True),
        ("DELETE", "/users/some", False),
        ("POST", "/projects", False),
    ],
)
def test_what_hashes_a_password_has_threads_of_its_own(method: str, path: str, is_login: bool) -> None:
    environ = {"REQUEST_METHOD": method, "PATH_INFO": f"/identity/v3{path}"}
    services: Any = SimpleNamespace(keystone=None, barbican=None, testing=None, config=Config())
    assert app.guards(services).is_login(environ) is is_login
