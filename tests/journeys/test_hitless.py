"""Changes under load: no request fails and no connection is cut, and a restart instead of a reload would show.

TEST_CHANGES=500 makes as many changes; TEST_SEED makes others.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path

import pytest

import load
import load_members
from lbclient.dataplane.haproxy import process_table, runtime
from mixed_changes import LOOPBACK6, Api, Balancer, Mixer
from running import RunningServer, end_server, fed, free_ports, start_server, wait_until

CHANGES = int(os.environ.get("TEST_CHANGES", "100"))
CHANGES_IPV6 = int(os.environ.get("TEST_CHANGES", "30"))
SEED = int(os.environ.get("TEST_SEED", "20260131"))
RESTARTS = 8  # enough to show failures
MEMBERS = 4  # ports of each kind
LISTENERS = 12  # ports
KINDS = 10 + load.speaks_http2()  # of clients
RESTARTING = """
import sys
from lbclient.dataplane.haproxy import process, process_table
from lbclient.server.main import main

def restart(self, wanted):
    process_table.end(self.directory)
    self._start(wanted)

process.Instance._reload = restart
sys.exit(main())
"""


@dataclass
class Result:
    """The result of the load, and of the changes."""

    done: dict[str, int]
    failed: dict[str, dict[str, int]]
    made: dict[str, int] = field(default_factory=dict)
    workers: int = 0  # one after another

    @property
    def is_whole(self) -> bool:
        """Whether every kind of client got something done."""
        return len(self.done) >= KINDS

    def __str__(self) -> str:
        return json.dumps(vars(self), indent=1)


def under_load(server: RunningServer, changes: int, families: tuple[int, ...] = (4,)) -> Result:
    with fed(load_members, str(MEMBERS)) as members:
        assert members.stdout is not None
        ports = json.loads(members.stdout.readline())
        api = Api(server.url, server.state_directory / "clouds.yaml")
        balancer = Balancer(api, ports, free_ports(LISTENERS), families)
        directory = server.state_directory / "haproxy" / balancer.id
        mixer, workers = Mixer(balancer, SEED), []
        with fed(load, json.dumps(balancer.plan())) as clients:
            for _ in range(changes):
                mixer.change()
                worker = runtime.worker(directory).pid
                workers += [worker] if worker not in workers[-1:] else []
            said, _ = clients.communicate(timeout=60)
        result = Result(**json.loads(said), made=dict(mixer.made), workers=len(workers))
        # The old workers end with their last connection.
        wait_until(lambda: len(process_table.family(directory)) <= 2, seconds=15)
        members.communicate()
    return result


@pytest.mark.parametrize(
    ("families", "changes"),
    [((4,), CHANGES), ((6,), CHANGES_IPV6), ((4, 6), CHANGES_IPV6)],
    ids=["IPv4", "IPv6", "both"],
)
def test_no_change_is_felt(tmp_path: Path, families: tuple[int, ...], changes: int) -> None:
    server = start_server(tmp_path / "state", f"--vip-ranges={LOOPBACK6}")
    try:
        result = under_load(server, changes, families)
    finally:
        end_server(server)
    print(result)
    assert result.failed == {}
    assert result.is_whole, result
    assert sum(result.made.values()) == changes
    assert result.workers > changes / 4


def test_restarts_are_felt(tmp_path: Path) -> None:
    """So the load does see what it is there to see."""
    server = start_server(tmp_path / "state", program=("-c", RESTARTING))
    try:
        result = under_load(server, RESTARTS)
    finally:
        end_server(server)
    print(result)
    for kind in ("http new", "https new", "tcp socket", "http websocket", "https websocket"):
        assert result.failed.get(kind), result
