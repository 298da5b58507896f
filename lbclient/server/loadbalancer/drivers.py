"""Providers: the names that a load balancer can select, and the driver behind each name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

# The drivers; unless the configuration lists others, each is the provider of the same name.
DRIVERS = {
    "octavia": "HAProxy, one process for each load balancer.",
    "amphora": "Another name of octavia.",
    "noop_driver": "Takes everything, and carries no traffic.",
}
NOOP_DRIVERS = ("noop_driver",)


@dataclass(frozen=True)
class Provider:
    """A configured provider: its driver and its description."""

    driver: str
    description: str

    @property
    def is_noop(self) -> bool:
        """Whether its load balancers carry no traffic and are ACTIVE at once."""
        return self.driver in NOOP_DRIVERS


Providers = Mapping[str, Provider]

USUAL: Providers = {name: Provider(name, description) for name, description in DRIVERS.items()}


def read(text: str) -> Providers:
    """Parse the configured providers: name[=driver][:description], separated by commas. Raises ValueError."""
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
    """Whether a provider carries no traffic; works also for one that is no longer enabled."""
    found = providers.get(name) or USUAL.get(name)
    return found is not None and found.is_noop
