"""What a page shows of the traffic: the log's tail, requests and response times; and a failover."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from pages import Pages
from running import RunningServer, wait_until
from shop import Client, WebServer, shop, traffic

if TYPE_CHECKING:
    from playwright.sync_api import Browser

expect = pytest.importorskip("playwright.sync_api", reason="playwright is in the extra `browser`").expect
SOON = 15_000  # ms
HOSTILE = b"GET /<img/src=x/onerror=alert(1)> HTTP/1.0\r\nHost: a\r\n\r\n"


@pytest.fixture
def made(client: Client, servers: list[WebServer]) -> Iterator[Any]:
    one = shop(client, servers, "seen")
    client.await_status(one["id"], "ONLINE", 30)
    yield client.ask("GET", f"/v2/lbaas/loadbalancers/{one['id']}")["loadbalancer"]
    client.ask("DELETE", f"/v2/lbaas/loadbalancers/{one['id']}?cascade=true")


def test_the_tail_of_the_log(pages: Pages, made: Any) -> None:
    tab = pages.tab
    pages.open(f"/dashboard/loadbalancers/{made['id']}")
    log = tab.locator("#logged")
    expect(log).to_contain_text("Traffic is not logged.")
    log.get_by_role("button", name="Log traffic").click()
    expect(tab.get_by_role("status").filter(has_text="Traffic is logged.")).to_be_visible()
    expect(log.get_by_role("button", name="Stop logging")).to_be_visible()

    def send() -> None:
        with socket.create_connection((made["vip_address"], 8080), timeout=20) as connection:
            connection.sendall(HOSTILE)
            while connection.recv(4096):
                pass

    with traffic(f"http://{made['vip_address']}:8080/catalogue"):
        expect(log.get_by_role("row").nth(1)).to_contain_text("GET /catalogue", timeout=SOON)
    send()
    # The line that arrives is on the page without loading it again, as text.
    expect(log).to_contain_text("GET /<img/src=x/onerror=alert(1)>", timeout=SOON)
    assert tab.locator("#logged img").count() == 0
    log.get_by_role("button", name="Stop logging").click()
    expect(tab.get_by_role("status").filter(has_text="Traffic is not logged any more.")).to_be_visible()


def test_requests_and_response_times(pages: Pages, made: Any) -> None:
    tab = pages.tab
    with traffic(f"http://{made['vip_address']}:8080/"):
        pages.open(f"/dashboard/loadbalancers/{made['id']}")
        expect(tab.locator('[data-now="requests"]')).to_have_text(re.compile(r"[1-9][0-9.]* requests"), timeout=SOON)
        expect(tab.locator('[data-now="response"]')).to_have_text(re.compile(r"\d"), timeout=SOON)
        expect(tab.locator("#live").get_by_text(re.compile(r"^\d+ ms$")).first).to_be_visible(timeout=SOON)
        pages.open("/dashboard?q=seen")
        row = tab.locator(f"#lb-{made['id']}")
        expect(row.locator(".number").first).to_have_text(re.compile("[1-9]"), timeout=SOON)
        expect(row.get_by_text(re.compile(r"^\d+ ms$"))).to_be_visible(timeout=SOON)


def test_a_failover_by_its_button(browser: Browser, site: RunningServer, made: Any, client: Client) -> None:
    """The button is for those whom the policy permits a failover, as by Octavia's rules admins."""

    def events() -> list[Any]:
        found = client.ask("GET", f"/v2/lbaas/loadbalancers/{made['id']}/events?action=failover")
        return list(found["events"])

    admin = Client(site, "lbclient-admin")
    for who in (client, admin):
        pages = Pages(browser, site.url)
        pages.log_in(who.name, who.password)
        pages.open(f"/dashboard/loadbalancers/{made['id']}")
        tab = pages.tab
        button = tab.get_by_role("button", name="Fail over")
        assert button.count() == (who is admin)
        if who is admin:
            button.click()
            expect(tab.get_by_role("status").filter(has_text="The failover has begun.")).to_be_visible()
            expect(tab.locator("#happened").get_by_role("cell", name="failover", exact=True)).to_be_visible(
                timeout=SOON
            )
            wait_until(lambda: [each["how"] in ("started", "reloaded") for each in events()] == [True], 30)
            expect(tab.locator("#state")).to_have_text("ONLINE", timeout=SOON)
        pages.close()
