"""Run the reference server, which puts the HTTP services and the data plane together."""

from __future__ import annotations

import argparse
import gc
import logging
import os
import resource
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from functools import partial

from .. import streams
from ..signals import ENDING, Flag
from . import assembly, logs, notify, preflight, preparation, privileges, running, state
from .config import Config, ConfigError, is_loopback
from .config_sources import add_arguments, from_arguments
from .identity import password_reset
from .identity.tokens import Tokens
from .outbound.outbound import Outbound
from .rereading import Reread, reread
from .services import Changed, Services
from .telemetry.metrics import Metrics
from .testing import kit as kit_module
from .testing import seeding, worlds
from .testing.kit import Kit
from .web.server import Server
from .web.tls import Certificate

LOG = logging.getLogger("lbclient.server.main")  # also where this is __main__
FILES = 65536
SWITCH = 0.001  # seconds until a thread yields to another: large requests must not delay small ones


REFUSALS = (*preflight.REFUSALS, seeding.SeedError)


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
    changed = Changed()
    signalled = Flag(*ENDING, *([signal.SIGHUP] if read and not (sys.stdin and sys.stdin.isatty()) else []))
    try:
        with state.held(config.state_directory), _running(config, seed, changed) as address:
            with running.announced(config.state_directory, _reachable(config, *address), config.clouds_file):
                print(f"lbclient server is listening on {_url(config, *address)}", flush=True)
                notify.tell("READY=1")
                _exempt_from_collections()
                LOG.info("the state is in %s; to log in: %s", config.state_directory, _login(config))
                while not (numbers := signalled.take()).intersection(ENDING):
                    if read and signal.SIGHUP in numbers:
                        config = reread(config, read, changed)
            LOG.info("stopping")
            notify.tell("STOPPING=1")
    except REFUSALS as error:
        print(f"lbclient server: {error}", file=sys.stderr)
        return 1
    return 0


def _exempt_from_collections() -> None:
    """Leave all present objects, which stay, out of later collections: a full one stops every thread for 50 ms.

    They are not collected first, which would delay the first answers by as much: the start leaves next to no garbage.
    """
    gc.freeze()


def reset_password(config: Config, name: str) -> int:
    """Set a new password for a user created at the first start; return the exit status."""
    try:
        store = preparation.open_store(config.database_url)
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
    checked = preflight.check(config)
    certificate, keystone = checked.certificate, checked.keystone
    store, rings = preparation.unlocked(config)
    kit = Kit(config.state_directory / kit_module.DIRECTORY) if config.testing else None
    metrics = Metrics()
    outbound = Outbound(config, store, metrics)
    planes = assembly.planes_of(config, store, checked.haproxy, checked.user, kit, outbound)
    with preflight.naming(*preflight.attachment_options(config)):
        planes.take_over(unstarted)
    tokens = Tokens(store, rings.tokens)
    services = assembly.services_of(config, store, tokens, checked.rules, keystone, planes, kit, metrics, changed)
    seeding.undo(services, config.state_directory)  # before users are created, whose passwords go to clouds.yaml
    server = _bound(config, services, certificate)
    with preflight.naming("agents"):
        planes.bind()
    privileges.warn_of_root(checked.user)
    if planes.peers:
        planes.peers.start()
    authority = config.tls_certificate if certificate and certificate.is_self_signed else None
    preparation.prepare_database(config, store, services.keystone, _reachable(config, *server.address), authority)
    if kit:
        worlds.prepare(services, kit)
    server.start()  # requests until the data plane starts are stored, and it then applies them
    unstarted.pop_all()
    try:
        if seed:
            _seed(services, _reachable(config, *server.address), seed)
        outbound.start()
        planes.start()
        yield server.address
    finally:
        server.stop()
        planes.stop()
        outbound.stop()
        store.close()


def _bound(config: Config, services: Services, certificate: Certificate | None) -> Server:
    """Return the server with its address bound, before it answers. Raises ListenError if it is in use."""
    server = assembly.http_server_of(config, services, certificate)
    server.watch(services.metrics.watch)
    with preflight.naming("bind_host", "bind_port"):
        server.bind()
    _warn_of_listeners(config, server.address[0])
    return server


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


def _allow_files() -> None:
    """Raise the soft limit of open files: it is often 1024, and each watched HAProxy process takes one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


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
