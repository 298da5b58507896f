"""The HAProxy of one load balancer: start, reload, adjust and stop it. It is a daemon that outlives the server."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from .. import ports
from ..config.cfg import Refused
from ..config.peers import OTHER_SOCKET, PEER_SOCKET
from ..config.render import ADMIN_SOCKET, Configuration
from ..relay.interface import EXPORTER_SOCKET, HEALTH_EVENTS_SOCKET, TRAFFIC_SOCKET
from . import binary as haproxy
from . import (
    binding,
    bound,
    certificates,
    counters,
    master,
    membership,
    pem,
    policy_maps,
    process_table,
    runtime,
    stick_tables,
    unprivileged,
)
from .configuration_files import CONFIG, NEXT, ConfigurationFiles
from .membership import Lingering
from .process_table import PIDFILE, wait_until
from .relay_process import RelayProcess
from .unprivileged import User

START_SECONDS = 10.0
RELOAD_SECONDS = 5.0
RELOAD_ATTEMPTS = 2
HUNG_SECONDS = 5.0
ENDING_SECONDS = 0.5  # for the sockets of an HAProxy that ends by itself
DRAIN_SECONDS = 5.0  # for the connections of a worker whose master is replaced
LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Running:
    """The configuration that a worker runs, from which its servers can be changed without querying all of them."""

    pid: int
    configuration: Configuration
    lingering: Lingering


@dataclass(frozen=True)
class Applied:
    """The way a configuration took effect: started, reloaded, runtime, stopped or nothing."""

    how: str
    milliseconds: float
    reason: str | None = None  # for a reload: what could not be changed at run time
    running: Running | None = None  # to be passed to the next apply()


class Instance:
    """The HAProxy of one directory.

    HAProxy itself is asked each time for the configuration that it runs. Comparing this with the desired one therefore
    works after any process has crashed at any point.
    """

    def __init__(self, directory: Path, binary: str, user: User | None = None) -> None:
        """Create an instance whose HAProxy, as its configuration says, and relay become that user, if any."""
        self.directory = directory
        self._files = ConfigurationFiles(directory)
        self._binary = binary
        self._user = user

    def apply(self, wanted: Configuration, running: Running | None = None) -> Applied:
        """Apply the configuration to HAProxy and the relay; return how it took effect.

        `running` is what the last apply() of this process returned, if that succeeded: if the same worker still runs,
        only the difference is looked at. Raises Refused, with the last good configuration still running.
        """
        start = time.monotonic()
        if wanted.is_needed:
            self._open_directory()
        try:
            how, reason, now = self._apply(wanted, running)
        finally:  # a refusal by HAProxy does not hold up the UDP listeners
            relayed = RelayProcess(self.directory, self._user).apply(wanted.relay)
        milliseconds = (time.monotonic() - start) * 1000
        return Applied(relayed if how == "nothing" else how, milliseconds, reason, now)

    def _apply(self, wanted: Configuration, running: Running | None) -> tuple[str, str | None, Running | None]:
        """Return how HAProxy was changed, why not at run time, and what runs now."""
        worker = self.worker()
        if not wanted.is_proxied:
            self._files.forget(wanted)
            return self.stop(), None, None
        if worker is None:
            self._start(wanted)
            return "started", None, self._running(wanted)
        known = running if running is not None and running.pid == worker.pid else None
        if worker.fingerprint != wanted.fingerprint:
            self._reload(wanted)
            return "reloaded", wanted.difference(known.configuration) if known else None, self._running(wanted)
        try:
            how = "nothing"
            if worker.generation != wanted.generation:
                self._exchange(worker.generation, wanted)
                how = "runtime"
            if self._change_maps(wanted, known):
                how = "runtime"
            return self._adjust(wanted, worker.pid, known, how)
        except membership.NeedsReload as need:
            self._reload(wanted)
            return "reloaded", str(need), self._running(wanted)

    def _running(self, wanted: Configuration) -> Running | None:
        """Return the worker that has just loaded the configuration; None if it does not answer any more."""
        try:
            return Running(runtime.worker(self.directory).pid, wanted, Lingering())
        except runtime.Unreachable:
            return None

    def worker(self) -> runtime.Worker | None:
        """Return the worker that serves the traffic; None if it does not answer or has no master to reload it."""
        if process_table.master(self.directory) is None:
            return None
        found: list[runtime.Worker] = []

        def answers() -> bool:
            try:
                found.append(runtime.worker(self.directory))
            except runtime.Unreachable:
                return process_table.master(self.directory) is None
            return True

        wait_until(answers, HUNG_SECONDS, poll=0.1)
        is_orphan = bool(found) and found[0].pid == process_table.master(self.directory)
        return found[0] if found and not is_orphan else None

    @property
    def has_last_good(self) -> bool:
        """Whether there is something that start_last_good() can start if it does not run."""
        return self._files.has_good or RelayProcess(self.directory).has_run

    def start_last_good(self) -> bool:
        """Start the last good configuration and the relay's last plan if they do not run; return whether any was.

        Raises Refused.
        """
        try:
            is_started = self._start_good()
        finally:
            is_relaying = RelayProcess(self.directory, self._user).restart()
        return is_started or is_relaying

    def _start_good(self) -> bool:
        """Start the last good configuration of HAProxy if no worker runs; return whether it was started."""
        if not self._files.has_good or self.worker() is not None:
            return False
        process_table.end(self.directory)
        self._files.write_states()
        self._files.restore()
        self._launch()
        return True

    def stop(self) -> str:
        """End all processes; the directory is kept for the counters. Return stopped, or nothing if none was running."""
        self._files.drop_good()  # so that start_last_good() does not start it again
        if not (self.directory / PIDFILE).exists():
            return "nothing"
        with contextlib.suppress(runtime.Unreachable):
            self._keep_final_counters()
        process_table.end(self.directory)
        (self.directory / PIDFILE).unlink(missing_ok=True)
        return "stopped"

    def remove(self) -> None:
        """End all processes, also the relay, and delete the directory."""
        if self.directory.exists():
            process_table.end(self.directory)
            RelayProcess(self.directory).remove()
            shutil.rmtree(self.directory, ignore_errors=True)

    def _open_directory(self) -> None:
        """Create the directory, or open it to another user than before.

        A relay that runs as another user ends first: it could not be told from a foreign process any more. Sockets are
        looked at each time, since a server that was killed may have opened the directory without sharing them.
        """
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not unprivileged.is_open_to(self.directory, self._user):
            RelayProcess(self.directory).end()
            unprivileged.open_to(self.directory, self._user)
        for name in (PEER_SOCKET, OTHER_SOCKET, EXPORTER_SOCKET, HEALTH_EVENTS_SOCKET, TRAFFIC_SOCKET):
            with contextlib.suppress(FileNotFoundError):
                unprivileged.share(self.directory / name, self.directory)

    def _start(self, wanted: Configuration) -> None:
        if (self.directory / PIDFILE).exists():
            process_table.end(self.directory)
        self._files.write_states()
        if ports.refusal(wanted.binds):
            process_table.end(self.directory)  # an HAProxy of this directory may be left without its pidfile
            # One that ends by itself has no command line to be recognised by, and still holds its sockets for a moment.
            wait_until(lambda: not ports.refusal(wanted.binds), ENDING_SECONDS)
        binding.check(wanted.binds)
        self._files.write_candidate(wanted)
        self._files.take_candidate()
        try:
            self._launch()  # HAProxy checks the configuration itself; no running process could be harmed
        except haproxy.Hung:
            raise
        except Refused as refusal:
            raise _refusal(str(refusal), wanted) from None
        if not self._is_taken_up(wanted, self._patience(START_SECONDS)):
            raise Refused("HAProxy was started but does not answer.")
        self._files.keep_loaded(wanted)

    def _launch(self, predecessor: int | None = None) -> None:
        """Start a master and its worker. The predecessor, a worker's PID, hands over its sockets and ends.

        Raises Refused.
        """
        arguments = ("-W", "-D", "-C", str(self.directory), "-f", CONFIG, "-p", PIDFILE)
        takeover = ("-x", ADMIN_SOCKET, "-sf", str(predecessor)) if predecessor else ()
        with tempfile.TemporaryFile() as log:
            # A file rather than a pipe, which the daemon would hold open.
            status = haproxy.run(
                [self._binary, *arguments, "-S", f"unix@{runtime.MASTER_SOCKET},mode,600", *takeover],
                self._patience(START_SECONDS),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={"PATH": os.environ.get("PATH", os.defpath)},
                start_new_session=True,
            )
            log.seek(0)
            if status != 0:
                raise Refused(haproxy.reason(log.read().decode(errors="replace")))

    def _patience(self, seconds: float) -> float:
        return haproxy.patience(seconds, self._files.size)

    def _reload(self, wanted: Configuration) -> None:
        binding.check(set(wanted.binds) - self._binds())
        self._check(wanted)
        stick_tables.prepare_handover(self.directory)
        self._keep_states(wanted)
        self._files.remember_loaded(self.worker())
        self._files.take_candidate()
        try:
            self._take_up(wanted)
        except Refused:
            self._files.restore()
            raise
        self._files.keep_loaded(wanted)
        self._correct(wanted)

    def _correct(self, wanted: Configuration) -> None:
        """Correct settings that a new worker took from the state file instead of the configuration. Raises Refused."""
        try:
            membership.make(self.directory, membership.differing(wanted.backends, self.directory), Lingering())
        except (runtime.Unreachable, membership.NeedsReload) as error:
            raise Refused(f"HAProxy does not run what it has loaded: {error}") from error

    def _take_up(self, wanted: Configuration) -> None:
        """Make the master reload; a master that does not answer any more is replaced. Raises Refused."""
        for _ in range(RELOAD_ATTEMPTS):  # a request can get lost while the master restarts itself
            deadline = time.monotonic() + self._patience(RELOAD_SECONDS)
            master.ask_to_reload(self.directory, deadline)
            if self._is_taken_up(wanted, deadline - time.monotonic()):
                return
        if master.answers(self.directory):
            raise Refused("HAProxy did not take up the configuration in time.")
        self._replace_master(wanted)

    def _replace_master(self, wanted: Configuration) -> None:
        """Start another master, whose worker takes over the sockets of the present worker. Raises Refused.

        No connection is refused in the meantime. Open connections have DRAIN_SECONDS to end, since a worker does not
        survive its master.
        """
        replaced = process_table.family(self.directory)
        worker = self.worker()
        LOG.warning("%s: HAProxy's master process does not answer and is replaced", self.directory.name)
        self._launch(worker.pid if worker else None)
        if not self._is_taken_up(wanted, self._patience(START_SECONDS)):
            raise Refused("HAProxy's master process does not answer, and another one could not be started.")
        if worker:
            wait_until(lambda: process_table.is_zombie(worker.pid), DRAIN_SECONDS, poll=0.05)
        process_table.kill_these(replaced, self.directory)

    def _adjust(
        self, wanted: Configuration, pid: int, known: Running | None, how: str
    ) -> tuple[str, str | None, Running]:
        """Add, change and delete servers without a reload, and return what _apply() does.

        The configuration file is written first, so that a restart has them as well. After a server was killed during
        the change, the next one compares everything that runs with what is wanted. Raises NeedsReload or Refused.
        """
        lingering = known.lingering if known else Lingering()
        try:
            if known is not None and known.configuration.text != wanted.text:
                changes = membership.between(known.configuration.backends, wanted.backends, lingering)
            else:
                changes = membership.differing(wanted.backends, self.directory)
            self._write(wanted, known)
            left = membership.make(self.directory, changes, lingering)
        except runtime.Unreachable as error:
            raise Refused(f"HAProxy does not answer: {error}") from error
        is_new = changes.commands or set(changes.deleted) - set(lingering.since)
        return ("runtime" if is_new else how), None, Running(pid, wanted, left)

    def _write(self, wanted: Configuration, known: Running | None) -> None:
        """Write the configuration file unless it is known, or found, to have this text."""
        if known is None:
            is_current = self._files.is_written(wanted.text)
        else:
            is_current = known.configuration.text == wanted.text and self._files.has_configuration
        if not is_current:
            self._files.write(wanted)

    def _change_maps(self, wanted: Configuration, known: Running | None) -> bool:
        """Change maps of L7 policies; return whether there was anything to change. Raises NeedsReload or Refused."""
        try:
            return policy_maps.exchange(self.directory, wanted, known.configuration if known else None)
        except runtime.Unreachable as error:
            raise Refused(f"HAProxy does not answer: {error}") from error

    def _exchange(self, loaded: str, wanted: Configuration) -> None:
        """Replace certificates without a reload. Raises NeedsReload; HAProxy checks the certificates itself."""
        pem.store(self.directory, wanted)
        changed = pem.differing(self.directory, loaded, wanted)
        if not certificates.exchange(self.directory, changed, wanted.generation):
            raise membership.NeedsReload("HAProxy cannot exchange these certificates or authorities at run time")

    def _check(self, wanted: Configuration) -> None:
        self._files.write_candidate(wanted)
        objection = haproxy.objection(self._binary, self.directory, NEXT)
        if objection:
            raise _refusal(objection, wanted)

    def _binds(self) -> set[tuple[str, int]]:
        """Return the addresses and ports that the running worker listens on. Raises Refused."""
        try:
            return bound.listened_on(self.directory)
        except runtime.Unreachable as error:
            raise Refused(f"HAProxy does not answer: {error}") from error

    def _keep_states(self, wanted: Configuration) -> None:
        """Save server states for the new worker to load, and the final counters of the old one for the observer."""
        try:
            self._keep_final_counters()
            self._files.write_states(runtime.kept_states(wanted.servers, runtime.states(self.directory)))
        except runtime.Unreachable:
            self._files.write_states()

    def _keep_final_counters(self) -> None:
        """Save the worker's counters for the observer. Raises Unreachable."""
        report = runtime.parse_report(runtime.ask(self.directory, ADMIN_SOCKET, runtime.REPORT))
        counters.keep_final_counters(self.directory, report.pid, report.rows)

    def _is_taken_up(self, wanted: Configuration, seconds: float) -> bool:
        def is_loaded() -> bool:
            try:
                worker = runtime.worker(self.directory)
                return (worker.fingerprint, worker.generation) == (wanted.fingerprint, wanted.generation)
            except runtime.Unreachable:
                return False

        return wait_until(is_loaded, seconds)


def _refusal(objection: str, wanted: Configuration) -> Refused:
    return Refused(f"HAProxy refuses the configuration: {pem.named(objection, wanted)}")
