"""A relay's process: python -m lbclient.dataplane.relay DIRECTORY."""

from __future__ import annotations

import logging
import os
import signal
import sys
from functools import partial
from pathlib import Path

from . import plan
from .control import Control
from .interface import METRICS_SOCKET, PIDFILE, PLAN, SOCKET, TAKE
from .listener import CannotListen
from .loop import Loop
from .metrics import Exporter
from .relay import Relay


def main(directory: str) -> int | None:
    """Works in the directory, all paths being relative to it, until it is ended; the exit status if it cannot.

    The first process ends as soon as it listens, and leaves one that is nobody's child.
    """
    logging.basicConfig(stream=sys.stderr)
    os.chdir(directory)
    os.umask(0o077)
    loop = Loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    relay = Relay(loop)
    exporter = Exporter(METRICS_SOCKET, SOCKET)
    refusal = _take(relay)
    if refusal:
        print(refusal, file=sys.stderr)
        return 1
    exporter.take(relay.plan.names)
    Control(SOCKET, loop, partial(_answer, relay, exporter))
    pid = os.fork()
    if pid:
        Path(PIDFILE).write_text(f"{pid}\n")
        os._exit(0)
    exporter.start()
    loop.run()
    return None


def _answer(relay: Relay, exporter: Exporter, question: str) -> str:
    if question != TAKE:
        return relay.answer(question)
    refusal = _take(relay)
    exporter.take(relay.plan.names)
    return refusal


def _take(relay: Relay) -> str:
    """Does what the file says; why not, where that cannot be."""
    try:
        relay.take(plan.loads(Path(PLAN).read_text()))
    except CannotListen as refusal:
        return str(refusal)
    except (OSError, ValueError, TypeError, KeyError) as error:
        return f"The plan cannot be read: {type(error).__name__}: {error}"
    return ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
