"""Hostile pages, users and names cannot do anything to the dashboard."""

from __future__ import annotations

import re
from typing import Any

import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lbclient.client.safe_text import STEERING
from running import RunningServer, end_server, start_server
from shop import Client
from visitor import Visitor, errors_beside

COOKIE = "lbclient_session"


@pytest.fixture
def visitor(site: RunningServer, client: Client) -> Visitor:
    made = Visitor(site.url)
    assert made.log_in(client).status_code == 303
    return made


@pytest.fixture(scope="module")
def stranger(site: RunningServer) -> Client:
    """The admin's project, in which the user demo has no role."""
    return Client(site, "lbclient-admin")


def test_a_page_needs_a_login_and_leads_back_after_it(site: RunningServer, client: Client) -> None:
    visitor = Visitor(site.url)
    answer = visitor.get("/dashboard/plan")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/dashboard/login?then=%2Fdashboard%2Fplan")
    answer = visitor.log_in(client, then="/dashboard/plan")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/dashboard/plan")
    assert visitor.get("/dashboard/plan").status_code == 200


@pytest.mark.parametrize(
    "then",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example",
        "/dashboard/../../evil",
        "/dashboard//evil.example",
        "/dashboard\r\nSet-Cookie: a=b",
        "javascript:alert(1)",
        "/dashboardevil",
        "/dashboard/\u202e",
    ],
)
def test_a_login_leads_to_no_other_site(site: RunningServer, client: Client, then: str) -> None:
    visitor = Visitor(site.url)
    answer = visitor.log_in(client, then=then)
    location = answer.headers["Location"]
    assert location == "/dashboard" or re.fullmatch(r"/dashboard(/[\w.-]+)*", location)
    assert "evil" not in location or location.startswith("/dashboard/")


def test_a_wrong_password_begins_no_session(site: RunningServer, client: Client) -> None:
    visitor = Visitor(site.url)
    answer = visitor.log_in(client, password="wrong")
    assert answer.status_code == 401
    assert "wrong" in answer.text
    assert COOKIE not in visitor.session.cookies
    assert visitor.get("/dashboard").status_code == 303


def test_the_cookie_is_for_this_site_and_not_for_scripts(site: RunningServer, client: Client) -> None:
    answer = Visitor(site.url).log_in(client)
    [cookie] = [part for part in answer.raw.headers.getlist("Set-Cookie") if part.startswith(COOKIE)]
    assert {"HttpOnly", "SameSite=Strict", "Path=/dashboard"} <= {part.strip() for part in cookie.split(";")}
    assert client.token not in answer.text


def test_a_session_that_was_given_from_outside_is_never_used(site: RunningServer, client: Client) -> None:
    visitor = Visitor(site.url)
    visitor.session.cookies.set(COOKIE, "fixed", path="/dashboard")
    assert visitor.get("/dashboard").status_code == 303
    visitor.session.cookies.set(COOKIE, "fixed", path="/dashboard")
    visitor.log_in(client)
    own = {cookie.value for cookie in visitor.session.cookies if cookie.name == COOKIE}
    assert requests.get(f"{site.url}/dashboard", cookies={COOKIE: "fixed"}, allow_redirects=False).status_code == 303
    # Each login has a session of its own.
    other = Visitor(site.url)
    other.log_in(client)
    assert other.session.cookies[COOKIE] not in own


def test_a_session_ends_with_its_logout(visitor: Visitor) -> None:
    kept = visitor.session.cookies[COOKIE]
    assert visitor.post("/dashboard/logout", {}).status_code == 303
    answer = requests.get(f"{visitor.url}/dashboard", cookies={COOKIE: kept}, allow_redirects=False, timeout=10)
    assert answer.status_code == 303


def test_a_login_form_of_another_site_is_refused(site: RunningServer, client: Client) -> None:
    visitor = Visitor(site.url)
    form = {"name": client.name, "password": client.password, "secret": ""}
    answer = visitor.session.post(f"{site.url}/dashboard/login", data=form, allow_redirects=False, timeout=10)
    assert answer.status_code == 403
    assert COOKIE not in visitor.session.cookies


@pytest.mark.parametrize("token", ["", "x" * 43, "ü"])
def test_a_form_without_the_token_of_the_session_changes_nothing(visitor: Visitor, client: Client, token: str) -> None:
    form = {"name": "forged", "vip_subnet_id": client.subnet_id()}
    assert visitor.post("/dashboard/loadbalancers/new", dict(form), token=token).status_code == 403
    assert client.ask("GET", "/v2/lbaas/loadbalancers?name=forged")["loadbalancers"] == []


@pytest.mark.parametrize(
    "headers", [{"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec_Fetch_Site": "cross-site"}]
)
def test_a_form_of_another_site_changes_nothing(visitor: Visitor, client: Client, headers: dict[str, str]) -> None:
    form: dict[str, Any] = {"name": "forged", "vip_subnet_id": client.subnet_id()}
    assert visitor.post("/dashboard/loadbalancers/new", form, **headers).status_code == 403
    assert client.ask("GET", "/v2/lbaas/loadbalancers?name=forged")["loadbalancers"] == []


def test_no_get_changes_anything(visitor: Visitor, client: Client) -> None:
    made = client.balancer("kept")
    at = f"/dashboard/loadbalancers/{made['id']}"
    for path in (f"{at}/delete", f"{at}/failover", f"{at}/edit?name=x"):
        assert visitor.get(path).status_code in (200, 405)
    assert client.ask("GET", f"/v2/lbaas/loadbalancers/{made['id']}")["loadbalancer"]["name"] == "kept"
    client.ask("DELETE", f"/v2/lbaas/loadbalancers/{made['id']}")


@pytest.mark.parametrize("path", ["/", "/dashboard", "/dashboard/login", "/dashboard/api", "/dashboard/nothing"])
def test_no_page_can_be_framed_or_kept_or_run_foreign_scripts(visitor: Visitor, path: str) -> None:
    headers = visitor.get(path, Accept="text/html").headers
    policy = dict(part.strip().split(" ", 1) for part in headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == policy["form-action"] == "'self'"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"


def test_pages_have_no_script_and_no_style_of_their_own(visitor: Visitor, client: Client) -> None:
    made = client.balancer("plain")
    for path in ("/", "/dashboard", f"/dashboard/loadbalancers/{made['id']}", "/dashboard/plan", "/dashboard/api"):
        text = visitor.get(path, Accept="text/html").text
        assert not re.search(r"<style|<script(?![^>]*\bsrc=)|\sstyle=|\son[a-z]+=|javascript:", text), path
    client.ask("DELETE", f"/v2/lbaas/loadbalancers/{made['id']}")


def test_objects_of_another_project_are_not_found(visitor: Visitor, stranger: Client, client: Client) -> None:
    pool = {"name": "of the admin", "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN"}
    made = stranger.balancer("of the admin", pools=[pool])
    id_ = made["id"]
    at = f"/dashboard/loadbalancers/{id_}"
    parts = ("edit", "delete", "live", "samples", "happened", "logged", "export", "attributes", "plan")
    below = f"/dashboard/pools/{made['pools'][0]['id']}/members/new"
    for path in (at, *(f"{at}/{part}" for part in parts), below):
        answer = visitor.get(path)
        assert answer.status_code == 404, path
        assert "of the admin" not in answer.text
    for path in (f"{at}/delete", f"{at}/edit", f"{at}/failover"):
        assert visitor.post(path, {"name": "mine"}).status_code == 404, path
    assert "of the admin" not in visitor.get("/dashboard").text
    # The same as for an ID that does not exist.
    assert visitor.get("/dashboard/loadbalancers/5b3c1c7e-2f0c-4c1c-9c39-6f1f0a2d7f11").status_code == 404
    assert stranger.ask("GET", f"/v2/lbaas/loadbalancers/{id_}")["loadbalancer"]["name"] == "of the admin"
    stranger.ask("DELETE", f"/v2/lbaas/loadbalancers/{id_}?cascade=true")


def test_the_words_of_the_api_stand_beside_their_field(visitor: Visitor, client: Client) -> None:
    made = client.balancer("words")
    body = {"listener": {"loadbalancer_id": made["id"], "protocol": "HTTP", "protocol_port": 70000}}
    api = requests.post(
        f"{client.url}/v2/lbaas/listeners", json=body, headers={"X-Auth-Token": client.token}, timeout=10
    )
    form: dict[str, Any] = {"loadbalancer_id": made["id"], "protocol": "HTTP", "protocol_port": "70000", "name": "<i>"}
    answer = visitor.post("/dashboard/listeners/new", form)
    assert answer.status_code == 400
    assert errors_beside(answer.text, "protocol_port") == api.json()["faultstring"]
    assert 'value="&lt;i&gt;"' in answer.text  # what was typed stays
    form["protocol_port"] = "eighty"
    words = errors_beside(visitor.post("/dashboard/listeners/new", form).text, "protocol_port")
    assert "Value: 'eighty'" in words
    client.ask("DELETE", f"/v2/lbaas/loadbalancers/{made['id']}")


NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=NAMES)
def test_any_name_goes_through_a_form_as_through_the_api(visitor: Visitor, client: Client, name: str) -> None:
    """Either both take a name or both refuse it; a page shows it as text, and nothing in it can steer a terminal."""
    subnet = client.subnet_id()
    body = {"loadbalancer": {"name": name, "vip_subnet_id": subnet}}
    api = requests.post(
        f"{client.url}/v2/lbaas/loadbalancers", json=body, headers={"X-Auth-Token": client.token}, timeout=20
    )
    page = visitor.post("/dashboard/loadbalancers/new", {"name": name, "vip_subnet_id": subnet})
    assert (api.status_code == 201) == (page.status_code == 303)
    found = client.ask("GET", "/v2/lbaas/loadbalancers")["loadbalancers"]
    if api.status_code == 201:
        # A form has its line breaks as browsers send them.
        assert {one["name"] for one in found if one["name"].split() == name.split()} <= {name, name.replace("\r", "\n")}
        shown = visitor.get(page.headers["Location"])
        assert shown.status_code == 200
        assert not STEERING.search(re.sub(r'value="[^"]*"', "", shown.text).replace("\n", ""))
    for one in found:
        client.ask("DELETE", f"/v2/lbaas/loadbalancers/{one['id']}")


def test_where_there_is_no_dashboard_its_pages_are_none(tmp_path: Any) -> None:
    server = start_server(tmp_path / "state", "--no-dashboard")
    try:
        for path in ("/dashboard", "/dashboard/login", "/dashboard/plan"):
            assert requests.get(f"{server.url}{path}", timeout=10).status_code == 404
        home = requests.get(server.url, headers={"Accept": "text/html"}, timeout=10)
        assert "--dashboard" in home.text
        assert requests.get(server.url, timeout=10).json()["versions"]
        assert requests.get(f"{server.url}/dashboard/static/dashboard.css", timeout=10).status_code == 200
        assert requests.get(f"{server.url}/dashboard/api", timeout=10).status_code == 200
    finally:
        end_server(server)
