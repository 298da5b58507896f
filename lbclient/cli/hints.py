"""Hints on how to correct a request, looked up only after the server has refused it.

Only the server decides what is valid, so it does no harm if a rule here does not apply to every server.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ..client.api import Api
from ..client.errors import BadRequest, Conflict, Error
from ..resources import HEALTHMONITOR, L7POLICY, LISTENER, POOL, Resource
from ..resources.healthmonitor import HTTP_OPTIONS, HTTP_TYPES
from ..resources.l7policy import REDIRECTS
from ..resources.l7rule import KEYED_TYPES
from ..resources.listener import NEED_TERMINATION, POOL_PROTOCOLS

Values = Mapping[str, Any]

LISTENER_PROTOCOL = re.compile(r"listener protocol is '?(\w+)'?")


def hinted(refusal: BadRequest, resource: Resource, values: Values) -> BadRequest:
    """Return the refusal, with a hint if one is known."""
    hints = [*HINTS.get(resource.name, _nothing)(values), *_protocols(refusal.words)]
    if "has children" in refusal.words:
        hints.append("Give --cascade to delete them with it.")
    return refusal.hinting(" ".join(hints)) if hints else refusal


def conflict(refusal: Conflict, api: Api, resource: Resource, values: Values) -> Conflict:
    """Return the conflict, with its cause and how to avoid it if they are known."""
    if resource is not POOL or not values.get("listener_id") or "default pool" not in refusal.words:
        return refusal
    try:
        listener = api.show(LISTENER, values["listener_id"])
        pool = api.show(POOL, listener["default_pool_id"])
    except (Error, KeyError):
        return refusal
    return refusal.hinting(
        f"It is pool {pool.get('name') or pool['id']}: give --loadbalancer rather than --listener, and then"
        " `listener set --default-pool`, or an L7 policy that leads to the new one."
    )


def _nothing(values: Values) -> Iterator[str]:
    return iter(())


def _protocols(words: str) -> Iterator[str]:
    found = LISTENER_PROTOCOL.search(words)
    fitting = POOL_PROTOCOLS.get(found[1].upper()) if found else None
    if found and fitting:
        yield f"With a listener of protocol {found[1].upper()}, a pool's --protocol can be {_one_of(fitting)}."


def _listener(values: Values) -> Iterator[str]:
    protocol = values.get("protocol")
    has_certificate = values.get("default_tls_container_ref") or values.get("sni_container_refs")
    if protocol == "TERMINATED_HTTPS" and not has_certificate:
        yield "Add --default-tls-container-ref <ref>: the secret or container with the certificate and its key."
        yield "--certificate-file <file> stores one first."
    elif protocol and protocol != "TERMINATED_HTTPS":
        given = [_flag(LISTENER, name) for name in NEED_TERMINATION if values.get(name) not in (None, "NONE", [])]
        if given:
            yield f"{' and '.join(given)} may need --protocol TERMINATED_HTTPS."
    if values.get("client_crl_container_ref") and not values.get("client_ca_tls_container_ref"):
        yield "--client-crl-container-ref needs --client-ca-tls-container-ref <ref>."
    if values.get("client_authentication", "NONE") != "NONE" and not values.get("client_ca_tls_container_ref"):
        yield "--client-authentication needs --client-ca-tls-container-ref <ref>."
    if "hsts_max_age" not in values and (values.get("hsts_include_subdomains") or values.get("hsts_preload")):
        yield "--hsts-include-subdomains and --hsts-preload need --hsts-max-age <seconds>."


def _pool(values: Values) -> Iterator[str]:
    persistence = values.get("session_persistence") or {}
    if persistence and not persistence.get("type"):
        yield "--session-persistence needs type=SOURCE_IP, type=HTTP_COOKIE or type=APP_COOKIE,cookie_name=<name>."
    if persistence.get("type") == "APP_COOKIE" and not persistence.get("cookie_name"):
        yield "Add the cookie: --session-persistence type=APP_COOKIE,cookie_name=<name>."
    if values.get("crl_container_ref") and not values.get("ca_tls_container_ref"):
        yield "--crl-container-ref needs --ca-tls-container-ref <ref>."


def _healthmonitor(values: Values) -> Iterator[str]:
    if values.get("domain_name") and str(values.get("http_version", "")) != "1.1":
        yield "Add --http-version 1.1: --domain-name is its Host header."
    kind = values.get("type")
    given = [_flag(HEALTHMONITOR, name) for name in HTTP_OPTIONS if name in values]
    if kind and kind not in HTTP_TYPES and given:
        yield f"{' and '.join(given)} {'needs' if len(given) == 1 else 'need'} --type HTTP or --type HTTPS."


def _l7policy(values: Values) -> Iterator[str]:
    action = values.get("action")
    for name, owner in REDIRECTS.items():
        if owner == action and not values.get(name):
            what = "pool" if name == "redirect_pool_id" else "url"
            yield f"Add {_flag(L7POLICY, name)} <{what}>: where --action {action} leads."
    for name, owner in REDIRECTS.items():
        if action and owner != action and values.get(name):
            yield f"{_flag(L7POLICY, name)} belongs to --action {owner}."


def _l7rule(values: Values) -> Iterator[str]:
    kind = values.get("type")
    if kind in KEYED_TYPES and not values.get("key"):
        yield f"Add --key <name>: which {str(kind).lower().replace('_', ' ')} is compared."
    if kind and kind not in KEYED_TYPES and values.get("key"):
        yield f"--key belongs to --type {_one_of(KEYED_TYPES)}."


def _flag(resource: Resource, name: str) -> str:
    return f"--{resource[name].flag or name.replace('_', '-')}"


def _one_of(words: tuple[str, ...]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}" if len(words) > 1 else words[0]


HINTS: Mapping[str, Callable[[Values], Iterator[str]]] = {
    "listener": _listener,
    "pool": _pool,
    "healthmonitor": _healthmonitor,
    "l7policy": _l7policy,
    "l7rule": _l7rule,
}
