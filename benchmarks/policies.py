"""Measure the throughput with many L7 policies: `python benchmarks/policies.py [ROUNDS [SECONDS [ROW …]]]`.

Listeners without policies, with 500 and with 5,000 of one rule each, and with 500 compared one by one, as a rule of
several is, carry the same load in turn, each round in another order; ratios are those of one round. The requests match
no policy, which is the longest way. With rows, such as "5,000, host equals", only these are measured. Needs wrk.
"""

from __future__ import annotations

import random
import re
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from setting import free_port, haproxy, wait_for

CHECKOUT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(CHECKOUT / "tests/support"), str(CHECKOUT / "tests/support/dataplane")]

import trees  # noqa: E402

from lbclient.dataplane.config.render import Settings, render  # noqa: E402
from lbclient.dataplane.haproxy import process_table  # noqa: E402
from lbclient.dataplane.haproxy.binary import most_files  # noqa: E402
from lbclient.dataplane.haproxy.process import Instance  # noqa: E402

MEMBER = """
defaults
 mode http
 timeout client 50s
frontend member
 bind 127.0.0.1:{port}
 http-request return status 200 content-type text/plain string hello
"""
KINDS = {
    "path equals": ("PATH", "EQUAL_TO", "/shop/{}"),
    "path begins": ("PATH", "STARTS_WITH", "/shop/{}/"),
    "host equals": ("HOST_NAME", "EQUAL_TO", "shop{}.example.com"),
    "host ends": ("HOST_NAME", "ENDS_WITH", ".shop{}.example.com"),
    "file type": ("FILE_TYPE", "EQUAL_TO", "x{}"),
}


def rules(kind: str, number: int, is_single: bool) -> list[dict[str, Any]]:
    type_, compare, value = KINDS[kind]
    rule = {"type": type_, "compare_type": compare, "value": value.format(number)}
    return [rule] if is_single else [rule, {"type": "PATH", "compare_type": "CONTAINS", "value": "/"}]


def tree(port: int, member: int, kind: str, count: int, is_single: bool = True) -> Mapping[str, Any]:
    policies = {
        f"{number}": {
            "action": "REDIRECT_TO_URL",
            "redirect_url": f"http://example.com/{number}",
            "rules": rules(kind, number, is_single),
        }
        for number in range(count)
    }
    listener = {"protocol": "HTTP", "protocol_port": port, "default_pool": "pool", "l7policies": policies}
    members = {"one": {"address": "127.0.0.1", "protocol_port": member}}
    pool = {"protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN", "members": members}
    return {"listeners": {"web": listener}, "pools": {"pool": pool}}


@contextmanager
def member(directory: str) -> Iterator[int]:
    port = free_port()
    file = Path(directory, "member.cfg")
    file.write_text(MEMBER.format(port=port))
    process = subprocess.Popen([haproxy(), "-f", str(file)], start_new_session=True)
    try:
        yield port
    finally:
        process.kill()
        process.wait()


def processor(instance: Instance) -> float:
    """Seconds that the HAProxy has used."""
    pids = process_table.family(instance.directory)
    files = [file for pid in pids for file in Path(f"/proc/{pid}/task").glob("*/schedstat")]
    return sum(int(file.read_text().split()[0]) for file in files) / 1e9


def per_second(port: int, seconds: int) -> float:
    command = ["wrk", "-t1", "-c32", f"-d{seconds}s", f"http://127.0.0.1:{port}/a/page.html"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "Non-2xx" not in said, said
    return float(re.search(r"Requests/sec:\s+([\d.]+)", said)[1])  # type: ignore[index]


def main() -> None:
    given = [int(word) for word in sys.argv[1:3]]
    rounds, seconds = (*given, *(5, 2)[len(given) :])
    only = sys.argv[3:]
    wanted: dict[str, tuple[str, int, bool]] = {"no policy": ("path equals", 0, True)}
    for kind in KINDS:
        wanted |= {f"{count:,}, {kind}": (kind, count, True) for count in (500, 5000)}
    wanted["500, path equals, and another rule"] = ("path equals", 500, False)
    wanted = {name: each for name, each in wanted.items() if not only or name in ("no policy", *only)}
    ports = {name: free_port() for name in wanted}
    instances = []
    with tempfile.TemporaryDirectory() as directory, member(directory) as to:
        try:
            for number, (name, (kind, count, is_single)) in enumerate(wanted.items()):
                instances.append(Instance(Path(directory, str(number)), haproxy()))
                snapshot = trees.snapshot(tree(ports[name], to, kind, count, is_single))
                instances[-1].apply(render(snapshot, Settings(most_files=most_files())))
            wait_for(lambda: all(per_second(port, 1) for port in ports.values()))
            figures: dict[str, list[tuple[float, float]]] = {name: [] for name in wanted}
            running = dict(zip(wanted, instances, strict=True))
            for _ in range(rounds):
                for name in random.sample(list(wanted), len(wanted)):
                    used = processor(running[name])
                    rate = per_second(ports[name], seconds)
                    figures[name].append((rate, (processor(running[name]) - used) / rate / seconds))
        finally:
            for instance in instances:
                instance.remove()
    print(f"{rounds} rounds of {seconds} s; ratios to no policy in the same round, with their middle half")
    print(f"{'':<40}{'requests':>11}{'ratio':>24}{'of processor time each':>28}")
    for name, found in figures.items():
        line = f"{name:<40}{statistics.median(rate for rate, _ in found):9,.0f}/s"
        for kind in (0, 1):
            ratios = [one[kind] / other[kind] for one, other in zip(found, figures["no policy"], strict=True)]
            low, middle, high = statistics.quantiles(ratios, n=4)
            line += f"{middle:10.2f} ({low:.2f} to {high:.2f})"
        print(line)


if __name__ == "__main__":
    main()
