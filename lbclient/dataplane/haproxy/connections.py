"""The number of open connections to a member, in HAProxy's worker, in old workers and in the UDP relay."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from ..config.render import ADMIN_SOCKET
from ..relay.interface import SOCKET
from . import process_table, runtime
from .relay_process import RelayProcess
from .runtime import Rows

RETRY_SECONDS = 0.02
RELOAD_SECONDS = 10.0  # a reload that takes longer is not waited for
T = TypeVar("T")


def open_to(directory: Path, loadbalancer_id: str, pool_id: str, member_id: str) -> int | None:
    """Return the number of open connections (for UDP: flows) to a member; None if a running proxy does not answer."""
    place = directory.absolute() / loadbalancer_id
    if not place.is_dir():
        return 0
    try:
        return sum(_open(found, pool_id, member_id) for found in rows(place))
    except runtime.Unreachable:
        return None


def rows(place: Path) -> Iterator[Rows]:
    """Yield the statistics of each process. Old workers that end in the meantime are skipped.

    During a reload HAProxy refuses connections to its sockets for a moment. Raises Unreachable if it refuses them for
    RELOAD_SECONDS, or does not answer within runtime.PATIENCE seconds.
    """
    if RelayProcess(place).pid() is not None:
        yield runtime.parse_report(runtime.ask(place, SOCKET, runtime.REPORT)).rows
    if process_table.master(place) is None:
        return
    yield runtime.parse_stat(_retried(lambda: runtime.ask(place, ADMIN_SOCKET, "show stat")))
    for pid in _retried(lambda: runtime.old_workers(place)):
        with contextlib.suppress(runtime.Unreachable):
            yield runtime.old_rows(place, pid)


def _retried(ask: Callable[[], T]) -> T:
    """Ask again while connections are refused or broken. Raises Unreachable after RELOAD_SECONDS, or if unanswered."""
    deadline = time.monotonic() + RELOAD_SECONDS
    while True:
        try:
            return ask()
        except runtime.Unreachable as error:
            if isinstance(error.__cause__, TimeoutError) or time.monotonic() >= deadline:
                raise
        time.sleep(RETRY_SECONDS)


def _open(rows: Rows, pool_id: str, member_id: str) -> int:
    """Add up the connections in all backends of the pool: <pool>, and <pool>:<listener> for a listener's own."""
    return sum(
        int(row["scur"] or 0)
        for (backend, server), row in rows.items()
        if server == member_id and backend.partition(":")[0] == pool_id
    )
