"""Read the server's options from the command line and the INI file, check them together, and write them back."""

from __future__ import annotations

import argparse
import configparser
import dataclasses
import ipaddress
from collections.abc import Callable, Collection, Mapping
from typing import Any, cast

from ..strings import reason
from .config import LOOPBACK, OPTIONS, Config, ConfigError, is_loopback
from .option_values import switch, without_password

SECTION = "server"
QUOTAS = "quotas"  # a section of its own


def add_arguments(parser: argparse.ArgumentParser, names: Collection[str] = ()) -> None:
    """Add --config-file and the named options, or all of them, to a parser."""
    parser.add_argument("--config-file", metavar="<file>", help=f"An INI file with a section [{SECTION}].")
    for option in (each for each in OPTIONS if not names or each.name in names):
        flag, text = f"--{option.name.replace('_', '-')}", option.metadata["help"]
        if option.metadata["read"] is switch:
            parser.add_argument(flag, action=argparse.BooleanOptionalAction, default=None, help=text)
        else:
            parser.add_argument(flag, metavar=f"<{option.name.replace('_', '-')}>", help=text)


def from_arguments(arguments: Mapping[str, Any]) -> Config:
    """Build the configuration from parsed arguments (vars() of a namespace) and their file. Raises ConfigError."""
    return _checked(Config(**_values(arguments)))


def names_given(arguments: Mapping[str, Any]) -> Collection[str]:
    """Return the names of the options that parsed arguments and their file set. Raises ConfigError."""
    return _values(arguments).keys()


def _values(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of the options that are set, by name. Raises ConfigError."""
    values = _of_file(arguments["config_file"]) if arguments.get("config_file") else {}
    for option in OPTIONS:
        given = arguments.get(option.name)
        if given is not None:
            flag = f"--{option.name.replace('_', '-')}"
            values[option.name] = given if isinstance(given, bool) else _read(option, given, flag)
    return values


def shown(config: Config) -> dict[str, str]:
    """Return the options and their values as in an INI file, without those that have no value."""
    found = {}
    for option in OPTIONS:
        value = getattr(config, option.name)
        if option.name == "providers":
            value = ",".join(f"{name}={each.driver}:{each.description}" for name, each in value.items())
        elif option.name == "database" and value is not None:
            from sqlalchemy.engine import make_url  # not at the top: this module also loads without the extra `server`

            value = make_url(value).render_as_string(hide_password=True)
        elif option.name == "agents" and value is not None:
            value = ":".join(map(str, value))
        elif isinstance(value, tuple):
            value = ",".join(map(str, value))
        elif isinstance(value, Mapping):
            value = ",".join(f"{name}={limit}" for name, limit in value.items())
        if value is not None:
            found[option.name] = str(value).lower() if isinstance(value, bool) else str(value)
    return found


def words(arguments: Mapping[str, Any]) -> list[str]:
    """Convert parsed arguments back to command-line arguments for another server."""
    found = [f"--config-file={arguments['config_file']}"] if arguments.get("config_file") else []
    for option in OPTIONS:
        given = arguments.get(option.name)
        flag = option.name.replace("_", "-")
        if isinstance(given, bool):
            found.append(f"--{flag}" if given else f"--no-{flag}")
        elif given is not None:
            found.append(f"--{flag}={given}")
    return found


def _of_file(path: str) -> dict[str, Any]:
    parser = configparser.ConfigParser(interpolation=None)
    try:
        with open(path, encoding="utf-8") as file:
            parser.read_file(file)
    except (OSError, UnicodeDecodeError, configparser.Error) as error:
        raise ConfigError(f"{path}: {reason(error)}.") from None
    known = {option.name: option for option in OPTIONS}
    for section in parser.sections():
        if section not in (SECTION, QUOTAS):
            raise ConfigError(f"{path}: unknown section [{section}]; there are [{SECTION}] and [{QUOTAS}].")
    given = dict(parser[SECTION]) if SECTION in parser else {}
    for name in given:
        if name not in known:
            raise ConfigError(f"{path}: unknown option {name}; there are {', '.join(known)}.")
        if known[name].metadata.get("is_once"):
            raise ConfigError(f"{path}: {name} is an option for the command line only.")
    values = {name: _read(known[name], text, f"{path}: {name}") for name, text in given.items()}
    if QUOTAS in parser:
        limits = ",".join(f"{name}={limit}" for name, limit in parser[QUOTAS].items())
        values[QUOTAS] = {**values.get(QUOTAS, {}), **_read(known[QUOTAS], limits, f"{path}: [{QUOTAS}]")}
    return values


def _read(option: dataclasses.Field[Any], text: str, where: str) -> Any:
    read = cast(Callable[[str], Any], option.metadata["read"])
    try:
        return read(text)
    except ValueError as error:
        raise ConfigError(f"{where}: {without_password(text)!r} is not allowed: {error}.") from None


def _checked(config: Config) -> Config:
    """Check the options against each other. Raises ConfigError."""
    if config.default_provider not in config.providers:
        allowed = ", ".join(config.providers)
        raise ConfigError(f"default_provider: {config.default_provider!r} is not allowed: one of {allowed}.")
    if config.keystone_url and not config.keystone_password_file:
        raise ConfigError("keystone_url needs keystone_password_file: tokens are validated as a user of that Keystone.")
    if config.barbican_url and not config.keystone_url:
        raise ConfigError("barbican_url needs keystone_url: that Barbican does not know the tokens of this server.")
    if config.testing and not is_loopback(config.bind_host):
        raise ConfigError(
            f"bind_host: {config.bind_host!r} is not allowed with testing, whose API needs no login: "
            "it has to be a loopback address."
        )
    if config.auth == "noauth" and not (config.remote_noauth or is_loopback(config.bind_host)):
        raise ConfigError(
            f"bind_host: {config.bind_host!r} is not allowed with auth noauth, under which "
            "every client is an admin: give a loopback address, or --remote-noauth."
        )
    if config.roles == "api":
        _check_api_alone(config)
    if config.tls_key and not config.tls_certificate:
        raise ConfigError("tls_key needs tls_certificate.")
    if config.interface and config.attachment != "interface":
        raise ConfigError(f"interface needs attachment interface; it is {config.attachment}.")
    if config.is_announcing and config.attachment != "anyip":
        raise ConfigError(f"announce {config.announce} needs attachment anyip; it is {config.attachment}.")
    for cidr in (config.networks or ()) if config.attachment == "loopback" else ():
        network = ipaddress.ip_network(cidr)
        if not (isinstance(network, ipaddress.IPv4Network) and network.subnet_of(LOOPBACK)):
            raise ConfigError(f"{cidr} is not allowed: with attachment loopback, networks lie within {LOOPBACK}.")
    return config


def _check_api_alone(config: Config) -> None:
    """Check the options of a server that carries no traffic itself. Raises ConfigError."""
    if not config.database_url.startswith("postgresql"):
        raise ConfigError("roles: 'api' alone needs a PostgreSQL database, which it shares with another server.")
    if config.keys is None and config.master_key is None:
        raise ConfigError(
            "roles: 'api' alone needs keys, the state directory of the other server or a copy, or its master_key."
        )
    for name in ("agents", "testing", "webhooks", "forward_logs"):
        if getattr(config, name):
            raise ConfigError(
                f"{name} is not allowed with roles api: it belongs to the server that carries the traffic."
            )
