"""Process exits, which the kernel reports at once through pidfds, even for processes that are not children."""

from __future__ import annotations

import os
import selectors
from collections.abc import Callable, Iterable
from functools import partial

from ..haproxy import runtime


class ProcessExits:
    """The watched processes of load balancers, registered with a selector; each key's data is the function to call."""

    def __init__(self, selector: selectors.BaseSelector, notify: Callable[[str], None]) -> None:
        self._selector = selector
        self._notify = notify
        self._watched: dict[str, dict[int, int]] = {}  # {load balancer ID: {PID: descriptor}}
        self.is_supported = True  # False if the kernel has no pidfds

    def watch(self, id_: str, pids: Iterable[int]) -> None:
        """Replace the watched processes of a load balancer; notify(id) is called when one of them ends."""
        before = self._watched.get(id_, {})
        wanted = set(pids)
        if wanted == before.keys():
            return
        for pid in before.keys() - wanted:
            self._close(before.pop(pid))
        for pid in wanted - before.keys():
            self._open(id_, pid, before)
        if before:
            self._watched[id_] = before
        else:
            self._watched.pop(id_, None)

    def close(self) -> None:
        for id_ in list(self._watched):
            self.watch(id_, ())

    def _open(self, id_: str, pid: int, into: dict[int, int]) -> None:
        """Watch one process; if no descriptor is free at the moment, the next call of watch() tries again."""
        try:
            descriptor = os.pidfd_open(pid)
        except ProcessLookupError:
            self._notify(id_)
            return
        except OSError as error:
            self.is_supported = self.is_supported and runtime.is_own_lack(error)
            return
        try:
            self._selector.register(descriptor, selectors.EVENT_READ, partial(self._ended, id_, pid))
        except OSError:
            os.close(descriptor)
            return
        into[pid] = descriptor

    def _ended(self, id_: str, pid: int) -> None:
        descriptor = self._watched.get(id_, {}).pop(pid, None)
        if descriptor is not None:  # otherwise it was removed in the same round
            self._close(descriptor)
            self._notify(id_)

    def _close(self, descriptor: int) -> None:
        self._selector.unregister(descriptor)
        os.close(descriptor)
