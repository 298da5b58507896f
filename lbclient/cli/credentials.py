"""The global options that select the cloud and the credentials."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

PREFIX = "os_"

# Options that are always there. Those of the other authentication types are looked up when one of them is typed.
OPTIONS: tuple[tuple[str, str], ...] = (
    ("cloud", "The entry of clouds.yaml to use."),
    ("auth-type", "The way to authenticate, one of keystoneauth1's plugins (password or token)."),
    ("auth-url", "The address of the identity service."),
    ("username", "The user's name."),
    ("user-id", "The user's ID."),
    ("password", "The user's password (asked for on a terminal)."),
    ("user-domain-name", "The name of the user's domain."),
    ("user-domain-id", "The ID of the user's domain (default)."),
    ("project-name", "The project's name."),
    ("project-id", "The project's ID."),
    ("project-domain-name", "The name of the project's domain."),
    ("project-domain-id", "The ID of the project's domain (default)."),
    ("domain-name", "The name of the domain, where a domain rather than a project is worked in."),
    ("domain-id", "The ID of that domain."),
    ("system-scope", "The word all, where the whole system is worked in."),
    ("trust-id", "The ID of a trust."),
    ("default-domain", "The ID of the domain of names that come without one (default)."),
    ("token", "A token, instead of a user and a password."),
    ("application-credential-id", "The ID of an application credential."),
    ("application-credential-name", "The name of an application credential."),
    ("application-credential-secret", "The secret of an application credential."),
    ("endpoint", "The address of the service, with the authentication types none and admin_token."),
    ("region-name", "The region."),
    ("interface", "The interface: public, internal or admin (public)."),
    ("load-balancer-endpoint-override", "The address of the load-balancer service, whatever the catalog says."),
    ("network-endpoint-override", "The address of the network service, whatever the catalog says."),
    ("cacert", "The file of the authorities that certificates are checked with."),
    ("cert", "The file of the client's own certificate."),
    ("key", "The file of that certificate's key."),
)
FORMER_OPTIONS = ("tenant-name", "tenant-id")


def add_credentials(parser: argparse.ArgumentParser, argv: Sequence[str]) -> None:
    """Add the options to the parser; also those of every authentication type if argv contains one of them."""
    group = parser.add_argument_group(
        "logging in", "Each is also taken from a variable: OS_AUTH_URL for --os-auth-url."
    )
    for name, words in OPTIONS:
        group.add_argument(f"--os-{name}", metavar=f"<{name}>", help=words)
    for name in FORMER_OPTIONS:
        group.add_argument(f"--os-{name}", help=argparse.SUPPRESS)
    verification = group.add_mutually_exclusive_group()
    verification.add_argument("--insecure", action="store_true", help="Do not check the server's certificate.")
    verification.add_argument("--verify", action="store_true", help="Check the server's certificate (default).")
    group.add_argument(
        "--no-auth-cache",
        action="store_true",
        help="Log in again, and do not cache the token (LBCLIENT_AUTH_CACHE=off).",
    )
    # The same option as in `openstack`, for scripts that use it.
    group.add_argument("--os-loadbalancer-api-version", help=argparse.SUPPRESS)
    _add_rare(group, argv)


def credentials(parsed: argparse.Namespace) -> dict[str, Any]:
    """Return the options that were given, under the names of settings, such as auth_url and cloud."""
    typed = {
        name.removeprefix(PREFIX): value for name, value in vars(parsed).items() if name.startswith(PREFIX) and value
    }
    if parsed.insecure:
        typed["insecure"] = True
    if parsed.no_auth_cache:
        typed["auth_cache"] = "off"
    if parsed.verify:
        typed |= {"insecure": "", "verify": True}
    return typed


def _add_rare(group: Any, argv: Sequence[str]) -> None:
    known = group._option_string_actions
    typed = {word.partition("=")[0] for word in argv if word.startswith("--os-")}
    if typed.issubset(known):
        return
    from keystoneauth1 import loading

    loaders: dict[str, Any] = loading.get_available_plugin_loaders()
    for loader in loaders.values():
        for option in loader.get_options():
            flag = f"--os-{option.name.lower().replace('_', '-')}"
            if flag not in known:
                group.add_argument(flag, metavar=f"<{option.name}>", help=argparse.SUPPRESS)
