"""The settings of a cloud from options, OS_* variables and clouds.yaml, merged into one mapping.

Every spelling that openstacksdk's loader understands is accepted with the same meaning. The differences are:

- A cloud named on the command line is not mixed with variables of another cloud: variables only add secrets, the
  region, certificates and the timeout.
- If clouds.yaml has only one cloud, it is used even if OS_* variables are set, unless these name a user or an address.
- A token or an application credential needs no auth_type.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import clouds, errors

Settings = dict[str, Any]

DEFAULT_DOMAIN = "default"
FORMER_NAMES = {
    "tenant_name": "project_name",
    "tenant_id": "project_id",
    "endpoint_type": "interface",
    "auth_token": "token",
    "auth_plugin": "auth_type",
}
FORMER_KINDS = {"token_endpoint": "admin_token", "None": "none"}
IDENTIFYING = ("auth_url", "auth_type", "endpoint", "token", "username", "user_id", "application_credential_id")
BESIDE_A_NAMED_CLOUD = (
    "password",
    "passcode",
    "application_credential_secret",
    "region_name",
    "cacert",
    "cert",
    "key",
    "api_timeout",
)
VARIABLES = "envvars"  # the name of the cloud that the variables define, unless OS_CLOUD_NAME is set
SELECTORS = {"cloud", "region_name", "client_config_file", "client_secure_file", "cloud_name"}


def read(options: Mapping[str, Any], environ: Mapping[str, str]) -> Settings:
    """Return the merged settings of the cloud. Raises NotConfigured."""
    typed = _normal({name: value for name, value in options.items() if value not in (None, "")})
    variables = _normal(
        {name[3:].lower(): value for name, value in environ.items() if name.startswith("OS_") and value}
    )
    return _once(_merged(typed, variables, environ))


def kind(settings: Settings) -> str:
    """Return the name of the keystoneauth1 plugin that fits the settings."""
    if settings.get("auth_type"):
        given = str(settings["auth_type"])
        return FORMER_KINDS.get(given, given)
    if settings.get("token") and not (settings.get("username") or settings.get("user_id")):
        return "admin_token" if settings.get("endpoint") else "token"
    if settings.get("application_credential_id") or settings.get("application_credential_name"):
        return "v3applicationcredential"
    return "password"


def with_domains(settings: Settings, names: set[str]) -> Settings:
    """Add the default domain for the names of the user and the project, unless their domain is given."""
    domain = settings.get("default_domain") or DEFAULT_DOMAIN
    added: Settings = {}
    for what, is_named in (("user", settings.get("username")), ("project", settings.get("project_name"))):
        key = f"{what}_domain_id"
        if is_named and key in names and not (settings.get(key) or settings.get(f"{what}_domain_name")):
            added[key] = domain
    return {**settings, **added}


def _merged(typed: Settings, variables: Settings, environ: Mapping[str, str]) -> Settings:
    named = variables.get("cloud_name") or VARIABLES
    chosen = typed.get("cloud") or variables.get("cloud")
    if chosen == named:
        if not set(variables) - SELECTORS:
            raise errors.NotConfigured(f"Cloud '{named}' is what OS_* variables say, and they say nothing.")
        return {**variables, **typed}
    if typed.get("cloud"):
        beside = {name: variables[name] for name in BESIDE_A_NAMED_CLOUD if name in variables}
        return {**beside, **_of_cloud(chosen, {**beside, **typed}, environ), **typed}
    entry: Settings = {}
    if chosen or not any(name in (typed | variables) for name in IDENTIFYING):
        entry = _of_cloud(chosen, variables | typed, environ)
    return {**entry, **variables, **typed}


def _of_cloud(name: str | None, known: Settings, environ: Mapping[str, str]) -> Settings:
    entry = clouds.entry(name, known.get("region_name"), environ)
    auth = entry.get("auth") or {}
    if not isinstance(auth, dict):
        raise errors.NotConfigured(f"'auth' in the entry of cloud '{name}' should be a mapping.")
    return {**_normal(auth), **_normal({key: value for key, value in entry.items() if key != "auth"})}


def _normal(settings: Settings) -> Settings:
    """Replace former names of settings by their current names, and drop settings that are None."""
    normal = {str(name).replace("-", "_"): value for name, value in settings.items()}
    for former, name in FORMER_NAMES.items():
        if former in normal:
            normal.setdefault(name, normal[former])
    return {name: value for name, value in normal.items() if value is not None}


def _once(settings: Settings) -> Settings:
    """Resolve what may be written once: one domain for user and project, and settings as {name} in auth_url."""
    settings = dict(settings)
    if settings.get("project_name") or settings.get("project_id"):
        for part in ("id", "name"):
            domain = settings.pop(f"domain_{part}", None)
            for owner in ("user", "project") if domain else ():
                settings.setdefault(f"{owner}_domain_{part}", domain)
    if "{" in str(settings.get("auth_url")):
        try:
            settings["auth_url"] = str(settings["auth_url"]).format(**settings)
        except (KeyError, ValueError, IndexError) as error:
            raise errors.NotConfigured(
                f"auth_url: {settings['auth_url']!r} has a part in braces that nothing says: {error}."
            ) from None
    return settings
