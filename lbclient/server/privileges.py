"""The users that the server and HAProxy run as, and warnings where that is root."""

from __future__ import annotations

import logging
import os

from ..dataplane.haproxy import unprivileged
from ..dataplane.haproxy.unprivileged import NoSuchUser, User
from .config import Config, ConfigError

LOG = logging.getLogger(__name__)


def haproxy_user(config: Config) -> User | None:
    """Return the user that HAProxy and relays become; None if they keep the user of the server. Raises ConfigError."""
    try:
        return unprivileged.user(config.haproxy_user)
    except NoSuchUser as error:
        raise ConfigError(f"haproxy_user: {error}.") from None


def warn_of_root(user: User | None) -> None:
    """Warn if the server runs as root where it could be another user, and if HAProxy, too, stays root."""
    if os.geteuid() != 0 or unprivileged.is_only_user():
        return
    LOG.warning(
        "the server runs as root; a user of its own with CAP_NET_BIND_SERVICE, CAP_NET_ADMIN and CAP_NET_RAW is enough "
        "(contrib/systemd/lbclient.service)"
    )
    if user is None:
        LOG.warning(
            "HAProxy, which faces clients, runs as root, too: for another user, the server needs CAP_CHOWN, CAP_KILL, "
            "CAP_SETGID and CAP_SETUID, and a user namespace that has the user"
        )
