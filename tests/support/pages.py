"""The dashboard in a browser, with what goes wrong in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Page


class Pages:
    """A tab of a browser of its own. Errors of scripts and violations of the policy are collected."""

    def __init__(self, browser: Browser, url: str, **options: Any) -> None:
        self.url = url
        self.context = browser.new_context(**options)
        self.tab: Page = self.context.new_page()
        self.tab.set_default_timeout(20_000)
        self.wrong: list[str] = []
        self.tab.on("console", self._hear)
        self.tab.on("pageerror", lambda error: self.wrong.append(str(error)))

    def _hear(self, message: ConsoleMessage) -> None:
        is_status = "Failed to load resource" in message.text  # a page of an error, which the tests ask for
        if message.type == "error" and not is_status:
            self.wrong.append(message.text)

    def log_in(self, name: str, password: str) -> None:
        self.tab.goto(f"{self.url}/dashboard/login")
        self.tab.get_by_label("User name").fill(name)
        self.tab.get_by_label("Password").fill(password)
        self.tab.get_by_role("button", name="Log in").click()
        self.tab.get_by_role("heading", name="Load balancers").wait_for()

    def open(self, path: str) -> int:
        """Open a page and return its status."""
        answer = self.tab.goto(f"{self.url}{path}")
        assert answer is not None
        return answer.status

    def close(self) -> None:
        """Close the tab. Fails if anything went wrong in it."""
        self.context.close()
        assert self.wrong == []
