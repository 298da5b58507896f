"""Providers: the names that a load balancer can ask for, and the driver behind each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

# The drivers; each is a provider of its own name unless the configuration says otherwise.
DRIVERS = {
    "octavia": "HAProxy, one process for each load balancer.",
    "amphora": "Another name of octavia.",
    "noop_driver": "Takes everything, and carries no traffic.",
}
NOOP_DRIVERS = ("noop_driver",)


@dataclass(frozen=True)
class Provider:
    """What is behind the name of a provider."""

    driver: str
    description: str

    @property
    def is_noop(self) -> bool:
        """Whether nothing runs for its load balancers: they are ACTIVE at once."""
        return self.driver in NOOP_DRIVERS


Providers = Mapping[str, Provider]

USUAL: Providers = {name: Provider(name, description) for name, description in DRIVERS.items()}


def read(text: str) -> Providers:
    """Providers as they are configured: name[=driver][:description], with commas between. Raises ValueError."""
    found: dict[str, Provider] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        words, _, description = part.partition(":")
        name, _, driver = (word.strip() for word in words.partition("="))
        driver = driver or name
        if not name or driver not in DRIVERS:
            known = ", ".join(DRIVERS)
            raise ValueError(f"name:description or name=driver:description with commas between, of the drivers {known}")
        found[name] = Provider(driver, description.strip() or DRIVERS[driver])
    if not found:
        raise ValueError("there has to be a provider")
    return found


def is_noop(providers: Providers, name: str) -> bool:
    """Whether nothing runs for the load balancers of a provider, enabled (still) or not."""
    found = providers.get(name) or USUAL.get(name)
    return found is not None and found.is_noop
