"""How many connections an HAProxy may carry at once under the limit of open files, beside all else that it opens."""

from __future__ import annotations

from collections.abc import Iterable
from math import inf

from .backends import Server
from .cfg import Refused

SPARE = 200  # sockets, logs and pipes, and the first SPARED listeners and checks
SPARED = 100
STEP = 500  # a member more or less mostly leaves the limit of connections as it is, which only a reload changes
FEWEST = 100  # connections that a load balancer is started for


def connections(wanted: int, most_files: float, listening: int, servers: Iterable[Server]) -> int:
    """At most as many as wanted; two files each. Raises Refused where fewer than FEWEST are left.

    `listening` is the number of sockets that clients connect to. HAProxy reserves one file for each of them and for
    each member that is checked, and does not start where the limit has no room for them.
    """
    if most_files == inf:
        return wanted
    count = listening + sum(each.is_checked for each in servers)
    room = int(most_files) - SPARE - (0 if count <= SPARED else -(-count // STEP) * STEP)
    if room < 2 * FEWEST:
        raise Refused(
            f"{count} listening sockets and health checks do not fit under the limit of {int(most_files)} open files: "
            "raise the hard limit of the server (LimitNOFILE= of a systemd unit, or ulimit -Hn) or check fewer members."
        )
    return min(wanted, room // 2)
