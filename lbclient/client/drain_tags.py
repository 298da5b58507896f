"""Drain tags: a drained member keeps its previous weight in its own tags, which every Octavia since v2.5 stores."""

from __future__ import annotations

from collections.abc import Sequence

WEIGHT = "lbclient:weight="
DISABLED = "lbclient:disabled"  # the member was disabled by draining, so undraining enables it again


def with_weight(tags: Sequence[str], weight: int) -> list[str]:
    return [*without_drain_tags(tags), f"{WEIGHT}{weight}"]


def weight_before(tags: Sequence[str]) -> int | None:
    """Return the weight before draining; None if no tag has it."""
    found = [tag.removeprefix(WEIGHT) for tag in tags if tag.startswith(WEIGHT)]
    return int(found[0]) if found and found[0].isdecimal() else None


def without_drain_tags(tags: Sequence[str]) -> list[str]:
    """Return the tags that are not drain tags."""
    return [tag for tag in tags if not tag.startswith(WEIGHT) and tag != DISABLED]
