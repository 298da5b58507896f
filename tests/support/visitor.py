"""The dashboard as a program sees it: requests, cookies, forms."""

from __future__ import annotations

import re
from html import unescape

import requests

from shop import Client


class Visitor:
    """A browser without scripts."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.session = requests.Session()

    def get(self, path: str, **headers: str) -> requests.Response:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.session.get(f"{self.url}{path}", headers=sent, allow_redirects=False, timeout=30)

    def post(
        self, path: str, form: dict[str, str | list[str]], token: str | None = None, **headers: str
    ) -> requests.Response:
        """Send a form; without a token, with the one of the session."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        values = {"csrf_token": self.token() if token is None else token, **form}
        return self.session.post(f"{self.url}{path}", data=values, headers=sent, allow_redirects=False, timeout=30)

    def token(self) -> str:
        found = re.search(r'name="csrf_token" value="([^"]+)"', self.get("/dashboard/plan").text)
        assert found is not None
        return found[1]

    def log_in(self, client: Client, **more: str) -> requests.Response:
        secret = re.search(r'name="secret" value="([^"]+)"', self.get("/dashboard/login").text)
        assert secret is not None
        form = {"secret": secret[1], "name": client.name, "password": client.password, **more}
        return self.session.post(f"{self.url}/dashboard/login", data=form, allow_redirects=False, timeout=30)


def errors_beside(page: str, field: str) -> str:
    """The error beside a field of a form; "" if there is none."""
    found = re.search(rf'id="field-{re.escape(field)}-error">(.*?)</p>', page, re.DOTALL)
    return unescape(found[1]) if found else ""
