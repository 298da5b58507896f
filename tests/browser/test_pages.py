"""The pages without scripts: forms for every attribute, files, certificates, addresses, testing."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path
from typing import Any

import pytest
import yaml

from certificates import certified
from lbclient.resources import ALL, FLAVORS_AND_ZONES, Api, Resource, Type
from lbclient.resources.testing import FAULT, PACE
from running import RunningServer, wait_until
from shop import Client, WebServer, shop
from visitor import Visitor


@pytest.fixture
def visitor(site: RunningServer, client: Client) -> Visitor:
    made = Visitor(site.url)
    assert made.log_in(client).status_code == 303
    return made


@pytest.fixture
def admin(site: RunningServer) -> Visitor:
    made = Visitor(site.url)
    assert made.log_in(Client(site, "lbclient-admin")).status_code == 303
    return made


@pytest.mark.parametrize("accept", ["text/html", "application/json", "*/*", "text/plain"])
def test_the_first_answer_depends_on_what_is_accepted_and_says_so(site: RunningServer, accept: str) -> None:
    for method in ("GET", "HEAD"):
        answer = Visitor(site.url).session.request(method, f"{site.url}/", headers={"Accept": accept}, timeout=30)
        assert answer.headers["Vary"] == "Accept"


def names_of(page: str) -> set[str]:
    """The names of the fields of a page's forms."""
    return set(re.findall(r'<(?:input|select|textarea)[^>]* name="([^"]+)"', page))


def place_of(resource: Resource) -> str:
    path = re.sub(r"{\w+}", "{id}", resource.path.removeprefix("/lbaas"))
    return f"/dashboard{path}"


@pytest.mark.parametrize("resource", [*ALL, *FLAVORS_AND_ZONES], ids=lambda each: each.name)
def test_the_form_of_a_new_object_has_every_attribute(admin: Visitor, client: Client, resource: Resource) -> None:
    place = place_of(resource)
    made = None
    if resource.parent:
        made = shop(client, [])
        pool_id, listener_id = made["pools"][0]["id"], made["listeners"][0]["id"]
        policy_id = client.ask("GET", f"/v2/lbaas/l7policies?listener_id={listener_id}")["l7policies"][0]["id"]
        place = place.format(id={"pool": pool_id, "l7policy": policy_id}[resource.parent])
    answer = admin.get(f"{place}/new")
    assert answer.status_code == 200
    found = {name.split(".")[0] for name in names_of(answer.text)}
    wanted = {each.name for each in resource.fields if Api.POST in each.api}
    assert wanted - found == set()
    parts = {f"{each.name}.{part.name}" for each in resource.fields if each.type is Type.MAPPING for part in each.parts}
    assert parts - names_of(answer.text) == set()
    if made:
        client.ask("DELETE", f"/v2/lbaas/loadbalancers/{made['id']}?cascade=true")


@pytest.mark.parametrize("resource", [FAULT, PACE], ids=lambda each: each.name)
def test_the_testing_forms_have_every_attribute(visitor: Visitor, resource: Resource) -> None:
    found = names_of(visitor.get(f"/dashboard/testing/{resource.collection}/new").text)
    assert {each.name for each in resource.fields if Api.POST in each.api} - found == set()


def test_saving_a_form_as_it_is_changes_nothing(visitor: Visitor, client: Client) -> None:
    """Saving the form of an object without changes sends nothing that differs from the object."""
    made = shop(client, [])
    wait_until(lambda: _settled(client, made["id"]))
    pool_id = made["pools"][0]["id"]
    persistence = {"type": "APP_COOKIE", "cookie_name": "sid"}
    values = {"session_persistence": persistence, "tags": ["b", "a"], "tls_versions": ["TLSv1.3"]}
    client.ask("PUT", f"/v2/lbaas/pools/{pool_id}", {"pool": values})
    wait_until(lambda: _settled(client, made["id"]))
    headers = {"insert_headers": {"X-Forwarded-For": "true"}, "allowed_cidrs": ["10.0.0.0/8", "192.0.2.0/24"]}
    client.ask("PUT", f"/v2/lbaas/listeners/{made['listeners'][0]['id']}", {"listener": headers})
    wait_until(lambda: _settled(client, made["id"]))
    for path in (f"pools/{pool_id}", f"listeners/{made['listeners'][0]['id']}", f"loadbalancers/{made['id']}"):
        before = client.ask("GET", f"/v2/lbaas/{path}")
        answer = visitor.post(f"/dashboard/{path}/edit", _values(visitor.get(f"/dashboard/{path}/edit").text))
        assert answer.status_code == 303, path
        assert "Nothing was different." in visitor.get(answer.headers["Location"]).text, path
        assert client.ask("GET", f"/v2/lbaas/{path}") == before
    client.ask("DELETE", f"/v2/lbaas/loadbalancers/{made['id']}?cascade=true")


def _settled(client: Client, id_: str) -> bool:
    status = client.ask("GET", f"/v2/lbaas/loadbalancers/{id_}")["loadbalancer"]["provisioning_status"]
    return str(status) == "ACTIVE"


def _values(page: str) -> dict[str, Any]:
    """Return the values that a browser would send for the form of a page as it was opened."""
    form = page[page.index('class="card form"') :]
    found: dict[str, list[str]] = {}
    for tag in re.findall(r"<input[^>]*>", form):
        name, value = re.search(r' name="([^"]*)"', tag), re.search(r' value="([^"]*)"', tag)
        if name and ('type="checkbox"' not in tag or " checked" in tag):
            found.setdefault(name[1], []).append(unescape(value[1]) if value else "")
    for name, inner in re.findall(r'<textarea[^>]* name="([^"]*)"[^>]*>(.*?)</textarea>', form, re.DOTALL):
        found[name] = [unescape(inner).removeprefix("\n").replace("\n", "\r\n")]
    for name, inner in re.findall(r'<select[^>]* name="([^"]*)"[^>]*>(.*?)</select>', form, re.DOTALL):
        chosen = re.search(r'<option value="([^"]*)" selected', inner) or re.search(r'<option value="([^"]*)"', inner)
        found[name] = [unescape(chosen[1]) if chosen else ""]
    return dict(found)


def test_a_file_is_compared_applied_and_exported(visitor: Visitor, client: Client) -> None:
    source = """\
name: from a file
vip_subnet_id: private-subnet
pools:
- name: web
  protocol: HTTP
  lb_algorithm: ROUND_ROBIN
  members:
  - {address: 127.0.0.1, protocol_port: 9}
"""
    page = visitor.post("/dashboard/plan", {"source": source})
    assert page.status_code == 200
    assert "3 to create." in page.text
    assert client.ask("GET", "/v2/lbaas/loadbalancers?name=from a file")["loadbalancers"] == []
    digest = re.search(r'name="digest" value="(\w+)"', page.text)[1]
    changed = visitor.post("/dashboard/plan/apply", {"source": source.replace("web", "other"), "digest": digest})
    assert changed.status_code == 400
    assert client.ask("GET", "/v2/lbaas/loadbalancers?name=from a file")["loadbalancers"] == []
    done = visitor.post("/dashboard/plan/apply", {"source": source, "digest": digest})
    assert done.status_code == 303
    [made] = client.ask("GET", "/v2/lbaas/loadbalancers?name=from a file")["loadbalancers"]
    assert done.headers["Location"] == f"/dashboard/loadbalancers/{made['id']}"
    assert "No differences." in visitor.post("/dashboard/plan", {"source": source}).text
    exported = visitor.get(f"/dashboard/loadbalancers/{made['id']}/export")
    assert exported.headers["Content-Disposition"] == 'attachment; filename="from_a_file.yaml"'
    assert yaml.safe_load(exported.text)["pools"][0]["members"][0]["protocol_port"] == 9
    assert "No differences." in visitor.post("/dashboard/plan", {"source": exported.text}).text
    client.ask("DELETE", f"/v2/lbaas/loadbalancers/{made['id']}?cascade=true")


def test_a_mistake_in_a_file_names_its_line(visitor: Visitor) -> None:
    page = visitor.post("/dashboard/plan", {"source": "name: x\npools:\n- nam: web\n"})
    assert page.status_code == 400
    assert "file:3:3" in page.text


def test_a_file_can_be_uploaded(visitor: Visitor, tmp_path: Path) -> None:
    answer = visitor.session.post(
        f"{visitor.url}/dashboard/plan",
        data={"csrf_token": visitor.token(), "source": ""},
        files={"file": ("lb.yaml", b"name: uploaded\nvip_subnet_id: private-subnet\n")},
        timeout=20,
    )
    assert answer.status_code == 200
    assert "load balancer uploaded" in answer.text


def test_a_certificate_is_stored_shown_and_deleted(visitor: Visitor, client: Client) -> None:
    made, other = certified("shop.example"), certified("other.example")
    form = {"name": "shop <1>", "certificate": made.pem, "key": made.key_pem()}
    wrong = visitor.post("/dashboard/certificates", {**form, "key": other.key_pem()})
    assert wrong.status_code == 400
    assert "The key does not belong to the certificate." in wrong.text
    assert "PRIVATE KEY" not in wrong.text
    assert visitor.post("/dashboard/certificates", dict(form)).status_code == 303
    page = visitor.get("/dashboard/certificates").text
    assert "shop &lt;1&gt;" in page
    assert "shop.example" in page
    [path] = re.findall(r'href="(/dashboard/certificates/[^"]+/delete)"', page)
    assert "private key" in visitor.get(path).text
    assert visitor.post(path, {}).status_code == 303
    assert client.ask("GET", "/key-manager/v1/secrets")["secrets"] == []


def test_a_floating_ip_is_taken_moved_and_released(visitor: Visitor, client: Client) -> None:
    first, second = client.balancer("first"), client.balancer("second")
    network = client.ask("GET", "/networking/v2.0/networks?router:external=true")["networks"][0]["id"]
    assert visitor.post("/dashboard/floatingips", {"network": network, "port": first["vip_port_id"]}).status_code == 303
    path = f"/networking/v2.0/floatingips?port_id={first['vip_port_id']}"
    [made] = client.ask("GET", path)["floatingips"]
    assert made["floating_ip_address"] in visitor.get("/dashboard").text
    at = f"/dashboard/floatingips/{made['id']}"
    assert visitor.post(at, {"port": second["vip_port_id"]}).status_code == 303
    assert client.ask("GET", path)["floatingips"] == []
    assert "load balancer second" in visitor.get(f"{at}/delete").text
    assert visitor.post(f"{at}/delete", {}).status_code == 303
    assert client.ask("GET", f"/networking/v2.0/floatingips?id={made['id']}")["floatingips"] == []
    for each in (first, second):
        client.ask("DELETE", f"/v2/lbaas/loadbalancers/{each['id']}")


def test_a_quota_is_shown_to_all_and_changed_by_those_who_may(visitor: Visitor, admin: Visitor, client: Client) -> None:
    at = f"/dashboard/quotas/{client.project_id}"
    assert visitor.get(at).status_code == 200
    assert f'href="{at}/edit"' not in visitor.get(at).text
    assert visitor.post(f"{at}/edit", {"pool": "3"}).status_code == 403
    form = {**_values(admin.get(f"{at}/edit").text), "pool": ["7"]}
    assert admin.post(f"{at}/edit", form).status_code == 303
    assert client.ask("GET", f"/v2/lbaas/quotas/{client.project_id}")["quota"]["pool"] == 7
    assert admin.post(f"{at}/delete", {}).status_code == 303
    assert client.ask("GET", f"/v2/lbaas/quotas/{client.project_id}")["quota"]["pool"] == -1


def test_the_menu_shows_what_the_roles_permit(visitor: Visitor, admin: Visitor) -> None:
    assert "/dashboard/amphorae" not in visitor.get("/dashboard").text
    assert "/dashboard/amphorae" in admin.get("/dashboard").text
    assert admin.get("/dashboard/amphorae").status_code == 200
    assert visitor.get("/dashboard/amphorae").status_code == 403


def test_an_amphora_is_shown_and_failed_over(
    admin: Visitor, client: Client, site: RunningServer, servers: list[WebServer]
) -> None:
    made = shop(client, servers)
    client.await_status(made["id"], "ONLINE")
    operator = Client(site, "lbclient-admin")
    [one] = operator.ask("GET", f"/v2/octavia/amphorae?loadbalancer_id={made['id']}")["amphorae"]
    assert f"/dashboard/loadbalancers/{made['id']}" in admin.get(f"/dashboard/amphorae/{one['id']}").text
    assert admin.post(f"/dashboard/amphorae/{one['id']}/failover", {}).status_code == 303
    events = client.ask("GET", f"/v2/lbaas/loadbalancers/{made['id']}/events")["events"]
    assert "failover" in {event["action"] for event in events}
    client.ask("DELETE", f"/v2/lbaas/loadbalancers/{made['id']}?cascade=true")


def test_a_fault_is_made_and_ended(visitor: Visitor, client: Client) -> None:
    assert visitor.post("/dashboard/testing/faults/new", {"status": "700"}).status_code == 400
    form: dict[str, Any] = {"status": "503", "resource": "flavor", "message": "<b>"}
    assert visitor.post("/dashboard/testing/faults/new", form).status_code == 303
    [fault] = client.ask("GET", "/testing/v1/faults")["faults"]
    assert (fault["status"], fault["message"]) == (503, "<b>")
    assert visitor.get("/dashboard/flavors").status_code == 503
    assert "&lt;b&gt;" in visitor.get("/dashboard/flavors").text
    assert visitor.post(f"/dashboard/testing/faults/{fault['id']}/delete", {}).status_code == 303
    assert visitor.get("/dashboard/flavors").status_code == 200


def test_every_request_of_the_api_has_an_example(visitor: Visitor) -> None:
    document = visitor.get("/load-balancer/v2.0/openapi.json").json()
    page = visitor.get("/dashboard/api").text
    operations = [each["operationId"] for methods in document["paths"].values() for each in methods.values()]
    assert set(re.findall(r'<details class="operation card" id="([^"]+)"', page)) == set(operations)
    assert page.count("curl -H") == len(operations)
    example = re.search(r'id="create_listener".*?<pre tabindex="0">(.*?)</pre>', page, re.DOTALL)
    assert "&#34;protocol_port&#34;: 80" in example[1]
