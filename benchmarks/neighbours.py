"""What a change of one load balancer takes while others keep the server busy: `python benchmarks/neighbours.py`.

The neighbour belongs to a project of its own. Told are the median and the worst of its changes, each a reload, from the
request until the load balancer is ACTIVE again, and how many times its usual median that is, while

* four load balancers with 15,000 members each change again and again,
* three trees of 15,000 members are created and deleted again and again,
* the HAProxy masters of six hang,
* eight cannot be applied, since another program has their port,
* one project changes forty at once, again and again;

and how long after a crash of the server a change that it left PENDING takes, by itself and beside six that hang.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from setting import free_port

DEADLINE = 180.0  # seconds that anything may take
LBAAS = "/v2.0/lbaas"
PRIVATE = "127.77.0.0/16"
LARGE, TREES, MEMBERS, HUNG, FAILING, CROWD = 4, 3, 15_000, 6, 8, 40


class Project:
    """Requests of one project, without authentication."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._headers = {"X-Project-Id": uuid.uuid4().hex, "X-Roles": "admin", "Content-Type": "application/json"}

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """The JSON of an answer. Raises RuntimeError for errors."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=DEADLINE)
        try:
            connection.request(method, path, None if body is None else json.dumps(body), self._headers)
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        if answer.status >= 400:
            raise RuntimeError(f"{method} {path}: {answer.status} {content[:300].decode()}")
        return json.loads(content) if content else None

    def balancer(self, port: int = 8080, members: int = 1) -> Balancer:
        [subnet] = self.ask("GET", "/networking/v2.0/subnets?name=private-subnet")["subnets"]
        each = [{"address": f"127.66.{n // 250}.{n % 250 + 1}", "protocol_port": 80} for n in range(members)]
        pool = {"name": "pool", "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN", "members": each}
        listener = {"name": "web", "protocol": "HTTP", "protocol_port": port, "default_pool": pool}
        body = {"vip_subnet_id": subnet["id"], "listeners": [listener]}
        return Balancer(self, self.ask("POST", f"{LBAAS}/loadbalancers", {"loadbalancer": body})["loadbalancer"])


class Balancer:
    """One load balancer, which is changed again and again."""

    def __init__(self, project: Project, made: Any) -> None:
        self.id, self.address = made["id"], made["vip_address"]
        self._project = project
        self._listener = made["listeners"][0]["id"]
        self._limit = 1000

    def status(self) -> str:
        path = f"{LBAAS}/loadbalancers/{self.id}?fields=provisioning_status"
        return str(self._project.ask("GET", path)["loadbalancer"]["provisioning_status"])

    def change(self) -> None:
        self._limit += 1
        body = {"listener": {"connection_limit": self._limit}}
        self._project.ask("PUT", f"{LBAAS}/listeners/{self._listener}", body)

    def delete(self) -> None:
        self._project.ask("DELETE", f"{LBAAS}/loadbalancers/{self.id}?cascade=true")

    def settle(self) -> str:
        wait(lambda: not self.status().startswith("PENDING"))
        return self.status()

    def timed(self) -> float:
        """The seconds from a request for a change until it has taken effect."""
        began = time.monotonic()
        self.change()
        if self.settle() != "ACTIVE":
            raise RuntimeError(f"load balancer {self.id} is in ERROR")
        return time.monotonic() - began


class Server:
    """A server in a directory of its own, and its HAProxy processes."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "lbclient.server.main", "--state-directory", str(self.directory)]
        options = [f"--bind-port={self.port}", "--auth=noauth", f"--private-cidr={PRIVATE}", "--busy-wait=60"]
        with Path(self.directory, "server.log").open("ab") as log:
            self.process = subprocess.Popen([*command, *options], stdout=log, stderr=log)
        wait(self._answers)

    def crash(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def _answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def processes(self, id_: str | None = None) -> list[int]:
        """The HAProxy processes of one load balancer, or of all."""
        place = f"{self.directory}/haproxy/{id_ or ''}"
        found = []
        for each in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                if place in each.read_bytes().decode(errors="replace"):
                    found.append(int(each.parent.name))
            except OSError:
                continue
        return found

    @contextmanager
    def stopped(self, balancers: Sequence[Balancer]) -> Iterator[None]:
        """Their HAProxy processes hang."""
        hung = [pid for each in balancers for pid in self.processes(each.id)]
        for pid in hung:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in hung:
                _signal(pid, signal.SIGCONT)

    def end(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait()
        for pid in self.processes():
            _signal(pid, signal.SIGKILL)


def _signal(pid: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def wait(condition: Callable[[], Any]) -> None:
    """Raises TimeoutError."""
    deadline = time.monotonic() + DEADLINE
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.005)


@contextmanager
def repeated(works: Sequence[Callable[[threading.Event], None]]) -> Iterator[None]:
    """Each of the works is done again and again in a thread of its own; it is given the event that ends them all."""
    is_over = threading.Event()

    def repeat(work: Callable[[threading.Event], None]) -> None:
        while not is_over.is_set():
            work(is_over)

    threads = [threading.Thread(target=repeat, args=(each,)) for each in works]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        is_over.set()
        for thread in threads:
            thread.join()


def change_and_settle(balancer: Balancer, is_over: threading.Event) -> None:
    balancer.change()
    while not is_over.wait(0.2) and balancer.status().startswith("PENDING"):
        pass


def again_and_again(balancers: Sequence[Balancer]) -> AbstractContextManager[None]:
    """All of them are changed at once, and anew as soon as they have settled."""
    return repeated([partial(change_and_settle, each) for each in balancers])


def written_again_and_again(project: Project) -> AbstractContextManager[None]:
    """Trees are created at once, deleted once they have settled, and created again."""

    def work(is_over: threading.Event) -> None:
        balancer = project.balancer(members=MEMBERS)
        balancer.settle()
        balancer.delete()

    return repeated([work] * TREES)


@contextmanager
def taken(balancers: Sequence[Balancer], port: int) -> Iterator[None]:
    """Another program has a port of theirs."""
    with ExitStack() as stack:
        for each in balancers:
            held = stack.enter_context(socket.socket())
            held.bind((each.address, port))
            held.listen()
        yield


class Report:
    """The lines, and the usual time that they are compared with."""

    def __init__(self, neighbour: Balancer, changes: int) -> None:
        self.neighbour = neighbour
        self._changes = changes
        print(f"{'the neighbour, seconds':<46}{'median':>8}{'worst':>8}{'times':>7}", flush=True)
        self._usual = statistics.median(self._timed())
        self.tell("by itself")

    def _timed(self) -> list[float]:
        return [self.neighbour.timed() for _ in range(self._changes)]

    def tell(self, what: str) -> None:
        times = self._timed()
        median = statistics.median(times)
        print(f"{what:<46}{median:8.3f}{max(times):8.3f}{median / self._usual:7.1f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--changes", type=int, default=15, help="of the neighbour, in each case (15)")
    parser.add_argument("--cases", nargs="*", choices=CASES, default=list(CASES), help="those to measure (all)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="lbclient-benchmark-") as directory:
        server = Server(Path(directory))
        try:
            server.start()
            other, neighbour = Project(server.port), Project(server.port).balancer()
            neighbour.settle()
            report = Report(neighbour, arguments.changes)
            for case in arguments.cases:
                CASES[case](server, other, report)
        finally:
            server.end()


def large(server: Server, other: Project, report: Report) -> None:
    balancers = settled(other, LARGE, members=MEMBERS)
    report.tell(f"{LARGE} with {MEMBERS} members are there")
    with again_and_again(balancers):
        report.tell(f"{LARGE} with {MEMBERS} members change")


def trees(server: Server, other: Project, report: Report) -> None:
    with written_again_and_again(other):
        report.tell(f"{TREES} trees of {MEMBERS} members are written")


def hung(server: Server, other: Project, report: Report) -> None:
    balancers = settled(other, HUNG)
    with server.stopped(balancers), again_and_again(balancers):
        report.tell(f"{HUNG} hang")


def failing(server: Server, other: Project, report: Report) -> None:
    balancers = settled(other, FAILING)
    with taken(balancers, 8081):
        for each in balancers:
            body = {"loadbalancer_id": each.id, "protocol": "HTTP", "protocol_port": 8081}
            other.ask("POST", f"{LBAAS}/listeners", {"listener": body})
        report.tell(f"{FAILING} cannot be applied")


def crowd(server: Server, other: Project, report: Report) -> None:
    with again_and_again(settled(other, CROWD)):
        report.tell(f"{CROWD} of one project change")


def crash(server: Server, other: Project, report: Report) -> None:
    def crashed() -> float:
        report.neighbour.change()
        server.crash()
        began = time.monotonic()
        server.start()
        report.neighbour.settle()
        return time.monotonic() - began

    balancers = settled(other, HUNG)
    alone = crashed()
    print(f"{'after a crash':<46}{alone:8.3f}", flush=True)
    with server.stopped(balancers):
        for each in balancers:
            each.change()
        among = crashed()
    print(f"{f'after a crash, {HUNG} hang':<46}{among:8.3f}{'':8}{among / alone:7.1f}", flush=True)


def settled(project: Project, count: int, members: int = 1) -> list[Balancer]:
    made = [project.balancer(members=members) for _ in range(count)]
    for each in made:
        each.settle()
    return made


CASES: dict[str, Callable[[Server, Project, Report], None]] = {
    "large": large,
    "trees": trees,
    "hung": hung,
    "failing": failing,
    "crowd": crowd,
    "crash": crash,
}


if __name__ == "__main__":
    main()
