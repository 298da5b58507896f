"""What a drained member had before, kept in its own tags: every Octavia since v2.5 stores those for whoever asks."""

from __future__ import annotations

from collections.abc import Sequence

WEIGHT = "lbclient:weight="
DISABLED = "lbclient:disabled"  # by draining, so that undraining enables it again


def with_weight(tags: Sequence[str], weight: int) -> list[str]:
    return [*without_drain_tags(tags), f"{WEIGHT}{weight}"]


def weight_before(tags: Sequence[str]) -> int | None:
    """The weight before; None where nothing tells it."""
    found = [tag.removeprefix(WEIGHT) for tag in tags if tag.startswith(WEIGHT)]
    return int(found[0]) if found and found[0].isdecimal() else None


def without_drain_tags(tags: Sequence[str]) -> list[str]:
    """Everybody else's tags."""
    return [tag for tag in tags if not tag.startswith(WEIGHT) and tag != DISABLED]
