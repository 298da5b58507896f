"""Detection of another machine on the link that already has an address, and announcement of an address of our own.

IPv4 uses ARP probes and announcements (RFC 5227), IPv6 duplicate address detection (RFC 4862) and unsolicited neighbour
advertisements (RFC 4861). All need CAP_NET_RAW. Links without Ethernet addresses are neither probed nor sent to.
"""

from __future__ import annotations

import fcntl
import ipaddress
import select
import socket
import struct
import time
from dataclasses import dataclass

PROBE_SECONDS = 0.6
PROBES = 3
ETHERNET = 1  # ARPHRD_ETHER
SIOCGIFHWADDR = 0x8927
ETH_P_ARP, ETH_P_IPV6 = 0x0806, 0x86DD
BROADCAST = b"\xff" * 6
ARP = struct.Struct("!HHBBH6s4s6s4s")  # hardware, protocol, their lengths, operation, sender's pair, target's pair
ETHERNET_HEADER = struct.Struct("!6s6sH")
IPV6_HEADER = struct.Struct("!IHBB16s16s")
ICMPV6, SOLICITATION, ADVERTISEMENT = 58, 135, 136
ARP_REQUEST, ARP_REPLY = 1, 2
OVERRIDE = 1 << 29  # the flag of an advertisement that replaces what is known
TARGET_ADDRESS = 2  # the option with the hardware address
ALL_NODES = ipaddress.IPv6Address("ff02::1").packed


@dataclass(frozen=True)
class Neighbour:
    """Another machine on a link."""

    hardware_address: str
    interface: str


def find(interface: str, address: str, seconds: float = PROBE_SECONDS) -> Neighbour | None:
    """Return another machine that has the address on the interface's link; None if none answers within `seconds`.

    Raises OSError if the link cannot be probed.
    """
    own = _hardware_address(interface)
    if own is None:
        return None
    probe = _Arp(own, address) if ":" not in address else _Solicitation(own, address)
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(probe.protocol)) as link:
        link.bind((interface, probe.protocol))
        for _ in range(PROBES):
            link.send(probe.frame)
            found = _answer(link, probe, time.monotonic() + seconds / PROBES)
            if found is not None and found != own:
                return Neighbour(found.hex(":"), interface)
    return None


def check_rights() -> None:
    """Raise OSError if this process may not send to links."""
    socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0).close()


def announce(interface: str, address: str) -> None:
    """Tell the machines on the interface's link that the address is here now. Raises OSError."""
    own = _hardware_address(interface)
    if own is None:
        return
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as link:
        link.bind((interface, 0))
        for frame in _announcements(own, address):
            link.send(frame)


def _announcements(own: bytes, address: str) -> list[bytes]:
    if ":" in address:
        wanted = ipaddress.IPv6Address(address).packed
        body = (
            struct.pack("!BBHI", ADVERTISEMENT, 0, 0, OVERRIDE) + wanted + struct.pack("!BB", TARGET_ADDRESS, 1) + own
        )
        return [_icmpv6(own, wanted, ALL_NODES, body)]
    wanted = socket.inet_aton(address)
    header = ETHERNET_HEADER.pack(BROADCAST, own, ETH_P_ARP)
    # Some systems heed only requests, others only replies.
    return [
        header + ARP.pack(1, 0x0800, 6, 4, ARP_REQUEST, own, wanted, b"\0" * 6, wanted),
        header + ARP.pack(1, 0x0800, 6, 4, ARP_REPLY, own, wanted, own, wanted),
    ]


def _answer(link: socket.socket, probe: _Arp | _Solicitation, deadline: float) -> bytes | None:
    """Return the hardware address of a machine that claims the address; None if none does before the deadline."""
    while (left := deadline - time.monotonic()) > 0 and select.select([link], [], [], left)[0]:
        found = probe.claimant(link.recv(2048))
        if found is not None and found != probe.own:
            return found
    return None


def _hardware_address(interface: str) -> bytes | None:
    """Return the interface's hardware address; None if its link is not Ethernet."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        found = fcntl.ioctl(any_socket, SIOCGIFHWADDR, struct.pack("16s24x", interface.encode()))
    (kind,) = struct.unpack_from("H", found, 16)
    return found[18:24] if kind == ETHERNET else None


class _Arp:
    """An ARP probe. Its sender address is zero, so that it does not change ARP caches of other machines."""

    protocol = ETH_P_ARP

    def __init__(self, own: bytes, address: str) -> None:
        self.own = own
        self._wanted = socket.inet_aton(address)
        body = ARP.pack(1, 0x0800, 6, 4, ARP_REQUEST, own, b"\0" * 4, b"\0" * 6, self._wanted)
        self.frame = ETHERNET_HEADER.pack(BROADCAST, own, ETH_P_ARP) + body

    def claimant(self, frame: bytes) -> bytes | None:
        if len(frame) < ETHERNET_HEADER.size + ARP.size:
            return None
        _, _, _, _, _, sender, address, _, _ = ARP.unpack_from(frame, ETHERNET_HEADER.size)
        return bytes(sender) if address == self._wanted else None


class _Solicitation:
    """A neighbour solicitation without a source address, as duplicate address detection sends it."""

    protocol = ETH_P_IPV6

    def __init__(self, own: bytes, address: str) -> None:
        self.own = own
        self._wanted = ipaddress.IPv6Address(address).packed
        group = ipaddress.IPv6Address("ff02::1:ff00:0").packed[:13] + self._wanted[13:]
        body = struct.pack("!BBHI", SOLICITATION, 0, 0, 0) + self._wanted
        self.frame = _icmpv6(own, b"\0" * 16, group, body)

    def claimant(self, frame: bytes) -> bytes | None:
        body = frame[ETHERNET_HEADER.size + IPV6_HEADER.size :]
        if len(body) < 24 or frame[ETHERNET_HEADER.size + 6] != ICMPV6:
            return None
        kind, target = body[0], body[8:24]
        return frame[6:12] if kind == ADVERTISEMENT and target == self._wanted else None


def _icmpv6(own: bytes, source: bytes, group: bytes, body: bytes) -> bytes:
    """Return the frame of an ICMPv6 message to a multicast group; the message's checksum is still zero."""
    sum_ = _checksum(source + group + struct.pack("!II", len(body), ICMPV6) + body)
    body = body[:2] + struct.pack("!H", sum_) + body[4:]
    header = IPV6_HEADER.pack(6 << 28, len(body), ICMPV6, 255, source, group)
    return ETHERNET_HEADER.pack(b"\x33\x33" + group[12:], own, ETH_P_IPV6) + header + body


def _checksum(data: bytes) -> int:
    """Return the Internet checksum (RFC 1071) of an even number of bytes."""
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
