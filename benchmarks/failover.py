"""The death of a host, as clients see it: `python benchmarks/failover.py [--rounds 30] [--addresses 200]`.

Two hosts in network namespaces share addresses of each IP version by keepalived, with the settings that the agent gives
it; HAProxy answers on each host. A client of each IP version opens a connection each 10 ms. In each round the host that
has the addresses loses its link and all of its processes, and comes back once the other one serves. Printed are the
gap, which is the longest time in which no request was begun that was answered within 0.2 s, and the requests that
failed: with an error, or without an answer within 3 s. Needs keepalived, and root or user namespaces.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "support"))
sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "support" / "dataplane"))

import pair as machines
from lbclient.dataplane.vrrp.configuration import ADVERT_SECONDS, render
from lbclient.lab.probe import Measured, Probe

MANY = {
    4: [f"10.0.{2 + number // 250}.{1 + number % 250}" for number in range(1000)],
    6: [f"fd00:2::{1 + number:x}" for number in range(1000)],
}
INSIDE = "--inside"


def share(host: machines.Host, addresses: int) -> None:
    """Let keepalived share that many addresses of each IP version."""
    groups = [
        dataclasses.replace(group, others=tuple(others[: addresses - 1]))
        for group, others in zip(host.groups(), MANY.values(), strict=True)
    ]
    text = render(host.name, groups, host.keepalived.tracked_file, ADVERT_SECONDS)
    with host.inside():
        host.keepalived.apply(text)


def settled(pair: machines.Pair) -> machines.Host:
    """Wait until one host has the addresses of both IP versions, and return it."""
    while True:  # each IP version is a virtual router of its own, and the host that dies is to have both
        holder = pair.settle(4)
        if pair.settle(6) is holder:
            return holder
        other = pair.other(holder).keepalived
        other.set_able(False)
        machines.wait(lambda: pair.settle(6).name == pair.settle(4).name, "the addresses do not move")
        other.set_able(True)


@contextmanager
def probing() -> Iterator[dict[int, Probe]]:
    """Run a client of each IP version that is served."""
    probes = {version: Probe(address) for version, address in machines.VIPS.items()}
    for probe in probes.values():
        probe.start()
    await_service(probes)
    yield probes
    await_service(probes)


def await_service(probes: dict[int, Probe]) -> None:
    since = time.monotonic()
    machines.wait(lambda: all(each.has_served(since) for each in probes.values()), "the clients are not served")


def death(pair: machines.Pair, addresses: int) -> dict[int, Measured]:
    """Let the holder die; return what clients have seen, once it is back and stands by."""
    holder = settled(pair)
    with probing() as probes:
        holder.die()
        other = pair.other(holder)
        machines.wait(lambda: all(map(other.has, machines.VIPS.values())), "the other host takes no addresses")
    found = {version: probe.stop() for version, probe in probes.items()}
    holder.join()
    holder.serve()
    share(holder, addresses)
    machines.wait(lambda: holder.last_words().count("Entering BACKUP STATE") >= 2, "it does not stand by")
    return found


def measure(rounds: int, addresses: int) -> None:
    with tempfile.TemporaryDirectory() as directory:
        pair = machines.Pair(Path(directory))
        for host in pair.hosts:
            host.serve()
            share(host, addresses)
        found = []
        for number in range(rounds):
            found.append(death(pair, addresses))
            gaps = ", ".join(f"IPv{version} {each.gap * 1000:.0f} ms" for version, each in found[-1].items())
            print(f"{number + 1}: {gaps}", file=sys.stderr, flush=True)
    print(f"{addresses} addresses of each version, {rounds} deaths, load {os.getloadavg()[0]:.0f}")
    for version in machines.VIPS:
        report(f"IPv{version}", [each[version] for each in found])


def report(name: str, found: list[Measured]) -> None:
    """Print the gaps of one kind of client, in ms, and how many of its requests failed."""
    gaps = sorted(each.gap * 1000 for each in found)
    count, failed = sum(len(each.requests) for each in found), sum(each.failed for each in found)
    p90 = gaps[round(0.9 * (len(gaps) - 1))]
    slow = sum(gap > 600 for gap in gaps)
    print(
        f"{name}: gap median {statistics.median(gaps):.0f}, p90 {p90:.0f}, worst {gaps[-1]:.0f} ms, {slow} above 600;"
        f" {failed} of {count} requests failed"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--addresses", type=int, default=200, help="of each IP version, at most 1000")
    parser.add_argument(INSIDE, action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        measure(options.rounds, options.addresses)
        return
    begin = time.monotonic()
    command = [*machines.NAMESPACE, sys.executable, *sys.argv, INSIDE]
    status = subprocess.run(command, check=False).returncode
    print(f"{time.monotonic() - begin:.0f} seconds", file=sys.stderr)
    sys.exit(status)


if __name__ == "__main__":
    main()
