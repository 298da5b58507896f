"""Read the configuration again while the server runs (SIGHUP)."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable

from . import logs
from .config import OPTIONS, Config, ConfigError

LOG = logging.getLogger(__name__)
AT_ONCE = ("debug", "log_format")  # the options that take effect without a restart

Reread = Callable[[], Config]  # reads the command line and the file again; raises ConfigError


def reread(config: Config, read: Reread) -> Config:
    """Return the configuration after a SIGHUP; log which options took effect, and which ones need a restart."""
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
    LOG.info("the configuration was read again: %s", f"{', '.join(at_once)} changed" if at_once else "nothing to do")
    if waiting:
        LOG.warning("%s: changed in the configuration, but only a restart of the server applies it", ", ".join(waiting))
    return dataclasses.replace(config, **at_once)
