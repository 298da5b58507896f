"""Fair shares of what there is only a limited number of: threads, streams."""

from __future__ import annotations

from collections.abc import Callable, Iterable


def displaced(sender: str, share: Callable[[str], int], others: Iterable[str]) -> str | None:
    """Return who gives up a place to a sender when all places are taken; None if the sender gets none.

    It is the one of the others with the largest share, by a call of share(); it must keep at least as many places as
    the sender then has.
    """
    largest = max(others, key=share, default=sender)
    return largest if share(largest) > share(sender) + 1 else None
