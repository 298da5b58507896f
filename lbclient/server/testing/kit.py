"""The state of the testing API: faults, paces, health, recording and snapshots."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from .faults import Faults
from .health import Health
from .kinds import Kinds
from .paces import Paces
from .recording import Recording
from .snapshots import Snapshots

DIRECTORY = "testing"


class Kit:
    """The state of the testing API; paces, health and snapshots are kept in a directory and survive a restart."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.faults = Faults()
        self.paces = Paces(directory / "paces.json")
        self.health = Health(directory / "health.json")
        self.recording = Recording()
        self.kinds = Kinds()
        self.snapshots = Snapshots(directory / "snapshots")

    def remaining(self, loadbalancer_id: str) -> float:
        """Return how many more seconds the data plane is to hold back changes of a load balancer."""
        return self.paces.remaining(loadbalancer_id)

    def failure(self, loadbalancer_id: str) -> str | None:
        """Return why the last change of a load balancer is to end in ERROR; None if it is not."""
        return self.paces.failure(loadbalancer_id)

    @property
    def reported(self) -> Mapping[str, str]:
        """The operating statuses that no-op providers report for members, by member ID."""
        return self.health.statuses
