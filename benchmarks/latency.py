"""How long a change takes until it is in effect, end to end: `python benchmarks/latency.py [ROUNDS]`.

Each figure is the time from sending the request to the API until the effect is seen from outside, over many rounds.
HAProxy's own start, until it accepts, is measured in the same run: the yardstick for a first listener.
"""

from __future__ import annotations

import http.server
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from setting import HEADER, Client, free_port, haproxy, row, server, wait_for


class Named(http.server.BaseHTTPRequestHandler):
    """Answers with the port it listens on, and closes."""

    def do_GET(self) -> None:
        body = str(self.server.server_address[1]).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        pass


def backend() -> int:
    listening = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Named)
    threading.Thread(target=listening.serve_forever, daemon=True).start()
    return listening.server_address[1]


def fetch(address: str, port: int) -> str:
    """The body of one answer over a new connection; nothing where nobody answers."""
    try:
        with socket.create_connection((address, port), timeout=5) as connection:
            connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
            answer = b"".join(iter(lambda: connection.recv(4096), b""))
    except OSError:
        return ""
    return answer.partition(b"\r\n\r\n")[2].decode()


def accepts(address: str, port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((address, port)) == 0


def timed(action: Callable[[], Any], is_done: Callable[[], Any]) -> float:
    start = time.perf_counter()
    action()
    wait_for(is_done, 0)
    return time.perf_counter() - start


def measure(client: Client, rounds: int) -> dict[str, list[float]]:
    figures: dict[str, list[float]] = {}
    first, second = backend(), backend()
    for _ in range(rounds):
        for what, seconds in one_round(client, first, second):
            figures.setdefault(what, []).append(seconds)
    figures["HAProxy alone: start to the first connection accepted"] = [start_of_haproxy() for _ in range(rounds)]
    return figures


def one_round(client: Client, first: int, second: int) -> list[tuple[str, float]]:
    made: dict[str, Any] = {}

    def create(name: str, *words: str, **values: Any) -> None:
        made[name] = client.create(*words, **values)

    def is_active(path: str, kind: str) -> bool:
        return client.is_active(path, kind)

    found = []
    found.append(
        (
            "loadbalancer create -> ACTIVE",
            timed(
                lambda: made.update(lb=client.loadbalancer()),
                lambda: is_active(f"loadbalancers/{made['lb']['id']}", "loadbalancer"),
            ),
        )
    )
    balancer, address, port = made["lb"]["id"], made["lb"]["vip_address"], free_port(made["lb"]["vip_address"])
    listener = {"loadbalancer_id": balancer, "protocol": "HTTP", "protocol_port": port}
    found.append(
        (
            "first listener create -> its port accepts (HAProxy starts)",
            timed(lambda: create("li", "listener", "listeners", **listener), lambda: accepts(address, port)),
        )
    )
    create("pool", "pool", "pools", listener_id=made["li"]["id"], protocol="HTTP", lb_algorithm="ROUND_ROBIN")
    members = f"pools/{made['pool']['id']}/members"
    create("one", "member", members, address="127.0.0.1", protocol_port=first)
    wait_for(lambda: fetch(address, port) == str(first))
    wait_for(lambda: is_active(f"loadbalancers/{balancer}", "loadbalancer"))
    found.append(
        (
            "member create on a running balancer -> first answer from it",
            timed(
                lambda: create("two", "member", members, address="127.0.0.1", protocol_port=second),
                lambda: fetch(address, port) == str(second),
            ),
        )
    )
    wait_for(lambda: is_active(f"loadbalancers/{balancer}", "loadbalancer"))
    path = f"/v2.0/lbaas/{members}/{made['one']['id']}"
    found.append(
        (
            "member set --weight 0 -> ACTIVE again",
            timed(
                lambda: client.ask("PUT", path, {"member": {"weight": 0}}),
                lambda: is_active(f"loadbalancers/{balancer}", "loadbalancer"),
            ),
        )
    )
    if {fetch(address, port) for _ in range(4)} != {str(second)}:
        raise RuntimeError("a member of weight 0 was given a request")
    found.append(
        (
            "loadbalancer delete --cascade -> its port is closed",
            timed(
                lambda: client.ask("DELETE", f"/v2.0/lbaas/loadbalancers/{balancer}?cascade=true"),
                lambda: not accepts(address, port),
            ),
        )
    )
    return found


def start_of_haproxy() -> float:
    port = free_port()
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "haproxy.cfg")
        path.write_text(f"defaults\n mode tcp\n timeout client 1s\n timeout connect 1s\n timeout server 1s\n"
                        f"frontend f\n bind 127.0.0.1:{port}\n")  # fmt: skip
        start = time.perf_counter()
        process = subprocess.Popen([haproxy(), "-db", "-f", str(path)], stderr=subprocess.DEVNULL)
        try:
            wait_for(lambda: accepts("127.0.0.1", port), 0)
            return time.perf_counter() - start
        finally:
            process.kill()
            process.wait()


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 30
    with server() as client:
        figures = measure(client, rounds)
    print(f"{rounds} rounds\n{HEADER}")
    for what, seconds in figures.items():
        print(row(what, seconds))


if __name__ == "__main__":
    main()
