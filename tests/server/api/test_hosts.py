"""Hosts in the API: what operators see and change."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from lbclient.store import hosts
from lbclient.store.cluster_tables import SERVER

HOSTS = "//v2.0/octavia/hosts"


@pytest.fixture
def admin(api: Any) -> Any:
    return api.as_("admin")


def new(admin: Any, **values: Any) -> Any:
    return admin.post(HOSTS, "host", **values)


def test_the_server_itself_is_a_host(api: Any, admin: Any) -> None:
    api.loadbalancer()
    [found] = admin.get(HOSTS)["hosts"]
    assert found == {
        "id": SERVER,
        "name": "server",
        "state": "UP",
        "heard": True,
        "weight": 100,
        "zone": None,
        "loadbalancer_count": 1,
        "leaving_count": 0,
        "fault": None,
        "networks": None,
        "address": None,
        "version": None,
        "epoch": 0,
        "created_at": found["created_at"],
    }
    assert admin.get(f"{HOSTS}/{SERVER}") == {"host": found}
    assert admin.get(f"{HOSTS}/{SERVER}?fields=name") == {"host": {"name": "server"}}
    for refused in (
        admin.request("DELETE", f"{HOSTS}/{SERVER}"),
        admin.request("PUT", f"{HOSTS}/{SERVER}", {"host": {"state": "DEAD"}}),
        admin.request("PUT", f"{HOSTS}/{SERVER}", {"host": {"state": "DRAINING"}}),
        admin.request("POST", f"{HOSTS}/{SERVER}/enroll", {}),
    ):
        assert refused.status_code == 409, refused.text


def test_a_host_is_made_changed_and_removed(admin: Any) -> None:
    made = new(admin, name="host1", weight=50)
    assert (made["state"], made["heard"], made["weight"], made["zone"]) == ("UP", False, 50, None)
    path = f"{HOSTS}/{made['id']}"
    assert admin.request("POST", HOSTS, {"host": {"name": "host1"}}).status_code == 409
    changed = admin.put(path, "host", zone="east", weight=0, state="DRAINING")
    assert changed == {**made, "zone": "east", "weight": 0, "state": "DRAINING"}
    assert [each["id"] for each in admin.get(f"{HOSTS}?state=DRAINING&heard=false")["hosts"]] == [made["id"]]
    assert admin.put(path, "host", zone="", weight=None, state="UP") == {**made, "weight": 100}
    for wrong in ({"weight": -1}, {"weight": 10_001}, {"state": "GONE"}, {"state": None}, {"name": "x"}, {"epoch": 1}):
        assert admin.request("PUT", path, {"host": wrong}).status_code == 400, wrong
    assert admin.request("POST", HOSTS, {"host": {}}).status_code == 400
    admin.delete(path)
    for method, body in (("GET", None), ("PUT", {"host": {}}), ("DELETE", None)):
        assert admin.request(method, path, body).status_code == 404, method
    assert admin.request("POST", f"{path}/enroll", {}).status_code == 404


def test_a_token_works_once_and_the_newest_only(api: Any, admin: Any) -> None:
    made = new(admin, name="host1")
    path = f"{HOSTS}/{made['id']}/enroll"
    refused = admin.request("POST", path, {})
    assert (refused.status_code, "start one with --agents" in refused.text) == (409, True)
    store = api.services.store
    with store.writing() as tx:
        hosts.note_authority(tx, "fingerprint")
    tokens = [admin.request("POST", path, {}).json["enrolment"] for _ in range(2)]
    secrets = [each["token"].partition(".")[0] for each in tokens]
    assert all(each["token"].endswith(".fingerprint") for each in tokens)
    names = []
    with store.writing() as tx:
        for secret in (secrets[0], str(uuid.uuid4()), secrets[1], secrets[1]):
            found = hosts.redeem(tx, secret)
            names.append(found and found[0].name)
    assert names == [None, None, "host1", None]


def test_a_token_expires(api: Any, admin: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    made = new(admin, name="host1")
    with api.services.store.writing() as tx:
        hosts.note_authority(tx, "fingerprint")
    monkeypatch.setattr(hosts, "TOKEN_VALID", -1)
    token = admin.request("POST", f"{HOSTS}/{made['id']}/enroll", {}).json["enrolment"]["token"]
    with api.services.store.writing() as tx:
        assert hosts.redeem(tx, token.partition(".")[0]) is None
