"""A browser, and a server whose dashboard it opens."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

import quick
from pages import Pages
from running import RunningServer, end_server, start_server
from shop import Client, WebServer

if TYPE_CHECKING:
    from playwright.sync_api import Browser

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A Chromium of this machine; skips where there is none."""
    pytest.importorskip("playwright", reason="playwright is in the extra `browser`")
    from playwright.sync_api import sync_playwright

    if quick.is_on():
        pytest.skip("it starts a program")
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed")
    with sync_playwright() as started:
        made = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield made
        made.close()


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server that all tests with a browser share."""
    running = start_server(tmp_path_factory.mktemp("site") / "state", "--testing")
    yield running
    end_server(running)


@pytest.fixture(scope="session")
def client(site: RunningServer) -> Client:
    return Client(site)


@pytest.fixture
def pages(browser: Browser, site: RunningServer, client: Client) -> Iterator[Pages]:
    """The dashboard in a browser, logged in as the user demo; at the end, nothing must have gone wrong in it."""
    made = Pages(browser, site.url)
    made.log_in(client.name, client.password)
    yield made
    made.close()


@pytest.fixture
def servers() -> Iterator[list[WebServer]]:
    made = [WebServer(), WebServer()]
    yield made
    for each in made:
        each.fail()
