"""Measure changes of one member in pools of several sizes: `python benchmarks/membership.py [ROUNDS [SIZE …]]`.

A member is created, weighted and deleted; each figure is the time from sending the request until the load balancer is
ACTIVE again, which is after HAProxy has it. HAProxy's own start, measured in the same run, is the yardstick. Then the
processor time of the server beside the idle load balancer, as a share of one core. The servers are gone at the end.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from latency import start_of_haproxy
from setting import Client, free_port, server, wait_for

SIZES = (10, 1000, 5000)
ROUNDS = 30
STARTS = 10
QUIET_SECONDS = 15.0  # after the last change, until the looks at the idle load balancer have become rare
IDLE_SECONDS = 60.0
NAMES = ("create", "weight", "delete")


def members(count: int) -> list[dict[str, Any]]:
    return [{"address": f"127.1.{n // 250}.{n % 250 + 1}", "protocol_port": 80, "weight": 5} for n in range(count)]


def measure(client: Client, size: int, rounds: int) -> dict[str, float]:
    balancer = client.loadbalancer()
    is_active = lambda: client.is_active(f"loadbalancers/{balancer['id']}", "loadbalancer")  # noqa: E731
    wait_for(is_active)
    pool = {"protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN", "loadbalancer_id": balancer["id"]}
    made = client.create("pool", "pools", **pool)
    wait_for(is_active)
    listener = {"protocol": "HTTP", "protocol_port": free_port(balancer["vip_address"]), "default_pool_id": made["id"]}
    client.create("listener", "listeners", loadbalancer_id=balancer["id"], **listener)
    wait_for(is_active)
    path = f"pools/{made['id']}/members"
    client.ask("PUT", f"/v2.0/lbaas/{path}", {"members": members(size)})
    wait_for(is_active)

    def timed(action: Callable[[], Any]) -> float:
        start = time.perf_counter()
        action()
        wait_for(is_active, 0.0005)
        return time.perf_counter() - start

    seconds: dict[str, list[float]] = {name: [] for name in NAMES}
    for number in range(rounds):
        values = {"address": "127.2.0.1", "protocol_port": 1 + number}
        new: list[Any] = []
        seconds["create"].append(timed(lambda: new.append(client.create("member", path, **values))))  # noqa: B023
        place = f"/v2.0/lbaas/{path}/{new[0]['id']}"
        seconds["weight"].append(timed(lambda: client.ask("PUT", place, {"member": {"weight": 9}})))  # noqa: B023
        seconds["delete"].append(timed(lambda: client.ask("DELETE", place)))  # noqa: B023
    figures = {name: statistics.median(values) for name, values in seconds.items()}
    time.sleep(QUIET_SECONDS)
    before = processor_time(client.pid)
    time.sleep(IDLE_SECONDS)
    figures["idle"] = (processor_time(client.pid) - before) / IDLE_SECONDS
    return figures


def processor_time(pid: int) -> float:
    """The seconds of processor time that a process has used, to the nanosecond, of all of its threads."""
    return sum(int(each.read_text().split()[0]) for each in Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    sizes = [int(each) for each in sys.argv[2:]] or SIZES
    start = statistics.median(start_of_haproxy() for _ in range(STARTS))
    print(f"medians of {rounds} rounds in ms (times HAProxy's own start, {start * 1000:.1f} ms)")
    print(f"{'members':>8}" + "".join(f"{name:>18}" for name in NAMES) + f"{'idle, of a core':>18}")
    for size in sizes:
        with server() as client:
            found = measure(client, size, rounds)
        cells = [f"{found[name] * 1000:.1f} ({found[name] / start:.2f})" for name in NAMES]
        print(f"{size:>8}" + "".join(f"{cell:>18}" for cell in cells) + f"{found['idle']:>18.2%}", flush=True)


if __name__ == "__main__":
    main()
