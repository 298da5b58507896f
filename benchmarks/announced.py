"""Costs of addresses that are announced by BGP: `python benchmarks/announced.py [--rounds 30]`.

Two hosts with BIRD and HAProxy announce an address of each IP version to a router, which spreads connections over both;
all are network namespaces, and the configurations are those of contrib/bird. In each round a host withdraws its
addresses and announces them again, and then loses its network. A client behind the router opens a connection each
10 ms; the gap is from the first to the last that was not served within 200 ms.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "support" / "dataplane"))
sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "support"))

import pair
from lbclient.dataplane.haproxy import announced, local_routes
from pair import NAMESPACE, PAUSE, Client, wait
from routed import Routed

ADDRESSES = {4: "198.51.100.7", 6: "2001:db8:1::7"}
BFD_SECONDS = "0.300"  # until a host is missed, once BFD has become that fast: it begins with 3 seconds


def measure(directory: Path, rounds: int) -> None:
    pair.VIPS.update(ADDRESSES)  # what HAProxy serves
    pair.SECONDS = 120.0  # sessions that have ended often are opened later
    routed = Routed(directory)
    for version in ADDRESSES:
        Path(f"/proc/sys/net/ipv{version}/fib_multipath_hash_policy").write_text("1")
    for host in routed.hosts:
        host.serve()
        with host.inside():
            for address in ADDRESSES.values():
                local_routes.add(address)
                announced.add(address)
    figures: dict[str, list[float]] = {}
    lost = asked = 0
    for number in range(rounds):
        version = (4, 6)[number % 2]
        address = ADDRESSES[version]
        routed.until_routed(address, *routed.hosts)
        host, other = routed.hosts[:: (1, -1)[number // 2 % 2]]
        with host.inside():
            announced.remove(address)
        figures.setdefault("withdrawn, until the router knows", []).append(routed.until_routed(address, other))
        with host.inside():
            announced.add(address)
        figures.setdefault("announced, until the router knows", []).append(routed.until_routed(address, *routed.hosts))
        wait(lambda: are_watched(routed), "BFD does not watch the hosts")
        client = Client(address)
        with routed.client.inside():
            client.start()
        wait(lambda client=client: len(client.seen) >= 50, "the client does not start")  # type: ignore[misc]
        host.leave()
        seconds = routed.until_routed(address, other)
        figures.setdefault("host cut off, until the router knows", []).append(seconds)
        before = len(client.seen)
        wait(lambda client=client, before=before: len(client.seen) >= before + 50, "the client stops")  # type: ignore[misc]
        client.stop()
        figures.setdefault(f"host cut off, gap of a client, IPv{version}", []).append(client.gap())
        asked += len(client.seen)
        lost += sum(name is None for _, name in client.seen)
        host.join()
    for what, seconds_each in figures.items():
        found = sorted(each * 1000 for each in seconds_each)
        middle, ninth = statistics.median(found), found[int(len(found) * 0.9)]
        print(f"  {what:<45}{found[0]:6.0f} {middle:6.0f} {ninth:6.0f} {found[-1]:6.0f} ms, {len(found)} rounds")
    print(f"  {lost} of {asked} connections were not served within {pair.PATIENCE * 1000:.0f} ms (one each {PAUSE} s)")
    print(f"  a load of {os.getloadavg()[0]:.0f}; best, median, ninth decile, worst")


def are_watched(routed: Routed) -> bool:
    """Return whether the router notices within BFD_SECONDS that a host is gone, by each IP version."""
    control = str(routed.router.directory / "bird.ctl")
    said = subprocess.run(["birdc", "-s", control, "show", "bfd", "sessions"], capture_output=True, text=True)
    return sum(" Up " in line and BFD_SECONDS in line for line in said.stdout.splitlines()) == 4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--directory", type=Path, help=argparse.SUPPRESS)  # within the namespaces
    given = parser.parse_args()
    if given.directory:
        measure(given.directory, given.rounds)
        return
    with tempfile.TemporaryDirectory() as directory:
        command = [*NAMESPACE, sys.executable, __file__, f"--rounds={given.rounds}", f"--directory={directory}"]
        raise SystemExit(subprocess.run(command).returncode)


if __name__ == "__main__":
    main()
