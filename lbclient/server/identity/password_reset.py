"""Password reset for the users created by the first start, in case clouds.yaml is lost."""

from __future__ import annotations

import secrets
from pathlib import Path

import sqlalchemy as sa

from ...store.identity_tables import PROJECT, USER
from ...store.store import Store
from . import clouds_yaml, passwords
from .bootstrap import DEFAULT_DOMAIN, Login
from .tokens import revoke, touch

CLOUDS = {"admin": "lbclient-admin", "demo": "lbclient"}


class NoSuchUser(Exception):
    """The user does not exist; the text names the user and a remedy."""


def reset(store: Store, path: Path, name: str, auth_url: str) -> None:
    """Set a random password, revoke the user's tokens, and write clouds.yaml.

    Raises NoSuchUser or clouds_yaml.Damaged, without changing anything.
    """
    known = clouds_yaml.read(path)
    password = secrets.token_urlsafe(24)
    hashed = passwords.make_hash(password)
    with store.writing() as tx:
        user_id = tx.scalar(sa.select(USER.c.id).where(_named(USER, name)))
        project_id = tx.scalar(sa.select(PROJECT.c.id).where(_named(PROJECT, name)))
        if user_id is None or project_id is None:
            raise NoSuchUser(f"There is no user {name} with a project of that name: a first start makes them.")
        tx.execute(sa.update(USER).where(USER.c.id == user_id).values(password=hashed, enabled=True))
        touch(tx)
        revoke(tx, "user", user_id)  # by the new revision: tokens of the one before end
        login = Login(name, project_id, password)
        before = known.get(CLOUDS[name])
        url = before["auth"].get("auth_url", auth_url) if before else auth_url
        known[CLOUDS[name]] = clouds_yaml.cloud(login, password, url)
        clouds_yaml.write(path, known)  # before the commit: if writing fails, the old password stays valid


def _named(table: sa.Table, name: str) -> sa.ColumnElement[bool]:
    return (table.c.name == name) & (table.c.domain_id == DEFAULT_DOMAIN)
