"""The UDP relay of one load balancer: start it, give it plans, end it. Like HAProxy, it outlives the server."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

from ... import files
from .. import ports
from ..config.cfg import Refused
from ..config.render import FINGERPRINT
from ..relay.interface import LOG, PIDFILE, PLAN, SOCKET, TAKE
from ..relay.plan import Plan, dumps, loads
from . import binding, counters, runtime
from .process_table import KILL_SECONDS, command_line, is_of_our_user, is_zombie, recorded, wait_until
from .unprivileged import User

ROOT = Path(__file__).parents[3]  # the directory that contains the package
COMMAND = ("-m", "lbclient.dataplane.relay")
START_SECONDS = 10.0
KILLED_SECONDS = 1.0
ANSWER_SECONDS = 1.0
HUNG_SECONDS = 2.0
TERM_SECONDS = 1.0


class RelayProcess:
    """The relay of one directory. The relay itself is asked each time for the plan that it runs."""

    def __init__(self, directory: Path, user: User | None = None) -> None:
        """Create the relay of a directory; once started, it becomes that user, if any."""
        self.directory = directory
        self._user = user

    def apply(self, wanted: Plan) -> str:
        """Apply a plan; return how it took effect: started, runtime, stopped or nothing.

        Raises Refused, with the last plan still in effect.
        """
        if not wanted.is_needed:
            return self.end()
        said = self._fingerprint(wanted.versions)
        if said == wanted.fingerprint:
            return "nothing"
        if said is None:
            self._start(wanted)
            return "started"
        self._tell(wanted)
        return "runtime"

    @property
    def has_run(self) -> bool:
        """Whether there is a relay, or was one that was not ended by end()."""
        return (self.directory / PIDFILE).exists()

    def restart(self) -> bool:
        """Start a relay that has crashed, or ended with the machine, with its last plan; return whether it was started.

        Raises Refused.
        """
        if not self.has_run or self.pid() is not None:
            return False
        try:
            plan = loads((self.directory / PLAN).read_text())
        except (OSError, ValueError, TypeError, KeyError):
            return False
        self._start(plan)
        return True

    def pid(self) -> int | None:
        """Return the PID of the relay; None if it does not run."""
        pid = recorded(self.directory / PIDFILE)
        return pid if pid is not None and self._is_ours(pid) else None

    def end(self) -> str:
        """End the process, with SIGKILL if it ignores SIGTERM; return stopped, or nothing if none was running."""
        pid = self.pid()
        if pid is None:
            return "nothing"
        self._keep_final_counters()
        self._kill(pid)
        (self.directory / PIDFILE).unlink(missing_ok=True)
        return "stopped"

    def remove(self) -> None:
        """End every relay of the directory.

        Skip the scan of /proc if there has never been a relay: a plan is written before a relay is started.
        """
        if (self.directory / PLAN).exists():
            self.end_all()

    def end_all(self) -> None:
        """End every relay of the directory, including any that have no pidfile."""
        for name in os.listdir("/proc"):
            if name.isdigit() and self._is_ours(int(name)):
                self._kill(int(name))

    def _keep_final_counters(self) -> None:
        """Save the relay's counters for the observer, which may have read them some seconds ago."""
        with contextlib.suppress(runtime.Unreachable):
            said = runtime.parse_report(runtime.ask(self.directory, SOCKET, runtime.REPORT, ANSWER_SECONDS))
            counters.keep_final_counters(self.directory, said.pid, said.rows)

    def _kill(self, pid: int) -> None:
        for number, seconds in ((signal.SIGTERM, TERM_SECONDS), (signal.SIGKILL, KILL_SECONDS)):
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                break
            if wait_until(lambda: not self._is_ours(pid), seconds):
                break

    def _fingerprint(self, versions: tuple[str, ...]) -> str | None:
        """Return the fingerprint of the plan in effect; None if no relay of these versions answers."""
        found: list[str] = []

        def answers() -> bool:
            try:
                said = runtime.ask(self.directory, SOCKET, "show info", ANSWER_SECONDS)
                info = runtime.parse_info(said)
                found.extend([info[FINGERPRINT]] if info.get("Version") in versions else [])
            except runtime.Unreachable:
                return self.pid() is None
            return True

        if self.pid() is not None:
            wait_until(answers, HUNG_SECONDS, poll=0.1)
        return found[0] if found else None

    def _tell(self, wanted: Plan) -> None:
        binding.check(set(wanted.binds) - self._binds(), is_datagram=True)
        previous = (self.directory / PLAN).read_text()
        self._write(dumps(wanted))
        try:
            refusal = runtime.ask(self.directory, SOCKET, TAKE)
        except runtime.Unreachable as error:
            raise Refused(f"The relay does not answer: {error}") from error
        if refusal:
            self._write(previous)
            raise Refused(refusal)

    def _binds(self) -> set[binding.Bind]:
        """Return the addresses and ports in the relay's plan, which it has bound."""
        try:
            return set(loads((self.directory / PLAN).read_text()).binds)
        except (OSError, ValueError, TypeError, KeyError):
            return set()

    def _start(self, wanted: Plan) -> None:
        is_anew = self.has_run
        self.end()
        if _port_refusal(wanted):
            self.end_all()
        if is_anew:  # the ports of a killed process become free a moment after it has disappeared
            wait_until(lambda: not _port_refusal(wanted), KILLED_SECONDS)
        binding.check(wanted.binds, is_datagram=True)
        self._write(dumps(wanted))
        (self.directory / SOCKET).unlink(missing_ok=True)
        log = self.directory / LOG
        with log.open("wb") as file:
            try:
                status = self._launch(file.fileno())
            except subprocess.TimeoutExpired:
                raise Refused("The relay did not start in time.") from None
        if status != 0:
            raise Refused(_last_line(log.read_text(errors="replace")))

    def _launch(self, log: int) -> int:
        """Start the relay; return the exit status of the first process, which ends once its child is serving.

        Python runs without `site` (-S), which would double the start-up time: the relay needs only the standard
        library.
        """
        return subprocess.run(
            [sys.executable, "-S", *COMMAND, str(self.directory), *map(str, self._user or ())],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=self.directory,
            env={"PATH": os.environ.get("PATH", os.defpath), "PYTHONPATH": str(ROOT)},
            start_new_session=True,
            timeout=START_SECONDS,
            check=False,
        ).returncode

    def _write(self, plan: str) -> None:
        group = self._user.gid if self._user else None
        files.replace(self.directory / PLAN, plan, is_durable=False, group=group)

    def _is_ours(self, pid: int) -> bool:
        """Return whether that process is the relay of this directory and is running."""
        wanted = [*map(str.encode, COMMAND), os.fsencode(self.directory)]
        is_relay = command_line(pid).split(b"\0")[2:5] == wanted
        return is_relay and is_of_our_user(pid, self.directory) and not is_zombie(pid)


def _port_refusal(wanted: Plan) -> str | None:
    return ports.refusal(sorted(wanted.binds), is_datagram=True)


def _last_line(log: str) -> str:
    lines = log.strip().splitlines()
    return lines[-1] if lines else "The relay does not start."
