"""Logins elsewhere: at another Keystone, without authentication, and behind a reverse proxy."""

from __future__ import annotations

import re
from pathlib import Path

import requests
import yaml

from running import RunningServer, end_server, start_server
from shop import Client
from visitor import Visitor


def test_the_user_and_the_password_are_those_of_another_keystone(
    site: RunningServer, client: Client, tmp_path: Path
) -> None:
    admin = yaml.safe_load((site.state_directory / "clouds.yaml").read_text())["clouds"]["lbclient-admin"]["auth"]
    password = tmp_path / "password"
    password.write_text(str(admin["password"]))
    options = (f"--keystone-username={admin['username']}", f"--keystone-project={admin['project_name']}")
    other = start_server(
        tmp_path / "state", f"--keystone-url={site.url}/identity", f"--keystone-password-file={password}", *options
    )
    try:
        visitor = Visitor(other.url)
        assert visitor.log_in(client, password="wrong").status_code == 401
        assert visitor.log_in(client).status_code == 303
        page = visitor.get("/dashboard")
        assert page.status_code == 200
        assert "demo" in page.text
        assert visitor.post("/dashboard/logout", {}).status_code == 303
        assert visitor.get("/dashboard").status_code == 303
    finally:
        end_server(other)


def test_without_authentication_no_password_is_asked_for(tmp_path: Path) -> None:
    running = start_server(tmp_path / "state", "--auth=noauth")
    try:
        visitor = Visitor(running.url)
        page = visitor.get("/dashboard/login").text
        assert "password" not in re.findall(r'<input[^>]*type="(\w+)"', page)
        secret = re.search(r'name="secret" value="([^"]+)"', page)[1]
        form = {"secret": secret, "project": "5b3c1c7e2f0c4c1c9c396f1f0a2d7f11"}
        answer = visitor.session.post(f"{running.url}/dashboard/login", data=form, allow_redirects=False, timeout=10)
        assert answer.status_code == 303
        assert visitor.get("/dashboard").status_code == 200
        assert visitor.get("/dashboard/amphorae").status_code == 200
    finally:
        end_server(running)


def test_behind_a_proxy_cookies_and_links_fit_its_address(tmp_path: Path) -> None:
    running = start_server(tmp_path / "state", "--proxy-headers")
    client = Client(running)
    headers = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "lb.example", "X-Forwarded-Prefix": "/lb"}
    try:
        page = requests.get(f"{running.url}/dashboard/login", headers=headers, timeout=10)
        assert 'action="/lb/dashboard/login"' in page.text
        secret = re.search(r'name="secret" value="([^"]+)"', page.text)[1]
        form = {"secret": secret, "name": client.name, "password": client.password}
        answer = requests.post(
            f"{running.url}/dashboard/login",
            data=form,
            headers={**headers, "Origin": "https://lb.example", "Cookie": f"lbclient_login={secret}"},
            allow_redirects=False,
            timeout=10,
        )
        assert answer.headers["Location"] == "/lb/dashboard"
        [cookie] = [part for part in answer.raw.headers.getlist("Set-Cookie") if part.startswith("lbclient_session")]
        words = {part.strip() for part in cookie.split(";")}
        assert {"HttpOnly", "SameSite=Strict", "Secure", "Path=/lb/dashboard"} <= words
        sent = {**headers, "Cookie": cookie.split(";")[0]}
        overview = requests.get(f"{running.url}/dashboard", headers=sent, timeout=10)
        assert overview.status_code == 200
        assert 'href="/lb/dashboard/plan"' in overview.text
    finally:
        end_server(running)


def test_a_session_ends_with_its_token(site: RunningServer, client: Client) -> None:
    """A user whose tokens are revoked is logged out at the next page."""
    admin = Client(site, "lbclient-admin")
    user = admin.ask("POST", "/identity/v3/users", {"user": {"name": "short", "password": "a password"}})["user"]
    roles = admin.ask("GET", "/identity/v3/roles?name=member")["roles"]
    admin.ask("PUT", f"/identity/v3/projects/{client.project_id}/users/{user['id']}/roles/{roles[0]['id']}")
    visitor = Visitor(site.url)
    assert visitor.log_in(client, name="short", password="a password").status_code == 303
    assert visitor.get("/dashboard").status_code == 200
    admin.ask("DELETE", f"/identity/v3/users/{user['id']}")
    answer = visitor.get("/dashboard")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/dashboard/login?ended=1")
    refreshed = visitor.get("/dashboard", HX_Request="true")
    assert refreshed.headers["HX-Redirect"].startswith("/dashboard/login")
