"""Who is who: tokens, projects, users, roles."""

from __future__ import annotations

import stat
import time
from pathlib import Path
from typing import Any

import pytest

from lbclient.server.identity import claims, passwords, tokens
from lbclient.vault import keys

V3 = "/identity/v3"
TOKENS = f"{V3}/auth/tokens"


def role_id(admin: Any, name: str) -> str:
    return str(admin.get(f"{V3}/roles?name={name}")["roles"][0]["id"])


def new_user(admin: Any, name: str = "ann", **values: Any) -> Any:
    return admin.made(f"{V3}/users", "user", name=name, password="secret", **values)


def holds(front: Any, token: str) -> bool:
    status = front.client.simulate_get(f"{V3}/auth/projects", headers={"X-Auth-Token": token}).status_code
    assert status in (200, 401)
    return bool(status == 200)


def test_versions_can_be_found_without_a_token(front: Any) -> None:
    answer = front.client.simulate_get("/identity", headers={"Host": "lb.example:1234"})
    assert answer.status_code == 300
    link = answer.json["versions"]["values"][0]["links"][0]["href"]
    assert link == "http://lb.example:1234/identity/v3/"
    for path in ("/identity/v3", "/identity/v3/"):
        assert front.client.simulate_get(path).json["version"]["id"] == "v3.14"


def test_a_token_tells_who_where_and_what(front: Any) -> None:
    answer = front.log_in("demo", scope={"project": {"name": "demo", "domain": {"name": "Default"}}})
    token = answer.json["token"]
    assert answer.status_code == 201
    assert (token["user"]["name"], token["project"]["name"]) == ("demo", "demo")
    assert [role["name"] for role in token["roles"]] == ["member"]
    assert token["methods"] == ["password"]
    urls = {each["type"]: {e["url"] for e in each["endpoints"]} for each in token["catalog"]}
    assert urls["load-balancer"] == {"http://falconframework.org/load-balancer"}
    assert set(urls) == {"identity", "network", "load-balancer", "key-manager"}


@pytest.mark.parametrize(
    ("scope", "key"),
    [
        (None, "project"),  # the user's own
        ({"project": {"name": "admin", "domain": {"id": "default"}}}, "project"),
        ({"system": {"all": True}}, "system"),
    ],
)
def test_scopes(front: Any, scope: Any, key: str) -> None:
    token = front.log_in("admin", scope=scope).json["token"]
    assert key in token
    assert "admin" in [role["name"] for role in token["roles"]]


def test_an_unscoped_token_can_be_exchanged(front: Any) -> None:
    answer = front.log_in("demo", scope="unscoped")
    unscoped = answer.json["token"]
    assert not {"project", "roles", "catalog"} & set(unscoped)
    token = answer.headers["X-Subject-Token"]
    found = front.client.simulate_get(f"{V3}/auth/projects", headers={"X-Auth-Token": token}).json["projects"]
    assert [project["name"] for project in found] == ["demo"]
    auth = {
        "identity": {"methods": ["token"], "token": {"id": token}},
        "scope": {"project": {"id": found[0]["id"]}},
    }
    scoped = front.client.simulate_post(TOKENS, json={"auth": auth}).json["token"]
    assert scoped["project"]["id"] == found[0]["id"]
    assert scoped["methods"] == ["token", "password"]
    assert scoped["expires_at"] == unscoped["expires_at"]
    assert scoped["audit_ids"][1:] == unscoped["audit_ids"]


def test_whatever_is_wrong_the_answer_is_the_same(front: Any) -> None:
    elsewhere = {"project": {"id": front.logins["admin"].project_id}}
    nowhere = {"project": {"id": "0" * 32}}
    wrong = [
        front.log_in("demo", "wrong"),
        front.log_in("nobody", "wrong"),
        front.log_in("demo", scope=elsewhere),
        front.log_in("demo", scope=nowhere),
    ]
    assert {answer.status_code for answer in wrong} == {401}
    assert len({answer.text for answer in wrong}) == 1


def test_an_unknown_user_takes_as_long(front: Any) -> None:
    def seconds(name: str) -> float:
        started = time.perf_counter()
        front.log_in(name, "wrong")
        return time.perf_counter() - started

    known, unknown = (min(seconds(name) for _ in range(5)) for name in ("demo", "nobody"))
    assert unknown > known / 2


def test_a_revoked_token_has_ended(front: Any, demo: Any) -> None:
    other = front.demo
    assert demo.get(f"{V3}/auth/projects")
    demo_subject = {"X_Subject_Token": demo.token}
    assert demo.ask("GET", TOKENS, **demo_subject).json["token"]["user"]["name"] == "demo"
    assert demo.ask("HEAD", TOKENS, **demo_subject).status_code == 200
    assert demo.ask("DELETE", TOKENS, **demo_subject).status_code == 204
    assert not holds(front, demo.token)
    assert holds(front, other.token)
    assert front.admin.ask("GET", TOKENS, **demo_subject).status_code == 404


def test_only_an_admin_looks_at_the_token_of_somebody_else(front: Any, demo: Any, admin: Any) -> None:
    assert admin.ask("GET", TOKENS, X_Subject_Token=demo.token).status_code == 200
    assert demo.ask("GET", TOKENS, X_Subject_Token=admin.token).status_code == 403
    assert demo.ask("GET", TOKENS).status_code == 400


@pytest.mark.parametrize("token", ["", "x", "gAAAAA", "ä", "gAAAAABh" + "A" * 400])
def test_what_is_no_token(front: Any, token: str) -> None:
    raw = token.encode().decode("latin-1")
    answer = front.client.simulate_get(f"{V3}/auth/projects", headers={"X-Auth-Token": raw})
    assert answer.status_code == 401


def test_a_token_ends_in_time(front: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "LIFETIME", 0.3)
    token = front.demo.token
    assert holds(front, token)
    deadline = time.monotonic() + 5
    while holds(front, token):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_new_key_leaves_old_tokens_good_for_a_while(tmp_path: Path) -> None:
    said = claims.Claims("u", "project", "p", ("password",), 1.0, 2.0, ("a",), 3)
    sealed = claims.seal(said, keys.load(tmp_path))
    for number in range(keys.KEPT - 1):
        keys.rotate(tmp_path)
        assert claims.unseal(sealed, keys.load(tmp_path)) == said, number
    keys.rotate(tmp_path)
    assert claims.unseal(sealed, keys.load(tmp_path)) is None
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}


def test_passwords_are_slow_salted_hashes() -> None:
    one, other = passwords.make_hash("secret"), passwords.make_hash("secret")
    assert one != other
    assert one.startswith("scrypt$14$8$1$")
    assert passwords.is_right("secret", one)
    assert not passwords.is_right("Secret", one)
    assert not passwords.is_right("", None)


def test_a_user_changes_the_password(front: Any, demo: Any) -> None:
    user_id = front.log_in("demo").json["token"]["user"]["id"]
    path = f"{V3}/users/{user_id}/password"
    assert demo.refused(401, "POST", path, {"user": {"original_password": "wrong", "password": "new"}})
    old = front.logins["demo"].password
    answer = demo.ask("POST", path, {"user": {"original_password": old, "password": "new"}})
    assert answer.status_code == 204
    assert not holds(front, demo.token)
    assert front.log_in("demo").status_code == 401
    assert front.log_in("demo", "new").status_code == 201
    assert holds(front, front.log_in("demo", "new").headers["X-Subject-Token"])


def test_whoever_knows_a_password_changes_it(front: Any, admin: Any) -> None:
    """With the token of another user, or without a token."""
    path = f"{V3}/users/{new_user(admin)['id']}/password"
    body = {"user": {"original_password": "secret", "password": "second"}}
    assert admin.ask("POST", path, body).status_code == 204
    assert admin.refused(401, "POST", path, body)
    body = {"user": {"original_password": "second", "password": "third"}}
    assert front.client.simulate_post(path, json=body).status_code == 204
    assert front.log_in("ann", "third").status_code == 201


def test_names_that_are_like_something(admin: Any) -> None:
    for name in ("shop_50%", "Shop-51", "other"):
        admin.made(f"{V3}/projects", "project", name=name)

    def found(query: str) -> list[str]:
        return [each["name"] for each in admin.get(f"{V3}/projects?{query}")["projects"]]

    assert found("name__contains=hop") == ["Shop-51", "shop_50%"]
    assert found("name__startswith=shop") == ["shop_50%"]
    assert found("name__istartswith=shop&name__endswith=1") == ["Shop-51"]
    assert found("name__icontains=P_5") == ["shop_50%"]
    assert found("name__iendswith=%25") == ["shop_50%"]
    assert len(found("name__resembles=x&nonsense__contains=x")) >= 3


def test_an_admin_makes_a_user_of_a_project(front: Any, admin: Any) -> None:
    project = admin.made(f"{V3}/projects", "project", name="shop", description=None)
    user = new_user(admin, default_project_id=project["id"])
    assert len(project["id"]) == len(user["id"]) == 32
    assert "password" not in user
    grant = f"{V3}/projects/{project['id']}/users/{user['id']}/roles/{role_id(admin, 'member')}"
    assert "project" not in front.log_in("ann", "secret").json["token"]
    for _ in range(2):
        assert admin.ask("PUT", grant).status_code == 204
    assert admin.ask("HEAD", grant).status_code == 204
    token = front.log_in("ann", "secret")
    assert token.json["token"]["project"]["name"] == "shop"
    listed = admin.get(f"{V3}/role_assignments?user.id={user['id']}&include_names=True")["role_assignments"]
    assert [(each["user"]["name"], each["role"]["name"]) for each in listed] == [("ann", "member")]
    assert listed[0]["scope"]["project"]["domain"]["name"] == "Default"
    # The role is taken: the token, which had no other, ends.
    admin.deleted(grant)
    assert not holds(front, token.headers["X-Subject-Token"])
    assert admin.refused(404, "DELETE", grant).startswith("Could not find role assignment")


@pytest.mark.parametrize(("kind", "what"), [("users", "user"), ("projects", "project")])
def test_disabling_ends_tokens_at_once_and_for_good(front: Any, admin: Any, kind: str, what: str) -> None:
    answer = front.log_in("demo")
    token, id_ = answer.headers["X-Subject-Token"], answer.json["token"][what]["id"]
    assert holds(front, token)
    admin.changed(f"{V3}/{kind}/{id_}", what, enabled=False)
    assert not holds(front, token)
    # Without its project a user may enter still, but nowhere.
    assert "project" not in front.log_in("demo").json.get("token", {})
    admin.changed(f"{V3}/{kind}/{id_}", what, enabled=True)
    assert not holds(front, token)
    assert "project" in front.log_in("demo").json["token"]


def test_deleting_ends_tokens_at_once(front: Any, admin: Any) -> None:
    answer = front.log_in("demo")
    admin.deleted(f"{V3}/users/{answer.json['token']['user']['id']}")
    assert not holds(front, answer.headers["X-Subject-Token"])
    assert front.log_in("demo").status_code == 401


def test_another_process_sees_a_change(front: Any, admin: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "LOOK_AGAIN", 0.0)
    other = tokens.Tokens(front.store, tmp_path / "fernet-keys")
    answer = front.log_in("demo")
    token = answer.headers["X-Subject-Token"]
    assert other.check(token).project_id == front.logins["demo"].project_id
    admin.changed(f"{V3}/users/{answer.json['token']['user']['id']}", "user", enabled=False)
    with pytest.raises(Exception, match="requires authentication"):
        other.check(token)


def test_names_are_unique_in_a_domain(admin: Any) -> None:
    body = {"project": {"name": "demo"}}
    assert "Duplicate entry found with name demo at domain ID default" in admin.refused(
        409, "POST", f"{V3}/projects", body
    )
    domain = admin.made(f"{V3}/domains", "domain", name="elsewhere")
    made = admin.made(f"{V3}/projects", "project", name="demo", domain_id=domain["id"])
    assert admin.get(f"{V3}/projects?name=demo&domain_id={domain['id']}")["projects"][0]["id"] == made["id"]
    assert admin.refused(409, "PATCH", f"{V3}/domains/{domain['id']}", {"domain": {"name": "Default"}})


def test_a_domain_is_disabled_before_it_is_deleted(front: Any, admin: Any) -> None:
    domain = admin.made(f"{V3}/domains", "domain", name="elsewhere")
    path = f"{V3}/domains/{domain['id']}"
    user = new_user(admin, domain_id=domain["id"])
    assert "please disable it first" in admin.refused(403, "DELETE", path)
    admin.changed(path, "domain", enabled=False)
    admin.deleted(path)
    assert admin.refused(404, "GET", f"{V3}/users/{user['id']}") == f"Could not find user: {user['id']}."


def test_a_project_with_projects_below_it_stays(admin: Any) -> None:
    above = admin.made(f"{V3}/projects", "project", name="above")
    below = admin.made(f"{V3}/projects", "project", name="below", parent_id=above["id"])
    assert below["parent_id"] == above["id"]
    admin.refused(403, "DELETE", f"{V3}/projects/{above['id']}")
    admin.deleted(f"{V3}/projects/{below['id']}")
    admin.deleted(f"{V3}/projects/{above['id']}")


@pytest.mark.parametrize("kind", ["domains", "projects", "users", "roles", "services", "endpoints", "regions"])
def test_lists_and_single_objects_agree(admin: Any, kind: str) -> None:
    listed = admin.get(f"{V3}/{kind}")[kind]
    assert listed
    for each in listed:
        assert admin.get(f"{V3}/{kind}/{each['id']}")[kind.removesuffix("s")] == each
    admin.refused(404, "GET", f"{V3}/{kind}/nonesuch")
    admin.refused(404, "GET", f"{V3}/{kind}/nul%00")


@pytest.mark.parametrize("kind", ["domain", "project", "user", "role"])
def test_only_an_admin_changes_anything(demo: Any, admin: Any, kind: str) -> None:
    path = f"{V3}/{kind}s"
    id_ = admin.get(path)[f"{kind}s"][0]["id"]
    body = {kind: {"name": "x"}}
    for method, where in (("POST", path), ("PATCH", f"{path}/{id_}"), ("DELETE", f"{path}/{id_}"), ("GET", path)):
        assert "not authorized" in demo.refused(403, method, where, body if method != "GET" else None)


def test_one_sees_oneself(front: Any, demo: Any) -> None:
    token = front.log_in("demo").json["token"]
    user_id = token["user"]["id"]
    assert demo.get(f"{V3}/users/{user_id}")["user"]["name"] == "demo"
    assert demo.get(f"{V3}/projects/{token['project']['id']}")["project"]["name"] == "demo"
    assert demo.get(f"{V3}/users/{user_id}/projects")["projects"][0]["name"] == "demo"
    assert len(demo.get(f"{V3}/role_assignments?user.id={user_id}")["role_assignments"]) == 1
    demo.refused(403, "GET", f"{V3}/role_assignments")
    assert demo.get(f"{V3}/auth/catalog")["catalog"] == token["catalog"]
