"""The addresses that this host shares with another: given to keepalived as the server wants, and moved by plan."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..dataplane.config.cfg import Refused
from ..dataplane.haproxy import local_routes, neighbours
from ..dataplane.haproxy.attachments import AttachmentFailed
from ..dataplane.vrrp import handover
from ..dataplane.vrrp.handover import Handover
from ..dataplane.vrrp.holder import Holder, Wanted, wanted
from ..strings import reason
from .distant import DistantControlPlane

LOG = logging.getLogger(__name__)
VRRP, NFTABLES = "vrrp", "nftables"  # features that the server is told of
LEAVING_SECONDS = 30.0  # for keepalived to give addresses up
SETTLING_SECONDS = 3.0  # for the other host to have them everywhere on the link
POLL_SECONDS = 0.1


class Sharing:
    """The groups of addresses of this host, their keepalived, and their planned moves. Thread-safe.

    keepalived outlives the agent, and takes no address before this host has run each of its load balancers once.
    """

    def __init__(
        self,
        control_plane: DistantControlPlane,
        name: str,
        directory: Path,
        interfaces: Sequence[str],
        is_possible: bool,
        is_news: threading.Event,
    ) -> None:
        """Create the sharing of a host; is_news is set when a group has another state, which is to be beaten then.

        Nothing is offered to the server unless it is possible with the attachment of this host.
        """
        self._control_plane = control_plane
        self._is_possible = is_possible
        self._is_news = is_news
        self._holder = Holder(name, directory, list(dict.fromkeys(interfaces)), self._tell)
        nft = handover.find()
        self._handover = Handover(nft) if nft else None
        self._lock = threading.Lock()
        self._yielding: set[str] = set()
        self._unready: set[str] = set()
        self._is_over = threading.Event()
        self._refusal: str | None = None

    def described(self) -> dict[str, Any]:
        """Return what the server is told at a registration: the features and the own addresses of this host."""
        addresses, refusal = self._examine()
        if refusal not in (None, self._refusal) and self._is_possible:
            LOG.info("this host cannot share addresses with others: %s", refusal)
        self._refusal = refusal
        if refusal:
            return {"features": [], "addresses": {}}
        return {"features": [VRRP, *([NFTABLES] if self._handover else [])], "addresses": addresses}

    def _examine(self) -> tuple[dict[str, list[str]], str | None]:
        """Return this host's own addresses by interface, and why it cannot share others: None if it can."""
        if not self._is_possible:
            return {}, "Its attachment has no addresses that move."
        refusal = self._holder.refusal()
        if refusal:
            return {}, refusal
        try:
            local_routes.check_rights()
            neighbours.check_rights()
            return self._holder.own_addresses(), None
        except (AttachmentFailed, OSError) as error:
            return {}, reason(error)

    def start(self, loadbalancer_ids: Iterable[str]) -> None:
        """Start; if keepalived does not run yet, it takes no address before ran() was called for each load balancer."""
        if self._is_possible:
            with self._lock:
                self._unready = {*loadbalancer_ids, ""}
            self._holder.start(is_able=False)
            self.ran("")

    def ran(self, loadbalancer_id: str) -> None:
        """Note that a load balancer has been reconciled."""
        with self._lock:
            is_last = self._unready == {loadbalancer_id}
            self._unready.discard(loadbalancer_id)
        if is_last:
            self._holder.set_able(True)

    def stop(self) -> None:
        """Stop; keepalived keeps running."""
        self._is_over.set()
        self._holder.stop()

    def want(self) -> None:
        """Share what the control plane has been told last, and begin to move what is to be given up now."""
        if not self._is_possible:
            return
        with self._lock:
            groups = [wanted(each) for each in self._control_plane.groups]
            yielding = {each.name for each in groups if each.yields}
            moving = [each for each in groups if each.yields and each.name not in self._yielding and self._has(each)]
            for each in moving:
                self._keep(each)
            self._holder.want(groups)
            self._yielding = yielding
        for each in moving:
            threading.Thread(target=self._follow, args=(each,), name=f"moves-{each.name}", daemon=True).start()

    def expect(self, said: Mapping[str, Any]) -> bool:
        """Prepare to take a group from the other host by plan; return whether its open connections are passed on."""
        group = self._holder.group(said["group"])
        if group is None or self._handover is None:
            return False
        try:
            interface, _ = self._holder.place(group)
            self._handover.expect(group.name, interface, group.addresses, group.peer)
        except (Refused, AttachmentFailed) as refused:
            LOG.warning("group %s: its open connections will be cut when it moves here: %s", group.name, refused)
            return False
        return True

    def tidy(self) -> None:
        """Remove what earlier moves have left and nothing needs any more."""
        if self._handover is not None and self._is_possible:
            try:
                self._handover.forget_ended()
            except Refused as refused:
                LOG.debug("tables of earlier moves cannot be looked for: %s", refused)

    def _tell(self) -> None:
        self._control_plane.states = dict(self._holder.states())
        self._is_news.set()

    def _has(self, group: Wanted) -> bool:
        return self._holder.states().get(group.name) == "MASTER"

    def _keep(self, group: Wanted) -> None:
        """Keep the open connections of a group that is about to move."""
        if self._handover is None:
            return
        try:
            self._handover.keep(group.addresses)
        except AttachmentFailed as error:
            LOG.warning("group %s: its open connections are cut: %s", group.name, error)

    def _follow(self, group: Wanted) -> None:
        """Wait until a group has moved; then no packet of it is passed on any more, as after an earlier move here."""
        LOG.info("group %s: its addresses go to %s", group.name, group.peer)
        for _ in range(round(LEAVING_SECONDS / POLL_SECONDS)):
            if not self._has(group):
                break
            if self._is_over.wait(POLL_SECONDS):
                return
        if self._is_over.wait(SETTLING_SECONDS) or self._has(group):
            return
        try:
            if self._handover is not None:
                self._handover.forget(group.name)
        except Refused as refused:
            LOG.warning("group %s: the table of an earlier move stays until its time is over: %s", group.name, refused)
