"""The server's options, each defined once; `config_sources` reads them from the command line and the INI file."""

from __future__ import annotations

import dataclasses
import ipaddress
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

from .loadbalancer.drivers import USUAL, Providers, is_noop
from .loadbalancer.drivers import read as read_providers
from .option_values import (
    InterfaceNetwork,
    Network,
    cidr_of,
    cidrs,
    database_address,
    destinations,
    file_path,
    interfaces,
    number_of,
    one_of,
    patience,
    place,
    quotas,
    switch,
)

SETTLE_WAIT = 0.3  # seconds
GUIDE_NETWORKS = ("10.0.0.0/16", "203.0.113.0/24")
LOOPBACK_NETWORKS = ("127.10.0.0/16", "127.203.113.0/24")

LOOPBACK = ipaddress.IPv4Network("127.0.0.0/8")
OWN_LOOPBACK = ipaddress.IPv4Network("127.0.0.0/16")  # where the machine's own services listen
USUAL_RANGES: Mapping[str, tuple[Network, ...]] = {
    "anyip": (),
    "interface": (),
    "loopback": tuple(sorted(LOOPBACK.address_exclude(OWN_LOOPBACK))),
    "lab": (ipaddress.IPv4Network("0.0.0.0/0"), ipaddress.IPv6Network("::/0")),
}


class ConfigError(Exception):
    """An option has an invalid value; the message names the option, the value and what is allowed."""


def _option(help: str, default: Any, read: Callable[[str], Any] = str) -> Any:
    return dataclasses.field(default=default, metadata={"help": help, "read": read})


def _state_directory() -> Path:
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(base) / "lbclient"


@dataclasses.dataclass(frozen=True)
class Config:
    """The configuration of the server."""

    state_directory: Path = dataclasses.field(
        default_factory=_state_directory,
        metadata={
            "help": "The directory of the database, the keys and the HAProxy processes (~/.local/state/lbclient).",
            "read": file_path,
        },
    )
    bind_host: str = _option("The address to listen on. Default: 127.0.0.1.", "127.0.0.1")
    bind_port: int = _option(
        "The port to listen on; 0 for any free one. Default: 9876.",
        9876,
        number_of(int, 0, 65535, "a port number from 0 to 65535"),
    )
    tls_certificate: Path | None = dataclasses.field(
        default=None,
        metadata={
            "help": "The PEM file of the API's certificate, with its chain: the API is https then. It is loaded again "
            "when it changes.",
            "read": file_path,
        },
    )
    tls_key: Path | None = dataclasses.field(
        default=None,
        metadata={"help": "The PEM file of its private key (the same file), without a passphrase.", "read": file_path},
    )
    attachment: Literal["lab", "loopback", "anyip", "interface"] = _option(
        "How load balancers get their addresses: loopback (addresses in 127.0.0.0/8), lab (inside lbclient lab), "
        "anyip (local routes on this machine, for networks that are routed to it; needs CAP_NET_ADMIN) or interface "
        "(addresses on its interfaces, announced to their links; needs CAP_NET_ADMIN and CAP_NET_RAW). "
        "Default: loopback.",
        "loopback",
        one_of("lab", "loopback", "anyip", "interface"),
    )
    interface: tuple[InterfaceNetwork, ...] = _option(
        "Which interfaces get the addresses of which networks, with attachment interface, as eth0=192.0.2.0/24 with "
        "commas between. Default: each address goes to the interface in whose network it is.",
        (),
        interfaces,
    )
    announce: Literal["none", "bgp"] = _option(
        "How routers learn which addresses are served here, with attachment anyip: none (they have fixed routes) or "
        "bgp (from BIRD, which announces them while their load balancers run). Default: none.",
        "none",
        one_of("none", "bgp"),
    )
    haproxy: str | None = _option("The HAProxy to run. Default: the wheel's, otherwise the one on PATH.", None)
    haproxy_user: str | None = _option(
        "The user, by name or number, that HAProxy and relays become if the server runs as root. Default: haproxy if "
        "there is such a user, otherwise the number 65521, which has no name.",
        None,
    )
    database: str | None = _option(
        "The SQLAlchemy URL of the database. Default: SQLite in the state directory.", None, database_address
    )
    providers: Providers = dataclasses.field(
        default_factory=lambda: USUAL,
        metadata={
            "help": "The enabled providers, as name:description or name=driver:description with commas between "
            f"({','.join(USUAL)}, which are the drivers).",
            "read": read_providers,
        },
    )
    default_provider: str = _option("The provider of load balancers that name none. Default: octavia.", "octavia")
    auth: Literal["keystone", "noauth"] = _option(
        "How requests are authenticated: keystone (by their token) or noauth (the headers X-Project-Id, X-User-Id and "
        "X-Roles are believed). Default: keystone.",
        "keystone",
        one_of("keystone", "noauth"),
    )
    remote_noauth: bool = _option(
        "Allow --auth noauth on addresses beyond loopback: every client that reaches it is an admin.", False, switch
    )
    policy_file: Path | None = dataclasses.field(
        default=None,
        metadata={
            "help": "A file with rules about who may do what, which override the usual ones. It must exist. "
            "Default: policy.yaml in the state directory, if that exists.",
            "read": file_path,
        },
    )
    keystone_url: str | None = _option(
        "The URL of an existing Keystone whose tokens are accepted. Default: the Keystone of this server.", None
    )
    keystone_username: str = _option("The user that validates tokens at that Keystone. Default: octavia.", "octavia")
    keystone_password_file: Path | None = dataclasses.field(
        default=None, metadata={"help": "The file with that user's password.", "read": file_path}
    )
    keystone_project: str = _option("The project of that user. Default: service.", "service")
    keystone_domain: str = _option("The name of the domain of that user and project. Default: Default.", "Default")
    barbican_url: str | None = _option(
        "The URL of an existing Barbican that accepts these tokens. Default: the key manager of this server.", None
    )
    network: Literal["neutron", "noop"] = _option(
        "Where VIPs come from: neutron (the networks of this server) or noop (every ID exists). Default: neutron.",
        "neutron",
        one_of("neutron", "noop"),
    )
    certificates: Literal["barbican", "noop"] = _option(
        "Where certificates come from: barbican (the key manager of this server) or noop (every reference exists). "
        "Default: barbican.",
        "barbican",
        one_of("barbican", "noop"),
    )
    private_cidr: str | None = _option("The CIDR of private-subnet, which the first start creates.", None, cidr_of)
    public_cidr: str | None = _option("The CIDR of public-subnet, which the first start creates.", None, cidr_of)
    vip_ranges: tuple[Network, ...] | None = _option(
        "Where projects may have VIPs and floating IPs in networks of their own, with commas between (with anyip "
        "and interface nowhere, with loopback 127.0.0.0/8 without 127.0.0.0/16, in a lab everywhere). A range that "
        "lies within loopback or link-local addresses, or is one of this machine's own addresses, allows these, too.",
        None,
        cidrs,
    )
    member_ranges: tuple[Network, ...] = _option(
        "Which loopback, link-local and own addresses of this machine members may have with anyip and interface, as "
        "networks with commas between (none; the other attachments allow all).",
        (),
        cidrs,
    )
    roles: Literal["api", "api,agent"] = _option(
        "What the server does: api,agent, or api alone beside another server that carries the traffic of the same "
        "PostgreSQL database. Default: api,agent.",
        "api,agent",
        one_of("api", "api,agent"),
    )
    keys: Path | None = dataclasses.field(
        default=None,
        metadata={
            "help": "The directory with the keys of tokens and secrets, which all servers of a database share "
            "(the state directory).",
            "read": file_path,
        },
    )
    master_key: Path | None = dataclasses.field(
        default=None,
        metadata={
            "help": "The file with the key that seals the keys of tokens and secrets, which are then kept in the "
            "database instead of files: all servers of a database need this one file. The server that carries the "
            "traffic creates it, and takes over the keys that it has.",
            "read": file_path,
        },
    )
    agents: tuple[str, int] | None = _option(
        "The address and the port for agents of other hosts, as 192.0.2.1:9878. Default: none, there are no other "
        "hosts.",
        None,
        place,
    )
    adopt: bool = dataclasses.field(
        default=False,
        metadata={
            "help": "Use a database that does not belong to the state directory from now on: load balancers that run "
            "and are not in it are ended. On the command line only.",
            "read": switch,
            "is_once": True,
        },
    )
    demo: bool = _option("Create a project demo with a user demo, and the cloud lbclient for them.", False, switch)
    busy_wait: float = _option(
        "How many seconds a write waits for a busy load balancer; strict, or 0, answers 409 at once. Default: 1.",
        1.0,
        patience,
    )
    settle_wait: float | None = _option(
        "How many seconds the answer to a write waits for its load balancer to settle, so that clients that look once "
        "and then sleep find it ACTIVE. Default: 0.3; 0 where busy_wait is strict.",
        None,
        number_of(float, 0, 10, "seconds from 0 to 10"),
    )
    testing: bool = _option(
        "Offer the testing API (/testing/v1): faults, pace, recorded requests, snapshots. On loopback addresses only.",
        False,
        switch,
    )
    dashboard: bool | None = _option(
        "Offer the dashboard at /dashboard. Default: where the server listens on a loopback address.",
        None,
        switch,
    )
    secret_bytes: int = _option(
        "The largest secret of the key manager, in bytes. Default: 20000.",
        20000,
        number_of(int, 1, 1_000_000, "a number from 1 to 1000000"),
    )
    proxy_headers: bool = _option(
        "Build links from X-Forwarded-Proto, -Host and -Prefix; only behind a proxy that sets them.", False, switch
    )
    threads: int = _option(
        "How many requests are handled at a time. Default: 16.", 16, number_of(int, 1, 256, "a number from 1 to 256")
    )
    connections: int = _option(
        "How many connections to the API may be open, at most a quarter of this process's file descriptors. Beyond it, "
        "the connections that have kept the server waiting longest are closed. Default: 512.",
        512,
        number_of(int, 8, 16384, "a number from 8 to 16384"),
    )
    connections_per_address: int = _option(
        "How many of them may come from one address, or one /64 of IPv6; with --proxy-headers, all. Default: 128.",
        128,
        number_of(int, 4, 16384, "a number from 4 to 16384"),
    )
    request_timeout: float = _option(
        "How many seconds the head of a request may take to arrive, and how many its body; each 32 kB of a body add a "
        "second. Default: 10.",
        10.0,
        number_of(float, 1, 600, "seconds from 1 to 600"),
    )
    body_memory: int = _option(
        "How many bytes of memory all large request bodies may take; others get 503 meanwhile. Default: 33554432.",
        32 * 1024 * 1024,
        number_of(int, 16 * 1024 * 1024, 2**40, "a number of bytes from 16777216"),
    )
    login_queue: int = _option(
        "How many logins from one address may wait for their password to be checked, and a quarter of how many in all; "
        "others get 429. Default: 16.",
        16,
        number_of(int, 1, 1024, "a number from 1 to 1024"),
    )
    quotas: Mapping[str, int] = dataclasses.field(
        default_factory=dict,
        metadata={
            "help": "The usual quotas of projects, as loadbalancer=10,member=500; others have no limit. In an "
            "INI file, they have a section [quotas].",
            "read": quotas,
        },
    )
    metrics: Literal["loopback", "login", "all", "off"] = _option(
        "Who may read the server's metrics at /metrics: loopback (clients on this machine, and beyond it those with a "
        "token of a role that reads every project), login (those with such a token), all or off. Default: loopback.",
        "loopback",
        one_of("loopback", "login", "all", "off"),
    )
    request_log: Path | None = dataclasses.field(
        default=None,
        metadata={
            "help": "The file to log the API's requests to, in the format of log_format: who, from where, what, and "
            "the status of the answer. It is opened again after it was renamed. Default: none.",
            "read": file_path,
        },
    )
    webhooks: Path | None = dataclasses.field(
        default=None,
        metadata={
            "help": "The file of webhooks, which receive the events of load balancers: an INI file with a section for "
            "each, with url, secret and optionally project, actions and ca. Default: none.",
            "read": file_path,
        },
    )
    forward_logs: tuple[str, ...] = _option(
        "Where the lines of traffic logs are sent, too, with commas between: file:/PATH, syslog://HOST[:PORT], "
        "syslog+tcp://…, syslog+tls://…, otlp+http://HOST:4318/v1/logs or otlp+https://…. Default: nowhere.",
        (),
        destinations,
    )
    log_format: Literal["text", "json"] = _option(
        "The format of the log. Default: text.", "text", one_of("text", "json")
    )
    debug: bool = _option("Log more details.", False, switch)

    @property
    def database_url(self) -> str:
        return self.database or f"sqlite:///{self.state_directory / 'lbclient.sqlite'}"

    @property
    def has_agent(self) -> bool:
        """Whether this server carries the traffic of load balancers."""
        return self.roles != "api"

    @property
    def key_directory(self) -> Path:
        """The directory whose subdirectories hold the keys of tokens and secrets."""
        return self.keys or self.state_directory

    @property
    def networks(self) -> tuple[str, str] | None:
        """The subnets (private, public) to create at the first start; None for none."""
        defaults = {"loopback": LOOPBACK_NETWORKS, "lab": GUIDE_NETWORKS}.get(self.attachment)
        private, public = (self.private_cidr, self.public_cidr)
        if defaults:
            return private or defaults[0], public or defaults[1]
        return (private, public) if private and public else None

    @property
    def ranges(self) -> tuple[Network, ...]:
        """The address ranges in which projects may have VIPs and floating IPs in networks of their own."""
        chosen = USUAL_RANGES[self.attachment] if self.vip_ranges is None else self.vip_ranges
        first = (self.networks or ()) if self.attachment == "loopback" else ()
        return (*map(ipaddress.ip_network, first), *chosen)

    def is_noop(self, provider: str) -> bool:
        """Whether a provider carries no traffic; works also for one that is no longer enabled."""
        return is_noop(self.providers, provider)

    @property
    def takes_addresses(self) -> bool:
        """Whether the addresses of load balancers become local, and so hide other machines with these addresses."""
        return self.attachment in ("anyip", "interface")

    @property
    def is_announcing(self) -> bool:
        """Whether BIRD announces the addresses of load balancers."""
        return self.announce == "bgp"

    @property
    def settle_seconds(self) -> float:
        """The number of seconds that a write waits for its load balancer to settle."""
        if self.settle_wait is not None:
            return self.settle_wait
        return SETTLE_WAIT if self.busy_wait else 0.0

    @property
    def has_dashboard(self) -> bool:
        """Whether the dashboard is offered."""
        return is_loopback(self.bind_host) if self.dashboard is None else self.dashboard

    @property
    def policy_path(self) -> Path:
        return self.policy_file or self.state_directory / "policy.yaml"

    @property
    def clouds_file(self) -> Path:
        return self.state_directory / "clouds.yaml"


OPTIONS: tuple[dataclasses.Field[Any], ...] = dataclasses.fields(Config)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach the address; false for every name other than localhost."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
