"""Make the pictures of the dashboard for its page of the documentation: python doc/screenshots.py.

They show a real server with real traffic in a real browser: Debian's Chromium, driven by playwright.
"""

from __future__ import annotations

import sys
import tempfile
import threading
from pathlib import Path

import requests
from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).parents[1]
PICTURES = ROOT / "doc" / "source" / "_static" / "dashboard"
sys.path.insert(0, str(ROOT / "tests" / "support"))

from running import end_server, start_server  # noqa: E402  # tests' own
from shop import Client, WebServer, shop  # noqa: E402

OTHERS = ("api-gateway", "billing", "mail", "search", "staging")
COLOURS = 256  # of a picture: enough for a page, and half of the size
WAIT = 20_000  # ms


def main() -> None:
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        running = start_server(Path(folder) / "state", "--testing")
        servers = [WebServer() for _ in range(3)]
        try:
            _take(Client(running), servers)
        finally:
            for each in servers:
                each.fail()
            end_server(running)


def _take(client: Client, servers: list[WebServer]) -> None:
    made = shop(client, servers)
    for name in OTHERS:
        client.balancer(name)
    client.await_status(made["id"], "ONLINE")
    servers[2].fail()
    client.await_status(made["id"], "DEGRADED")
    is_over = threading.Event()
    thread = threading.Thread(target=_ask, args=(f"http://{made['vip_address']}:8080/", is_over))
    thread.start()
    try:
        with sync_playwright() as started:
            browser = started.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
            for scheme in ("light", "dark"):
                tab = browser.new_context(color_scheme=scheme, viewport={"width": 1100, "height": 720}).new_page()
                _pages(tab, client, made["id"], scheme)
            browser.close()
    finally:
        is_over.set()
        thread.join()


def _ask(url: str, is_over: threading.Event) -> None:
    while not is_over.wait(0.02):
        requests.get(url, timeout=10)


def _pages(tab: Page, client: Client, id_: str, scheme: str) -> None:
    tab.goto(f"{client.url}/dashboard/login")
    tab.get_by_label("User name").fill(client.name)
    tab.get_by_label("Password").fill(client.password)
    tab.get_by_role("button", name="Log in").click()
    row = tab.get_by_role("row").filter(has_text="shop")
    tab.wait_for_function("row => /[1-9]/.test(row.querySelector('.number').textContent)", arg=row.element_handle())
    _save(tab, f"overview-{scheme}")
    tab.goto(f"{client.url}/dashboard/loadbalancers/{id_}")
    tab.get_by_text("Connection refused").first.wait_for(timeout=WAIT)
    tab.wait_for_timeout(14_000)  # for a line in each graph
    _save(tab, f"loadbalancer-{scheme}", height=1170)
    if scheme == "light":
        tab.goto(f"{client.url}/dashboard/listeners/new?loadbalancer_id={id_}")
        tab.get_by_label("Protocol required", exact=True).select_option("HTTP")
        tab.get_by_label("Protocol port required", exact=True).fill("70000")
        tab.get_by_role("button", name="Create").click()
        tab.locator(".error").first.wait_for()
        tab.locator(".error").first.scroll_into_view_if_needed()
        _save(tab, "form-light")
        tab.goto(f"{client.url}/dashboard/loadbalancers/{id_}/plan")
        source = tab.locator("#source")
        source.fill(source.input_value().replace("lb_algorithm: ROUND_ROBIN", "lb_algorithm: LEAST_CONNECTIONS"))
        tab.get_by_role("button", name="Show what differs").click()
        _save(tab, "plan-light")


def _save(tab: Page, name: str, height: int = 720) -> None:
    tab.set_viewport_size({"width": 1100, "height": height})
    path = PICTURES / f"{name}.png"
    tab.screenshot(path=path)
    _shrink(path)


def _shrink(path: Path) -> None:
    """Reduce the colours of a picture, where Pillow is installed."""
    try:
        from PIL import Image
    except ImportError:
        return
    Image.open(path).convert("RGB").quantize(COLOURS, kmeans=1, dither=Image.Dither.NONE).save(path, optimize=True)


if __name__ == "__main__":
    main()
