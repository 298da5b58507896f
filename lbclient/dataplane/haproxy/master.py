"""Ask the master process of an HAProxy, which starts its workers."""

from __future__ import annotations

import time
from pathlib import Path

from ..config.cfg import Refused
from . import binary, runtime
from .process_table import wait_until

SILENT_SECONDS = 2.0  # for an answer of a master that has not reloaded when asked


def ask_to_reload(directory: Path, deadline: float) -> None:
    """Send the reload command to the master of a directory, with retries until the deadline of time.monotonic().

    HAProxy 2.7 and later answer when the reload is done; older ones close the connection at once. A master that has
    just been started or reloaded does not listen for a moment. Raises Refused if the reload fails.
    """
    answers: list[str] = []

    def is_heard() -> bool:
        patience = max(0.1, deadline - time.monotonic())
        try:
            answers.append(runtime.ask(directory, runtime.MASTER_SOCKET, "reload", patience))
        except runtime.Interrupted:
            return True
        except runtime.Unreachable:
            return False
        return True

    wait_until(is_heard, deadline - time.monotonic())
    if answers and answers[0].startswith("Success=0"):
        raise Refused(binary.reason(answers[0]))


def answers(directory: Path) -> bool:
    """Return whether the master of a directory answers within SILENT_SECONDS."""

    def is_heard() -> bool:
        try:
            return "<PID>" in runtime.ask(directory, runtime.MASTER_SOCKET, "show proc", SILENT_SECONDS)
        except runtime.Unreachable:
            return False

    return wait_until(is_heard, SILENT_SECONDS)
