"""A journey in a browser: create, watch traffic, drain, fail a server, see why, delete."""

from __future__ import annotations

import re
import threading
from typing import TYPE_CHECKING

import pytest
import requests

from pages import Pages
from shop import Client, WebServer, traffic

if TYPE_CHECKING:
    from playwright.sync_api import Page

expect = pytest.importorskip("playwright.sync_api", reason="playwright is in the extra `browser`").expect
SOON = 15_000  # ms


def fill(tab: Page, **values: str | int) -> None:
    """Fill the fields of a form by their titles."""
    for title, value in values.items():
        field = tab.get_by_label(title.replace("_", " "), exact=True).or_(
            tab.get_by_label(f"{title.replace('_', ' ')} required", exact=True)
        )
        if field.evaluate("one => one.tagName") == "SELECT":
            field.select_option(str(value))
        else:
            field.fill(str(value))


def create(tab: Page, link: str, **values: str | int) -> None:
    tab.get_by_role("link", name=link, exact=True).first.click()
    fill(tab, **values)
    tab.get_by_role("button", name="Create").click()
    expect(tab.get_by_role("status").filter(has_text="is created.")).to_be_visible()


def test_a_load_balancer_from_its_creation_to_its_end(pages: Pages, client: Client, servers: list[WebServer]) -> None:
    tab = pages.tab
    create(tab, "New load balancer" if tab.get_by_label("Search").count() else "Create the first",
           Name="journey", VIP_subnet=client.subnet_id())  # fmt: skip
    at = tab.url
    id_ = at.rpartition("/")[2]
    create(tab, "New pool", Name="web", Protocol="HTTP", Algorithm="ROUND_ROBIN")
    create(tab, "New health monitor", Type="HTTP", Delay=1, Timeout=1, Max_retries=1, Max_retries_down=1)
    tab.goto(at)
    for number, server in enumerate(servers):
        tab.get_by_role("link", name="web", exact=True).click()
        create(tab, "New member", Name=f"web{number}", Address="127.0.0.1", Protocol_port=server.port)
        tab.goto(at)
    pool_id = client.ask("GET", f"/v2/lbaas/loadbalancers/{id_}")["loadbalancer"]["pools"][0]["id"]
    create(tab, "New listener", Name="http", Protocol="HTTP", Protocol_port=8081, Default_pool=pool_id)
    tab.goto(at)

    expect(tab.locator("#state")).to_have_text("ONLINE", timeout=SOON)
    vip = client.ask("GET", f"/v2/lbaas/loadbalancers/{id_}")["loadbalancer"]["vip_address"]
    assert requests.get(f"http://{vip}:8081/", timeout=10).status_code == 200
    with traffic(f"http://{vip}:8081/"):
        expect(tab.locator('[data-now="requests"]')).to_have_text(re.compile("[1-9][0-9.]* requests"), timeout=SOON)
        tab.goto(f"{pages.url}/dashboard")
        row = tab.get_by_role("row").filter(has_text="journey")
        expect(row.locator(".number").first).to_have_text(re.compile("[1-9]"), timeout=SOON)
    _drain(pages, at, vip, servers[0])
    _fail(tab, servers[1])

    tab.get_by_role("link", name="Delete", exact=True).click()
    for line in ("Listener http", "Pool web", "Member 127.0.0.1", "Health Monitor HTTP"):
        expect(tab.locator(".lost")).to_contain_text(line)
    tab.get_by_role("button", name="Delete", exact=True).click()
    expect(tab.get_by_role("status").filter(has_text="Load Balancer journey is deleted.")).to_be_visible()
    left = client.ask("GET", "/v2/lbaas/loadbalancers?name=journey")["loadbalancers"]
    assert all(one["provisioning_status"] == "PENDING_DELETE" for one in left)


def _drain(pages: Pages, at: str, vip: str, server: WebServer) -> None:
    """Hold a connection to each member open, drain one, and watch its connection end."""
    tab = pages.tab
    tab.goto(at)
    held = [threading.Thread(target=requests.get, args=(f"http://{vip}:8081/hold",), kwargs={"timeout": 60})
            for _ in range(4)]  # fmt: skip
    for thread in held:
        thread.start()
    row = tab.get_by_role("row").filter(has_text=f"127.0.0.1:{server.port}")
    expect(row.locator("[data-open]")).to_have_text("2", timeout=SOON)
    row.get_by_role("button", name="Drain").click()
    expect(tab.get_by_role("status").filter(has_text="is being drained")).to_be_visible()
    expect(row.get_by_role("button", name="Undrain")).to_be_visible()
    expect(row.locator("[data-open]")).to_have_text("2", timeout=SOON)
    server.let_go()
    expect(row.locator("[data-open]")).to_have_text("0", timeout=SOON)
    expect(row.get_by_text("DRAINING")).to_be_visible(timeout=SOON)


def _fail(tab: Page, server: WebServer) -> None:
    """Fail the server of a member, and see on the page, which is not loaded again, that it failed and why."""
    server.fail()
    row = tab.get_by_role("row").filter(has_text=f"127.0.0.1:{server.port}")
    expect(row.get_by_text("ERROR", exact=True)).to_be_visible(timeout=SOON)
    expect(row).to_contain_text("Connection refused", timeout=SOON)
    expect(tab.locator("#happened")).to_contain_text("Connection refused", timeout=SOON)
