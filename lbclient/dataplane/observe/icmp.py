"""ICMP echo requests and replies, with as few privileges as the machine allows."""

from __future__ import annotations

import errno
import os
import socket
import struct

ECHO = {socket.AF_INET: (8, 0), socket.AF_INET6: (128, 129)}  # ICMP types: request, reply
PROTOCOL = {socket.AF_INET: socket.IPPROTO_ICMP, socket.AF_INET6: socket.IPPROTO_ICMPV6}
HEADER = struct.Struct("!BBHHH")  # type, code, checksum, identifier, sequence
FAMILIES = tuple(ECHO)
SOL_RAW, ICMP_FILTER, ICMPV6_FILTER = 255, 1, 1  # of linux/icmp.h and linux/icmpv6.h
SIZE = 1024  # bytes; an upper bound of what the kernel accounts for a small packet
FORCED = {socket.SO_RCVBUF: 33, socket.SO_SNDBUF: 32}  # SO_RCVBUFFORCE and SO_SNDBUFFORCE: beyond the usual limit


def refusal() -> str | None:
    """Return why this process cannot ping; None if it can."""
    try:
        open_socket(socket.AF_INET).close()
    except OSError as error:
        return (
            "health monitors of type PING: this machine does not let the server ping "
            f"({os.strerror(error.errno or errno.EPERM)}; it needs net.ipv4.ping_group_range or CAP_NET_RAW)"
        )
    return None


def echo(family: int, token: bytes) -> bytes:
    """Return an echo request with the token; for unprivileged sockets the kernel sets identifier and checksum."""
    kind = ECHO[socket.AddressFamily(family)][0]
    bare = HEADER.pack(kind, 0, 0, 0, 1) + token
    return HEADER.pack(kind, 0, checksum(bare), 0, 1) + token


def checksum(data: bytes) -> int:
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF


def is_reply(packet: bytes, listening: socket.socket) -> bool:
    """Return whether a packet is an echo reply. Raw IPv4 sockets also deliver IP headers, and looped-back requests."""
    family = socket.AddressFamily(listening.family)
    is_raw_v4 = family == socket.AF_INET and listening.type == socket.SOCK_RAW
    start = (packet[0] & 0x0F) * 4 if is_raw_v4 else 0
    return len(packet) > start and packet[start] == ECHO[family][1]


def open_socket(family: int) -> socket.socket:
    """Open a datagram socket, which needs ping_group_range, else a raw one, which needs CAP_NET_RAW. Raises OSError."""
    protocol = PROTOCOL[socket.AddressFamily(family)]
    try:
        return socket.socket(family, socket.SOCK_DGRAM, protocol)
    except OSError:
        opened = socket.socket(family, socket.SOCK_RAW, protocol)
    _take_replies_only(opened)
    return opened


def make_room(opened: socket.socket, packets: int) -> None:
    """Enlarge the socket's buffers for that many small packets, as far as the system allows."""
    for option, forced in FORCED.items():
        if opened.getsockopt(socket.SOL_SOCKET, option) >= packets * SIZE:
            continue
        try:
            opened.setsockopt(socket.SOL_SOCKET, forced, packets * SIZE)
        except PermissionError:
            opened.setsockopt(socket.SOL_SOCKET, option, packets * SIZE)


def _take_replies_only(opened: socket.socket) -> None:
    """Set a filter: without it, a raw socket gets every ICMP packet of this machine, also looped-back requests."""
    reply = ECHO[socket.AddressFamily(opened.family)][1]
    if opened.family == socket.AF_INET:
        opened.setsockopt(SOL_RAW, ICMP_FILTER, struct.pack("=I", 0xFFFFFFFF & ~(1 << reply)))
    else:
        blocked = [0xFFFFFFFF] * 8
        blocked[reply >> 5] &= ~(1 << (reply & 31)) & 0xFFFFFFFF
        opened.setsockopt(socket.IPPROTO_ICMPV6, ICMPV6_FILTER, struct.pack("=8I", *blocked))
