"""Blocks of addresses with a special meaning: loopback, link-local, multicast and others."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True)
class Block:
    """Networks that share one special meaning."""

    meaning: str
    networks: tuple[Network, ...]
    is_usable: bool = False  # whether the configuration can allow its addresses

    def __contains__(self, address: Address) -> bool:
        return any(address in network for network in self.networks)


def _block(meaning: str, *cidrs: str, is_usable: bool = False) -> Block:
    return Block(meaning, tuple(ipaddress.ip_network(cidr) for cidr in cidrs), is_usable)


METADATA = _block(
    "an address of the metadata service",
    "169.254.169.254/32",
    "169.254.170.2/32",  # of containers on AWS, as the next
    "169.254.170.23/32",
    "fd00:ec2::254/128",
    "fd00:ec2::23/128",
    "fd20:ce::254/128",  # of Google Cloud
    "fd00:42::42/128",  # of Scaleway
)
UNSPECIFIED = _block("an unspecified address", "0.0.0.0/8", "::/128")
BLOCKS = (
    UNSPECIFIED,
    _block("a loopback address", "127.0.0.0/8", "::1/128", is_usable=True),
    _block("a link-local address", "169.254.0.0/16", "fe80::/10", is_usable=True),
    _block("a multicast address", "224.0.0.0/4", "ff00::/8"),
    _block("a broadcast address", "255.255.255.255/32"),
    _block("a reserved address", "240.0.0.0/4"),
)
LOCAL_NAT64 = ipaddress.IPv6Network("64:ff9b:1::/48")
# The last 32 bits are an IPv4 address: IPv4-compatible, NAT64, translated (SIIT).
WITH_IPV4_LAST = tuple(map(ipaddress.IPv6Network, ("::/96", "64:ff9b::/96", "::ffff:0:0:0/96")))
ISATAP = (0x00005EFE, 0x02005EFE)  # the third quarter of an address


def meant(address: Address) -> Iterator[Address]:
    """Yield the address and the IPv4 addresses embedded in it, if any.

    They are embedded in mapped, compatible and translated addresses, and in those of NAT64, 6to4, Teredo and ISATAP.
    """
    yield address
    if isinstance(address, ipaddress.IPv4Address):
        return
    number = int(address)
    yield from filter(None, (address.ipv4_mapped, address.sixtofour, *(address.teredo or ())))
    if (number > 1 and any(address in network for network in WITH_IPV4_LAST)) or (number >> 32) % 2**32 in ISATAP:
        yield ipaddress.IPv4Address(number % 2**32)
    if address in LOCAL_NAT64:
        yield from _within_nat64(number)


def _within_nat64(number: int) -> Iterator[ipaddress.IPv4Address]:
    """Yield what an IPv6 address can embed with prefixes of NAT64 of 48, 56, 64 and 96 bits (RFC 6052, 2.2).

    With the shorter ones, bits 64 to 71 are passed over, and those behind the IPv4 address are 0.
    """
    joined = (number >> 64 << 56) | (number % 2**56)
    rests = [120 - length - 32 for length in (48, 56, 64)]
    found = [number % 2**32, *((joined >> rest) % 2**32 for rest in rests if joined % 2**rest == 0)]
    yield from (ipaddress.IPv4Address(each) for each in found if each >> 24)  # 0.0.0.0/8 is no host


def special(address: Address) -> Block | None:
    """Return the block that contains an address, or the IPv4 address embedded in it; None if there is none."""
    return next((block for each in meant(address) for block in BLOCKS if each in block), None)


def is_within(address: Address, ranges: Iterable[Network]) -> bool:
    """Whether one of the ranges contains the address."""
    return any(address in network for network in ranges)


def is_named(address: Address, block: Block, ranges: Iterable[Network]) -> bool:
    """Whether a range that lies within the block contains the address: 0.0.0.0/0 does not name loopback addresses."""
    return any(address in network and any(_is_part(network, whole) for whole in block.networks) for network in ranges)


def _is_part(network: Network, whole: Network) -> bool:
    return network.version == whole.version and network.subnet_of(whole)  # type: ignore[arg-type]
