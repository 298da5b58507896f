"""How long whole commands take, beside python-octaviaclient's: `python benchmarks/commands.py [ROUNDS]`.

Each round runs every program once, one after the other, against the same server; a ratio is that of two runs of one
round. The processor's time is shown beside the clock's, which whatever else runs on the machine can stretch. Needs
python-openstackclient and python-octaviaclient beside lbclient (its extras `server` and `test`).
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from setting import Client, server, wait_for

CHECKOUT = Path(__file__).resolve().parent.parent
LBCLIENT = "import sys; from lbclient.cli.shell import main; sys.exit(main())"
# `openstack` as it is where the other package is not installed.
OPENSTACK = """
import importlib.metadata, sys
hidden = "{hidden}"
if hidden == "python_octaviaclient":
    sys.modules["octaviaclient"] = None
genuine = importlib.metadata.Distribution.entry_points.fget
def others(self):
    return [] if self._path.name.startswith(hidden) else genuine(self)
importlib.metadata.Distribution.entry_points = property(others)
from openstackclient.shell import main
sys.exit(main())
"""
PEER = "openstack, python-octaviaclient"
PROGRAMS: Mapping[str, Sequence[str]] = {
    PEER: (OPENSTACK.format(hidden="lbclient"),),
    "openstack, lbclient": (OPENSTACK.format(hidden="python_octaviaclient"),),
    "lbclient --no-auth-cache": (LBCLIENT, "--no-auth-cache"),
    "lbclient": (LBCLIENT,),
}
POOL, MEMBER = "benchmark-pool", "benchmark-member"
LIST = ("loadbalancer", "list")
MEMBER_SET = ("loadbalancer", "member", "set", POOL, MEMBER, "--weight")


class Run(NamedTuple):
    """The seconds that a command took."""

    clock: float
    processor: float


def processor_seconds() -> float:
    """What all commands that have ended took of the processor."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


class Bench:
    """One balancer with a pool and a member, and the programs that are told of it."""

    def __init__(self, client: Client, directory: str) -> None:
        self.client = client
        self.directory = directory
        self.balancer = client.loadbalancer()["id"]
        self.settle()
        pool = {"loadbalancer_id": self.balancer, "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN"}
        made = client.create("pool", "pools", name=POOL, **pool)
        self.settle()
        client.create("member", f"pools/{made['id']}/members", name=MEMBER, address="127.0.0.1", protocol_port=8)
        self.settle()

    def settle(self) -> None:
        wait_for(lambda: self.client.is_active(f"loadbalancers/{self.balancer}", "loadbalancer"))

    def environment(self, program: str) -> dict[str, str]:
        """Every program remembers for itself; modules are compiled once, wherever they lie."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("OS_", "PYTHON"))}
        return {
            **kept,
            "OS_CLIENT_CONFIG_FILE": str(self.client.clouds),
            "OS_CLOUD": "lbclient-admin",
            "XDG_CACHE_HOME": os.path.join(self.directory, program.replace(" ", "-")),
            "PYTHONPATH": str(CHECKOUT),
            "PYTHONPYCACHEPREFIX": os.path.join(self.directory, "bytecode"),
        }

    def run(self, program: str, words: Sequence[str]) -> Run:
        command = [sys.executable, "-c", *PROGRAMS[program], *words]
        environment = self.environment(program)
        start, used = time.perf_counter(), processor_seconds()
        result = subprocess.run(command, env=environment, cwd=self.directory, capture_output=True)
        run = Run(time.perf_counter() - start, processor_seconds() - used)
        if result.returncode:
            raise RuntimeError(f"{program}: {result.stderr.decode()}")
        return run

    def measure(self, rounds: int) -> dict[str, dict[str, list[Run]]]:
        """Command -> program -> its runs; the first round warms up and is not counted."""
        figures: dict[str, dict[str, list[Run]]] = {}
        for number in range(rounds + 1):
            for position, program in enumerate(PROGRAMS):
                for words in (LIST, (*MEMBER_SET, str(1 + number * len(PROGRAMS) + position))):
                    run = self.run(program, words)
                    self.settle()
                    if number:
                        figures.setdefault(" ".join(words[:3]), {}).setdefault(program, []).append(run)
        return figures


def row(program: str, runs: Sequence[Run], yardstick: Sequence[Run]) -> str:
    """A line of a table: the median in milliseconds, and of the ratios the median and the middle half."""
    found = f"  {program:<34}{statistics.median(run.clock for run in runs) * 1000:7.0f} ms"
    for kind in ("clock", "processor"):
        ratios = [getattr(one, kind) / getattr(other, kind) for one, other in zip(runs, yardstick, strict=True)]
        low, middle, high = statistics.quantiles(ratios, n=4)
        found += f"{middle:8.2f} ({low:.2f} to {high:.2f})"
    return found


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    if rounds * len(PROGRAMS) > 250:
        sys.exit("A weight is at most 256: give fewer rounds.")
    with server() as client, tempfile.TemporaryDirectory(prefix="lbclient-benchmark-") as directory:
        figures = Bench(client, directory).measure(rounds)
    print(f"{rounds} rounds; medians, and ratios to {PEER} of the same round with their middle half")
    for command, programs in figures.items():
        print(f"{command:<36}{'clock':>10}{'ratio of clock':>22}{'of processor time':>22}")
        for program, runs in programs.items():
            print(row(program, runs, programs[PEER]))


if __name__ == "__main__":
    main()
