"""Application credentials: what they may, and when they end."""

from __future__ import annotations

import time
from typing import Any

import pytest
import sqlalchemy as sa

from lbclient.store.identity_tables import APPLICATION_CREDENTIAL

V3 = "/identity/v3"


@pytest.fixture
def user_id(front: Any) -> str:
    return str(front.log_in("admin").json["token"]["user"]["id"])


@pytest.fixture
def path(user_id: str) -> str:
    return f"{V3}/users/{user_id}/application_credentials"


def entered(front: Any, scope: Any = None, **credential: Any) -> Any:
    identity = {"methods": ["application_credential"], "application_credential": credential}
    auth: dict[str, Any] = {"identity": identity} if scope is None else {"identity": identity, "scope": scope}
    return front.client.simulate_post(f"{V3}/auth/tokens", json={"auth": auth})


def person(front: Any, answer: Any) -> Any:
    assert answer.status_code == 201, answer.text
    return type(front.admin)(front.client, answer.headers["X-Subject-Token"], None)


def is_good(front: Any, token: str) -> bool:
    found = front.client.simulate_get(f"{V3}/auth/projects", headers={"X-Auth-Token": token})
    return bool(found.status_code == 200)


def test_it_opens_one_project(front: Any, admin: Any, path: str, user_id: str) -> None:
    made = admin.made(path, "application_credential", name="robot", description="d")
    assert (made["unrestricted"], made["expires_at"]) == (False, None)
    assert made["project_id"] == admin.login.project_id
    assert [role["name"] for role in made["roles"]] == ["admin"]
    for credential in (
        {"id": made["id"]},
        {"name": "robot", "user": {"id": user_id}},
        {"name": "robot", "user": {"name": "admin", "domain": {"id": "default"}}},
    ):
        answer = entered(front, secret=made["secret"], **credential)
        token = answer.json["token"]
        assert (token["methods"], token["project"]["name"]) == (["application_credential"], "admin")
        assert token["application_credential"] == {"id": made["id"], "name": "robot", "restricted": True}
        assert person(front, answer).get(f"{V3}/users")
    shown = admin.get(f"{path}/{made['id']}")["application_credential"]
    assert "secret" not in shown
    assert admin.get(path)["application_credentials"] == [shown]
    assert admin.get(f"{path}?name=other")["application_credentials"] == []
    with front.store.reading() as tx:
        assert made["secret"] not in tx.scalars(sa.select(APPLICATION_CREDENTIAL.c.secret)).one()


def test_whatever_is_wrong_the_answer_is_the_same(front: Any, admin: Any, path: str) -> None:
    made = admin.made(path, "application_credential", name="robot", secret="chosen")
    elsewhere = {"project": {"id": front.logins["demo"].project_id}}
    wrong = [
        entered(front, id=made["id"], secret="wrong"),
        entered(front, id="x", secret="chosen"),
        entered(front, name="robot", user={"id": "x"}, secret="chosen"),
        entered(front, elsewhere, id=made["id"], secret="chosen"),
        entered(front, "unscoped", id=made["id"], secret="chosen"),
    ]
    assert {answer.status_code for answer in wrong} == {401}
    assert len({answer.text for answer in wrong}) == 1
    same = {"project": {"id": admin.login.project_id}}
    assert entered(front, same, id=made["id"], secret="chosen").status_code == 201
    assert entered(front, id=made["id"]).status_code == 400


def test_it_has_only_the_roles_that_were_chosen(front: Any, admin: Any, path: str, user_id: str) -> None:
    roles = {role["name"]: role["id"] for role in admin.get(f"{V3}/roles")["roles"]}
    grant = f"{V3}/projects/{admin.login.project_id}/users/{user_id}/roles/{roles['member']}"
    assert admin.ask("PUT", grant).status_code == 204
    made = front.admin.made(path, "application_credential", name="robot", roles=[{"name": "member"}])
    answer = entered(front, id=made["id"], secret=made["secret"])
    assert [role["name"] for role in answer.json["token"]["roles"]] == ["member"]
    robot = person(front, answer)
    robot.refused(403, "GET", f"{V3}/roles")
    # A token that is got with its token has no more.
    auth = {"identity": {"methods": ["token"], "token": {"id": robot.token}}}
    second = front.client.simulate_post(f"{V3}/auth/tokens", json={"auth": auth})
    assert [role["name"] for role in second.json["token"]["roles"]] == ["member"]
    for scope in ("unscoped", {"system": {"all": True}}, {"domain": {"id": "default"}}):
        body = {"auth": {**auth, "scope": scope}}
        assert front.client.simulate_post(f"{V3}/auth/tokens", json=body).status_code == 401
    # The user loses the role: so does the credential.
    admin.deleted(grant)
    assert not is_good(front, robot.token)
    assert entered(front, id=made["id"], secret=made["secret"]).status_code == 401


def test_only_an_unrestricted_one_makes_others(front: Any, admin: Any, path: str) -> None:
    for name, unrestricted in (("tame", False), ("wild", True)):
        made = admin.made(path, "application_credential", name=name, unrestricted=unrestricted)
        robot = person(front, entered(front, id=made["id"], secret=made["secret"]))
        body = {"application_credential": {"name": f"of {name}"}}
        if unrestricted:
            other = robot.made(path, "application_credential", **body["application_credential"])
            robot.deleted(f"{path}/{other['id']}")
        else:
            assert "is not allowed" in robot.refused(403, "POST", path, body)
            robot.refused(403, "DELETE", f"{path}/{made['id']}")


def test_it_ends(front: Any, admin: Any, path: str, user_id: str) -> None:
    soon = time.time() + 1.5
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(soon)) + f".{int(soon % 1 * 1e6):06d}"
    brief = admin.made(path, "application_credential", name="brief", expires_at=stamp)
    assert brief["expires_at"] == stamp  # without the Z that all other times have, as in Keystone
    answer = entered(front, id=brief["id"], secret=brief["secret"])
    assert answer.json["token"]["expires_at"] == f"{stamp}Z"
    token = answer.headers["X-Subject-Token"]
    assert is_good(front, token)
    deadline = time.monotonic() + 10
    while is_good(front, token):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert entered(front, id=brief["id"], secret=brief["secret"]).status_code == 401
    other = admin.made(path, "application_credential", name="other")
    token = entered(front, id=other["id"], secret=other["secret"]).headers["X-Subject-Token"]
    assert is_good(front, token)
    admin.deleted(f"{path}/{other['id']}")
    assert not is_good(front, token)
    admin.refused(404, "GET", f"{path}/{other['id']}")


@pytest.mark.parametrize(
    ("values", "status"),
    [
        ({}, 400),
        ({"name": ""}, 400),
        ({"name": "x", "expires_at": "2001-01-01"}, 400),
        ({"name": "x", "expires_at": "tomorrow"}, 400),
        ({"name": "x", "expires_at": "0001-01-01T00:00:00+23:00"}, 400),
        ({"name": "x", "roles": [{"name": "reader"}]}, 400),
        ({"name": "x", "roles": [{}]}, 400),
        ({"name": "x", "roles": "admin"}, 400),
        ({"name": "x", "unrestricted": 1}, 400),
        ({"name": "x", "access_rules": [{"path": "/", "method": "GET", "service": "network"}]}, 400),
        ({"name": "taken"}, 409),
    ],
)
def test_those_that_are_refused(admin: Any, path: str, values: dict[str, Any], status: int) -> None:
    admin.made(path, "application_credential", name="taken")
    admin.refused(status, "POST", path, {"application_credential": values})
    assert [each["name"] for each in admin.get(path)["application_credentials"]] == ["taken"]


def test_they_are_ones_own(front: Any, admin: Any, demo: Any, path: str) -> None:
    made = admin.made(path, "application_credential", name="robot")
    for method, where in (("GET", path), ("GET", f"{path}/{made['id']}"), ("DELETE", f"{path}/{made['id']}")):
        demo.refused(403, method, where)
    demo.refused(403, "POST", path, {"application_credential": {"name": "x"}})
    demo_id = front.log_in("demo").json["token"]["user"]["id"]
    theirs = f"{V3}/users/{demo_id}/application_credentials"
    admin.refused(403, "POST", theirs, {"application_credential": {"name": "x"}})
    admin.refused(404, "GET", f"{theirs}/{made['id']}")
    mine = demo.made(theirs, "application_credential", name="mine")
    assert admin.get(theirs)["application_credentials"][0]["name"] == "mine"
    assert demo.get(f"{V3}/users/{demo_id}/access_rules")["access_rules"] == []
    # With their user they are gone.
    admin.deleted(f"{V3}/users/{demo_id}")
    assert entered(front, id=mine["id"], secret=mine["secret"]).status_code == 401
