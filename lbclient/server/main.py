"""Run the reference server, which puts the HTTP services and the data plane together."""

from __future__ import annotations

import argparse
import logging
import os
import resource
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from functools import partial
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from .. import streams
from ..dashboard.application import Mounted, Options
from ..dashboard.sessions import Session
from ..dataplane.haproxy.attachments import AttachmentFailed, attachment
from ..dataplane.haproxy.binary import NotFound, find_haproxy
from ..dataplane.haproxy.links import Assignment
from ..dataplane.haproxy.unprivileged import User
from ..dataplane.local import LocalDataPlane
from ..dataplane.remote import RemoteDataPlane
from ..store import settling
from ..store.hosted import Hosted
from ..store.identity_tables import USER
from ..store.migrations import Unfit
from ..store.network_tables import NETWORK
from ..store.store import Store
from ..vault.keys import DamagedKey
from ..vault.sealing import Vault
from . import app, key_rings, logs, notify, privileges, running, state
from .access.context import Context
from .access.enforcer import Enforcer, InvalidPolicyFile
from .agents.service import AgentService
from .config import Config, ConfigError, add_arguments, from_arguments, is_loopback
from .errors import Unavailable
from .external.barbican import Barbican
from .external.keystone import Keystone
from .identity import clouds_yaml, password_reset
from .identity.bootstrap import Login, bootstrap, create_demo
from .identity.tokens import Tokens
from .loadbalancer.drivers import is_noop
from .network.demo_networks import create_demo_networks
from .outbound.outbound import Outbound
from .outbound.webhook_file import InvalidWebhooks
from .peers import Carrier, Peers
from .rereading import Reread, reread
from .services import Changed, DataPlane, Services
from .settlements import Settlements
from .telemetry.metrics import Metrics
from .telemetry.request_log import RequestFile, RequestLog
from .testing import kit as kit_module
from .testing import seeding, worlds
from .testing.kit import Kit
from .web.asgi import Guards
from .web.limits import Limits
from .web.server import ListenError, Server
from .web.tls import Certificate, CertificateError

LOG = logging.getLogger("lbclient.server.main")  # also where this is __main__
LOOK_UP = 0.5  # seconds between checks for a signal
FILES = 65536
SWITCH = 0.001  # seconds until a thread yields to another: large requests must not delay small ones
SHARE = 4  # connections to the API use at most one in SHARE of this process's descriptors


class DatabaseError(Exception):
    """The database cannot be used; the message says why."""


REFUSALS = (
    AttachmentFailed,
    CertificateError,
    ConfigError,
    DamagedKey,
    DatabaseError,
    InvalidPolicyFile,
    InvalidWebhooks,
    ListenError,
    NotFound,
    Unavailable,
    Unfit,
    clouds_yaml.Damaged,
    seeding.SeedError,
    state.StateError,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the command line, serve, and return the exit status."""
    streams.open_missing()
    parser = argparse.ArgumentParser(prog="lbclient server", description=__doc__)
    add_arguments(parser)
    read = partial(from_arguments, vars(parser.parse_args(argv)))
    try:
        config = read()
    except ConfigError as error:
        print(f"lbclient server: {error}", file=sys.stderr)
        return 2
    return serve(config, read=read)


def serve(config: Config, seed: seeding.Seed | None = None, read: Reread | None = None) -> int:
    """Serve until SIGTERM or SIGINT and return the exit status. HAProxy processes keep running.

    `seed` is called once for each state directory, before the server is ready; `read` after each SIGHUP. In a terminal,
    SIGHUP ends the server: the terminal has been closed.
    """
    logs.configure(config.log_format, config.debug)
    os.umask(0o077)
    sys.setswitchinterval(SWITCH)
    _allow_files()
    is_over = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: is_over.set())
    is_asked, changed = threading.Event(), Changed()
    if read and not (sys.stdin and sys.stdin.isatty()):
        signal.signal(signal.SIGHUP, lambda *_: is_asked.set())
    try:
        with state.held(config.state_directory), _running(config, seed, changed) as address:
            with running.announced(config.state_directory, _reachable(config, *address), config.clouds_file):
                print(f"lbclient server is listening on {_url(config, *address)}", flush=True)
                notify.tell("READY=1")
                LOG.info("the state is in %s; to log in: %s", config.state_directory, _login(config))
                while not is_over.wait(LOOK_UP):  # a signal just before a wait without a timeout would go unnoticed
                    if read and is_asked.is_set():
                        is_asked.clear()
                        config = reread(config, read, changed)
            LOG.info("stopping")
            notify.tell("STOPPING=1")
    except REFUSALS as error:
        print(f"lbclient server: {error}", file=sys.stderr)
        return 1
    return 0


def reset_password(config: Config, name: str) -> int:
    """Set a new password for a user created at the first start; return the exit status."""
    try:
        store = _open(config.database_url)
        try:
            url = f"{_reachable(config, config.bind_host, config.bind_port)}/identity"
            password_reset.reset(store, config.clouds_file, name, url)
        finally:
            store.close()
    except (*REFUSALS, password_reset.NoSuchUser) as error:
        print(f"lbclient server reset-password: {error}", file=sys.stderr)
        return 1
    print(f"{config.clouds_file}: the cloud {password_reset.CLOUDS[name]} has the new password of the user {name}.")
    return 0


@contextmanager
def _running(config: Config, seed: seeding.Seed | None, changed: Changed) -> Iterator[tuple[str, int]]:
    """Run the server and the data plane; yield the address and port that the server listens on."""
    with ExitStack() as unstarted:
        yield from _run(config, seed, changed, unstarted)


def _run(
    config: Config, seed: seeding.Seed | None, changed: Changed, unstarted: ExitStack
) -> Iterator[tuple[str, int]]:
    """Do the work of _running; `unstarted` closes the data plane if the server cannot start."""
    certificate = _certificate(config)
    haproxy = find_haproxy(config.haproxy) if config.has_agent else ""
    user = privileges.haproxy_user(config)
    clouds_yaml.read(config.clouds_file)  # refuse a damaged file before anything is created
    key_rings.check(config)
    store, rings = _unlocked(config)
    rules = Enforcer(config.policy_path)
    kit = Kit(config.state_directory / kit_module.DIRECTORY) if config.testing else None
    metrics = Metrics()
    outbound = Outbound(config, store, metrics)
    hosted = Hosted(store)
    local = _dataplane(config, hosted, haproxy, kit, user, outbound) if config.has_agent else None
    if local:
        unstarted.callback(local.stop)
        local.take_over()
    agents = _agents(config, store, local)
    carrier: Carrier | None = local
    if agents:
        carrier = agents.cluster
    if carrier:
        hosted.on_moved = carrier.wake
    peers, dataplane = _peers(store, carrier)
    keystone = _keystone(config)
    services = Services(
        store,
        Tokens(store, rings.tokens),
        config,
        dataplane,
        rules,
        keystone,
        Barbican(config.barbican_url, store) if config.barbican_url else None,
        kit,
        _settlements(config, store, [each.on_reconciled for each in (carrier, peers) if each], kit),
        metrics=metrics,
        request_log=_request_log(config),
        changed=changed,
    )
    seeding.undo(services, config.state_directory)  # before users are created, whose passwords go to clouds.yaml
    server = _bound(config, services, certificate)
    if agents:
        agents.bind()
    privileges.warn_of_root(user)
    if peers:
        peers.start()
    authority = config.tls_certificate if certificate and certificate.is_self_signed else None
    _prepare_database(config, store, keystone, _reachable(config, *server.address), authority)
    if kit:
        worlds.prepare(services, kit)
    server.start()  # requests until the data plane starts are stored, and it then applies them
    unstarted.pop_all()
    try:
        if seed:
            _seed(services, _reachable(config, *server.address), seed)
        outbound.start()
        if local:
            local.start()
        if agents:
            agents.start()
        yield server.address
    finally:
        _stop(server, agents, peers, local, outbound)
        store.close()


def _bound(config: Config, services: Services, certificate: Certificate | None) -> Server:
    """Return the server with its address bound, before it answers. Raises ListenError if it is in use."""
    server = _server(config, services, certificate)
    server.watch(services.metrics.watch)
    server.bind()
    _warn_of_listeners(config, server.address[0])
    return server


def _stop(
    server: Server, agents: AgentService | None, peers: Peers | None, local: LocalDataPlane | None, outbound: Outbound
) -> None:
    server.stop()
    for each in (agents, peers, local):
        if each:
            each.stop()
    outbound.stop()


def _certificate(config: Config) -> Certificate | None:
    if not config.tls_certificate:
        return None
    return Certificate(config.tls_certificate, config.tls_key or config.tls_certificate)


def _unlocked(config: Config) -> tuple[Store, key_rings.KeyRings]:
    """Open the database with the keys of its secrets, and claim the state directory for it. Raises errors of both."""
    store = _open(config.database_url)
    rings = key_rings.opened(config, store)
    store.unlock(Vault(rings.secrets))
    count = len(store.loadbalancer_ids()) if config.has_agent else 0
    state.claim(config.state_directory, store.database_id(), count, is_adopting=config.adopt)
    return store, rings


def _seed(services: Services, url: str, seed: seeding.Seed) -> None:
    """Load the seed at the first start that has one. Raises SeedError and ConfigError."""
    if services.keystone or services.config.auth != "keystone":
        raise ConfigError("--seed: it needs the users of this server: --auth keystone without --keystone-url.")
    waiting = services.settlements.paused() if services.settlements else nullcontext()
    with waiting:
        is_new = seeding.load(services, services.config.state_directory, url, seed)
    if is_new and services.testing:
        worlds.save(services, services.testing, worlds.INITIAL)
    elif not is_new:
        LOG.info("a seed was loaded at an earlier start; this one is not")


def _agents(config: Config, store: Store, local: LocalDataPlane | None) -> AgentService | None:
    """Return what serves the agents of other hosts; None if the server has no port for them."""
    if config.agents is None or local is None:
        return None
    return AgentService(store, local, config.state_directory, config.agents)


def _peers(store: Store, carrier: Carrier | None) -> tuple[Peers | None, DataPlane]:
    """Return the other processes, None on SQLite, and the data plane: this process's own, or theirs."""
    if carrier and store.has_one_writer:
        return None, carrier
    peers = Peers(store, carrier)
    return peers, carrier or RemoteDataPlane(peers.messages)


def _dataplane(
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


def _server(config: Config, services: Services, certificate: Certificate | None) -> Server:
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


def _settlements(
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


def _request_log(config: Config) -> RequestLog:
    """Return the log of requests. Raises ConfigError if its file cannot be opened."""
    if config.request_log is None:
        return RequestLog()
    try:
        return RequestFile(config.request_log, config.log_format)
    except OSError as error:
        raise ConfigError(f"request_log: {config.request_log} cannot be written: {error.strerror}.") from None


def _keystone(config: Config) -> Keystone | None:
    """Return the external Keystone, or None if none is configured. Raises ConfigError."""
    try:
        return Keystone(config) if config.keystone_url else None
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or error
        raise ConfigError(f"keystone_password_file: {config.keystone_password_file} cannot be read: {why}.") from None


def _allow_files() -> None:
    """Raise the soft limit of open files: it is often 1024, and each watched HAProxy process takes one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _open(url: str) -> Store:
    """Open the database and bring its schema up to date. Raises DatabaseError."""
    try:
        store = Store(url)
        store.migrate()
    except (ArgumentError, ImportError, SQLAlchemyError) as error:
        why = str(getattr(error, "orig", None) or error).splitlines()[0]
        raise DatabaseError(f"The database {_hidden(url)} cannot be used: {why}") from None
    return store


def _hidden(url: str) -> str:
    """Return the database URL without its password."""
    try:
        return make_url(url).render_as_string(hide_password=True)
    except ArgumentError:
        return "that is configured"


def _prepare(config: Config, store: Store, auth_url: str, authority: Path | None) -> None:
    """Create users, networks and clouds.yaml at the first start; update the URL in clouds.yaml at later ones."""
    before = clouds_yaml.read(config.clouds_file)
    after = clouds_yaml.moved(before, auth_url, authority)
    with store.writing() as tx:
        admin = bootstrap(tx)
        _add(after, "lbclient-admin", admin, auth_url, authority)
        owner = admin
        if config.demo:
            owner = create_demo(tx)
            _add(after, "lbclient", owner, auth_url, authority)
        if admin.password is not None and config.networks:
            create_demo_networks(tx, owner.project_id, *config.networks)
        if after != before:  # before the commit: an admin password that was never written would lock everyone out
            clouds_yaml.write(config.clouds_file, after)
    _warn_of_strangers(config.clouds_file, admin, after)


def _prepare_database(
    config: Config, store: Store, keystone: Keystone | None, url: str, authority: Path | None
) -> None:
    """Create what the database lacks at the first start; without a data plane, check that another server has."""
    if not config.has_agent:
        _check_is_prepared(config, store)
    elif keystone:
        _prepare_networks(config, store, keystone)
    else:
        _prepare(config, store, f"{url}/identity", authority)


def _check_is_prepared(config: Config, store: Store) -> None:
    """Check that the server that carries the traffic has created the users. Raises DatabaseError."""
    with store.reading() as tx:
        if not config.keystone_url and tx.scalar(sa.select(USER.c.id).limit(1)) is None:
            raise DatabaseError("The database has no users yet: first start the server that carries the traffic.")


def _prepare_networks(config: Config, store: Store, keystone: Keystone) -> None:
    """Create the networks at the first start if users and projects come from an external Keystone."""
    with store.reading() as tx:
        is_first = tx.scalar(sa.select(NETWORK.c.id).limit(1)) is None
    if is_first and config.networks:
        project_id = keystone.project_id()
        with store.writing() as tx:
            create_demo_networks(tx, project_id, *config.networks)


def _add(known: clouds_yaml.Clouds, name: str, login: Login, auth_url: str, authority: Path | None) -> None:
    if login.password is not None:
        known[name] = clouds_yaml.cloud(login, login.password, auth_url, authority)


def _warn_of_strangers(path: Path, admin: Login, known: clouds_yaml.Clouds) -> None:
    if "lbclient-admin" not in known:
        LOG.warning(
            "%s has no cloud lbclient-admin; the password of the user %s is unknown here, and "
            "`lbclient server reset-password` makes a new one",
            path,
            admin.name,
        )


def _warn_of_listeners(config: Config, host: str) -> None:
    """Warn if passwords and tokens cross a network in clear text; a lab is isolated from other machines."""
    if not (config.tls_certificate or is_loopback(host) or config.attachment == "lab"):
        LOG.warning(
            "%s is reached from other machines, and passwords and tokens cross the network in clear text; "
            "--tls-certificate encrypts them",
            host,
        )


def _login(config: Config) -> str:
    if config.auth == "noauth":
        return "no login is needed (noauth)"
    if config.keystone_url:
        return f"as a user of {config.keystone_url}"
    return f"export OS_CLIENT_CONFIG_FILE={config.clouds_file} OS_CLOUD=lbclient-admin"


def _url(config: Config, host: str, port: int) -> str:
    scheme = "https" if config.tls_certificate else "http"
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def _reachable(config: Config, host: str, port: int) -> str:
    """Return the URL for clients on this machine."""
    return _url(config, {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host), port)


if __name__ == "__main__":
    sys.exit(main())
