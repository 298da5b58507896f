"""Every page: accessible, within its policy, in light and dark, at 360 pixels and at 200 %."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from pages import Pages
from running import RunningServer
from shop import Client, WebServer, shop

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytest.importorskip("playwright", reason="playwright is in the extra `browser`")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is in the extra `browser`")


@pytest.fixture(scope="module")
def paths(site: RunningServer, client: Client) -> Iterator[list[str]]:
    """The paths of all pages, with something to see on each."""
    servers = [WebServer(), WebServer()]
    made = shop(client, servers, "every page")
    client.await_status(made["id"], "ONLINE")
    servers[1].fail()
    outside = client.ask("GET", "/networking/v2.0/networks?router:external=true")["networks"][0]["id"]
    floating = {"floating_network_id": outside, "port_id": made["vip_port_id"]}
    client.ask("POST", "/networking/v2.0/floatingips", {"floatingip": floating})
    client.ask(
        "POST", "/testing/v1/faults", {"fault": {"status": 500, "resource": "listener", "times": 1, "after": 999}}
    )
    yield [*_paths(client, made)]
    client.ask("DELETE", f"/v2/lbaas/loadbalancers/{made['id']}?cascade=true")
    client.ask("DELETE", "/testing/v1/faults")
    servers[0].fail()


def _paths(client: Client, made: Any) -> Iterator[str]:
    balancer = f"/dashboard/loadbalancers/{made['id']}"
    pool_id, listener_id = made["pools"][0]["id"], made["listeners"][0]["id"]
    pool = client.ask("GET", f"/v2/lbaas/pools/{pool_id}")["pool"]
    policy_id = client.ask("GET", f"/v2/lbaas/l7policies?listener_id={listener_id}")["l7policies"][0]["id"]
    rule_id = client.ask("GET", f"/v2/lbaas/l7policies/{policy_id}/rules")["rules"][0]["id"]
    objects = (
        balancer,
        f"/dashboard/listeners/{listener_id}",
        f"/dashboard/pools/{pool_id}",
        f"/dashboard/pools/{pool_id}/members/{pool['members'][0]['id']}",
        f"/dashboard/healthmonitors/{pool['healthmonitor_id']}",
        f"/dashboard/l7policies/{policy_id}",
        f"/dashboard/l7policies/{policy_id}/rules/{rule_id}",
    )
    for each in objects:
        yield from (each, f"{each}/edit", f"{each}/delete")
    yield from (
        f"{balancer}/attributes",
        f"{balancer}/plan",
        "/",
        "/dashboard",
        "/dashboard?q=nothing",
        "/dashboard/plan",
    )
    yield from ("/dashboard/loadbalancers/new", "/dashboard/listeners/new", f"/dashboard/pools/{pool_id}/members/new")
    yield from ("/dashboard/certificates", "/dashboard/floatingips", "/dashboard/quotas", "/dashboard/providers")
    yield from ("/dashboard/flavors", "/dashboard/availabilityzones", "/dashboard/api", "/dashboard/testing")
    yield from ("/dashboard/testing/faults/new", "/dashboard/testing/paces/new", "/dashboard/nothing")
    yield from ("/dashboard/pools", "/dashboard/listeners", f"/dashboard/quotas/{client.project_id}")


def _one_of_each(paths: list[str]) -> list[str]:
    """One page of each kind: a form, a list, an object, …"""
    return list({re.sub(r"[0-9a-f-]{32,}", "id", path).rpartition("/")[2]: path for path in paths}.values())


ALL: dict[str, Any] = {}
CONTRAST: dict[str, Any] = {"runOnly": ["color-contrast"]}  # what differs in the dark


@pytest.mark.parametrize(("scheme", "rules"), [("light", ALL), ("dark", CONTRAST)], ids=["light", "dark"])
def test_no_page_has_a_violation_of_accessibility_or_of_the_policy(
    browser: Browser, site: RunningServer, client: Client, paths: list[str], scheme: str, rules: dict[str, Any]
) -> None:
    pages = Pages(browser, site.url, color_scheme=scheme)
    pages.log_in(client.name, client.password)
    found = {}
    for path in paths if rules is ALL else _one_of_each(paths):
        assert pages.open(path) == (404 if path == "/dashboard/nothing" else 200), path
        for closed in pages.tab.query_selector_all("details:not(.operation)"):
            closed.evaluate("one => { one.open = true; }")
        result = axe.Axe().run(pages.tab, options=rules)
        if result.response["violations"]:
            found[path] = result.generate_report()
    assert found == {}
    pages.close()


@pytest.mark.parametrize(("width", "zoom"), [(360, 1.0), (1280, 2.0)], ids=["360 pixels", "200 %"])
def test_no_page_is_wider_than_the_window(
    browser: Browser, site: RunningServer, client: Client, paths: list[str], width: int, zoom: float
) -> None:
    # A zoom of 200 % is a window of half the width with pixels twice as fine.
    window = {"width": int(width / zoom), "height": 740}
    pages = Pages(browser, site.url, viewport=window, device_scale_factor=zoom)
    pages.log_in(client.name, client.password)
    wide = []
    for path in paths:
        pages.open(path)
        if pages.tab.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"):
            wide.append(path)
    assert wide == []
    pages.close()


def test_names_are_shown_as_text(pages: Pages, client: Client) -> None:
    """Names with HTML stay text, and marks that reverse text are written out."""
    made = client.balancer('<img src=x onerror="document.title=1"> \u202egnp.exe')
    pages.open(f"/dashboard/loadbalancers/{made['id']}")
    heading = pages.tab.get_by_role("heading", level=1)
    assert heading.inner_text() == '<img src=x onerror="document.title=1"> \\u202egnp.exe'
    assert pages.tab.locator("main img").count() == 0
    pages.open(f"/dashboard/loadbalancers/{made['id']}/edit")
    # The field of the form has the name as it is, so that saving the form leaves it alone.
    assert pages.tab.get_by_label("Name", exact=True).input_value() == made["name"]
    pages.tab.get_by_role("button", name="Save").click()
    assert pages.tab.get_by_role("status").first.inner_text() == "Nothing was different."
    client.ask("DELETE", f"/v2/lbaas/loadbalancers/{made['id']}")
