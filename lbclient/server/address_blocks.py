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


METADATA = _block("an address of the metadata service", "169.254.169.254/32", "fd00:ec2::254/128")
UNSPECIFIED = _block("an unspecified address", "0.0.0.0/8", "::/128")
BLOCKS = (
    UNSPECIFIED,
    _block("a loopback address", "127.0.0.0/8", "::1/128", is_usable=True),
    _block("a link-local address", "169.254.0.0/16", "fe80::/10", is_usable=True),
    _block("a multicast address", "224.0.0.0/4", "ff00::/8"),
    _block("a broadcast address", "255.255.255.255/32"),
    _block("a reserved address", "240.0.0.0/4"),
)
NAT64 = (ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("64:ff9b:1::/48"))
IPV4_COMPATIBLE = ipaddress.IPv6Network("::/96")


def meant(address: Address) -> Iterator[Address]:
    """Yield the address, and the IPv4 address embedded in it, if any: mapped, compatible, NAT64 or 6to4."""
    yield address
    if isinstance(address, ipaddress.IPv4Address):
        return
    embedded = address.ipv4_mapped or address.sixtofour
    if embedded is None and any(address in network for network in (*NAT64, IPV4_COMPATIBLE)) and int(address) > 1:
        embedded = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    if embedded is not None:
        yield embedded


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
