"""Open the database, and create what it lacks at the first start: users, networks and clouds.yaml."""

from __future__ import annotations

import logging
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

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


class DatabaseError(Exception):
    """The database cannot be used; the message says why."""


def unlocked(config: Config) -> tuple[Store, key_rings.KeyRings]:
    """Open the database with the keys of its secrets, and claim the state directory for it. Raises errors of both."""
    store = open_store(config.database_url)
    rings = key_rings.opened(config, store)
    store.unlock(Vault(rings.secrets))
    count = len(store.loadbalancer_ids()) if config.has_agent else 0
    state.claim(config.state_directory, store.database_id(), count, is_adopting=config.adopt)
    return store, rings


def open_store(url: str) -> Store:
    """Open the database and bring its schema up to date. Raises DatabaseError."""
    try:
        store = Store(url)
        store.migrate()
    except (ArgumentError, ImportError, SQLAlchemyError) as error:
        why = reason(getattr(error, "orig", None) or error)
        raise DatabaseError(f"The database {_hidden(url)} cannot be used: {why}.") from None
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
