"""Move addresses to another host by plan, and let open connections stay with the host that has them.

The host that takes addresses notes who opens connections to them, and passes the packets of all other connections on to
the host that had the addresses, which still has them on its loopback interface. It answers its clients directly.
"""

from __future__ import annotations

import contextlib
import ipaddress
import logging
import re
import socket
import subprocess
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from ...strings import reason
from ..config.cfg import Refused
from ..haproxy.binary import find_program
from ..haproxy.local_routes import LOOPBACK_DEVICE, NO_DAD, netlink

LOG = logging.getLogger(__name__)
KEPT_SECONDS = 3600  # as long as HAProxy keeps an old worker
MOST_CONNECTIONS = 1 << 20
NFT_SECONDS = 30.0
PREFIX = "lbclient-"
TABLE = re.compile(rf"^table netdev {PREFIX}([a-z0-9]+)-([0-9]+)$", re.MULTILINE)
NAME = re.compile(r"[^a-z0-9]")
CONNECTIONS = {4: Path("/proc/net/tcp"), 6: Path("/proc/net/tcp6")}
LISTENS = "0A"  # the state of a socket that has no client
METRIC = 27747  # of addresses that this host keeps for open connections: see `ip addr show dev lo`

Connection = tuple[str, int, str, int]  # address and port of the client, address and port here


def find() -> str | None:
    """Return the path of nft; None if it is not installed."""
    return find_program("nft")


def table(group: str, until: int) -> str:
    """Return the name of a group's table; it has the time when it ends, in seconds since 1970."""
    return f"{PREFIX}{NAME.sub('', group.lower())}-{until}"


def render(name: str, interface: str, addresses: Iterable[str], other: str, known: Iterable[Connection] = ()) -> str:
    """Return the nftables table of a host that takes addresses from another host of the same network.

    `known` are the connections that it has already. Addresses of the other IP version than the other host's are left
    out: it cannot be reached by them.
    """
    family = "ip6" if ":" in other else "ip"
    kind = "ipv6_addr" if ":" in other else "ipv4_addr"
    taken = sorted(each for each in addresses if (":" in each) == (":" in other))
    if not taken:
        raise Refused(f"No address of the group has the IP version of {other}.")
    mine = [f"{client} . {port} . {here} . {at}" for client, port, here, at in known if here in taken]
    elements = [f"        elements = {{ {', '.join(mine)} }}"] if mine else []
    concerns = f"{family} daddr {{ {', '.join(taken)} }}"
    key = f"{family} saddr . tcp sport . {family} daddr . tcp dport"
    lines = [
        f"table netdev {name} {{",
        "    set mine {",
        f"        type {kind} . inet_service . {kind} . inet_service",
        "        flags dynamic,timeout",
        f"        timeout {KEPT_SECONDS}s",
        f"        size {MOST_CONNECTIONS}",
        *elements,
        "    }",
        "    chain in {",
        f'        type filter hook ingress device "{interface}" priority 0; policy accept;',
        f"        {concerns} tcp flags & (syn|ack|rst) == syn update @mine {{ {key} }} accept",
        f"        {concerns} meta l4proto tcp {key} @mine accept",
        f'        {concerns} meta l4proto tcp fwd {family} to {other} device "{interface}"',
        "    }",
        "}",
    ]
    return "\n".join(lines) + "\n"


def connections(addresses: Sequence[str], files: Iterable[Path] = CONNECTIONS.values()) -> Iterator[Connection]:
    """Yield the TCP connections of this machine to these addresses."""
    wanted = set(addresses)
    for path in files:
        with contextlib.suppress(FileNotFoundError), path.open() as lines:
            for line in list(lines)[1:]:
                here, client, state = line.split()[1:4]
                if state != LISTENS and (found := _endpoint(here))[0] in wanted:
                    yield (*_endpoint(client), *found)


class Handover:
    """Manages the tables and addresses of this host's moves."""

    def __init__(self, nft: str, kept_seconds: int = KEPT_SECONDS) -> None:
        """`nft` is the path of the program; tables and addresses end after kept_seconds."""
        self._nft = nft
        self._kept_seconds = kept_seconds

    def expect(self, group: str, interface: str, addresses: Sequence[str], other: str) -> None:
        """Pass packets of the other host's connections on to it, before this host takes addresses. Raises Refused."""
        name = table(group, int(time.time()) + self._kept_seconds)
        text = render(name, interface, addresses, other, connections(addresses))
        self._run("".join(map(_removal, self._tables(group))) + text)

    def forget(self, group: str) -> None:
        """Pass no packet of a group on any more, once the other host has the addresses. Raises Refused.

        Not earlier: until then, packets of the other host's connections still come here.
        """
        self._remove(self._tables(group))

    def forget_ended(self) -> None:
        """Remove the tables whose time is over. Raises Refused."""
        now = int(time.time())
        self._remove([name for name, until in self._all() if until <= now])

    def keep(self, addresses: Iterable[str]) -> None:
        """Keep addresses for the open connections without announcing them; the kernel removes them after kept_seconds.

        Raises AttachmentFailed.
        """
        with netlink("Addresses cannot be kept for open connections") as routes:
            device = routes.link_lookup(ifname=LOOPBACK_DEVICE)[0]
            for each in addresses:
                family = socket.AF_INET6 if ":" in each else socket.AF_INET
                bits = ipaddress.ip_address(each).max_prefixlen
                place = {"index": device, "address": each, "prefixlen": bits, "family": family}
                lifetime = {"preferred_lft": 0 if ":" in each else self._kept_seconds, "valid_lft": self._kept_seconds}
                flags = {"IFA_FLAGS": NO_DAD} if ":" in each else {}
                routes.addr("replace", **place, **lifetime, **flags, IFA_RT_PRIORITY=METRIC)

    def _tables(self, group: str) -> list[str]:
        mine = table(group, 0).rpartition("-")[0]
        return [name for name, _ in self._all() if name.rpartition("-")[0] == mine]

    def _all(self) -> Iterator[tuple[str, int]]:
        for found in TABLE.finditer(self._run("list tables netdev\n")):
            yield f"{PREFIX}{found[1]}-{found[2]}", int(found[2])

    def _remove(self, names: Sequence[str]) -> None:
        if names:
            self._run("".join(map(_removal, names)))

    def _run(self, text: str) -> str:
        """Run nft with a text as its input; return its output. Raises Refused."""
        try:
            done = subprocess.run(
                [self._nft, "-f", "-"], input=text, capture_output=True, text=True, timeout=NFT_SECONDS, check=False
            )
        except subprocess.TimeoutExpired:
            raise Refused("nft hangs.") from None
        except OSError as error:
            raise Refused(f"nft cannot be run: {reason(error)}.") from error
        if done.returncode != 0:
            raise Refused(f"nft refuses: {(done.stderr.strip() or 'no reason').splitlines()[0]}")
        return done.stdout


def _removal(name: str) -> str:
    """Return the command that removes a table, whether or not it is there."""
    return f"add table netdev {name}\ndelete table netdev {name}\n"


def _endpoint(text: str) -> tuple[str, int]:
    """Parse an address and port of /proc/net: hexadecimal numbers, in words of the machine's byte order."""
    address, _, port = text.partition(":")
    words = bytes.fromhex(address)
    packed = b"".join(words[begin : begin + 4][::-1] for begin in range(0, len(words), 4))
    found = ipaddress.ip_address(packed)
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return str(mapped or found), int(port, 16)
