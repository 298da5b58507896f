"""Lists of 10,000 in pages: `python benchmarks/pages.py [COUNT]`. A page takes as long as any other."""

from __future__ import annotations

import json
import sys
import time

from octavia import LBAAS, PROJECT, SUBNET, Api, Connection, ours, run

LIMIT = 1000
AT_ONCE = 500  # members in one request


def pages(port: int, path: str, key: str) -> list[float]:
    """The seconds of each page."""
    connection, seconds, link = Connection(port), [], f"{path}?limit={LIMIT}"
    while link:
        start = time.perf_counter()
        status, answer = connection.ask("GET", link)
        seconds.append(time.perf_counter() - start)
        if status != 200:
            raise RuntimeError(f"{link}: {status}")
        following = [each["href"] for each in json.loads(answer).get(f"{key}_links", ()) if each["rel"] == "next"]
        link = following[0].partition(f":{port}")[2] if following else ""
    return seconds


def members(api: Api, count: int) -> str:
    """The path of the members of a pool that has so many."""
    connection = Connection(api.port)

    def made(path: str, kind: str, **values: object) -> str:
        status, answer = connection.ask("POST", LBAAS + path, {kind: values})
        if status != 201:
            raise RuntimeError(f"{path}: {answer!r}")
        found: str = json.loads(answer)[kind]["id"]
        api.settle()
        return found

    balancer = made("/loadbalancers", "loadbalancer", vip_subnet_id=SUBNET, project_id=PROJECT)
    pool = made("/pools", "pool", loadbalancer_id=balancer, protocol="HTTP", lb_algorithm="ROUND_ROBIN")
    path = f"{LBAAS}/pools/{pool}/members"
    for first in range(0, count, AT_ONCE):
        numbers = range(first, min(first + AT_ONCE, count))
        batch = [{"address": f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}", "protocol_port": 80} for n in numbers]
        status, answer = connection.ask("PUT", f"{path}?additive_only=true", {"members": batch})
        if status != 202:
            raise RuntimeError(f"{path}: {answer!r}")
        api.settle()
    return path


def main(count: int) -> None:
    with ours() as api:
        body = {"loadbalancer": {"vip_subnet_id": SUBNET, "project_id": PROJECT}}
        run(api, [("POST", f"{LBAAS}/loadbalancers", body)] * count, 8)
        api.settle()
        for what, path, key in (
            ("load balancers", f"{LBAAS}/loadbalancers", "loadbalancers"),
            ("members of a pool", members(api, count), "members"),
        ):
            seconds = pages(api.port, path, key)
            print(f"{count} {what}, milliseconds of each page of {LIMIT}: ", end="")
            print(" ".join(f"{each * 1000:.0f}" for each in seconds), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
