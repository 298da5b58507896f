"""What the provider carries: anything else is refused with 501, never accepted and dropped."""

from __future__ import annotations

from typing import Any

from .errors import UnsupportedOption

Values = dict[str, Any]

LISTENER_PROTOCOLS = ("TCP", "HTTP", "HTTPS")
POOL_PROTOCOLS = ("TCP", "HTTP", "HTTPS", "PROXY", "PROXYV2")
L7_PROTOCOLS = ("HTTP",)
RULE_TYPES = ("HOST_NAME", "PATH", "FILE_TYPE", "HEADER", "COOKIE")
ALGORITHMS = ("ROUND_ROBIN", "LEAST_CONNECTIONS", "SOURCE_IP")


def check(provider: str, resource: str, values: Values) -> None:
    """Refuse values that this provider cannot carry. Raises UnsupportedOption."""
    for reason in REASONS.get(resource, _nothing)(values):
        raise UnsupportedOption(f"Provider '{provider}' does not support a requested option: {reason}")


def check_policies(provider: str, listener_protocol: str) -> None:
    """Only a protocol that is understood can be looked into. Raises UnsupportedOption."""
    if listener_protocol not in L7_PROTOCOLS:
        raise UnsupportedOption(
            f"Provider '{provider}' does not support a requested option: "
            f"L7 policies on a listener of protocol {listener_protocol}"
        )


def _nothing(values: Values) -> list[str]:
    return []


def _listener(values: Values) -> list[str]:
    return _outside("listener protocol", values.get("protocol"), LISTENER_PROTOCOLS)


def _pool(values: Values) -> list[str]:
    tls = ["TLS to the members (tls_enabled)"] if values.get("tls_enabled") else []
    return [
        *_outside("pool protocol", values.get("protocol"), POOL_PROTOCOLS),
        *_outside("algorithm", values.get("lb_algorithm"), ALGORITHMS),
        *tls,
    ]


def _l7rule(values: Values) -> list[str]:
    return _outside("rule type", values.get("type"), RULE_TYPES)


def _member(values: Values) -> list[str]:
    return ["SR-IOV ports for members (request_sriov)"] if values.get("request_sriov") else []


def _outside(what: str, value: str | None, carried: tuple[str, ...]) -> list[str]:
    return [] if value is None or value in carried else [f"{what} {value}; it carries {', '.join(carried)}"]


REASONS = {"listener": _listener, "pool": _pool, "l7rule": _l7rule, "member": _member}
