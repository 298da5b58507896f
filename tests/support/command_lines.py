"""Command lines of python-octaviaclient's commands in which every option stands."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

SURFACE: Mapping[str, Any] = json.loads((Path(__file__).parents[1] / "cli/surface.json").read_text())
# How output looks, and --wait, whose polling is another subject.
BESIDE_THE_REQUEST = {
    *("--column", "--format", "--fit-width", "--help", "--max-width", "--noindent", "--prefix", "--print-empty"),
    *("--quote", "--sort-ascending", "--sort-column", "--sort-descending", "--variable", "--wait"),
}

# What stands behind an option; {words} are objects of the world. Options that only some commands take otherwise follow.
VALUES: Mapping[str, str | tuple[str, ...]] = {
    "--additional-vip": ("subnet-id={subnet},ip-address=127.9.9.9", "subnet-id={subnet}"),
    "--address": "192.0.2.10",
    "--allowed-cidr": ("10.0.0.0/8", "2001:db8::/32"),
    "--alpn-protocol": ("h2", "http/1.1"),
    "--any-tags": "a,b",
    "--availability-zone": "{availabilityzone}",
    "--availability-zone-data": '{{"compute_zone": "nova"}}',
    "--availabilityzoneprofile": "{availabilityzoneprofile}",
    "--ca-tls-container-ref": "http://key-manager/v1/containers/ca",
    "--client-ca-tls-container-ref": "http://key-manager/v1/containers/client-ca",
    "--client-crl-container-ref": "http://key-manager/v1/containers/client-crl",
    "--compute-id": "8d1b5d2c-2a5b-4a3a-9f0e-5d2f3b0c1a11",
    "--connection-limit": "100",
    "--crl-container-ref": "http://key-manager/v1/containers/crl",
    "--default-pool": "{pool}",
    "--default-tls-container-ref": "http://key-manager/v1/containers/tls",
    "--delay": "5",
    "--description": "what it is for, in Köln",
    "--domain-name": "example.org",
    "--expected-codes": "200-204,301",
    "--flavor": "{flavor}",
    "--flavor-data": '{{"loadbalancer_topology": "SINGLE"}}',
    "--flavorprofile": "{flavorprofile}",
    "--healthmonitor": "4",
    "--hsts-max-age": "31536000",
    "--image-id": "0f1b5d2c-2a5b-4a3a-9f0e-5d2f3b0c1a12",
    "--insert-headers": "X-Forwarded-For=true,X-Forwarded-Port=true",
    "--key": "X-Key",
    "--l7policy": "5",
    "--l7rule": "6",
    "--listener": "{listener}",
    "--loadbalancer": "{loadbalancer}",
    "--member": "7",
    "--monitor-address": "192.0.2.11",
    "--monitor-port": "8081",
    "--name": "a new näme",
    "--not-any-tags": "e,f",
    "--not-tags": "g",
    "--pool": "8",
    "--position": "2",
    "--project": "admin",
    "--protocol-port": "8080",
    "--provider": "octavia",
    "--redirect-pool": "{pool}",
    "--redirect-prefix": "https://example.org",
    "--redirect-url": "https://example.org/there",
    "--session-persistence": "type=APP_COOKIE,cookie_name=JSESSIONID",
    "--sni-container-refs": ("http://key-manager/v1/containers/1", "http://key-manager/v1/containers/2"),
    "--subnet-id": "{subnet}",
    "--tag": ("red", "blue sky"),
    "--tags": "c,d",
    "--timeout": "4",
    "--timeout-client-data": "50000",
    "--timeout-member-connect": "5000",
    "--timeout-member-data": "50001",
    "--timeout-tcp-inspect": "1",
    "--tls-ciphers": "ECDHE-RSA-AES128-GCM-SHA256",
    "--tls-container-ref": "http://key-manager/v1/containers/pool",
    "--tls-version": ("TLSv1.2", "TLSv1.3"),
    "--url-path": "/health?deep=1",
    "--value": "(a|b)+",
    "--vip-address": "127.9.9.8",
    "--vip-network-id": "{network}",
    "--vip-port-id": "{port}",
    "--vip-qos-policy-id": "{qos_policy}",
    "--vip-sg-id": ("{security_group}",),
    "--vip-subnet-id": "{subnet}",
    "--weight": "0",
}
NUMBERS_IN_QUOTAS = ("--listener", "--loadbalancer")
POSITIONALS = {
    "<amphora-id>": "{amphora}",
    "<availabilityzone>": "{availabilityzone}",
    "<availabilityzone_profile>": "{availabilityzoneprofile}",
    "<flavor>": "{flavor}",
    "<flavor_profile>": "{flavorprofile}",
    "<health_monitor>": "{healthmonitor}",
    "<l7policy>": "{l7policy}",
    "<l7rule_id>": "{l7rule}",
    "<listener>": "{listener}",
    "<load_balancer>": "{loadbalancer}",
    "<loadbalancer>": "{loadbalancer}",
    "<member>": "{member}",
    "<policy>": "{l7policy}",
    "<pool>": "{pool}",
    "<project>": "demo",
    "<provider_name>": "octavia",
    "<rule_id>": "{l7rule}",
}
# The first choice does not do here.
CHOSEN = {
    ("loadbalancer l7policy create", "--action"): "REJECT",
    ("loadbalancer l7policy set", "--action"): "REJECT",
    ("loadbalancer l7rule create", "--type"): "PATH",
}
# What is asked for beyond what is required.
NEEDED = {
    "loadbalancer create": ("--vip-subnet-id", "{subnet}"),
    "loadbalancer pool create": ("--loadbalancer", "{loadbalancer}"),
}
# What only some values of others allow.
REDIRECTS = ("--redirect-pool", "--redirect-prefix", "--redirect-url", "--redirect-http-code")
DEPENDENT = {
    "loadbalancer create": ("--vip-network-id", "--vip-port-id"),
    "loadbalancer l7policy create": REDIRECTS,
    "loadbalancer l7policy set": REDIRECTS,
}
# Lines that no rule makes: alternatives whose values belong together, and what depends on what is there.
MORE_LINES: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "loadbalancer create": (
        ("--vip-network-id", "{network}", "--vip-address", "127.9.9.7", "--project", "demo"),
        ("--vip-port-id", "{port}", "--tag", "x", "--tag", "x"),
    ),
    "loadbalancer l7policy create": (
        ("--action", "REDIRECT_TO_POOL", "--redirect-pool", "{pool}", "{listener}"),
        ("--action", "redirect_to_url", "--redirect-url", "https://a", "--redirect-http-code", "301", "{listener}"),
        ("--action", "REDIRECT_PREFIX", "--redirect-prefix", "https://a", "{listener}"),
    ),
    "loadbalancer l7policy set": (
        ("--action", "REDIRECT_TO_POOL", "--redirect-pool", "{pool}", "{l7policy}"),
        ("--action", "REDIRECT_TO_URL", "--redirect-url", "https://a", "--redirect-http-code", "302", "{l7policy}"),
        ("--action", "REDIRECT_PREFIX", "--redirect-prefix", "https://a", "{l7policy}"),
    ),
    "loadbalancer set": (("--tag", "more", "{loadbalancer}"), ("--no-tag", "{loadbalancer}")),
    "loadbalancer unset": (("--tag", "first", "{loadbalancer}"), ("--all-tag", "{loadbalancer}")),
    "loadbalancer member set": (
        ("--weight", "256", "{pool}", "{member}"),
        ("--tag", "more", "{pool}", "{member}"),
        ("--monitor-port", "1", "--enable", "--enable-backup", "{pool}", "{member}"),
    ),
    "loadbalancer pool set": (
        (
            "--session-persistence",
            "type=SOURCE_IP,persistence_timeout=60,persistence_granularity=255.255.0.0",
            "{pool}",
        ),
        ("--lb-algorithm", "least_connections", "{pool}"),
    ),
    "loadbalancer listener set": (
        ("--insert-headers", "X-Forwarded-Proto=true", "{listener}"),
        ("--hsts-include-subdomains", "--hsts-max-age", "1", "{listener}"),
        ("--client-authentication", "optional", "{listener}"),
    ),
    "loadbalancer healthmonitor create": (
        ("--delay", "1", "--timeout", "1", "--max-retries", "1", "--type", "TLS-HELLO", "{pool}"),
        *(
            (*("--delay", "1", "--timeout", "1", "--max-retries", "3", "--http-version", "1.1"), *more, "{pool}")
            for more in (("--type", "http", "--http-method", "get"), ("--type", "HTTPS", "--http-method", "HEAD"))
        ),
    ),
    "loadbalancer l7rule create": (
        ("--compare-type", "EQUAL_TO", "--type", "PATH", "--value", "/", "--invert", "--disable", "{l7policy}"),
        ("--compare-type", "regex", "--type", "cookie", "--key", "k", "--value", "v", "{l7policy}"),
    ),
    "loadbalancer delete": (("--cascade", "{loadbalancer}"),),
    "loadbalancer amphora list": (("--role", "MASTER", "--provisioning-status", "ALLOCATED"), ("--long",)),
}


def options_of(command: str) -> list[str]:
    return [option for option in SURFACE[command]["options"] if option not in BESIDE_THE_REQUEST]


def typed(command: str, option: str, number: int) -> Iterator[str]:
    """An option with its value; the number says which of several choices."""
    shape = SURFACE[command]["options"][option]
    if shape["takes"] == "switch":
        yield option
        return
    is_amount = command.endswith("quota set") and option in NUMBERS_IN_QUOTAS
    given = "3" if is_amount else CHOSEN.get((command, option)) or VALUES.get(option)
    value = given or shape["choices"][number % len(shape["choices"])]
    values = value if isinstance(value, tuple) else (str(value),)
    if shape["takes"] == "many":
        yield from (option, *values)
    else:
        for each in values:
            yield from (option, each)


def lines_of(command: str) -> Iterator[tuple[str, ...]]:
    """Command lines in which every option stands at least once; of what excludes each other, one in each."""
    shape = SURFACE[command]
    options = options_of(command)
    objects = tuple(POSITIONALS[positional] for positional in shape["positionals"])
    required = [option for option in options if shape["options"][option].get("required")]
    least = tuple(word for option in required for word in typed(command, option, 0))
    if command.rpartition(" ")[2] not in ("set", "unset"):  # which have nothing to say then
        yield (*NEEDED.get(command, ()), *least, *objects)
    groups = [group for group in shape["exclusive"] if set(options).issuperset(group) and "--redirect-url" not in group]
    apart = [*groups, DEPENDENT.get(command, ())]
    free = [option for option in options if not any(option in group for group in apart)]
    for number in range(max((len(group) for group in groups), default=1)):
        chosen = [*free, *(group[number % len(group)] for group in groups)]
        if chosen:
            yield (*(word for option in chosen for word in typed(command, option, number)), *objects)
    yield from MORE_LINES.get(command, ())
