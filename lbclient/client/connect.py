"""Connecting to a cloud: turns credentials and other settings into services."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from .. import __version__
from . import clouds, direct_http, direct_login, errors, token_cache
from .known_settings import Known
from .services import Services
from .session import CachedSession
from .settings import Settings, read, with_domains
from .settings import kind as kind_of

if TYPE_CHECKING:
    from keystoneauth1.loading import BaseLoader
    from keystoneauth1.plugin import BaseAuthPlugin
    from keystoneauth1.session import Session

PLUGINS = "keystoneauth1.plugin"  # entry point group of authentication plugins
DEFAULT_INTERFACE = "public"
DEFAULT_TIMEOUT = 300.0  # seconds without a byte from the server
SERVICE_TYPES = ("load-balancer", "network", "identity")
# Authentication plugins whose login depends on the settings alone. Others ask the user, Kerberos or a certificate, or
# do not log in at all.
CACHED_PLUGINS = (
    "password",
    "v2password",
    "v3password",
    "token",
    "v2token",
    "v3token",
    "v3applicationcredential",
    "v3totp",
    "v3multifactor",
    "v3oidcpassword",
    "v3oidcclientcredentials",
    "v3oidcaccesstoken",
)
PASSWORD_KINDS = ("password", "v2password", "v3password", "v3oidcpassword")
CACHE_SWITCH = "auth_cache"
CACHE_VARIABLE = "LBCLIENT_AUTH_CACHE"


def connect(options: Mapping[str, Any], environ: Mapping[str, str] = os.environ) -> Services:
    """Return the services for these options and variables. Raises NotConfigured."""
    known = Known(options, environ)
    found = known.read()
    session: Session | CachedSession | None = None
    if found and found[1].read():
        settings, entry = found
        session = _with_entry(entry, settings, environ, lambda: read(options, environ))
    else:
        settings = read(options, environ)
        with errors.translated():
            session = _cached_session(settings, environ, known) or _session(settings, _plugin(settings, environ))
    return Services(
        session,
        settings.get("region_name"),
        settings.get("interface") or DEFAULT_INTERFACE,
        {
            service_type: str(address)
            for service_type in SERVICE_TYPES
            if (address := settings.get(f"{service_type.replace('-', '_')}_endpoint_override"))
        },
    )


def _plugin(settings: Settings, environ: Mapping[str, str]) -> BaseAuthPlugin:
    loader: Any = _loader(kind_of(settings))
    methods = _words(settings.get("auth_methods"))
    if methods and kind_of(settings) == "v3multifactor":  # its options depend on its methods
        loader._methods = methods
    options = [option for option in loader.get_options() if option.dest != "auth_methods"]
    names = {option.dest for option in options}
    if "auth_url" in names and not settings.get("auth_url"):
        raise errors.NotConfigured(
            "No credentials: set OS_CLOUD or give --os-cloud for an entry of clouds.yaml,"
            f" or set OS_AUTH_URL, OS_USERNAME, OS_PASSWORD and OS_PROJECT_NAME.{clouds.offered(environ)}"
        )
    _check_addresses(settings)
    settings = with_domains(settings, names)
    if "password" in names:
        settings = _with_password(settings)
    given = {option.dest: option.type(value) for option in options if (value := _value(option, settings)) is not None}
    plugin: BaseAuthPlugin = loader.load_from_options(**given, **({"auth_methods": methods} if methods else {}))
    return plugin


def _check_addresses(settings: Settings) -> None:
    """Check that addresses begin with http:// or https://. Raises NotConfigured."""
    for name, value in settings.items():
        is_address = name in ("auth_url", "endpoint") or name.endswith("_endpoint_override")
        if is_address and not str(value).lower().startswith(("http://", "https://")):
            raise errors.NotConfigured(
                f"{name}: '{value}' has to begin with http:// or https://, as in http://{str(value).lstrip('/')}."
            )


def _words(value: Any) -> list[str]:
    """Return a list that may be given as text with commas."""
    return value if isinstance(value, list) else [word.strip() for word in str(value or "").split(",") if word.strip()]


def _loader(kind: str) -> BaseLoader[Any]:
    """Return the plugin loader of that name. keystoneauth1's own are found without scanning all installed packages."""
    import importlib.metadata  # imported late: commands with a cached login do not need it

    own = importlib.metadata.distribution("keystoneauth1").entry_points.select(group=PLUGINS, name=kind)
    for entry_point in own:
        loader: BaseLoader[Any] = entry_point.load()()
        return loader
    from keystoneauth1 import loading

    return loading.get_plugin_loader(kind)


def _value(option: Any, settings: Settings) -> Any:
    names = [option.dest, option.name.replace("-", "_"), *(old.name.replace("-", "_") for old in option.deprecated)]
    given = next((settings[name] for name in names if settings.get(name) not in (None, "")), None)
    return option.default if given is None else given


def _with_password(settings: Settings) -> Settings:
    if settings.get("password") or not (settings.get("username") or settings.get("user_id")):
        if not (settings.get("username") or settings.get("user_id")):
            raise errors.NotConfigured("No user: set OS_USERNAME, give --os-username, or use --os-cloud.")
        return settings
    if not sys.stdin or not sys.stdin.isatty():
        raise errors.NotConfigured("No password: set OS_PASSWORD, give --os-password, or use --os-cloud.")
    from getpass import getpass

    return {**settings, "password": getpass()}


def _cached_session(settings: Settings, environ: Mapping[str, str], known: Known) -> CachedSession | None:
    """Return a session whose login is cached for the next command, or made without keystoneauth1.

    Returns None if neither is wanted, safe and supported.
    """
    kind = kind_of(settings)
    is_wanted = _is_true(settings.get(CACHE_SWITCH, environ.get(CACHE_VARIABLE) or "on"))
    is_asked_for = kind in PASSWORD_KINDS and not settings.get("password")
    is_cached = is_wanted and not is_asked_for and kind in CACHED_PLUGINS
    entry = token_cache.entry({**settings, "auth_type": kind}, environ) if is_cached else None
    if entry is None and not (_is_direct(settings, environ) and direct_login.is_possible(kind, settings)):
        return None
    _check_addresses(settings)
    session = _with_entry(entry, settings, environ, lambda: settings, kind)
    if entry:
        known.write(settings, entry)
    return session


def _with_entry(
    entry: token_cache.CacheEntry | None,
    settings: Settings,
    environ: Mapping[str, str],
    complete: Callable[[], Settings],
    kind: str = "",
) -> CachedSession:
    """Return a session with the cached login of an entry.

    A new login needs all settings, which `complete` returns; one of this kind is tried without keystoneauth1.
    """

    def make() -> Session:
        needed = complete()
        return _session(needed, _plugin(needed, environ))

    direct = (
        direct_http.DirectHttp(_verification(settings), _timeout(settings)) if _is_direct(settings, environ) else None
    )
    catalog = {"interface": settings.get("interface") or DEFAULT_INTERFACE, "region_name": settings.get("region_name")}
    log_in = None
    if direct and direct_login.is_possible(kind, settings):
        log_in = partial(direct_login.log_in, direct, kind, settings, catalog, SERVICE_TYPES)
    return CachedSession(entry, make, direct, catalog, SERVICE_TYPES, log_in)


def _is_direct(settings: Settings, environ: Mapping[str, str]) -> bool:
    return direct_http.is_plain(environ) and not settings.get("cert")


def _session(settings: Settings, plugin: BaseAuthPlugin) -> Session:
    from keystoneauth1.session import Session

    return Session(
        auth=plugin,
        verify=_verification(settings),
        cert=_certificate(settings),
        timeout=_timeout(settings),
        app_name="lbclient",
        app_version=__version__,
    )


def _verification(settings: Settings) -> bool | str:
    """Return the `verify` argument of requests: False to accept any certificate, or the path of CA certificates."""
    if _is_true(settings.get("insecure", False)) or not _is_true(settings.get("verify", True)):
        return False
    return os.path.expanduser(settings["cacert"]) if settings.get("cacert") else True


def _certificate(settings: Settings) -> str | tuple[str, str] | None:
    cert, key = settings.get("cert"), settings.get("key")
    if not cert:
        return None
    return (os.path.expanduser(cert), os.path.expanduser(key)) if key else os.path.expanduser(cert)


def _timeout(settings: Settings) -> float:
    given = settings.get("api_timeout")
    try:
        return float(given) if given else DEFAULT_TIMEOUT
    except ValueError:
        raise errors.NotConfigured(f"api_timeout: '{given}' is no number of seconds.") from None


def _is_true(value: Any) -> bool:
    return str(value).strip().lower() in ("true", "1", "yes", "on")
