"""Logging in with the standard library alone, for commands without a cached login.

Importing keystoneauth1 and requests takes longer than such a command runs. They are still used for other kinds of
logins, for other versions of the identity API, and for answers that are neither a token nor a plain refusal: `log_in`
returns None in these cases.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urljoin, urlsplit, urlunsplit

from . import errors
from .direct_http import Answer, DirectHttp
from .settings import Settings, with_domains
from .token_cache import CachedToken

Json = dict[str, Any]

USER = ("username", "user_id")
PASSWORD = (("auth_url",), USER, ("password",))
TOKEN = (("auth_url",), ("token",))
CREDENTIAL = (("auth_url",), ("application_credential_id", *USER), ("application_credential_secret",))
# What a login needs, by its kind: one setting of each group.
NEEDED: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "password": PASSWORD,
    "v3password": PASSWORD,
    "token": TOKEN,
    "v3token": TOKEN,
    "v3applicationcredential": (*CREDENTIAL, ("application_credential_id", "application_credential_name")),
}
DISCOVERED = ("password", "token")  # kinds that ask for the versions of the identity API first
USED = (
    *("auth_url", "user_id", "username", "user_domain_id", "user_domain_name", "password", "token"),
    *("project_id", "project_name", "project_domain_id", "project_domain_name"),
    *("application_credential_id", "application_credential_name", "application_credential_secret"),
)
# Options of these kinds that only keystoneauth1 handles.
OTHERS = (
    *("domain_id", "domain_name", "default_domain_id", "default_domain_name"),
    *("system_scope", "trust_id", "user_name"),
)
DOMAINS = {"user_domain_id", "project_domain_id"}
OLD_VERSION = "v2"
VERSION = "v3"
STATUSES = ("stable", "current", "supported", "deprecated")
FOUND = (200, 300)  # an address without a version lists them, as 300 Multiple Choices
JSON = {"Accept": "application/json"}
RECEIPT = "Openstack-Auth-Receipt"  # header of an answer that asks for a second factor


def is_possible(kind: str, settings: Settings) -> bool:
    """Whether `log_in` handles this kind of login with these settings."""
    given = {name for name, value in settings.items() if value not in (None, "")}
    groups = NEEDED.get(kind)
    return groups is not None and all(given & set(group) for group in groups) and not given & set(OTHERS)


def log_in(
    direct: DirectHttp,
    kind: str,
    settings: Settings,
    catalog: Mapping[str, str | None],
    service_types: Iterable[str],
) -> CachedToken | None:
    """Log in and return the token, with the addresses of services for the interface and the region in `catalog`.

    Returns None if keystoneauth1 has to log in. Raises errors.Refused, and errors.Unreachable for a server that does
    not answer in time.
    """
    said = {name: str(value) for name, value in with_domains(settings, DOMAINS).items() if value not in (None, "")}
    address = _versioned(direct, said) if kind in DISCOVERED else said["auth_url"]
    if address is None:
        return None
    address = address.rstrip("/")
    url = f"{address}/auth/tokens" if address.endswith(VERSION) else f"{address}/{VERSION}/auth/tokens"
    headers = {**JSON, "X-Auth-Token": said["token"]} if kind.endswith("token") else JSON
    answer = _answered(direct, "POST", url, headers, {"auth": _authentication(kind, said)})
    body = _object(answer)
    if answer is None or body is None:
        return None
    if answer.status_code >= 400 and not answer.headers.get(RECEIPT):
        raise errors.refused(answer.status_code, body, answer.headers.get("x-openstack-request-id") or None)
    return _cached(answer.headers.get("X-Subject-Token"), body, catalog, service_types)


def _versioned(direct: DirectHttp, said: Mapping[str, str]) -> str | None:
    """Return the address of version 3 that the server names; None if the choice of a version is not that simple."""
    answer = _answered(direct, "GET", said["auth_url"], JSON)
    body = _object(answer)
    if answer is None or body is None or answer.status_code not in FOUND:
        return None
    try:
        listed: Any = body["versions"] if "versions" in body else [body["version"]]
        listed = listed["values"] if isinstance(listed, dict) else listed
        has_domain = bool(said.keys() & {"user_domain_id", "user_domain_name"})
        found = [each for each in listed if not (has_domain and each["id"].startswith(OLD_VERSION))]
        [version] = found
        [link] = (each["href"] for each in version["links"] if each["rel"].lower() == "self")
        is_known = version["id"].startswith(VERSION) and version["status"].lower() in STATUSES
        return _combined(said["auth_url"], link) if is_known else None
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def _combined(address: str, link: str) -> str | None:
    """Return the address that a link names, at the host that was asked: links often name an internal one."""
    asked, named = urlsplit(address), urlsplit(urljoin(f"{address.rstrip('/')}/", link))
    if named.query or named.fragment:
        return None
    path = named.path
    if named.netloc != asked.netloc:
        version, own = link.rstrip("/").split("/")[-1], asked.path.rstrip("/")
        path = asked.path if own.endswith(version) else f"{own}/{version}"
    return urlunsplit((asked.scheme, asked.netloc, path, "", ""))


def _authentication(kind: str, said: Mapping[str, str]) -> Json:
    project = _project(said)
    return {"identity": _identity(kind, said), **({"scope": {"project": project}} if project else {})}


def _identity(kind: str, said: Mapping[str, str]) -> Json:
    if kind.endswith("token"):
        return {"methods": ["token"], "token": {"id": said["token"]}}
    if kind.endswith("password"):
        user = {"password": said["password"], **_named("user", "username", said)}
        return {"methods": ["password"], "password": {"user": user}}
    credential: Json = {"secret": said["application_credential_secret"]}
    if "application_credential_id" in said:
        credential["id"] = said["application_credential_id"]
    else:
        credential |= {"name": said["application_credential_name"], "user": _named("user", "username", said)}
    return {"methods": ["application_credential"], "application_credential": credential}


def _project(said: Mapping[str, str]) -> Json:
    return _named("project", "project_name", said)


def _named(what: str, name: str, said: Mapping[str, str]) -> Json:
    """Return a reference to a user or a project: by ID, or by name and domain; {} if none is given."""
    if f"{what}_id" in said:
        return {"id": said[f"{what}_id"]}
    if name not in said:
        return {}
    domain = next(({part: said[key]} for part in ("id", "name") if (key := f"{what}_domain_{part}") in said), None)
    return {"name": said[name], **({"domain": domain} if domain else {})}


def _cached(
    token: str, body: Json, catalog: Mapping[str, str | None], service_types: Iterable[str]
) -> CachedToken | None:
    try:
        expires = _seconds(body["token"]["expires_at"])
        services = body["token"].get("catalog") or []
        endpoints = {kind: _endpoint(services, kind, catalog) for kind in service_types}
    except (KeyError, TypeError, ValueError, AttributeError):
        return None
    found = {kind: address for kind, address in endpoints.items() if address}
    state = json.dumps({"auth_token": token, "body": body})  # as keystoneauth1 writes and reads it
    return CachedToken(token, expires, found, state) if token else None


def _endpoint(services: list[Json], kind: str, catalog: Mapping[str, str | None]) -> str | None:
    """Return the address of a service; None if keystoneauth1 has to search: it also knows other names of the type."""
    interface, region = str(catalog["interface"]).rstrip("URL"), catalog["region_name"]
    offered = (each for service in services if service.get("type") == kind for each in service.get("endpoints", ()))
    return next(
        (
            str(each["url"])
            for each in offered
            if each["interface"] == interface
            and region in (None, "", each.get("region_id") or each.get("region"))
            and each["url"]
        ),
        None,
    )


def _seconds(text: str) -> float:
    """Return a time in seconds since 1970. Raises ValueError."""
    from datetime import datetime, timezone

    found = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return (found if found.tzinfo else found.replace(tzinfo=timezone.utc)).timestamp()


def _answered(
    direct: DirectHttp, method: str, url: str, headers: Mapping[str, str], body: Json | None = None
) -> Answer | None:
    """Return the answer; None if there is none. Raises errors.Unreachable if none has come in time."""
    try:
        return direct.request(method, url, headers, json=body)
    except errors.Unreachable as error:
        if isinstance(error.__cause__, TimeoutError):
            raise
        return None


def _object(answer: Answer | None) -> Json | None:
    """Return the JSON object in an answer; None if it has none."""
    try:
        found = answer.json() if answer else None
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
