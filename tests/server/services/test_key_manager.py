"""Secrets, containers, ACLs and consumers, as raw requests."""

from __future__ import annotations

import base64
import stat
import uuid
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from lbclient.server import state
from lbclient.server.keymanager import rotation
from lbclient.server.keymanager.rotation import rotate
from lbclient.store.keymanager_tables import SECRET
from lbclient.vault.sealing import KeyLost, Vault

V1 = "/key-manager/v1"
SECRETS, CONTAINERS = f"{V1}/secrets", f"{V1}/containers"
NEWEST = {"OpenStack_API_Version": "key-manager 1.2"}
TEXT: dict[str, Any] = {"payload": "opensesame", "payload_content_type": "text/plain"}


def path_of(reference: str) -> str:
    return reference[reference.index("/key-manager") :]


def kept(person: Any, **values: Any) -> str:
    """The path of a new secret."""
    answer = person.ask("POST", SECRETS, values)
    assert answer.status_code == 201, answer.text
    assert answer.headers["Location"] == answer.json["secret_ref"]
    return path_of(answer.json["secret_ref"])


def contained(person: Any, kind: str = "generic", **secrets: str) -> str:
    """The path of a new container."""
    references = [{"name": name, "secret_ref": f"http://any{path}"} for name, path in secrets.items()]
    answer = person.ask("POST", CONTAINERS, {"name": "c", "type": kind, "secret_refs": references})
    assert answer.status_code == 201, answer.text
    return path_of(answer.json["container_ref"])


def put(person: Any, path: str, payload: bytes, content_type: str, **headers: str) -> Any:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    headers = {"X-Auth-Token": person.token, "Content-Type": content_type, **names}
    return person.client.simulate_put(path, body=payload, headers=headers)


def newcomer(front: Any, admin: Any, name: str, role: str, project: str = "demo") -> Any:
    """Another user, in the project demo or in another one."""
    found = admin.get(f"/identity/v3/projects?name={project}")["projects"]
    where = (found or [admin.made("/identity/v3/projects", "project", name=project)])[0]["id"]
    user = admin.made("/identity/v3/users", "user", name=name, password="secret", default_project_id=where)
    role_id = admin.get(f"/identity/v3/roles?name={role}")["roles"][0]["id"]
    admin.ask("PUT", f"/identity/v3/projects/{where}/users/{user['id']}/roles/{role_id}")
    token = front.log_in(name, "secret").headers["X-Subject-Token"]
    return type(admin)(front.client, token, user)


def test_versions_are_found_without_a_token(front: Any) -> None:
    old = front.client.simulate_get("/key-manager", headers={"Host": "lb:1"})
    assert old.status_code == 300
    [known] = old.json["versions"]["values"]
    assert (known["id"], known["status"], known["links"][0]["href"]) == ("v1", "stable", "http://lb:1/key-manager/v1/")
    asked = {"OpenStack-API-Version": "key-manager 1.1"}
    new = front.client.simulate_get("/key-manager/", headers=asked)
    assert (new.json["versions"][0]["min_version"], new.json["versions"][0]["max_version"]) == ("1.0", "1.2")
    assert new.headers["OpenStack-API-Version"] == "key-manager 1.1"
    assert front.client.simulate_get(V1).json["version"]["id"] == "v1"


@pytest.mark.parametrize(("version", "status"), [("1.3", 406), ("2.0", 406), ("x", 400), ("latest", 200)])
def test_microversions(demo: Any, version: str, status: int) -> None:
    answer = demo.ask("GET", SECRETS, OpenStack_API_Version=f"compute 2.1, key-manager {version}")
    assert answer.status_code == status
    assert status == 200 or set(answer.json) == {"code", "title", "description"}


def test_a_text_is_kept_and_given_back(front: Any, demo: Any) -> None:
    path = kept(demo, name="n", algorithm="aes", mode="cbc", bit_length=256, secret_type="passphrase", **TEXT)
    known = demo.get(path)
    assert known["secret_ref"] == f"http://falconframework.org{path}"
    assert known["content_types"] == {"default": "text/plain"}
    assert (known["name"], known["algorithm"], known["mode"], known["bit_length"]) == ("n", "aes", "cbc", 256)
    assert (known["secret_type"], known["status"], known["expiration"]) == ("passphrase", "ACTIVE", None)
    assert "payload" not in known
    assert "consumers" not in known
    answer = demo.ask("GET", f"{path}/payload", Accept="text/plain")
    assert (answer.text, answer.headers["Content-Type"]) == ("opensesame", "text/plain")
    older = demo.ask("GET", path, Accept="text/plain")
    assert older.text == "opensesame"  # as older clients ask
    for each in (answer, older, demo.ask("GET", path), demo.ask("GET", f"{path}/payload", Accept="text/html")):
        assert "Accept" in each.headers["Vary"].split(", "), each.status_code
    assert demo.ask("GET", path).headers["Vary"] == "OpenStack-API-Version, Accept"
    unknown = demo.ask("GET", path, OpenStack_API_Version="key-manager 1.99")
    assert (unknown.status_code, unknown.headers["Vary"]) == (406, "OpenStack-API-Version")
    demo.deleted(path)
    assert demo.refused(404, "GET", path) == "Secret not found."
    assert demo.refused(404, "GET", f"{path}/payload") == "Secret not found."


def test_bytes_are_kept_and_given_back(demo: Any) -> None:
    payload = bytes(range(256))
    lines = base64.encodebytes(payload).decode()  # as the command base64 writes it
    octets = "application/octet-stream"
    path = kept(demo, payload=lines, payload_content_type=octets, payload_content_encoding="base64")
    for accept in ("application/octet-stream", "*/*", "text/plain, application/octet-stream;q=0.5"):
        answer = demo.ask("GET", f"{path}/payload", Accept=accept)
        assert (answer.content, answer.headers["Content-Type"]) == (payload, "application/octet-stream")
    assert demo.ask("GET", f"{path}/payload", Accept="text/plain").status_code == 406
    assert demo.ask("GET", f"{path}/payload", Accept="text/html").status_code == 406


def test_a_payload_may_come_later(demo: Any) -> None:
    path = kept(demo, name="later")
    assert "content_types" not in demo.get(path)
    assert demo.refused(404, "GET", f"{path}/payload").endswith("no payload.")
    assert put(demo, path, b"", "text/plain").status_code == 400
    assert put(demo, path, b"\xff", "text/plain").status_code == 400
    assert put(demo, path, b"{}", "application/json").status_code == 415
    assert put(demo, path, b"x" * 20001, "text/plain").status_code == 413
    assert put(demo, path, b"?", "application/octet-stream", Content_Encoding="base64").status_code == 400
    assert put(demo, path, b"YWJj", "application/octet-stream", Content_Encoding="base64").status_code == 204
    assert demo.ask("GET", f"{path}/payload", Accept="application/octet-stream").content == b"abc"
    again = put(demo, path, b"abc", "text/plain")
    assert (again.status_code, again.json["title"]) == (409, "Conflict")


@pytest.mark.parametrize(
    ("values", "status", "why"),
    [
        ({"payload": "x"}, 400, "payload_content_type"),
        ({"payload": "", "payload_content_type": "text/plain"}, 400, "must be non empty"),
        ({"payload": "x", "payload_content_type": "text/html"}, 400, "payload_content_type"),
        ({"payload": "x", "payload_content_type": "text/plain; charset=latin-1"}, 400, "payload_content_type"),
        ({"payload": "x", "payload_content_type": "application/octet-stream"}, 400, "payload_content_encoding"),
        ({**TEXT, "payload_content_encoding": "base64"}, 400, "payload_content_encoding"),
        (
            {
                "payload": "?",
                "payload_content_type": "application/octet-stream",
                "payload_content_encoding": "base64",
            },
            400,
            "Invalid payload",
        ),
        ({"payload": "x" * 20001, "payload_content_type": "text/plain"}, 413, "too large"),
        ({"payload_content_type": "text/plain"}, 400, "payload must be provided"),
        ({"secret_type": "nonesuch"}, 400, "is not one of"),
        ({"bit_length": 0}, 400, "minimum"),
        ({"bit_length": "256"}, 400, "is not of type 'integer'"),
        ({"bit_length": True}, 400, "is not of type 'integer'"),
        ({"expiration": "2001-01-01"}, 400, "is before current time"),
        ({"expiration": "tomorrow"}, 400, "Invalid date"),
        ({"expiration": "0001-01-01T00:00:00+23:59"}, 400, "Invalid date"),
        ({"name": "x" * 256}, 400, "more than the maximum"),
        ({"name": "nul\0"}, 400, "no text"),
        ([], 400, "should be an object"),
    ],
)
def test_secrets_that_are_refused(demo: Any, values: Any, status: int, why: str) -> None:
    assert why in demo.refused(status, "POST", SECRETS, values)
    assert demo.get(SECRETS) == {"secrets": [], "total": 0}


def test_an_expired_secret_does_not_exist(front: Any, demo: Any) -> None:
    path = kept(demo, expiration="2099-01-01T12:00:00+02:00", **TEXT)
    assert demo.get(path)["expiration"] == "2099-01-01T10:00:00"
    with front.store.writing() as tx:
        tx.execute(sa.update(SECRET).values(expiration="2020-01-01T00:00:00"))
    demo.refused(404, "GET", path)
    assert demo.get(SECRETS)["total"] == 0


def test_lists_come_in_pages(demo: Any) -> None:
    for number in range(12):
        kept(demo, name=f"n{number % 2}", bit_length=number + 1, mode="cbc")
    first = demo.get(f"{SECRETS}?mode=cbc")
    assert (len(first["secrets"]), first["total"]) == (10, 12)
    second = demo.get(path_of(first["next"]))
    assert [each["bit_length"] for each in second["secrets"]] == [11, 12]
    assert "next" not in second
    assert demo.get(path_of(second["previous"])) == first
    assert demo.get(f"{SECRETS}?name=n1&limit=2&offset=2")["total"] == 6
    assert demo.get(f"{SECRETS}?bits=3")["total"] == 1
    assert demo.get(f"{SECRETS}?secret_type=opaque&alg=x")["total"] == 0
    assert demo.get(f"{SECRETS}?created=gt:2020-01-01,lte:2099-01-01T00:00:00Z")["total"] == 12
    assert demo.get(f"{SECRETS}?created=lt:2020-01-01")["total"] == 0
    lengths = [each["bit_length"] for each in demo.get(f"{SECRETS}?sort=name:desc,bit_length&limit=3")["secrets"]]
    assert lengths == [2, 4, 6]
    for query in ("limit=x&offset=-3", "limit=-1", "limit=" + "9" * 5000, "offset=" + "9" * 30, "bits=x"):
        assert demo.ask("GET", f"{SECRETS}?{query}").status_code == 200
    for query in ("sort=nonesuch", "sort=name:up", "created=yesterday", "expiration=gt:", "name=%00"):
        demo.refused(400, "GET", f"{SECRETS}?{query}")


def test_a_container_holds_what_its_type_says(demo: Any) -> None:
    one, other = kept(demo, **TEXT), kept(demo, **TEXT)
    path = contained(demo, "certificate", certificate=one, private_key=other)
    known = demo.get(path)
    assert (known["type"], known["name"], known["status"], known["consumers"]) == ("certificate", "c", "ACTIVE", [])
    references = [(each["name"], path_of(each["secret_ref"])) for each in known["secret_refs"]]
    assert references == [("certificate", one), ("private_key", other)]
    contained(demo, anything=one)
    contained(demo, "rsa", public_key=one, private_key=other)
    assert demo.get(f"{CONTAINERS}?type=rsa")["total"] == 1
    assert demo.get(f"{CONTAINERS}?name=c&limit=1")["total"] == 3
    demo.deleted(other)
    assert [each["name"] for each in demo.get(path)["secret_refs"]] == ["certificate"]
    demo.deleted(path)
    assert demo.refused(404, "GET", path) == "Secrets container not found."
    assert demo.get(one)["status"] == "ACTIVE"


@pytest.mark.parametrize(
    ("kind", "names", "status"),
    [
        ("nonesuch", ("a",), 400),
        ("certificate", ("private_key",), 400),
        ("certificate", ("certificate", "other"), 400),
        ("rsa", ("private_key",), 400),
        ("generic", ("a", "a"), 400),
    ],
)
def test_containers_that_are_refused(demo: Any, kind: str, names: tuple[str, ...], status: int) -> None:
    references = [{"name": name, "secret_ref": f"http://x{kept(demo, **TEXT)}"} for name in names]
    demo.refused(status, "POST", CONTAINERS, {"type": kind, "secret_refs": references})


def test_a_generic_container_changes(demo: Any, admin: Any) -> None:
    one, other = ({"name": name, "secret_ref": f"http://x{kept(demo, **TEXT)}"} for name in ("one", "other"))
    path = contained(demo, one=path_of(one["secret_ref"]))

    def names() -> list[str]:
        return [each["name"] for each in demo.get(path)["secret_refs"]]

    inside = f"{path}/secrets"
    assert demo.ask("POST", inside, other).status_code == 201
    assert names() == ["one", "other"]
    demo.refused(409, "POST", inside, other)
    demo.refused(404, "DELETE", inside, other | {"name": "another"})
    assert demo.ask("DELETE", inside, one).status_code == 204
    assert names() == ["other"]
    assert demo.ask("POST", inside, one).status_code == 201
    assert names() == ["other", "one"]
    admin.refused(403, "POST", inside, one)
    for wrong in ({}, {"secret_ref": ""}, {"secret_ref": 1}, []):
        demo.refused(400, "POST", inside, wrong)
    foreign = {"name": "foreign", "secret_ref": f"http://x{kept(admin, **TEXT)}"}
    demo.refused(404, "POST", inside, foreign)
    secret = path_of(one["secret_ref"])
    fixed = contained(demo, "certificate", certificate=secret)
    assert "Only 'generic'" in demo.refused(400, "DELETE", f"{fixed}/secrets", {"secret_ref": one["secret_ref"]})


def test_a_container_holds_only_secrets_of_the_project(demo: Any, admin: Any) -> None:
    foreign = f"http://x{kept(admin, **TEXT)}"
    for reference in (foreign, "x", f"http://x/{uuid.uuid4()}"):
        body = {"type": "generic", "secret_refs": [{"name": "a", "secret_ref": reference}]}
        assert "doesn't exist" in demo.refused(404, "POST", CONTAINERS, body)
    twice = f"http://x{kept(demo, **TEXT)}"
    references = [{"name": name, "secret_ref": twice} for name in ("a", "b")]
    body = {"type": "generic", "secret_refs": references}
    assert "Duplicate secret ids" in demo.refused(400, "POST", CONTAINERS, body)
    for wrong in ({"type": "generic", "secret_refs": ["x"]}, {"type": "generic", "secret_refs": {}}, {}):
        demo.refused(400, "POST", CONTAINERS, wrong)
    assert demo.get(CONTAINERS) == {"containers": [], "total": 0}


def test_what_is_foreign_is_forbidden(front: Any, demo: Any, admin: Any) -> None:
    """As in Barbican; nothing of it is told."""
    stranger = newcomer(front, admin, "ann", "member", project="shop")
    for path in (kept(demo, **TEXT), contained(demo)):
        for method, where in (("GET", path), ("DELETE", path), ("GET", f"{path}/acl"), ("GET", f"{path}/consumers")):
            why = stranger.refused(403, method, where)
            assert why.endswith("attempt not allowed - please review your user/project privileges")
            assert path.rpartition("/")[2] not in why
        stranger.refused(403, "PUT", f"{path}/acl", {"read": {"project-access": True}})
    assert stranger.get(SECRETS)["total"] == 0
    for id_ in ("x", "%00", "a" * 3000):
        assert "id is invalid" in demo.refused(404, "GET", f"{SECRETS}/{id_}")
    # An admin of another project sees that there is a secret, but not what it is.
    path = kept(demo, **TEXT)
    assert admin.get(path)["status"] == "ACTIVE"
    admin.refused(403, "GET", f"{path}/payload")
    admin.deleted(path)


def test_a_role_is_needed(front: Any, demo: Any, admin: Any) -> None:
    reader = newcomer(front, admin, "ann", "reader")
    path = kept(demo, **TEXT)
    for method, where in (("GET", SECRETS), ("POST", SECRETS), ("GET", path), ("GET", f"{path}/payload")):
        why = reader.refused(403, method, where, {} if method == "POST" else None)
        assert why.endswith("attempt not allowed - please review your user/project privileges")


def test_acls(front: Any, demo: Any, admin: Any) -> None:
    colleague, stranger = newcomer(front, admin, "ann", "member"), newcomer(front, admin, "bob", "member", "shop")
    path = kept(demo, **TEXT)
    payload, acl = f"{path}/payload", f"{path}/acl"
    assert demo.get(acl) == {"read": {"project-access": True}}
    assert colleague.ask("GET", payload, Accept="text/plain").text == "opensesame"
    # Private: the creator, the project's admin, and who is named.
    answer = demo.ask("PUT", acl, {"read": {"users": [stranger.login["id"]], "project-access": False}})
    assert path_of(answer.json["acl_ref"]) == acl
    known = demo.get(acl)["read"]
    assert (known["users"], known["project-access"]) == ([stranger.login["id"]], False)
    colleague.refused(403, "GET", payload)
    colleague.refused(403, "DELETE", path)
    assert stranger.ask("GET", payload, Accept="text/plain").text == "opensesame"
    assert stranger.get(path)["status"] == "ACTIVE"
    assert stranger.get(f"{SECRETS}?acl_only=true")["total"] == 1
    stranger.refused(403, "DELETE", path)
    assert demo.ask("GET", payload, Accept="text/plain").text == "opensesame"
    # PATCH leaves what it does not name.
    demo.ask("PATCH", acl, {"read": {"project-access": True}})
    assert demo.get(acl)["read"]["users"] == [stranger.login["id"]]
    assert colleague.ask("GET", payload, Accept="text/plain").text == "opensesame"
    assert demo.ask("DELETE", acl).status_code == 200
    assert demo.get(acl) == {"read": {"project-access": True}}
    stranger.refused(403, "GET", payload)


@pytest.mark.parametrize(
    "body",
    [None, {}, [], {"read": 1}, {"read": {"users": "x"}}, {"read": {"users": [1]}}, {"read": {"project-access": 1}}],
)
def test_acls_that_are_refused(demo: Any, body: Any) -> None:
    path = kept(demo, **TEXT)
    demo.refused(400, "PUT", f"{path}/acl", body)
    assert demo.get(f"{path}/acl") == {"read": {"project-access": True}}


def test_consumers_of_a_container(demo: Any) -> None:
    path = contained(demo)
    one = {"name": "lb", "URL": "https://lb/1"}
    for _ in range(2):
        answer = demo.ask("POST", f"{path}/consumers", one)
        assert (answer.status_code, answer.json["consumers"]) == (200, [one])
    listed = demo.get(f"{path}/consumers")
    assert (listed["total"], listed["consumers"][0]["URL"]) == (1, "https://lb/1")
    assert demo.ask("DELETE", f"{path}/consumers", one).json["consumers"] == []
    assert demo.refused(404, "DELETE", f"{path}/consumers", one) == "Consumer not found."
    demo.refused(400, "POST", f"{path}/consumers", {"name": "lb"})
    demo.refused(400, "DELETE", f"{path}/consumers")


def test_a_secret_with_consumers_is_deleted_by_force_only(demo: Any) -> None:
    path = kept(demo, **TEXT)
    one = {"service": "octavia", "resource_type": "listener", "resource_id": "1"}
    answer = demo.ask("POST", f"{path}/consumers", one, **NEWEST)
    assert answer.json["consumers"] == [one]
    assert demo.ask("GET", SECRETS, **NEWEST).json["secrets"][0]["consumers"] == [one]
    refused = demo.ask("DELETE", path, **NEWEST)
    assert (refused.status_code, refused.json["description"]) == (400, "Secret cannot be deleted as it has consumers.")
    assert demo.ask("DELETE", f"{path}?force=maybe", **NEWEST).status_code == 400
    assert demo.ask("DELETE", f"{path}?force=true", **NEWEST).status_code == 204


def test_payloads_are_sealed_in_the_database(front: Any, demo: Any, tmp_path: Path) -> None:
    path = kept(demo, **TEXT)
    with front.store.reading() as tx:
        [sealed] = tx.scalars(sa.select(SECRET.c.sealed))
    assert b"opensesame" not in b"".join(file.read_bytes() for file in tmp_path.glob("state.db*"))
    keys = tmp_path / "key-manager-keys"
    assert [stat.S_IMODE(file.stat().st_mode) for file in keys.iterdir()] == [0o600]
    assert stat.S_IMODE(keys.stat().st_mode) == 0o700
    assert rotate(front.store, keys) == 1
    assert [file.name for file in keys.iterdir()] == ["2"]
    # A server that runs finds the new key by itself; the old text opens nothing any more.
    assert demo.ask("GET", f"{path}/payload", Accept="text/plain").text == "opensesame"
    with pytest.raises(KeyLost):
        Vault(keys).unseal(sealed)


def test_a_new_key_by_hand(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = [f"--state-directory={tmp_path}"]
    assert rotation.main(options) == 0
    assert [file.name for file in (tmp_path / "key-manager-keys").iterdir()] == ["2"]
    assert rotation.main([*options, "--database=nonesuch://x"]) == 1
    with state.held(tmp_path):
        assert rotation.main(options) == 1
    assert "Another lbclient server" in capsys.readouterr().err
