"""Measure what a batch of members costs, and what it costs a neighbour.

`python benchmarks/batches.py [SIZE [DATABASE]]`: one PUT creates SIZE members, the next changes all, the last deletes
all, in a pool that no listener uses, so that HAProxy has nothing to do. Meanwhile another load balancer is changed
again and again; its slowest change is compared with the median of its changes before. DATABASE is the URL of an empty
database (postgresql://…); the default is SQLite.
"""

from __future__ import annotations

import statistics
import sys
import threading
import time

from membership import members
from setting import Client, server, wait_for

SIZE = 15_000
ALONE = 50  # changes of the neighbour before


def change(client: Client, id_: str) -> float:
    """Change a load balancer; return the seconds until it is ACTIVE again."""
    start = time.perf_counter()
    client.ask("PUT", f"/v2.0/lbaas/loadbalancers/{id_}", {"loadbalancer": {"description": str(start)}})
    wait_for(lambda: client.is_active(f"loadbalancers/{id_}", "loadbalancer"))
    return time.perf_counter() - start


def main(size: int, *database: str) -> None:
    with server(*(f"--database={url}" for url in database)) as client:
        large, small = client.loadbalancer()["id"], client.loadbalancer()["id"]
        for each in (large, small):
            wait_for(lambda id_=each: client.is_active(f"loadbalancers/{id_}", "loadbalancer"))
        pool = client.create("pool", "pools", protocol="HTTP", lb_algorithm="ROUND_ROBIN", loadbalancer_id=large)
        other = Client(client.connection.port, client.clouds)
        usual = statistics.median(change(other, small) for _ in range(ALONE))
        print(f"a neighbour's change alone: {usual * 1000:.0f} ms")
        changed = [{**each, "weight": 7} for each in members(size)]
        for name, wanted in (("create", members(size)), ("change", changed), ("delete", [])):
            wait_for(lambda: client.is_active(f"loadbalancers/{large}", "loadbalancer"))
            took: list[float] = []

            def put(body: object = wanted, took: list[float] = took) -> None:
                start = time.perf_counter()
                client.ask("PUT", f"/v2.0/lbaas/pools/{pool['id']}/members", {"members": body})
                took.append(time.perf_counter() - start)

            writer = threading.Thread(target=put)
            writer.start()
            seconds = []
            while writer.is_alive():
                seconds.append(change(other, small))
            slowest = max(seconds)
            wait_for(lambda: client.is_active(f"loadbalancers/{large}", "loadbalancer"))
            print(f"{name} {size}: {took[0]:.2f} s; a neighbour: {slowest:.2f} s, {slowest / usual:.0f}-fold")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else SIZE, *sys.argv[2:])
