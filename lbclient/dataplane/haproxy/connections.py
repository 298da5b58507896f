"""How many connections to a member are open now: in HAProxy's worker, in those before it, and in the UDP relay."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from ..config.render import ADMIN_SOCKET
from ..relay.interface import SOCKET
from . import process_table, runtime
from .relay_process import RelayProcess
from .runtime import Rows


def open_to(directory: Path, loadbalancer_id: str, pool_id: str, member_id: str) -> int | None:
    """The connections (of UDP: flows) that are open to a member; None where a running proxy does not answer."""
    place = directory.absolute() / loadbalancer_id
    if not place.is_dir():
        return 0
    try:
        return sum(_open(rows, pool_id, member_id) for rows in _rows(place))
    except runtime.Unreachable:
        return None


def _rows(place: Path) -> Iterator[Rows]:
    """What each process reports; a worker that has been replaced may end while it is asked. Raises Unreachable."""
    if RelayProcess(place).pid() is not None:
        yield runtime.parse_report(runtime.ask(place, SOCKET, runtime.REPORT)).rows
    if process_table.master(place) is None:
        return
    yield runtime.parse_stat(runtime.ask(place, ADMIN_SOCKET, "show stat"))
    for pid in runtime.old_workers(place):
        with contextlib.suppress(runtime.Unreachable):
            yield runtime.old_rows(place, pid)


def _open(rows: Rows, pool_id: str, member_id: str) -> int:
    """In all backends of the pool: <pool>, and <pool>:<listener> for listeners that need one of their own."""
    return sum(
        int(row["scur"] or 0)
        for (backend, server), row in rows.items()
        if server == member_id and backend.partition(":")[0] == pool_id
    )
