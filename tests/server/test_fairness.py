"""Who gives up a place when all of them are taken."""

from __future__ import annotations

from collections import Counter

import pytest

from lbclient.server.web.fairness import displaced


@pytest.mark.parametrize(
    ("shares", "given_up"),
    [
        ({"greedy": 5, "other": 2}, "greedy"),
        ({"other": 2, "greedy": 5}, "greedy"),
        ({"other": 2}, "other"),  # both have one then
        ({"other": 1}, None),
        ({"mine": 1, "other": 2}, None),  # it would only change sides
        ({"mine": 1, "other": 3}, "other"),
        ({"mine": 4}, None),  # a sender takes no place of its own
        ({"mine": 4, "other": 4}, None),
        ({}, None),
    ],
)
def test_the_one_with_the_most_gives_up_a_place(shares: dict[str, int], given_up: str | None) -> None:
    assert displaced("mine", Counter(shares).__getitem__, shares) == given_up
