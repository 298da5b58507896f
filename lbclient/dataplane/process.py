"""One load balancer's HAProxy: started, changed, ended. It outlives the server and is nobody's child."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from . import counters, haproxy, ports, processes, runtime
from .cfg import Refused
from .processes import PIDFILE, wait_until
from .render import ADMIN_SOCKET, STATES, Configuration

CONFIG = "haproxy.cfg"  # what a restarted HAProxy would read
NEXT = "next.cfg"  # written aside, to be checked
GOOD = "good.cfg"  # the last one that a worker has loaded
START_SECONDS = 10.0
RELOAD_SECONDS = 5.0
RELOAD_ATTEMPTS = 2
HUNG_SECONDS = 5.0
NO_STATES = "1\n"
BIND = re.compile(r"^    bind (\S+):(\d+)$", re.MULTILINE)


@dataclass(frozen=True)
class Applied:
    """How a configuration took effect: started, reloaded, runtime, stopped or nothing."""

    how: str
    milliseconds: float


class Instance:
    """The HAProxy of one directory.

    What is running is asked of HAProxy itself, each time: after a crash of anything, at any point, the comparison of
    the desired configuration with the real one leads on.
    """

    def __init__(self, directory: Path, binary: str) -> None:
        self.directory = directory
        self._binary = binary

    def apply(self, wanted: Configuration) -> Applied:
        """Makes the running HAProxy what is wanted. Raises Refused, with the last good one still running."""
        start = time.monotonic()
        how = self._apply(wanted)
        return Applied(how, (time.monotonic() - start) * 1000)

    def _apply(self, wanted: Configuration) -> str:
        worker = self.worker()
        if not wanted.is_needed:
            return self.stop()
        if worker is None:
            self._start(wanted)
            return "started"
        if worker.fingerprint != wanted.fingerprint:
            self._reload(wanted)
            return "reloaded"
        return self._adjust(wanted)

    def worker(self) -> runtime.Worker | None:
        """The worker that carries the traffic, where its master is there to reload it, too."""
        if processes.master(self.directory) is None:
            return None
        found: list[runtime.Worker] = []

        def answers() -> bool:
            try:
                found.append(runtime.worker(self.directory))
            except runtime.Unreachable:
                return processes.master(self.directory) is None
            return True

        wait_until(answers, HUNG_SECONDS, poll=0.1)
        is_orphan = bool(found) and found[0].pid == processes.master(self.directory)
        return found[0] if found and not is_orphan else None

    def stop(self) -> str:
        """Ends all processes; the directory stays, for what was counted."""
        if not (self.directory / PIDFILE).exists():
            return "nothing"
        processes.end(self.directory)
        (self.directory / PIDFILE).unlink(missing_ok=True)
        return "stopped"

    def remove(self) -> None:
        """Ends all processes and forgets the directory."""
        if self.directory.exists():
            processes.end(self.directory)
            shutil.rmtree(self.directory, ignore_errors=True)

    def _start(self, wanted: Configuration) -> None:
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if (self.directory / PIDFILE).exists():
            processes.end(self.directory)
        _write(self.directory / STATES, NO_STATES)
        self._check(wanted)
        if ports.refusal(wanted.binds):
            processes.end(self.directory)  # one of ours may be left behind without its pidfile
        self._check_ports(wanted.binds)
        os.replace(self.directory / NEXT, self.directory / CONFIG)
        self._launch()
        if not self._is_taken_up(wanted, START_SECONDS):
            raise Refused("HAProxy was started but does not answer.")
        self._remember()

    def _launch(self) -> None:
        arguments = ("-W", "-D", "-C", str(self.directory), "-f", CONFIG, "-p", PIDFILE)
        with tempfile.TemporaryFile() as log:
            # A pipe would be held open by the daemon.
            result = subprocess.run(
                [self._binary, *arguments, "-S", f"unix@{runtime.MASTER_SOCKET},mode,600"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={"PATH": os.environ.get("PATH", os.defpath)},
                start_new_session=True,
                timeout=START_SECONDS,
                check=False,
            )
            log.seek(0)
            if result.returncode != 0:
                raise Refused(haproxy.reason(log.read().decode(errors="replace")))

    def _reload(self, wanted: Configuration) -> None:
        self._check(wanted)
        self._check_ports(set(wanted.binds) - self._binds())
        self._keep_states(wanted)
        os.replace(self.directory / NEXT, self.directory / CONFIG)
        try:
            self._take_up(wanted)
        except Refused:
            self._restore()
            raise
        self._remember()
        self._send(wanted)

    def _take_up(self, wanted: Configuration) -> None:
        for _ in range(RELOAD_ATTEMPTS):  # a request can get lost while the master restarts itself
            self._ask_to_reload()
            if self._is_taken_up(wanted, RELOAD_SECONDS):
                return
        raise Refused("HAProxy did not take up the configuration in time.")

    def _ask_to_reload(self) -> None:
        """Since 2.7 HAProxy answers when it is done; before, it closes the connection at once.

        A master that has just been started or reloaded does not listen for a moment.
        """
        answers: list[str] = []

        def is_heard() -> bool:
            try:
                answers.append(runtime.ask(self.directory, runtime.MASTER_SOCKET, "reload", RELOAD_SECONDS))
            except runtime.Interrupted:
                return True
            except runtime.Unreachable:
                return False
            return True

        if not wait_until(is_heard, RELOAD_SECONDS):
            raise Refused("HAProxy's master process does not answer.")
        if answers and answers[0].startswith("Success=0"):
            raise Refused(haproxy.reason(answers[0]))

    def _adjust(self, wanted: Configuration) -> str:
        """Weights and administrative states, without a reload; first to disk, so that a restart has them, too."""
        path = self.directory / CONFIG
        if not path.exists() or path.read_text() != wanted.text:
            _write(path, wanted.text)
            self._remember()
        return "runtime" if self._send(wanted) else "nothing"

    def _send(self, wanted: Configuration) -> bool:
        """Tells the worker what differs; whether anything did."""
        try:
            commands = runtime.differences(wanted.servers, runtime.states(self.directory))
            for each in commands:
                said = runtime.ask(self.directory, ADMIN_SOCKET, each).strip()
                if said:
                    raise Refused(f"HAProxy refused '{each}': {said}")
        except runtime.Unreachable as error:
            raise Refused(f"HAProxy does not answer: {error}") from error
        return bool(commands)

    def _check(self, wanted: Configuration) -> None:
        _write(self.directory / NEXT, wanted.text)
        objection = haproxy.objection(self._binary, self.directory, NEXT)
        if objection:
            raise Refused(f"HAProxy refuses the configuration: {objection}")

    def _check_ports(self, binds: Iterable[tuple[str, int]]) -> None:
        refusal = ports.refusal(sorted(binds))
        if refusal:
            raise Refused(refusal)

    def _binds(self) -> set[tuple[str, int]]:
        """What the running worker listens on: the last configuration that one has loaded."""
        try:
            text = (self.directory / GOOD).read_text()
        except OSError:
            return set()
        return {(address.strip("[]"), int(port)) for address, port in BIND.findall(text)}

    def _keep_states(self, wanted: Configuration) -> None:
        """What the old worker knows goes to the new one, and what it has counted to the observer."""
        try:
            report = runtime.parse_report(runtime.ask(self.directory, ADMIN_SOCKET, runtime.REPORT))
            counters.leave_last_words(self.directory, report.pid, report.rows)
            states = runtime.kept_states(wanted.servers, runtime.states(self.directory))
        except runtime.Unreachable:
            states = NO_STATES
        _write(self.directory / STATES, states)

    def _is_taken_up(self, wanted: Configuration, seconds: float) -> bool:
        def is_loaded() -> bool:
            try:
                return runtime.worker(self.directory).fingerprint == wanted.fingerprint
            except runtime.Unreachable:
                return False

        return wait_until(is_loaded, seconds)

    def _remember(self) -> None:
        aside = self.directory / f"{GOOD}.new"
        aside.unlink(missing_ok=True)
        os.link(self.directory / CONFIG, aside)
        os.replace(aside, self.directory / GOOD)

    def _restore(self) -> None:
        good = self.directory / GOOD
        if good.exists():
            _write(self.directory / CONFIG, good.read_text())


def _write(path: Path, text: str) -> None:
    """The whole file or none of it."""
    aside = path.with_name(f"{path.name}.tmp")
    aside.write_text(text)
    os.replace(aside, path)
