"""Fixtures of the data plane's tests."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import vips as addresses
from instances import Running, binary
from members import Datagrams, Echo, Web
from senders import Client
from world import DataPlaneRig


@pytest.fixture(params=list(addresses.CHOICES))
def vips(request: pytest.FixtureRequest) -> Iterator[None]:
    """Plays a test with IPv4 VIPs, with IPv6 VIPs and with both."""
    addresses.use(request.param)
    yield
    addresses.use("IPv4")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Play a test that is the same for every family with IPv6 VIPs or with both, in turn; with --long with all."""
    if "some_vips" in metafunc.fixturenames:
        others = [choice for choice in addresses.CHOICES if choice != "IPv4"]  # other tests have IPv4 VIPs alone
        chosen = others[zlib.crc32(metafunc.function.__name__.encode()) % len(others)]
        choices = list(addresses.CHOICES) if metafunc.config.getoption("long") else [chosen]
        metafunc.parametrize("some_vips", choices, indirect=True)


@pytest.fixture
def some_vips(request: pytest.FixtureRequest) -> Iterator[None]:
    """Plays a test with IPv6 VIPs or with both."""
    addresses.use(getattr(request, "param", "both"))  # unittest's cases have no parameters
    yield
    addresses.use("IPv4")


@pytest.fixture(scope="session")
def haproxy() -> str:
    return binary()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[DataPlaneRig]:
    made = DataPlaneRig(tmp_path)
    yield made
    made.close()


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    made = Running(tmp_path)
    yield made
    made.close()


@pytest.fixture
def webs() -> Iterator[Callable[..., list[Web]]]:
    """Makes named web servers, which end with the test."""
    made: list[Web] = []

    def make(*names: str) -> list[Web]:
        new = [Web(name) for name in names]
        made.extend(new)
        return new

    yield make
    for each in made:
        each.down()


@pytest.fixture
def echoes() -> Iterator[Callable[..., list[Echo]]]:
    made: list[Echo] = []

    def make(*names: str) -> list[Echo]:
        new = [Echo(name) for name in names]
        made.extend(new)
        return new

    yield make
    for each in made:
        each.down()


@pytest.fixture
def datagrams() -> Iterator[Callable[..., list[Datagrams]]]:
    """Makes named UDP servers, which end with the test."""
    made: list[Datagrams] = []

    def make(*names: str, address: str = "127.0.0.1") -> list[Datagrams]:
        new = [Datagrams(name, address) for name in names]
        made.extend(new)
        return new

    yield make
    for each in made:
        each.down()


@pytest.fixture
def clients() -> Iterator[Callable[..., Client]]:
    """Makes clients of the UDP listener of a tree."""
    made: list[Client] = []

    def make(*given: Any, **more: Any) -> Client:
        made.append(Client(*given, **more))
        return made[-1]

    yield make
    for each in made:
        each.close()
