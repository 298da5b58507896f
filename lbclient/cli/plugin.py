"""The plugin that adds the same commands to `openstack`.

If python-octaviaclient is installed too, lbclient's commands replace those of the same name, whichever plugin is found
first: lbclient's plugin moves behind the other one, and registers its commands in a second group that is read later.
"""

from __future__ import annotations

import argparse
import importlib.util
import logging
import os
import sys
from types import ModuleType
from typing import Any

from .. import streams
from ..client.services import Services

streams.open_missing()  # before `openstack` uses any of them

PEER = "octaviaclient"

DEFAULT_API_VERSION = "2.0"
API_VERSION_OPTION = "os_loadbalancer_api_version"
# Also the attribute of the client manager, and the middle of the commands' entry point group.
API_NAME = "lbclient" if importlib.util.find_spec(PEER) else "load_balancer"

SERVICE_TYPES = ("load-balancer", "network", "identity")


def make_client(instance: Any) -> Services:
    """Return the services, on the session that `openstack` has opened."""
    config = instance.get_configuration()
    keys = {service_type: f"{service_type.replace('-', '_')}_endpoint_override" for service_type in SERVICE_TYPES}
    return Services(
        instance.session,
        instance.region_name or None,
        instance.interface or "public",
        {service_type: config[key] for service_type, key in keys.items() if config.get(key)},
    )


def build_option_parser(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Add the global option of the load-balancer service, unless the other plugin adds it."""
    from openstackclient.common.clientmanager import PLUGIN_MODULES

    peer = sys.modules.get(f"{PEER}.osc.plugin")
    if peer in PLUGIN_MODULES:
        return _behind(peer, PLUGIN_MODULES, parser)
    parser.add_argument(
        "--os-loadbalancer-api-version",
        metavar="<loadbalancer-api-version>",
        default=os.environ.get("OS_LOADBALANCER_API_VERSION") or DEFAULT_API_VERSION,
        help="The version of the load-balancer API, 2.0 by default. (Env: OS_LOADBALANCER_API_VERSION)",
    )
    return parser


def _behind(peer: Any, plugins: list[ModuleType], parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Move behind the other plugin, in place: the caller is iterating over this list of plugins."""
    logging.getLogger("cliff.commandmanager").addFilter(_is_news)
    here, there = plugins.index(sys.modules[__name__]), plugins.index(peer)
    if there < here:
        return parser  # the other plugin has added the option already
    plugins[here], plugins[there] = plugins[there], plugins[here]
    other: argparse.ArgumentParser = peer.build_option_parser(parser)
    return other


def _is_news(record: logging.LogRecord) -> bool:
    """Return False for cliff's warning about duplicate commands: here they are intended."""
    modules = record.args.get("modules", "") if isinstance(record.args, dict) else ""
    return not ("duplicate implementations" in str(record.msg) and f"{__package__}." in str(modules))
