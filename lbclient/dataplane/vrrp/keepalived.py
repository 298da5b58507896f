"""Start, reload and end the keepalived process of this host, and let it give its addresses away.

Like HAProxy, it outlives the process that started it. Which host has an address is never decided here.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Collection
from pathlib import Path

from ... import files
from ..config.cfg import Refused
from ..haproxy.binary import find_program
from ..haproxy.process_table import KILL_SECONDS, command_line, is_of_our_user, is_zombie, recorded, wait_until

CONFIGURATION, CANDIDATE, TRACKED, LOG = "keepalived.conf", "candidate.conf", "able", "keepalived.log"
IN_EFFECT = "in-effect.conf"  # the configuration that keepalived has read
PIDFILE, VRRP_PIDFILE = "keepalived.pid", "vrrp.pid"
ABLE, UNABLE = "0\n", "1\n"
CHECK_SECONDS = START_SECONDS = TERM_SECONDS = 10.0
LOG_BYTES = 2**20  # keepalived writes a line for each change of state; a longer file is emptied at a start
REASON_LENGTH = 500
MISSING = "keepalived not found: install it (on Debian, the package keepalived)."


def find() -> str | None:
    """Return the path of keepalived; None if it is not installed."""
    return find_program("keepalived")


class Keepalived:
    """The keepalived of one directory, found by its command line."""

    def __init__(self, path: str, directory: Path) -> None:
        """Create the owner of the process. `path` is the program; the directory exists, and is used by nothing else."""
        self.path = path
        self.directory = directory

    @property
    def tracked_file(self) -> str:
        """The path of the tracked file, for the configuration."""
        return str(self.directory / TRACKED)

    def apply(self, text: str) -> str:
        """Apply a configuration; return how it took effect: started, reloaded or nothing.

        A reload moves no address, and adds a new one within about 20 ms. Raises Refused if keepalived
        does not accept the configuration, with the last one still in effect, or does not start.
        """
        pid = self.pid()
        if pid is not None and self._read(CONFIGURATION) == self._read(IN_EFFECT) == text:
            return "nothing"
        self._check(text)
        self._write(CONFIGURATION, text)
        if pid is None:
            self._start()
        else:
            os.kill(pid, signal.SIGHUP)
        self._write(IN_EFFECT, text)
        return "started" if pid is None else "reloaded"

    def set_able(self, is_able: bool, group: str | None = None) -> None:
        """Set whether this host can serve its addresses, or a group's; if not, the other host takes them at once.

        The file is written in place, so that keepalived sees one change and never a file that is missing.
        """
        path = self.directory / (f"{TRACKED}.{group}" if group else TRACKED)
        wanted = ABLE if is_able else UNABLE
        if not path.exists() or path.read_text() != wanted:
            path.write_text(wanted)

    def is_able(self, group: str) -> bool:
        """Return whether this host can serve the addresses of a group, as set_able() was told last."""
        return all(self._read(name) in (None, ABLE) for name in (TRACKED, f"{TRACKED}.{group}"))

    def keep_only(self, groups: Collection[str]) -> None:
        """Delete the tracked files of all other groups."""
        for path in self.directory.glob(f"{TRACKED}.*"):
            if path.name.removeprefix(f"{TRACKED}.") not in groups:
                path.unlink()

    def pid(self) -> int | None:
        """Return the PID of the parent process; None if it does not run."""
        pid = recorded(self.directory / PIDFILE)
        return pid if pid is not None and self._is_ours(pid) else None

    def stop(self) -> str:
        """End keepalived, which gives its addresses away first; return stopped, or nothing if it did not run.

        If it does not end in time, it is killed, and its addresses stay on this host, as after a crash.
        """
        if not any((self.directory / name).exists() for name in (PIDFILE, VRRP_PIDFILE)):
            return "nothing"  # without a search through all processes
        found = self._family()
        self._signal(found[:1], signal.SIGTERM)
        if not wait_until(lambda: not self._family(), TERM_SECONDS):
            self.kill()
        self._forget()
        return "stopped" if found else "nothing"

    def kill(self) -> None:
        """Kill keepalived and its child, like a crash: this host keeps its addresses until it is started again."""
        self._signal(self._family(), signal.SIGKILL)
        wait_until(lambda: not self._family(), KILL_SECONDS)

    def _read(self, name: str) -> str | None:
        try:
            return (self.directory / name).read_text()
        except OSError:
            return None

    def _write(self, name: str, text: str) -> None:
        files.replace(self.directory / name, text, is_durable=False)

    def _check(self, text: str) -> None:
        """Have keepalived check a configuration. Raises Refused."""
        candidate = self.directory / CANDIDATE
        self._write(CANDIDATE, text)
        command = [self.path, "-t", "-P", "-f", str(candidate)]
        try:
            result = subprocess.run(command, capture_output=True, text=True, timeout=CHECK_SECONDS, check=False)
        except subprocess.TimeoutExpired:
            raise Refused("keepalived hangs: it did not check its configuration in time.") from None
        finally:
            candidate.unlink()
        if result.returncode != 0:
            raise Refused(_reason(result.stdout + result.stderr, str(candidate)))

    def _start(self) -> None:
        """Start keepalived. Raises Refused if it ends at once, or is not ready for signals in time."""
        self.kill()  # the child may have outlived a parent that was killed
        self._forget()  # keepalived takes an old pidfile for a running process
        if not (self.directory / TRACKED).exists():
            self.set_able(True)
        log = self.directory / LOG
        with log.open("ab") as file:
            if file.tell() > LOG_BYTES:
                file.truncate(0)
            begin = file.tell()
            process = subprocess.Popen(
                self._command(), stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True
            )
        ready = self.directory / VRRP_PIDFILE  # written by the child: a reload earlier would end the parent
        is_decided = wait_until(lambda: ready.exists() or process.poll() is not None, START_SECONDS)
        if not is_decided or process.poll() is not None:
            self.kill()
            raise Refused(_reason(_tail(log, begin)))

    def _command(self) -> list[str]:
        pidfiles = ["-p", str(self.directory / PIDFILE), "-r", str(self.directory / VRRP_PIDFILE)]
        return [self.path, "-n", "-l", "-P", "-f", str(self.directory / CONFIGURATION), *pidfiles]

    def _forget(self) -> None:
        for name in (PIDFILE, VRRP_PIDFILE):
            (self.directory / name).unlink(missing_ok=True)

    def _family(self) -> list[int]:
        """Return the PIDs of keepalived and its child, the parent first."""
        return sorted(pid for name in os.listdir("/proc") if name.isdigit() and self._is_ours(pid := int(name)))

    def _is_ours(self, pid: int) -> bool:
        """Return whether that process is the keepalived of this directory and is running."""
        words = command_line(pid).split(b"\0")[1:-1]
        wanted = list(map(os.fsencode, self._command()[1:]))
        return words == wanted and is_of_our_user(pid, self.directory) and not is_zombie(pid)

    @staticmethod
    def _signal(pids: list[int], number: signal.Signals) -> None:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)


def _tail(log: Path, begin: int) -> str:
    return log.read_bytes()[begin:].decode(errors="replace")


def _reason(said: str, path: str = "") -> str:
    """Return the lines of a log that say why keepalived failed, without the path of a temporary file."""
    lines = [line.split(": ", 1)[-1].replace(path, CONFIGURATION) if path else line for line in said.splitlines()]
    return " ".join(lines)[-REASON_LENGTH:].strip() or "keepalived gave no reason."
