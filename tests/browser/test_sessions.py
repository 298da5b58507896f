"""Sessions of the dashboard: a user who logs in again and again ends only sessions of their own."""

from __future__ import annotations

from lbclient.dashboard.sessions import MOST_OF_ONE, Project, Session, Sessions

PROJECT = Project("p", "p")


def session(user: str) -> Session:
    return Session(Sessions.new_id(), {}, user, user, PROJECT, (PROJECT,), frozenset(), ends_at=2.0**40)


def test_a_user_has_a_bounded_number_of_sessions() -> None:
    sessions = Sessions()
    other = session("other")
    sessions.add(other)
    mine = [session("me") for _ in range(MOST_OF_ONE + 2)]
    for each in mine[:MOST_OF_ONE]:
        sessions.add(each)
    assert sessions.find(mine[0].id) is mine[0]  # which is used, so that the next one is the oldest
    for each in mine[MOST_OF_ONE:]:
        sessions.add(each)
    ended = [number for number, each in enumerate(mine) if sessions.find(each.id) is None]
    assert ended == [1, 2]
    assert sessions.find(other.id) is other
