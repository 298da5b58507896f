"""The handover of stick tables between workers, so that sessions survive each reload.

An old worker teaches its tables to the next one through the peers section, once it considers them complete. HAProxy
considers them complete when a peer has said so, or after five seconds. The first worker has no predecessor that could
say so: this module does, in the peers protocol.
"""

from __future__ import annotations

import logging
import os
import re
import time
from pathlib import Path

from ..config.peers import LOCAL_PEER, PEER_SOCKET, TEACHER
from ..config.render import ADMIN_SOCKET
from . import runtime
from .configuration_files import CONFIG

LOG = logging.getLogger(__name__)
COMPLETE_SECONDS = 6.0  # HAProxy itself stops waiting after five
LEARNING_SECONDS = 0.5  # within which a worker connects if it has tables to teach
ANSWER_SECONDS = 1.0
POLL = 0.01
FLAGS = re.compile(r" flags=0x([0-9a-f]+) ")  # the first match is that of the peers section
LEARNED_FROM_LOCAL, LEARNED_FROM_REMOTE = 1, 2
OWN_NAME = re.compile(r"^    localpeer (\S+)$", re.MULTILINE)
PEER = re.compile(r"^  0x[0-9a-f]+: ", re.MULTILINE)  # the beginning of what `show peers` says about one
HELLO = "HAProxyS 2.1\n{known_as}\n{name} {pid} 1\n"
WELCOME = b"200\n"
NOTHING_MORE = b"\x00\x01"  # class: control; type: resync finished
CONFIRMED = b"\x00\x03"


def prepare_handover(directory: Path) -> None:
    """Make the worker ready, before a reload, to teach its tables to the next one, even if it has just started.

    Log a warning if that fails.
    """
    try:
        if not _is_made_complete(directory):
            LOG.warning("%s: sessions may be lost: HAProxy was not ready to hand its tables on", directory)
    except runtime.Unreachable as error:
        LOG.warning("%s: sessions may be lost: %s", directory, error)


def _is_made_complete(directory: Path) -> bool:
    """Wait until the worker's tables are complete; return whether they are, or there are none. Raises Unreachable."""
    begun = time.monotonic()
    own_name = _own_name(directory)
    while time.monotonic() < begun + COMPLETE_SECONDS:
        said = runtime.ask(directory, ADMIN_SOCKET, "show peers")
        found = FLAGS.search(said)
        if found is None:
            return True
        learned = int(found[1], 16) & (LEARNED_FROM_LOCAL | LEARNED_FROM_REMOTE)
        if learned == LEARNED_FROM_LOCAL | LEARNED_FROM_REMOTE:
            return True
        is_waiting = not _is_taught_here(said) and time.monotonic() > begun + LEARNING_SECONDS
        if learned == LEARNED_FROM_LOCAL:
            _tell(directory, own_name, TEACHER)
        elif is_waiting:
            _tell(directory, own_name, own_name)
        time.sleep(POLL)
    return False


def _own_name(directory: Path) -> str:
    """Return the name of this host among the peers of the configuration that runs."""
    found = OWN_NAME.search((directory / CONFIG).read_text())
    return found[1] if found else LOCAL_PEER


def _is_taught_here(said: str) -> bool:
    """Return whether `show peers` has a connection of the worker before, rather than of another host."""
    return any("(local," in each and "appctx:" in each for each in PEER.split(said))


def _tell(directory: Path, own_name: str, name: str) -> None:
    """Announce, as the peer of this name, that there is nothing more to learn. Raises Unreachable."""
    try:
        with runtime.connected(directory, PEER_SOCKET, ANSWER_SECONDS) as connection:
            connection.sendall(HELLO.format(known_as=own_name, name=name, pid=os.getpid()).encode())
            heard = connection.recv(4096)
            if heard.startswith(WELCOME):
                connection.sendall(NOTHING_MORE)
                while heard and not heard.endswith(CONFIRMED):
                    heard = connection.recv(4096)
    except OSError as cause:
        if runtime.is_own_lack(cause):
            raise
        raise runtime.Unreachable(f"{PEER_SOCKET}: {cause}") from cause
