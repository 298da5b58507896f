"""The parts that carry the traffic: this machine's data plane, the agents of other hosts, other server processes."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass

from ..dataplane.local import LocalDataPlane
from .agents.service import AgentService
from .peers import Peers
from .services import DataPlane

Registration = Callable[[Callable[[str], None]], None]  # registers a callback for a load balancer's ID


@dataclass(frozen=True)
class Planes:
    """The parts of a server that carry the traffic, as far as it has them, and the one that its requests use."""

    local: LocalDataPlane | None
    agents: AgentService | None  # of other hosts
    peers: Peers | None  # the other processes on the same PostgreSQL database
    dataplane: DataPlane
    on_reconciled: tuple[Registration, ...]  # for load balancers that this process or another has reconciled

    def take_over(self, unstarted: ExitStack) -> None:
        """Take over the addresses of this machine; `unstarted` lets go of them if the server does not start.

        Raises AttachmentFailed.
        """
        if self.local:
            unstarted.callback(self.local.stop)
            self.local.take_over()

    def bind(self) -> None:
        """Bind the port for agents. Raises ListenError."""
        if self.agents:
            self.agents.bind()

    def start(self) -> None:
        """Start reconciling and observing, here and on other hosts."""
        if self.local:
            self.local.start()
        if self.agents:
            self.agents.start()

    def stop(self) -> None:
        """Stop all of them. The HAProxy processes keep running."""
        for each in (self.agents, self.peers, self.local):
            if each:
                each.stop()
