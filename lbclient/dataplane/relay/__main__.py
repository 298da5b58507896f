"""The process of a relay: python -m lbclient.dataplane.relay DIRECTORY [UID GID]."""

from __future__ import annotations

import logging
import os
import sys
from functools import partial
from pathlib import Path

from ...signals import ENDING, Flag
from . import identity, plan
from .control import Control
from .interface import METRICS_SOCKET, PIDFILE, PLAN, SOCKET, TAKE
from .listener import CannotListen
from .loop import Loop
from .metrics import Exporter
from .relay import Relay


def main(directory: str, uid: str = "", gid: str = "") -> int | None:
    """Run the relay of a directory until it is ended by a signal; return the exit status 1 if it cannot start.

    All paths are relative to the directory. The first process exits as soon as the relay listens, and leaves a daemon,
    which becomes the given user.
    """
    logging.basicConfig(stream=sys.stderr)
    os.chdir(directory)
    os.umask(0o077)
    loop = Loop()
    is_over = Flag(*ENDING)
    loop.watch(is_over.fileno(), sys.exit)
    relay = Relay(loop)
    exporter = Exporter(METRICS_SOCKET, SOCKET)
    refusal = _take(relay)
    if refusal:
        print(refusal, file=sys.stderr)
        return 1
    exporter.take(relay.plan.names)
    Control(SOCKET, loop, partial(_answer, relay, exporter))
    if uid:
        for path in (SOCKET, METRICS_SOCKET):
            os.chown(path, -1, int(gid))
            os.chmod(path, 0o660)
    with open(PIDFILE, "w") as pidfile:
        if uid:
            identity.become(int(uid), int(gid))
        pid = os.fork()
        if pid:
            pidfile.write(f"{pid}\n")
            pidfile.flush()
            os._exit(0)
    exporter.start()
    try:
        loop.run()
    finally:
        relay.close()  # which logs the flows
    return None


def _answer(relay: Relay, exporter: Exporter, question: str) -> str:
    if question != TAKE:
        return relay.answer(question)
    refusal = _take(relay)
    exporter.take(relay.plan.names)
    return refusal


def _take(relay: Relay) -> str:
    """Apply the plan in the file; return the error, or "" on success."""
    try:
        relay.take(plan.loads(Path(PLAN).read_text()))
    except CannotListen as refusal:
        return str(refusal)
    except (OSError, ValueError, TypeError, KeyError) as error:
        return f"The plan cannot be read: {type(error).__name__}: {error}"
    return ""


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
