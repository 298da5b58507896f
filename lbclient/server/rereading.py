"""Read the configuration again while the server runs (SIGHUP)."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable

from . import logs
from .config import OPTIONS, Config, ConfigError
from .services import Changed

LOG = logging.getLogger(__name__)
AT_ONCE = ("debug", "log_format", "quotas")  # the options that take effect without a restart


Reread = Callable[[], Config]  # reads the command line and the file again; raises ConfigError


def reread(config: Config, read: Reread, changes: Changed) -> Config:
    """Return the configuration after a SIGHUP, and log which options took effect, and which ones need a restart.

    What services read while they run is set in `changes`.
    """
    try:
        wanted = read()
    except ConfigError as error:
        LOG.error("%s The configuration stays as it was.", error)
        return config
    changed = [each.name for each in OPTIONS if getattr(wanted, each.name) != getattr(config, each.name)]
    at_once = {name: getattr(wanted, name) for name in changed if name in AT_ONCE}
    waiting = [name for name in changed if name not in AT_ONCE]
    if at_once:
        logs.configure(wanted.log_format, wanted.debug)
    if "quotas" in at_once:
        changes.quotas = wanted.quotas
    LOG.info("the configuration was read again: %s", f"{', '.join(at_once)} changed" if at_once else "nothing to do")
    if waiting:
        LOG.warning("%s: changed in the configuration, but only a restart of the server applies it", ", ".join(waiting))
    return dataclasses.replace(config, **at_once)
