"""The pace of changes: a policy that delays or fails them on purpose, and the default, which does not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class Pace(Protocol):
    """A policy that delays or fails changes on purpose, for tests of clients."""

    def remaining(self, loadbalancer_id: str) -> float:
        """Return the seconds until its changes may take effect: 0 for at once, infinity for not before it is woken."""
        ...

    def failure(self, loadbalancer_id: str) -> str | None:
        """Return why its changes are to end in ERROR; None if they are to succeed."""
        ...

    @property
    def reported(self) -> Mapping[str, str]:
        """The operating statuses to report for members of no-op load balancers, by member ID."""
        ...


class Unpaced:
    """The default pace: every change takes effect at once."""

    def remaining(self, loadbalancer_id: str) -> float:
        return 0.0

    def failure(self, loadbalancer_id: str) -> str | None:
        return None

    @property
    def reported(self) -> Mapping[str, str]:
        return {}
