"""Parse the values of options from text; each function raises ValueError with what is allowed."""

from __future__ import annotations

import configparser
import ipaddress
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from ..resources.quota import BESIDE, LIMITS, UNLIMITED

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
SYSLOG_PORTS = {"syslog": 514, "syslog+tcp": 601, "syslog+tls": 6514}
OTLP = "otlp+"  # before the address of an OpenTelemetry collector
DATABASE = re.compile(r"(sqlite|postgresql)(\+[a-z0-9_]+)?://.*")
PASSWORD = re.compile(r"(://[^/@:]*:)[^@]*@")
INTERFACE = re.compile(r"[^\s/=,]{1,15}")


class InterfaceNetwork(NamedTuple):
    """A network whose addresses belong on an interface."""

    interface: str
    network: Network

    def __str__(self) -> str:
        return f"{self.interface}={self.network}"


def one_of(*choices: str) -> Callable[[str], str]:
    def read(value: str) -> str:
        if value not in choices:
            raise ValueError(f"one of {', '.join(choices)}")
        return value

    return read


def number_of(kind: type, minimum: float, maximum: float, what: str) -> Callable[[str], Any]:
    def read(value: str) -> Any:
        try:
            number = kind(value)
        except ValueError:
            raise ValueError(what) from None
        if not minimum <= number <= maximum:
            raise ValueError(what)
        return number

    return read


def place(value: str) -> tuple[str, int]:
    host, _, port = value.rpartition(":")
    what = "an address and a port, as 192.0.2.1:9878 or [2001:db8::1]:9878"
    try:
        address = ipaddress.ip_address(host.removeprefix("[").removesuffix("]"))
    except ValueError:
        raise ValueError(what) from None
    number: int = number_of(int, 0, 65535, what)(port)
    return str(address), number


def patience(value: str) -> float:
    if value == "strict":
        return 0.0
    seconds: float = number_of(float, 0, 60, "seconds from 0 to 60, or strict")(value)
    return seconds


def switch(value: str) -> bool:
    words = configparser.ConfigParser.BOOLEAN_STATES
    if value.lower() not in words:
        raise ValueError("true or false")
    return words[value.lower()]


def cidr_of(value: str) -> str:
    try:
        return str(ipaddress.ip_network(value))
    except ValueError:
        raise ValueError("a network like 10.0.0.0/24") from None


def cidrs(value: str) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(cidr_of(part.strip())) for part in value.split(",") if part.strip())


def destinations(value: str) -> tuple[str, ...]:
    """Parse where traffic logs are forwarded to."""
    found = tuple(part.strip() for part in value.split(",") if part.strip())
    for each in found:
        parts = urlsplit(each)
        is_file = parts.scheme == "file" and parts.path.startswith("/") and not parts.netloc
        is_host = parts.scheme in (*SYSLOG_PORTS, f"{OTLP}http", f"{OTLP}https") and parts.hostname
        if not (is_file or is_host):
            raise ValueError(
                f"file:/PATH, {'://HOST, '.join(SYSLOG_PORTS)}://HOST, or {OTLP}http(s)://HOST:4318/v1/logs, "
                "with commas between"
            )
        _ = parts.port  # raises ValueError
    return found


def interfaces(value: str) -> tuple[InterfaceNetwork, ...]:
    """Parse networks of interfaces such as eth0=192.0.2.0/24,eth1=2001:db8::/64."""
    return tuple(_assignment(part.strip()) for part in value.split(",") if part.strip())


def _assignment(text: str) -> InterfaceNetwork:
    name, _, network = text.partition("=")
    if not INTERFACE.fullmatch(name.strip()):
        raise ValueError("an interface and its network, like eth0=192.0.2.0/24")
    try:
        return InterfaceNetwork(name.strip(), ipaddress.ip_network(network.strip()))
    except ValueError:
        raise ValueError("an interface and its network, like eth0=192.0.2.0/24") from None


def quotas(value: str) -> dict[str, int]:
    """Parse limits such as loadbalancer=10,member=500."""
    pairs = (part.partition("=") for part in value.split(",") if part.strip())
    return {name.strip(): _quota(name.strip(), limit.strip()) for name, _, limit in pairs}


def _quota(name: str, limit: str) -> int:
    if name not in (*LIMITS, *BESIDE):
        raise ValueError(f"a limit like {LIMITS[0]}=10; there are {', '.join((*LIMITS, *BESIDE))}")
    number: int = number_of(int, UNLIMITED, 2_000_000_000, f"a number from {UNLIMITED} (no limit) to 2000000000")(limit)
    return number


def database_address(value: str) -> str:
    """Parse the SQLAlchemy URL of a database."""
    if not DATABASE.fullmatch(value):
        raise ValueError("a URL such as sqlite:////var/lib/lbclient/db.sqlite or postgresql://user@host/name")
    return value


def without_password(value: str) -> str:
    """Return a URL, or any other value, without the password that may be in it."""
    return PASSWORD.sub(r"\1***@", value)


def file_path(value: str) -> Path:
    return Path(value).expanduser().absolute()
