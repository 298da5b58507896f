"""The groups of commands in the program's help."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ..client.names import KINDS

ROOT = "loadbalancer"
ITSELF = "lbclient itself"
# The most used groups come first, those of operators last.
TITLES: Mapping[str, str] = {
    ROOT: "load balancers",
    **{noun: KINDS[noun].titles for noun in ("listener", "pool", "member", "healthmonitor", "l7policy", "l7rule")},
    "certificate": "certificates",
    "network": "networks and addresses",
    ITSELF: ITSELF,
    "quota": "quotas",
    "provider": "providers",
    "flavor": "flavors",
    "availabilityzone": "availability zones",
    "amphora": "amphorae",
    "host": "hosts",
    "testing": "for tests of clients",
}
BESIDE = {
    "flavorprofile": "flavor",
    "availabilityzoneprofile": "availabilityzone",
    "subnet": "network",
    "floating": "network",
}

Command = tuple[str, Any]  # its name, and its entry point


def groups(commands: Iterable[Command]) -> Iterator[tuple[str, list[Command]]]:
    """Yield the title of each group with its commands."""
    found: dict[str, list[Command]] = {noun: [] for noun in TITLES}
    for name, entry_point in sorted(commands, key=lambda command: command[0]):
        found[_group(name.split())].append((name, entry_point))
    return ((TITLES[noun], members) for noun, members in found.items() if members)


def _group(words: list[str]) -> str:
    noun = words[1] if words[0] == ROOT else words[0]
    noun = BESIDE.get(noun, noun)
    return noun if noun in TITLES else ROOT if words[0] == ROOT else ITSELF
