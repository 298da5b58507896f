"""The number of concurrent connections that fits under the limit of open files, beside HAProxy's other files."""

from __future__ import annotations

from math import inf

from .cfg import Refused

SPARE = 200  # files for sockets, logs and pipes, and for up to SPARED listening sockets and checks
SPARED = 100
STEP = 500  # rounds the files up, so that a new member rarely changes the limit of connections, which takes a reload
FEWEST = 100  # connections; a load balancer for which fewer are left is refused


def connections(wanted: int, most_files: float, listening: int, checked: int) -> int:
    """Return the limit of connections: as wanted, or fewer if files are short. A connection takes two files.

    `listening` is the number of sockets that clients connect to, `checked` that of checked members. HAProxy reserves
    one file for each of them, and does not start if the limit is too low for them. Raises Refused if fewer than FEWEST
    connections are left.
    """
    if most_files == inf:
        return wanted
    count = listening + checked
    room = int(most_files) - SPARE - (0 if count <= SPARED else -(-count // STEP) * STEP)
    if room < 2 * FEWEST:
        raise Refused(
            f"{count} listening sockets and health checks do not fit under the limit of {int(most_files)} open files: "
            "raise the hard limit of the server (LimitNOFILE= of a systemd unit, or ulimit -Hn) or check fewer members."
        )
    return min(wanted, room // 2)
