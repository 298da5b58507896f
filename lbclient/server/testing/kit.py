"""What the testing API works with, one object of each kind."""

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
    """The state of the testing API; what outlives a restart is kept in a directory."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.faults = Faults()
        self.paces = Paces(directory / "paces.json")
        self.health = Health(directory / "health.json")
        self.recording = Recording()
        self.kinds = Kinds()
        self.snapshots = Snapshots(directory / "snapshots")

    def remaining(self, loadbalancer_id: str) -> float:
        """Seconds for which changes of a load balancer are held back, as the data plane asks."""
        return self.paces.remaining(loadbalancer_id)

    def failure(self, loadbalancer_id: str) -> str | None:
        """Why they are to end in ERROR; None where they are not."""
        return self.paces.failure(loadbalancer_id)

    @property
    def reported(self) -> Mapping[str, str]:
        """Operating statuses of members that nothing checks, by ID."""
        return self.health.statuses

    @property
    def is_calm(self) -> bool:
        """Whether no request can fail or be delayed by a fault."""
        return not self.faults
