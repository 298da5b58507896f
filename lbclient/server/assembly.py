"""Build the parts of a server from its configuration: the data plane, the HTTP server, logs and limits."""

from __future__ import annotations

import resource
from collections.abc import Callable, Sequence
from functools import partial

from ..dashboard.application import Mounted, Options
from ..dashboard.sessions import Session
from ..dataplane.haproxy.attachments import attachment
from ..dataplane.haproxy.links import Assignment
from ..dataplane.haproxy.unprivileged import User
from ..dataplane.local import LocalDataPlane
from ..dataplane.remote import RemoteDataPlane
from ..store import settling
from ..store.hosted import Hosted
from ..store.store import Store
from ..strings import reason
from . import app, state
from .access.context import Context
from .agents.service import AgentService
from .config import Config, ConfigError
from .external.keystone import Keystone
from .loadbalancer.drivers import is_noop
from .outbound.outbound import Outbound
from .peers import Carrier, Peers
from .services import DataPlane, Services
from .settlements import Settlements
from .telemetry.request_log import RequestFile, RequestLog
from .testing.kit import Kit
from .web.asgi import Guards
from .web.limits import Limits
from .web.server import Server
from .web.tls import Certificate

SHARE = 4  # connections to the API use at most one in SHARE of this process's descriptors


def certificate_of(config: Config) -> Certificate | None:
    if not config.tls_certificate:
        return None
    return Certificate(config.tls_certificate, config.tls_key or config.tls_certificate)


def agents_of(config: Config, store: Store, local: LocalDataPlane | None) -> AgentService | None:
    """Return what serves the agents of other hosts; None if the server has no port for them."""
    if config.agents is None or local is None:
        return None
    return AgentService(store, local, config.state_directory, config.agents)


def peers_of(store: Store, carrier: Carrier | None) -> tuple[Peers | None, DataPlane]:
    """Return the other processes, None on SQLite, and the data plane: this process's own, or theirs."""
    if carrier and store.has_one_writer:
        return None, carrier
    peers = Peers(store, carrier)
    return peers, carrier or RemoteDataPlane(peers.messages)


def dataplane_of(
    config: Config, hosted: Hosted, haproxy: str, kit: Kit | None, user: User | None, outbound: Outbound
) -> LocalDataPlane:
    """The data plane of this machine, held back by the paces of the testing API if there is one."""
    dataplane = LocalDataPlane(
        hosted,
        config.state_directory / state.INSTANCES,
        haproxy,
        attachment(config.attachment, [Assignment(*each) for each in config.interface]),
        is_noop=partial(is_noop, config.providers),
        pace=kit,
        user=user,
        forward=outbound.forward,
    )
    if kit:
        kit.paces.on_release(dataplane.wake)
    return dataplane


def http_server_of(config: Config, services: Services, certificate: Certificate | None) -> Server:
    """The HTTP server, which listens nowhere yet."""
    api, is_quick, guards = app.build(services), app.quick_requests(services), app.guards(services)
    pages = Mounted(api, _dashboard(config, services))
    return Server(
        pages,
        config.bind_host,
        config.bind_port,
        config.threads,
        lambda environ: not pages.is_page(environ) and is_quick(environ),
        Guards(
            lambda environ: (pages.is_known if pages.is_page(environ) else guards.is_known)(environ),
            lambda environ: (pages.is_login if pages.is_page(environ) else guards.is_login)(environ),
            guards.needs_own_site,
        ),
        _limits(config),
        certificate,
    )


def _dashboard(config: Config, services: Services) -> Options:
    """Return the dashboard's settings: what it shows, the addresses of other services, and the policy check."""

    def allows(session: Session, action: str) -> bool:
        project_id = session.project.id or None
        who = Context(session.user_id, project_id, session.roles)
        return services.rules.allows(who, action, project_id or "")

    outside = {"identity": services.keystone.url if services.keystone else None, "key-manager": config.barbican_url}
    return Options(
        is_enabled=config.has_dashboard,
        is_noauth=config.auth == "noauth",
        has_testing=services.testing is not None,
        has_proxy_headers=config.proxy_headers,
        outside={kind: address for kind, address in outside.items() if address},
        allows=allows,
    )


def _limits(config: Config) -> Limits:
    """Return the limits of the HTTP server, which leave most of this process's descriptors to the data plane."""
    descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    most = config.connections
    if descriptors != resource.RLIM_INFINITY:
        most = min(most, descriptors // SHARE)
    # Behind a proxy, all connections come from the proxy's address.
    each = most if config.proxy_headers else min(most, config.connections_per_address)
    return Limits(
        connections=most,
        connections_per_address=each,
        head_seconds=config.request_timeout,
        body_seconds=config.request_timeout,
        body_memory=config.body_memory,
        logins=config.login_queue,
        streams=most // 2,
    )


def settlements_of(
    config: Config, store: Store, registrations: Sequence[Callable[[Callable[[str], None]], None]], kit: Kit | None
) -> Settlements | None:
    """Return what lets writes wait until their load balancer has settled; None if they are answered at once.

    It is registered at each of `registrations` to be told of load balancers that have been reconciled.
    """
    if not config.settle_seconds:
        return None

    def is_settled(loadbalancer_id: str) -> bool:
        if kit and kit.remaining(loadbalancer_id):
            return True  # a pace of the testing API holds it back
        with store.reading() as tx:
            status = settling.provisioning_status(tx, loadbalancer_id)
        return status is None or not status.startswith("PENDING_")

    made = Settlements(is_settled, config.settle_seconds, max(1, config.threads // 2))
    for register in registrations:
        register(made.tell)
    return made


def request_log_of(config: Config) -> RequestLog:
    """Return the log of requests. Raises ConfigError if its file cannot be opened."""
    if config.request_log is None:
        return RequestLog()
    try:
        return RequestFile(config.request_log, config.log_format)
    except OSError as error:
        raise ConfigError(f"request_log: {config.request_log} cannot be written: {error.strerror}.") from None


def keystone_of(config: Config) -> Keystone | None:
    """Return the external Keystone, or None if none is configured. Raises ConfigError."""
    try:
        return Keystone(config) if config.keystone_url else None
    except (OSError, UnicodeDecodeError) as error:
        path = config.keystone_password_file
        raise ConfigError(f"keystone_password_file: {path} cannot be read: {reason(error)}.") from None
