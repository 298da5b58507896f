"""What operations take as load balancers grow: `python benchmarks/growth.py [--first 50] [--kind pools …]`.

Each row is an operation on a load balancer with n, 2n and 4n children of a kind: counted steps (calls of functions, and
instructions of SQLite's machine in tens), which are the same in each run, and milliseconds of processor time. The last
columns tell how much the steps beyond those of the smallest one have grown: 2.0 is linear, 4.0 is square.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "support"))

import growing
from growing import Growing, Steps


def measured(kind: str, sizes: list[int]) -> Iterator[tuple[str, list[Steps]]]:
    """Each operation and what it takes at each size."""
    found: dict[str, list[Steps]] = {}
    for size in sizes:
        with tempfile.TemporaryDirectory() as directory, closing(Growing(Path(directory))) as api:
            for name, operation in growing.operations(api, kind, size):
                found.setdefault(name, []).append(api.cost(operation))
    yield from found.items()


def growth(costs: list[Steps]) -> str:
    """The second doubling's steps beside the first one's."""
    small, middle, large = (each.total for each in costs)
    return "-" if middle - small < 10 else f"{(large - middle) / (middle - small):.1f}"


def main(kinds: list[str], first: int) -> None:
    sizes = [first, 2 * first, 4 * first]
    print(f"{'':30}" + "".join(f"{size:>8} children   " for size in sizes) + "growth")
    for kind in kinds:
        for name, costs in measured(kind, sizes):
            cells = "".join(f"{each.total:>9} {each.seconds * 1000:>7.1f} ms" for each in costs)
            print(f"{kind + ': ' + name:30}{cells}{growth(costs):>8}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--first", type=int, default=50, help="the smallest number of children (50)")
    parser.add_argument("--kind", nargs="*", choices=list(growing.KINDS), default=list(growing.KINDS))
    arguments = parser.parse_args()
    main(arguments.kind, arguments.first)
