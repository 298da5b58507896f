"""A load balancer that a change holds for as long as a test wants."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from running import frozen, processes_with

MOMENT = "2026-01-31T12:00:00"


def _write(state_directory: Path, statement: str, *values: str) -> None:
    with contextlib.closing(sqlite3.connect(state_directory / "lbclient.sqlite", timeout=10)) as database, database:
        assert database.execute(statement, values).rowcount == 1


def hold(state_directory: Path, loadbalancer: str, listener: str) -> None:
    """Mark the load balancer as an unfinished change does; the data plane is not woken, so it stays unfinished."""
    _write(
        state_directory,
        "UPDATE listener SET provisioning_status = 'PENDING_UPDATE', updated_at = ?,"
        " revision = (SELECT revision FROM loadbalancer WHERE name = ?) WHERE name = ?",
        *(MOMENT, loadbalancer, listener),
    )
    _write(
        state_directory, "UPDATE loadbalancer SET provisioning_status = 'PENDING_UPDATE' WHERE name = ?", loadbalancer
    )


def release(state_directory: Path, loadbalancer: str, listener: str) -> None:
    for table, name in (("listener", listener), ("loadbalancer", loadbalancer)):
        _write(state_directory, f"UPDATE {table} SET provisioning_status = 'ACTIVE' WHERE name = ?", name)


@contextlib.contextmanager
def frozen_proxy(state_directory: Path, loadbalancer_id: str) -> Iterator[None]:
    """The HAProxy of a load balancer says nothing, so that changes last."""
    pids = [pid for pid in processes_with(str(state_directory / "haproxy" / loadbalancer_id)) if _is_haproxy(pid)]
    assert pids
    with frozen(pids):
        yield


def _is_haproxy(pid: int) -> bool:
    return b"haproxy" in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0]
