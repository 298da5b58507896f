"""The API beside Octavia's own, in one run: `python benchmarks/octavia.py OCTAVIA_PYTHON`.

OCTAVIA_PYTHON is the Python of an environment with octavia, gunicorn and PyMySQL; mariadbd has to be installed. Octavia
runs with its no-op drivers, MariaDB and two gunicorn workers; this server with the same modes, on SQLite. Both answer
without authentication. Every row is measured on one, then on the other, with 1 and with 8 clients.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from setting import free_port, wait_for

PROJECT = "a" * 32
SUBNET = "11111111-1111-4111-8111-111111111111"
LBAAS = "/v2.0/lbaas"
FILLED = 1000  # load balancers for the lists

OCTAVIA = """
[DEFAULT]
transport_url = fake://
[api_settings]
auth_strategy = noauth
enabled_provider_drivers = noop_driver: No-op
default_provider_driver = noop_driver
[database]
connection = mysql+pymysql://root@127.0.0.1:{database}/octavia
[controller_worker]
network_driver = network_noop_driver
compute_driver = compute_noop_driver
amphora_driver = amphora_noop_driver
[certificates]
cert_manager = noop_cert_manager
"""
APPLICATION = """
from octavia.api import app
application = app.setup_app(argv=["octavia-api", "--config-file", "octavia.conf"])
"""
# The no-op driver tells nobody when it is done, so that everything would stay in PENDING.
SETTLE = "".join(
    f"UPDATE {table} SET provisioning_status = 'ACTIVE';" for table in ("load_balancer", "listener", "pool", "member")
)


@dataclass
class Api:
    """A server to be measured."""

    name: str
    port: int
    processes: Callable[[], list[int]]
    settle: Callable[[], None]


class Connection:
    """Requests as bytes, over a connection that the server may keep: the generator has to be light."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._socket: socket.socket | None = None

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, bytes]:
        text = json.dumps(body).encode() if body is not None else b""
        head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\nContent-Type: application/json\r\n"
        request = f"{head}Content-Length: {len(text)}\r\n\r\n".encode() + text
        try:
            return self._send(request)
        except ConnectionError:  # a kept connection that the server has closed meanwhile
            self._socket = None
            return self._send(request)

    def _send(self, request: bytes) -> tuple[int, bytes]:
        if self._socket is None:
            self._socket = socket.create_connection(("127.0.0.1", self._port), timeout=60)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.sendall(request)
        data = b""
        while b"\r\n\r\n" not in data:
            data += self._receive()
        head, _, body = data.partition(b"\r\n\r\n")
        words = head.decode("latin-1").lower()
        length = int(words.partition("content-length:")[2].split("\r\n")[0])
        pieces, got = [body], len(body)
        while got < length:
            pieces.append(self._receive())
            got += len(pieces[-1])
        if "connection: close" in words:
            self._socket.close()
            self._socket = None
        return int(words.split()[1]), b"".join(pieces)

    def _receive(self) -> bytes:
        assert self._socket is not None
        piece = self._socket.recv(1 << 20)
        if not piece:
            raise ConnectionError("closed")
        return piece


Call = tuple[str, str, Any]  # method, path, body


def run(api: Api, calls: Sequence[Call], clients: int) -> tuple[float, list[float]]:
    """Requests per second, and the seconds of each. Raises RuntimeError for errors."""
    left = iter(calls)
    lock = threading.Lock()
    seconds: list[float] = []
    wrong: list[str] = []

    def work() -> None:
        connection = Connection(api.port)
        while not wrong:
            with lock:
                call = next(left, None)
            if call is None:
                return
            start = time.perf_counter()
            status, answer = connection.ask(*call)
            seconds.append(time.perf_counter() - start)
            if status >= 400:
                wrong.append(f"{api.name}: {call[0]} {call[1]}: {status} {answer[:300]!r}")

    threads = [threading.Thread(target=work) for _ in range(clients)]
    start = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if wrong:
        raise RuntimeError(wrong[0])
    return len(calls) / (time.perf_counter() - start), seconds


def ids(api: Api, collection: str, limit: int) -> list[str]:
    _, answer = Connection(api.port).ask("GET", f"{LBAAS}/{collection}?limit={limit}&fields=id")
    return [each["id"] for each in json.loads(answer)[collection]]


def loadbalancers(count: int) -> list[Call]:
    body = {"loadbalancer": {"vip_subnet_id": SUBNET, "project_id": PROJECT, "name": "lb"}}
    return [("POST", f"{LBAAS}/loadbalancers", body)] * count


def listeners(balancers: Sequence[str]) -> list[Call]:
    values = {"protocol": "HTTP", "protocol_port": 80}
    return [("POST", f"{LBAAS}/listeners", {"listener": {**values, "loadbalancer_id": id_}}) for id_ in balancers]


def member_updates(api: Api, balancers: Sequence[str]) -> list[Call]:
    """Updates of a member of each balancer, which is made for it."""
    values = {"protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN"}
    run(api, [("POST", f"{LBAAS}/pools", {"pool": {**values, "loadbalancer_id": id_}}) for id_ in balancers], 4)
    api.settle()
    _, answer = Connection(api.port).ask("GET", f"{LBAAS}/pools")
    mine = set(balancers)
    pools = [each["id"] for each in json.loads(answer)["pools"] if each["loadbalancers"][0]["id"] in mine]
    body = {"member": {"address": "10.0.0.4", "protocol_port": 80}}
    run(api, [("POST", f"{LBAAS}/pools/{pool}/members", body) for pool in pools], 4)
    api.settle()
    paths = []
    for pool in pools:
        _, answer = Connection(api.port).ask("GET", f"{LBAAS}/pools/{pool}/members?fields=id")
        paths.append(f"{LBAAS}/pools/{pool}/members/{json.loads(answer)['members'][0]['id']}")
    return [("PUT", path, {"member": {"weight": 7}}) for path in paths]


Row = tuple[str, int, float, float]  # what, clients, requests per second, median in milliseconds


def measure(api: Api) -> Iterator[Row]:
    def measured(what: str, calls: Sequence[Call], clients: int) -> Row:
        rate, seconds = run(api, calls, clients)
        return what, clients, rate, statistics.median(seconds) * 1000

    run(api, loadbalancers(4), 2)  # warm
    yield measured("create load balancer", loadbalancers(60), 1)
    yield measured("create load balancer", loadbalancers(160), 8)
    run(api, loadbalancers(FILLED - 224), 4)
    api.settle()
    known = ids(api, "loadbalancers", 440)
    yield measured("create listener", listeners(known[:60]), 1)
    yield measured("create listener", listeners(known[60:220]), 8)
    api.settle()
    yield measured("update member", member_updates(api, known[220:280]), 1)
    yield measured("update member", member_updates(api, known[280:440]), 8)
    api.settle()
    single = [("GET", f"{LBAAS}/loadbalancers/{id_}", None) for id_ in known]
    yield measured("get one", single[:150], 1)
    yield measured("get one", single[:400], 8)
    for what, limit, few, many in (("list of 100", 100, 30, 80), ("list of 1,000", 1000, 6, 16)):
        calls = [("GET", f"{LBAAS}/loadbalancers?limit={limit}", None)]
        yield measured(what, calls * few, 1)
        yield measured(what, calls * many, 8)


def memory(processes: Sequence[int]) -> float:
    """Their memory in MB, what they share counted once."""
    total = 0
    for pid in processes:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1])
    return total / 1024


def children(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(int(each) for each in found)]


@contextmanager
def process(command: Sequence[str], directory: str, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    with Path(directory, f"{Path(command[0]).name}.log").open("w") as log:
        started = subprocess.Popen(
            command, cwd=directory, env={**os.environ, **environment}, stdout=log, stderr=log, start_new_session=True
        )
    try:
        yield started
    finally:
        started.send_signal(signal.SIGTERM)
        started.wait(60)


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def octavia(python: str) -> Iterator[Api]:
    with tempfile.TemporaryDirectory(prefix="lbclient-octavia-") as directory, mariadb(directory) as (database, sql):
        sql("CREATE DATABASE octavia")
        Path(directory, "octavia.conf").write_text(OCTAVIA.format(database=database))
        Path(directory, "measured.py").write_text(APPLICATION)
        binaries = Path(python).parent
        migrate = [str(binaries / "octavia-db-manage"), "--config-file", "octavia.conf", "upgrade", "head"]
        subprocess.run(migrate, cwd=directory, check=True, capture_output=True)
        port = free_port()
        command = [str(binaries / "gunicorn"), "-w", "2", "-b", f"127.0.0.1:{port}", "measured:application"]
        with process(command, directory) as started:
            wait_for(lambda: answers(port) and Connection(port).ask("GET", "/")[0] == 200, 0.2)
            time.sleep(3)  # the second worker
            yield Api("Octavia", port, lambda: children(started.pid), lambda: sql(f"USE octavia; {SETTLE}"))


@contextmanager
def mariadb(directory: str) -> Iterator[tuple[int, Callable[[str], None]]]:
    """(port, a way to run SQL)"""
    data, place, port = f"{directory}/data", f"{directory}/sql.sock", free_port()
    usual = ["--no-defaults", f"--datadir={data}"]
    if os.getuid() == 0:
        usual.append("--user=mysql")
        shutil.chown(directory, "mysql")
    install = ["mariadb-install-db", *usual, "--auth-root-authentication-method=normal"]
    subprocess.run(install, check=True, capture_output=True)
    command = ["mariadbd", *usual, f"--socket={place}", f"--port={port}", "--bind-address=127.0.0.1"]

    def sql(text: str) -> None:
        subprocess.run(["mariadb", "--no-defaults", "-u", "root", "-S", place, "-e", text], check=True)

    with process(command, directory):
        wait_for(lambda: answers(port), 0.1)
        yield port, sql


@contextmanager
def ours() -> Iterator[Api]:
    with tempfile.TemporaryDirectory(prefix="lbclient-benchmark-") as directory:
        port = free_port()
        command = [sys.executable, "-m", "lbclient.server.main", f"--state-directory={directory}", "--auth=noauth"]
        command += [f"--bind-port={port}", "--network=noop", "--default-provider=noop_driver"]
        with process(command, directory, PYTHONPATH=str(Path(__file__).parent.parent)) as started:
            wait_for(lambda: answers(port), 0.1)
            yield Api("lbclient", port, lambda: [started.pid], lambda: settled(port))


def settled(port: int) -> None:
    """Waits until nothing is PENDING."""

    def is_settled() -> bool:
        _, answer = Connection(port).ask("GET", f"{LBAAS}/loadbalancers?provisioning_status=PENDING_UPDATE&limit=1")
        _, other = Connection(port).ask("GET", f"{LBAAS}/loadbalancers?provisioning_status=PENDING_CREATE&limit=1")
        return not json.loads(answer)["loadbalancers"] and not json.loads(other)["loadbalancers"]

    wait_for(is_settled, 0.05)


def main(python: str) -> None:
    with octavia(python) as theirs, ours() as mine:
        at_start = memory(theirs.processes()), memory(mine.processes())
        print(f"{'':<24}{'clients':>8}{'Octavia':>16}{'lbclient':>18}{'times':>8}{'latency':>9}")
        for (what, clients, rate, median), (_, _, our_rate, our_median) in zip(
            measure(theirs), measure(mine), strict=True
        ):
            print(
                f"{what:<24}{clients:>8}{rate:>8.1f}/s{median:>6.0f} ms{our_rate:>8.0f}/s{our_median:>6.1f} ms"
                f"{our_rate / rate:>8.1f}{our_median / median:>9.3f}",
                flush=True,
            )
        print(f"memory at start: {at_start[0]:.0f} and {at_start[1]:.0f} MB; ", end="")
        print(f"afterwards {memory(theirs.processes()):.0f} and {memory(mine.processes()):.0f} MB")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
