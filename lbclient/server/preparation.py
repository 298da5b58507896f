"""Open the database, and create what it lacks at the first start: users, networks and clouds.yaml."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from ..store import migrations, staged
from ..store.identity_tables import USER
from ..store.network_tables import NETWORK
from ..store.store import Store
from ..strings import reason
from ..vault.sealing import Vault
from . import key_rings, state
from .config import Config
from .external.keystone import Keystone
from .identity import clouds_yaml
from .identity.bootstrap import Login, bootstrap, create_demo
from .network.demo_networks import create_demo_networks

LOG = logging.getLogger(__name__)
NO_USERS = "The database has no users yet: first start the server that carries the traffic."


class DatabaseError(Exception):
    """The database cannot be used; the message says why."""


def unlocked(config: Config) -> tuple[Store, key_rings.KeyRings]:
    """Open the database with the keys of its secrets, and claim the state directory for it.

    Raises DatabaseError, DamagedKey and StateError.
    """
    store = open_store(config.database_url)
    rings = key_rings.opened(config, store)
    store.unlock(Vault(rings.secrets))
    count = len(store.loadbalancer_ids()) if config.has_agent else 0
    state.claim(config.state_directory, store.database_id(), count, is_adopting=config.adopt)
    if store.has_one_writer:
        staged.remove_left(store)
    return store, rings


def open_store(url: str) -> Store:
    """Open the database and bring its schema up to date. Raises DatabaseError."""
    _check_directory(url)
    with _trouble(url):
        store = Store(url)
        store.migrate()
    return store


def _check_directory(url: str) -> None:
    """Check that SQLite can create a database that is not there yet. Raises DatabaseError."""
    path = sqlite_file(url)
    if path is not None and not path.exists() and not os.access(path.parent, os.W_OK | os.X_OK):
        raise DatabaseError(f"The database {_hidden(url)} cannot be used: {path.parent} is no directory to write to.")


def check(config: Config, keystone: Keystone | None) -> None:
    """Check that the database can be opened and prepared, without changing or creating it.

    Raises the errors of unlocked(), and Unfit.
    """
    path = sqlite_file(config.database_url)
    if path is not None and not path.exists():
        if path.parent != config.state_directory:
            _check_directory(config.database_url)
        return
    with _trouble(config.database_url):
        store = Store(config.database_url)
        try:
            _check_content(config, store, keystone)
        finally:
            store.close()


def _check_content(config: Config, store: Store, keystone: Keystone | None) -> None:
    """Check an existing database against the program, the keys and the state directory."""
    with store.reading() as tx:
        is_new = migrations.is_new(tx)
        if not is_new:
            migrations.check_version(tx)
    if is_new and not config.has_agent:
        raise DatabaseError(NO_USERS)
    if is_new:
        return
    key_rings.check_sealed(config, store)
    count = len(store.loadbalancer_ids()) if config.has_agent else 0
    state.check_claim(config.state_directory, store.database_id(), count, is_adopting=config.adopt)
    if not config.has_agent:
        _check_is_prepared(config, store)
    elif keystone and config.networks and _has_no_network(store):
        keystone.project_id()


@contextmanager
def _trouble(url: str) -> Iterator[None]:
    """Raise DatabaseError if the database cannot be used in the block."""
    try:
        yield
    except (ArgumentError, ImportError, SQLAlchemyError, ValueError) as error:
        why = reason(getattr(error, "orig", None) or error)
        raise DatabaseError(f"The database {_hidden(url)} cannot be used: {why}.") from None


def sqlite_file(url: str) -> Path | None:
    """Return the file of a database; None if it is not SQLite. Raises DatabaseError."""
    with _trouble(url):
        wanted = make_url(url)
    is_file = wanted.get_backend_name() == "sqlite" and wanted.database
    return Path(wanted.database) if is_file and wanted.database else None


def _hidden(url: str) -> str:
    """Return the database URL without its password."""
    try:
        return make_url(url).render_as_string(hide_password=True)
    except (ArgumentError, ValueError):
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


def prepare_database(config: Config, store: Store, keystone: Keystone | None, url: str, authority: Path | None) -> None:
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
            raise DatabaseError(NO_USERS)


def _prepare_networks(config: Config, store: Store, keystone: Keystone) -> None:
    """Create the networks at the first start if users and projects come from an external Keystone."""
    if config.networks and _has_no_network(store):
        project_id = keystone.project_id()
        with store.writing() as tx:
            create_demo_networks(tx, project_id, *config.networks)


def _has_no_network(store: Store) -> bool:
    with store.reading() as tx:
        return tx.scalar(sa.select(NETWORK.c.id).limit(1)) is None


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
