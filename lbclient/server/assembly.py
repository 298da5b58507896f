"""Build the parts of a server from its configuration: the data plane, the HTTP server, logs and limits."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
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
from .access.enforcer import Enforcer
from .agents.service import AgentService
from .config import Config, ConfigError
from .external.barbican import Barbican
from .external.keystone import Keystone
from .identity.tokens import Tokens
from .loadbalancer.drivers import is_noop
from .outbound.outbound import Outbound
from .peers import Carrier, Peers
from .planes import Planes
from .services import Changed, Services
from .settlements import Settlements
from .telemetry.metrics import Metrics
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


def planes_of(
    config: Config, store: Store, haproxy: str, user: User | None, kit: Kit | None, outbound: Outbound
) -> Planes:
    """Return what carries the traffic: with an agent in this process, its own HAProxy and the agents of other hosts."""
    hosted = Hosted(store)
    local = _local(config, hosted, haproxy, kit, user, outbound) if config.has_agent else None
    agents = None
    carrier: Carrier | None = local
    if local and config.agents is not None:
        agents = AgentService(store, local, config.state_directory, config.agents)
        carrier = agents.cluster
    if carrier:
        hosted.on_moved = carrier.wake
    if carrier and store.has_one_writer:
        return Planes(local, agents, None, carrier, (carrier.on_reconciled,))
    peers = Peers(store, carrier)
    registrations = [each.on_reconciled for each in (carrier, peers) if each]
    return Planes(local, agents, peers, carrier or RemoteDataPlane(peers.messages), tuple(registrations))


def _local(
    config: Config, hosted: Hosted, haproxy: str, kit: Kit | None, user: User | None, outbound: Outbound
) -> LocalDataPlane:
    """The data plane of this machine, held back by the paces of the testing API if there is one."""
    dataplane = LocalDataPlane(
        hosted,
        config.state_directory / state.INSTANCES,
        haproxy,
        attachment(config.attachment, [Assignment(*each) for each in config.interface], config.is_announcing),
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


def services_of(
    config: Config,
    store: Store,
    tokens: Tokens,
    rules: Enforcer,
    keystone: Keystone | None,
    planes: Planes,
    kit: Kit | None,
    metrics: Metrics,
    changed: Changed,
) -> Services:
    """Return what the handlers of requests use. Raises ConfigError."""
    return Services(
        store,
        tokens,
        config,
        planes.dataplane,
        rules,
        keystone,
        Barbican(config.barbican_url, store) if config.barbican_url else None,
        kit,
        _settlements(config, store, planes, kit),
        metrics=metrics,
        request_log=_request_log(config),
        changed=changed,
    )


def _settlements(config: Config, store: Store, planes: Planes, kit: Kit | None) -> Settlements | None:
    """Return what lets writes wait until their load balancer has settled; None if they are answered at once."""
    if not config.settle_seconds:
        return None

    def is_settled(loadbalancer_id: str) -> bool:
        if kit and kit.remaining(loadbalancer_id):
            return True  # a pace of the testing API holds it back
        with store.reading() as tx:
            status = settling.provisioning_status(tx, loadbalancer_id)
        return status is None or not status.startswith("PENDING_")

    made = Settlements(is_settled, config.settle_seconds, max(1, config.threads // 2))
    for register in planes.on_reconciled:
        register(made.tell)
    return made


def _request_log(config: Config) -> RequestLog:
    """Return the log of requests. Raises ConfigError if its file cannot be opened."""
    if config.request_log is None:
        return RequestLog()
    with request_log_trouble(config):
        return RequestFile(config.request_log, config.log_format)


@contextmanager
def request_log_trouble(config: Config) -> Iterator[None]:
    """Raise ConfigError if the file of the log of requests cannot be opened in the block."""
    try:
        yield
    except OSError as error:
        raise ConfigError(f"request_log: {config.request_log} cannot be written: {error.strerror}.") from None


def keystone_of(config: Config) -> Keystone | None:
    """Return the external Keystone, or None if none is configured. Raises ConfigError."""
    try:
        return Keystone(config) if config.keystone_url else None
    except (OSError, UnicodeDecodeError) as error:
        path = config.keystone_password_file
        raise ConfigError(f"keystone_password_file: {path} cannot be read: {reason(error)}.") from None
