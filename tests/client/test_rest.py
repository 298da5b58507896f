"""Lists in pages, names into IDs, waiting: what is sent, over a wire that answers as told."""

from __future__ import annotations

import itertools

import pytest

from lbclient.client import errors, wait
from lbclient.client.connect import connect
from lbclient.client.names import Names
from lbclient.resources import LISTENER, LOADBALANCER, MEMBER, POOL

BASE = "http://lb.invalid/v2.0"
ID = "12345678-1234-1234-1234-123456789abc"
OTHER = "87654321-1234-1234-1234-123456789abc"


@pytest.fixture
def services():
    return connect({"auth_type": "none", "endpoint": "http://lb.invalid"}, {})


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(wait, "FIRST_PAUSE", 0.001)
    monkeypatch.setattr(wait, "LAST_PAUSE", 0.001)


def loadbalancers(*names, **more):
    return {"loadbalancers": [{"id": f"{ID[:-1]}{n}", "name": name} for n, name in enumerate(names)], **more}


def following(marker):
    return [{"rel": "next", "href": f"http://behind.a.proxy/x?limit=2&marker={marker}"}]


def test_all_pages_of_a_list(services, requests_mock):
    url = f"{BASE}/lbaas/loadbalancers"
    requests_mock.get(f"{url}?name=n", json=loadbalancers("a", "b", loadbalancers_links=following("b")))
    requests_mock.get(f"{url}?name=n&marker=b&limit=2", json=loadbalancers("c", loadbalancers_links=following("c")))
    requests_mock.get(f"{url}?name=n&marker=c&limit=2", json=loadbalancers(loadbalancers_links=[]))
    found = [one["name"] for one in services.api.list(LOADBALANCER, filters={"name": "n"})]
    assert found == ["a", "b", "c"]
    assert requests_mock.call_count == 3


def test_a_link_that_leads_nowhere_ends_a_list(services, requests_mock):
    requests_mock.get(f"{BASE}/lbaas/loadbalancers", json=loadbalancers("a", loadbalancers_links=following("a")))
    assert [one["name"] for one in services.api.list(LOADBALANCER)] == ["a", "a"]


def test_a_name_is_looked_up_once(services, requests_mock):
    requests_mock.get(f"{BASE}/lbaas/loadbalancers?name=a", json=loadbalancers("a"))
    names = Names(services)
    id_ = names.id("loadbalancer", "a")
    assert names.id("loadbalancer", "a") == id_
    assert names.record("loadbalancer", id_)["name"] == "a"
    assert requests_mock.call_count == 1


def test_an_id_is_not_looked_up(services, requests_mock):
    names = Names(services)
    assert names.id("loadbalancer", ID) == ID
    assert names.id("member", ID, {"pool_id": OTHER}) == ID
    assert requests_mock.call_count == 0


def test_a_name_that_looks_like_an_id_is_found_when_it_has_to(services, requests_mock):
    requests_mock.get(f"{BASE}/lbaas/loadbalancers?id={ID}", json=loadbalancers())
    requests_mock.get(f"{BASE}/lbaas/loadbalancers?name={ID}", json={"loadbalancers": [{"id": OTHER}]})
    names = Names(services)
    assert names.id("loadbalancer", ID) == ID
    assert names.confirm()
    assert names.id("loadbalancer", ID) == OTHER
    assert not names.confirm()


def test_several_of_a_name(services, requests_mock):
    requests_mock.get(f"{BASE}/lbaas/loadbalancers", json=loadbalancers(*"aaaa"))
    with pytest.raises(errors.Ambiguous, match=r"4 load balancers have the name 'a': .*…\)"):
        Names(services).id("loadbalancer", "a")


def test_who_may_not_list_projects_gives_an_id(services, requests_mock):
    requests_mock.get("http://lb.invalid/v3/projects", status_code=403, json={"error": {"message": "no"}})
    assert Names(services).id("project", "mine") == "mine"


def status_of(*statuses):
    return [{"json": {"loadbalancer": {"id": ID, "provisioning_status": status}}} for status in statuses]


def test_waiting_for_the_object_and_for_its_load_balancer(services, requests_mock):
    pool = {"id": OTHER, "loadbalancers": [{"id": ID}], "provisioning_status": "ACTIVE"}
    requests_mock.get(f"{BASE}/lbaas/pools/{OTHER}", json={"pool": pool})
    requests_mock.get(f"{BASE}/lbaas/loadbalancers/{ID}", status_of("PENDING_UPDATE", "PENDING_UPDATE", "ACTIVE"))
    assert wait.until_settled(services.api, POOL, pool, wait.Deadline(5)) == pool
    assert [request.path.rpartition("/")[2] for request in requests_mock.request_history] == [OTHER, ID, ID, ID]


def test_waiting_ends_with_an_error(services, requests_mock):
    requests_mock.get(f"{BASE}/lbaas/loadbalancers/{ID}", status_of("PENDING_UPDATE", "ERROR"))
    requests_mock.get(f"{BASE}/lbaas/loadbalancers/{ID}/status", status_code=404, json={})
    with pytest.raises(errors.Failed, match=f"load balancer {ID} is ERROR\\.$"):
        wait.until_settled(services.api, LOADBALANCER, {"id": ID}, wait.Deadline(5))


def test_an_error_is_explained_as_far_as_the_server_tells(services, requests_mock):
    listener = {"id": OTHER, "name": "web", "provisioning_status": "ERROR", "pools": []}
    tree = {"id": ID, "name": "lb1", "provisioning_status": "ACTIVE", "listeners": [listener], "fault": "No room."}
    requests_mock.get(f"{BASE}/lbaas/loadbalancers/{ID}", status_of("ERROR"))
    requests_mock.get(f"{BASE}/lbaas/loadbalancers/{ID}/status", json={"statuses": {"loadbalancer": tree}})
    with pytest.raises(errors.Failed, match=r"is ERROR\. No room\. In ERROR: listener web\.$"):
        wait.until_settled(services.api, LOADBALANCER, {"id": ID}, wait.Deadline(5))


def test_waiting_ends_with_the_time(services, requests_mock):
    requests_mock.get(f"{BASE}/lbaas/loadbalancers/{ID}", status_of("PENDING_CREATE"))
    with pytest.raises(errors.TimedOut, match=rf"load balancer {ID} is still PENDING_CREATE after 0\.05 seconds\."):
        wait.until_settled(services.api, LOADBALANCER, {"id": ID}, wait.Deadline(0.05))


def test_waiting_for_a_deletion(services, requests_mock):
    url = f"{BASE}/lbaas/loadbalancers/{ID}"
    requests_mock.get(url, [*status_of("PENDING_DELETE"), {"status_code": 404, "json": {"faultstring": "gone"}}])
    wait.until_gone(services.api, LOADBALANCER, ID, wait.Deadline(5))
    requests_mock.get(url, status_of("PENDING_DELETE", "ERROR"))
    requests_mock.get(f"{url}/status", status_code=404, json={})
    with pytest.raises(errors.Failed, match="failed"):
        wait.until_gone(services.api, LOADBALANCER, ID, wait.Deadline(5))
    requests_mock.get(url, status_of("PENDING_DELETE"))
    with pytest.raises(errors.TimedOut, match="is still there"):
        wait.until_gone(services.api, LOADBALANCER, ID, wait.Deadline(0.02))


def test_the_load_balancer_of_a_member(services, requests_mock):
    pool = {"id": OTHER, "loadbalancers": [{"id": ID}]}
    requests_mock.get(f"{BASE}/lbaas/pools/{OTHER}", json={"pool": pool})
    assert wait.loadbalancer_id(services.api, MEMBER, {"id": "m"}, {"pool_id": OTHER}) == ID


def test_a_change_is_tried_until_its_turn(services):
    answers = itertools.chain([errors.Busy(409, "immutable")] * 2, [None])

    def change():
        error = next(answers)
        if error:
            raise error

    wait.while_busy(services.api, change, wait.Deadline(5))
    with pytest.raises(errors.Busy):
        wait.while_busy(services.api, lambda: (_ for _ in ()).throw(errors.Busy(409, "no")), wait.Deadline(0.02))


def test_failover(services, requests_mock):
    requests_mock.put(f"{BASE}/lbaas/loadbalancers/{ID}/failover", status_code=202)
    services.api.failover(LOADBALANCER, ID)


@pytest.mark.parametrize("body", [{"listener": {"id": ID}}, {"id": ID}])
def test_an_object_with_and_without_its_key(services, requests_mock, body):
    requests_mock.get(f"{BASE}/lbaas/listeners/{ID}", json=body)
    assert services.api.show(LISTENER, ID) == {"id": ID}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"faultcode": "Client", "faultstring": "one\n two", "debuginfo": None}, "one two"),
        ({"NeutronError": {"type": "X", "message": "m", "detail": ""}}, "m"),
        ({"NeutronError": "plain"}, "plain"),
        ({"error": {"code": 401, "message": "m", "title": "Unauthorized"}}, "m"),
        ({"code": 404, "title": "Not Found", "description": ""}, "Not Found"),
        ("text", "text"),
        (None, ""),
        ([1], ""),
    ],
)
def test_the_one_sentence_of_an_error(body, words):
    assert errors.words_of(body) == words
