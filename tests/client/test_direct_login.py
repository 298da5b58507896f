"""Logins without keystoneauth1 beside those with it: the same requests, errors and logins for the next command."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from lbclient.client import connect, direct_http, direct_login, errors

Shown = tuple[int, Mapping[str, str], Any]  # status, headers, body: JSON, or text
Shape = Callable[[str, str, str], Shown]  # shape(method, path, address of the server)

EXPIRES = "2999-01-01T00:00:00.000000Z"
USER = {"username": "u", "password": "p"}
WHOLE = {**USER, "project_name": "pr"}
# Variables that make keystoneauth1 send all requests; the file that this one names does not exist.
LEFT_TO_KEYSTONEAUTH = {"NETRC": "/nonexistent"}

DIRECT: dict[str, dict[str, Any]] = {
    "names": WHOLE,
    "a project's ID": {**USER, "project_id": "1"},
    "a user's ID": {"user_id": "2", "password": "p", "project_id": "1"},
    "IDs beside names": {**WHOLE, "user_id": "2", "project_id": "1"},
    "no project": USER,
    "domains by name": {**WHOLE, "user_domain_name": "U", "project_domain_name": "P"},
    "domains by ID": {**WHOLE, "user_domain_id": "U", "project_domain_id": "P"},
    "domains by both": {**WHOLE, "user_domain_id": "U", "user_domain_name": "V"},
    "one domain": {**WHOLE, "domain_name": "D"},
    "another default domain": {**WHOLE, "default_domain": "elsewhere"},
    "numbers": {"username": 1, "password": 1234, "project_name": 5.5},
    "an old name of the project": {**USER, "tenant_name": "pr"},
    "letters of many kinds": {"username": "ü", "password": 'pä\ud83d\ude00 "\\', "project_name": "☃"},
    "v3password": {**WHOLE, "auth_type": "v3password"},
    "a token": {"token": "t", "project_name": "pr"},
    "a token without a project": {"token": "t"},
    "v3token": {"auth_type": "v3token", "token": "t", "project_id": "1"},
    "an application credential": {"application_credential_id": "i", "application_credential_secret": "s"},
    "its name": {"application_credential_name": "n", "application_credential_secret": "s", "username": "u"},
    "its name and a user's ID": {
        "application_credential_name": "n",
        "application_credential_secret": "s",
        "user_id": "2",
    },
    "an application credential and a project": {
        "application_credential_id": "i",
        "application_credential_secret": "s",
        "project_id": "1",
    },
    "a region": {**WHOLE, "region_name": "Two"},
    "another interface": {**WHOLE, "interface": "internal"},
    "another interface in the old way": {**WHOLE, "interface": "adminURL"},
    "a region that is not there": {**WHOLE, "region_name": "Three"},
    "an address": {**WHOLE, "load_balancer_endpoint_override": "{url}/lb"},
}
LEFT: dict[str, dict[str, Any]] = {
    "the system": {**USER, "system_scope": "all"},
    "a trust": {**USER, "trust_id": "t"},
    "a domain": {**USER, "domain_name": "D"},
    "a default domain of the plugin": {**WHOLE, "default_domain_name": "D"},
    "a one-time password": {"auth_type": "v3totp", **WHOLE, "passcode": "1"},
    "two factors": {"auth_type": "v3multifactor", "auth_methods": "v3password,v3totp", **WHOLE, "passcode": "1"},
}


def version(url: str, **changes: Any) -> dict[str, Any]:
    return {"id": "v3.14", "status": "stable", "links": [{"rel": "self", "href": f"{url}/v3/"}], **changes}


def token(url: str) -> dict[str, Any]:
    def service(kind: str, *endpoints: dict[str, Any]) -> dict[str, Any]:
        return {"type": kind, "name": kind, "id": kind, "endpoints": list(endpoints)}

    def endpoint(interface: str, region: str, place: str) -> dict[str, Any]:
        return {"interface": interface, "region": region, "region_id": region, "url": f"{url}/{place}", "id": place}

    catalog = [
        service("network", endpoint("public", "One", "network"), endpoint("public", "Two", "network/")),
        service("load-balancer", endpoint("internal", "One", "inner"), endpoint("admin", "One", "admin")),
        service("load-balancer", endpoint("public", "One", "one"), endpoint("public", "Two", "two/v2.0")),
        {"type": "identity", "endpoints": [{"interface": "public", "region": "Two", "url": f"{url}/v3"}]},
        {"type": "object-store"},
    ]
    found = {"methods": ["password"], "expires_at": EXPIRES, "issued_at": "2020-01-01T00:00:00.000000Z"}
    return {**found, "user": {"id": "u", "name": "u", "domain": {"id": "d", "name": "d"}}, "catalog": catalog}


def whole(method: str, path: str, url: str) -> Shown:
    """A Keystone, and services that have nothing."""
    if method == "POST":
        return 201, {"X-Subject-Token": "issued"}, {"token": token(url)}
    if path.startswith("/v3"):
        return 200, {}, {"version": version(url)}
    if path in ("/", ""):
        return 300, {}, {"versions": {"values": [version(url)]}}
    return 200, {}, {}


def discovering(*versions: dict[str, Any], status: int = 200) -> Shape:
    def shape(method: str, path: str, url: str) -> Shown:
        is_root = method == "GET" and path in ("/", "/v3", "/v3/")
        return (status, {}, {"versions": list(versions)}) if is_root else whole(method, path, url)

    return shape


def refusing(status: int, body: Any, **headers: str) -> Shape:
    def shape(method: str, path: str, url: str) -> Shown:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return (status, named, body) if method == "POST" else whole(method, path, url)

    return shape


def issuing(**changes: Any) -> Shape:
    """A token whose attributes differ; those that are None are missing."""

    def shape(method: str, path: str, url: str) -> Shown:
        if method != "POST":
            return whole(method, path, url)
        found = {name: value for name, value in {**token(url), **changes}.items() if value is not None}
        return 201, {"X-Subject-Token": "issued"}, {"token": found}

    return shape


def broken(method: str, path: str, url: str) -> Shown:
    return (200, {}, "<html>no Keystone</html>") if path in ("/", "/v3") else whole(method, path, url)


def only_at_root(method: str, path: str, url: str) -> Shown:
    """A Keystone whose versions cannot be asked for."""
    return (404, {}, {"error": {"message": "no"}}) if method == "GET" and path == "/v3" else whole(method, path, url)


def moved(method: str, path: str, url: str) -> Shown:
    return (302, {"Location": f"{url}/v3"}, "") if path == "/" else whole(method, path, url)


OLD = {"id": "v2.0", "status": "deprecated", "links": [{"rel": "self", "href": "http://elsewhere/v2.0/"}]}
SHAPES: dict[str, tuple[Shape, str, bool]] = {  # what answers, the path of auth_url, whether it is done directly
    "the address of version 3": (whole, "/v3", True),
    "with a slash": (whole, "/v3/", True),
    "multiple choices": (whole, "", True),
    "multiple choices and a slash": (whole, "/", True),
    "version 2 as well": (discovering(OLD, version("http://elsewhere")), "/", True),
    "links to another host": (discovering(version("http://elsewhere:35357")), "/", True),
    "links to another scheme": (discovering(version("https://elsewhere")), "/v3", True),
    "relative links": (discovering(version("", links=[{"rel": "self", "href": "v3"}])), "/", True),
    "experimental": (discovering(version("", status="experimental")), "/", False),
    "no status": (discovering({"id": "v3.1", "links": []}), "/", False),
    "no version": (discovering(), "/", False),
    "only version 2": (discovering(OLD), "/", False),
    "another kind of page": (broken, "/", False),
    "another kind of page at version 3": (broken, "/v3", False),
    "versions that cannot be asked for": (only_at_root, "/v3", False),
    "a server that fails": (discovering(status=503), "/", False),
    "a redirect": (moved, "/", False),
    "a wrong password": (
        refusing(401, {"error": {"message": "No.", "code": 401, "title": "Unauthorized"}}),
        "/v3",
        True,
    ),
    "a user who has to wait": (refusing(429, {"error": {"message": "Later."}}, Retry_After="3"), "/v3", True),
    "a request ID": (refusing(403, {"error": {"message": "No."}}, x_openstack_request_id="req-1"), "/v3", True),
    "an error in other words": (refusing(400, {"message": "Odd."}), "/v3", True),
    "an error of many": (refusing(400, {"errors": [{"title": "One", "detail": "of them"}]}), "/v3", True),
    "an error without words": (refusing(500, {}), "/v3", True),
    "an error as text": (refusing(502, "Bad gateway"), "/v3", False),
    "a second factor": (refusing(401, {"receipt": {"methods": []}}, Openstack_Auth_Receipt="r"), "/v3", False),
    "no token": (refusing(201, {"token": token("http://elsewhere")}), "/v3", False),
    "another answer": (refusing(200, {"access": {}}, X_Subject_Token="t"), "/v3", False),
    "no catalog": (issuing(catalog=None), "/v3", True),
    "an empty catalog": (issuing(catalog=[]), "/v3", True),
    "no zone in a time": (issuing(expires_at="2999-01-01T00:00:00"), "/v3", True),
    "a time with an offset": (issuing(expires_at="2999-01-01T00:00:00+02:00"), "/v3", True),
}


class Keystone(http.server.BaseHTTPRequestHandler):
    """Answers as the shape of the moment says, and notes requests."""

    protocol_version = "HTTP/1.1"
    server: Any

    def _answer(self) -> None:
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        headers = {name: self.headers.get(name) for name in ("Accept", "Content-Type", "X-Auth-Token")}
        if self.headers.get(
            "User-Agent"
        ):  # a HAProxy of another test that checks a member which had this port has none
            self.server.asked.append((self.command, self.path, content and json.loads(content), headers))
        status, more, body = self.server.shape(self.command, self.path, self.server.url)
        kind, text = ("text/html", body) if isinstance(body, str) else ("application/json", json.dumps(body))
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(text.encode())), **more}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text.encode())

    do_GET = do_POST = _answer

    def log_message(self, *arguments: Any) -> None:
        pass


@pytest.fixture(scope="module")
def started() -> Iterator[Any]:
    server: Any = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Keystone)
    server.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def keystone(started: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    monkeypatch.setenv("HOME", str(tmp_path))
    started.shape, started.asked = whole, []
    return started


def outcome(keystone: Any, settings: Mapping[str, Any], environ: Mapping[str, str]) -> tuple[Any, bool]:
    """Return what a first command asks, what it keeps for the next one or the error, and whether it was direct."""
    keystone.asked = []
    options = {name: str(value).format(url=keystone.url) for name, value in settings.items()}
    try:
        services = connect.connect(options, environ)
        try:
            found: Any = services.loadbalancer.get("/lbaas/loadbalancers")
        finally:
            is_direct = "full" not in vars(services.session)
    except Exception as error:
        found = (type(error), str(error), getattr(error, "request_id", None) or None)
    kept = [json.loads(path.read_text()) for path in Path(environ["XDG_CACHE_HOME"]).rglob("*.json")]
    for each in kept:
        each["state"] = json.loads(each["state"])
    return (keystone.asked, found, kept), is_direct


def both(keystone: Any, settings: Mapping[str, Any], tmp_path: Path) -> bool:
    """Compare both ways, and return whether the first was direct."""
    bare = {"HOME": str(tmp_path), "OS_CLIENT_CONFIG_FILE": str(tmp_path / "none.yaml")}
    with_it, is_direct_with_it = outcome(
        keystone, settings, {**bare, "XDG_CACHE_HOME": str(tmp_path / "one"), **LEFT_TO_KEYSTONEAUTH}
    )
    without, is_direct = outcome(keystone, settings, {**bare, "XDG_CACHE_HOME": str(tmp_path / "two")})
    assert not is_direct_with_it
    if is_direct:
        assert without[0] == with_it[0]
    assert without[1:] == with_it[1:]
    return is_direct


@pytest.mark.parametrize("path", ["", "/v3"])
@pytest.mark.parametrize("name", DIRECT)
def test_settings(keystone: Any, tmp_path: Path, name: str, path: str) -> None:
    is_direct = both(keystone, {"auth_url": f"{keystone.url}{path}", **DIRECT[name]}, tmp_path)
    assert is_direct == (name != "a region that is not there")  # the error is keystoneauth1's


@pytest.mark.parametrize("name", LEFT)
def test_settings_that_are_left_to_keystoneauth1(keystone: Any, tmp_path: Path, name: str) -> None:
    assert not both(keystone, {"auth_url": f"{keystone.url}/v3", **LEFT[name]}, tmp_path)


@pytest.mark.parametrize("name", SHAPES)
def test_answers(keystone: Any, tmp_path: Path, name: str) -> None:
    keystone.shape, path, is_direct = SHAPES[name]
    assert both(keystone, {"auth_url": f"{keystone.url}{path}", **WHOLE, "region_name": "One"}, tmp_path) == (
        is_direct and "catalog" not in name
    )


def test_every_option_of_these_kinds_is_known() -> None:
    for kind in direct_login.NEEDED:
        names = {option.dest for option in connect._loader(kind).get_options()}
        assert names <= {*direct_login.USED, *direct_login.OTHERS}, kind


def test_one_login_for_threads_that_begin_at_once(keystone: Any, tmp_path: Path) -> None:
    environ = {"HOME": str(tmp_path), "OS_CLIENT_CONFIG_FILE": str(tmp_path / "none.yaml")}
    services = connect.connect({"auth_url": f"{keystone.url}/v3", **WHOLE, "auth_cache": "off"}, environ)
    ends = threading.Barrier(4)
    ask = services.loadbalancer.get

    def work() -> None:
        ends.wait(20)
        ask("/lbaas/loadbalancers")

    threads = [threading.Thread(target=work) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(20)
    assert [method for method, *_ in keystone.asked].count("POST") == 1
    assert len(keystone.asked) == 6


def test_a_refusal_of_a_new_login_is_not_taken_for_an_old_token(keystone: Any, tmp_path: Path) -> None:
    def shape(method: str, path: str, url: str) -> Shown:
        return (403, {}, {"faultstring": "No."}) if "lbaas" in path else whole(method, path, url)

    keystone.shape = shape
    assert both(keystone, {"auth_url": f"{keystone.url}/v3", **WHOLE}, tmp_path)


def test_a_token_that_ends_meanwhile_is_replaced_once(keystone: Any, tmp_path: Path) -> None:
    def shape(method: str, path: str, url: str) -> Shown:
        if method == "POST":
            number = [asked for asked, *_ in keystone.asked].count("POST")
            return 201, {"X-Subject-Token": f"issued-{number}"}, {"token": token(url)}
        return (401, {}, {"error": {"message": "No."}}) if "lbaas" in path else whole(method, path, url)

    keystone.shape = shape
    assert not both(keystone, {"auth_url": f"{keystone.url}/v3", **WHOLE}, tmp_path)
    assert [method for method, *_ in keystone.asked].count("POST") == 2


def test_a_server_that_does_not_answer_in_time_is_not_asked_again(keystone: Any, tmp_path: Path) -> None:
    patience = threading.Event()

    def shape(method: str, path: str, url: str) -> Shown:
        if method == "POST":
            patience.wait(20)
        return whole(method, path, url)

    keystone.shape = shape
    direct = direct_http.DirectHttp(True, 0.3)
    try:
        with pytest.raises(errors.Unreachable, match="No answer in time"):
            direct_login.log_in(direct, "password", {"auth_url": f"{keystone.url}/v3", **WHOLE}, {}, ())
    finally:
        patience.set()
    assert [method for method, *_ in keystone.asked].count("POST") == 1
