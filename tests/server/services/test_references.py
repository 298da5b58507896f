"""Listeners and pools that refer to the key manager: what is refused, what the data plane reads, when it is woken."""

from __future__ import annotations

import base64
import uuid
from typing import Any

import pytest

from certificates import authority, certified, revocations
from lbclient.store.store import Store
from lbclient.vault.sealing import Vault

LBAAS = "/load-balancer/v2.0/lbaas"
KEYS = "/key-manager/v1"
CA = authority()
SHOP = certified("shop.example", CA, "shop.example")
OTHER = certified("other.example", CA)


def secret(person: Any, payload: str | bytes) -> str:
    """The reference of a new secret."""
    body: dict[str, Any] = {"payload": payload, "payload_content_type": "text/plain"}
    if isinstance(payload, bytes):
        octets = {"payload_content_type": "application/octet-stream", "payload_content_encoding": "base64"}
        body = {"payload": base64.b64encode(payload).decode(), **octets}
    answer = person.ask("POST", f"{KEYS}/secrets", body)
    assert answer.status_code == 201, answer.text
    return str(answer.json["secret_ref"])


def container(person: Any, kind: str = "certificate", **references: str) -> str:
    """The reference of a new container."""
    named = [{"name": name, "secret_ref": reference} for name, reference in references.items()]
    answer = person.ask("POST", f"{KEYS}/containers", {"type": kind, "secret_refs": named})
    assert answer.status_code == 201, answer.text
    return str(answer.json["container_ref"])


def path_of(reference: str) -> str:
    return reference[reference.index("/key-manager") :]


class Balancer:
    """A load balancer whose changes are settled at once."""

    def __init__(self, front: Any, person: Any, name: str = "lb") -> None:
        self.front, self.person = front, person
        body = {"loadbalancer": {"name": name, "vip_subnet_id": front.world.private_subnet}}
        self.id = self.sent("POST", "loadbalancers", body)["loadbalancer"]["id"]

    def sent(self, method: str, path: str, body: Any, status: int = 0) -> Any:
        answer = self.person.ask(method, f"{LBAAS}/{path}", body)
        assert answer.status_code == (status or {"POST": 201, "PUT": 200}[method]), answer.text
        for id_ in self.front.store.loadbalancer_ids():
            self.front.store.settle(self.front.store.snapshot(id_), None)
        return answer.json

    def listener(self, **values: Any) -> Any:
        usual = {"loadbalancer_id": self.id, "protocol": "TERMINATED_HTTPS", "protocol_port": 443}
        return self.sent("POST", "listeners", {"listener": {**usual, **values}})["listener"]

    def pool(self, **values: Any) -> Any:
        usual = {"loadbalancer_id": self.id, "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN", "tls_enabled": True}
        return self.sent("POST", "pools", {"pool": {**usual, **values}})["pool"]

    def refused(self, reference: Any, **values: Any) -> str:
        """Why a listener with a certificate is refused."""
        asked = {"loadbalancer_id": self.id, "protocol": "TERMINATED_HTTPS", "protocol_port": 8443}
        body = {"listener": {**asked, "default_tls_container_ref": reference, **values}}
        return str(self.sent("POST", "listeners", body, 400)["faultstring"])

    @property
    def certificates(self) -> Any:
        return self.front.store.snapshot(self.id).certificates


@pytest.fixture
def balancer(front: Any, demo: Any) -> Balancer:
    return Balancer(front, demo)


def test_without_references_there_is_nothing_to_read(balancer: Balancer) -> None:
    balancer.listener(protocol="HTTP")
    assert balancer.certificates == {}


def test_the_data_plane_reads_what_references_stand_for(balancer: Balancer, demo: Any) -> None:
    bundle = secret(demo, SHOP.pkcs12())
    parts = container(
        demo,
        certificate=secret(demo, OTHER.pem),
        private_key=secret(demo, OTHER.key_pem("pw")),
        private_key_passphrase=secret(demo, "pw"),
        intermediates=secret(demo, OTHER.chain_pem),
    )
    revoked = revocations(CA, OTHER)
    ca, crl = secret(demo, CA.pem), secret(demo, revoked)
    bare, elsewhere = parts.rpartition("/")[2], f"https://elsewhere:9311/v1/secrets/{bundle.rpartition('/')[2]}"
    balancer.listener(
        default_tls_container_ref=bundle,
        sni_container_refs=[parts, bare, elsewhere],
        client_authentication="OPTIONAL",
        client_ca_tls_container_ref=ca,
        client_crl_container_ref=crl,
    )
    balancer.pool(tls_container_ref=bundle, ca_tls_container_ref=ca)
    found = balancer.certificates
    assert set(found) == {bundle, parts, bare, elsewhere, ca, crl}
    assert found[elsewhere] == found[bundle]
    assert (found[bundle].certificate, found[bundle].host_names) == (SHOP.pem, ("shop.example",))
    assert found[bare] == found[parts]
    assert (found[parts].private_key, found[parts].intermediates) == (OTHER.key_pem(), (CA.pem,))
    assert (found[ca].text, found[crl].text) == (CA.pem, revoked)
    assert {each.fault for each in found.values()} == {None}


def test_references_that_are_refused(front: Any, balancer: Balancer, demo: Any, admin: Any) -> None:
    foreign, later = secret(admin, SHOP.pkcs12()), str(demo.ask("POST", f"{KEYS}/secrets", {}).json["secret_ref"])
    for reference in ("x", str(uuid.uuid4()), f"http://x/v1/secrets/{uuid.uuid4()}", foreign, later):
        assert balancer.refused(reference) == f"Could not retrieve certificate: ['{reference}']"
    two = balancer.refused("x", sni_container_refs=["y", secret(demo, SHOP.pkcs12())])
    assert two == "Could not retrieve certificate: ['x', 'y']"


@pytest.mark.parametrize(
    ("names", "why"),
    [
        ({"certificate": SHOP.pem}, "no private key"),
        ({"certificate": SHOP.pem, "private_key": OTHER.key_pem()}, "does not belong to the certificate"),
        ({"certificate": SHOP.pem, "private_key": SHOP.key_pem("pw")}, "encrypted, and there is no passphrase"),
        ({"certificate": "x", "private_key": SHOP.key_pem()}, "has to be an X.509 certificate"),
    ],
)
def test_containers_that_are_refused(balancer: Balancer, demo: Any, names: dict[str, str], why: str) -> None:
    reference = container(demo, **{name: secret(demo, text) for name, text in names.items()})
    text = balancer.refused(reference)
    assert text.startswith(f"Could not retrieve certificate: ['{reference}'] The")
    assert why in text


def test_a_bundle_with_a_passphrase_is_refused(balancer: Balancer, demo: Any) -> None:
    for payload in (SHOP.pkcs12("pw"), SHOP.pem, "x"):
        assert balancer.refused(secret(demo, payload)).startswith("The PKCS12 bundle is unreadable.")
    generic = container(demo, "generic", certificate=secret(demo, SHOP.pem), private_key=secret(demo, SHOP.key_pem()))
    assert "a container of type generic" in balancer.refused(generic)


def test_client_authorities(balancer: Balancer, demo: Any) -> None:
    good, ca, strange = (secret(demo, payload) for payload in (SHOP.pkcs12(), CA.pem, revocations(authority())))

    def refused(**values: Any) -> str:
        return balancer.refused(good, **values)

    assert "requires a client CA container reference" in refused(client_authentication="MANDATORY")
    assert "client authentication CA reference is required" in refused(client_crl_container_ref=strange)
    assert refused(client_ca_tls_container_ref="x") == "Could not retrieve certificate: ['x']"
    assert "The client authentication CA certificate is invalid." in refused(client_ca_tls_container_ref=good)
    both = {"client_ca_tls_container_ref": ca, "client_crl_container_ref": strange}
    assert refused(**both) == (
        "Validation failure: The CRL specified is not valid for client certificate authority reference supplied."
    )
    assert "certificate revocation list is invalid" in refused(**{**both, "client_crl_container_ref": ca})


def test_what_a_change_gives_is_looked_at_again(balancer: Balancer, demo: Any) -> None:
    good, ca, crl = (secret(demo, payload) for payload in (SHOP.pkcs12(), CA.pem, revocations(CA)))
    listener = balancer.listener(default_tls_container_ref=good, client_ca_tls_container_ref=ca)
    path = f"listeners/{listener['id']}"
    balancer.sent("PUT", path, {"listener": {"client_crl_container_ref": crl}})
    refused = balancer.sent("PUT", path, {"listener": {"default_tls_container_ref": "x"}}, 400)
    assert refused["faultstring"] == "Could not retrieve certificate: ['x']"
    refused = balancer.sent("PUT", path, {"listener": {"client_ca_tls_container_ref": None}}, 400)
    assert "CA reference is required" in refused["faultstring"]
    # What it does not give may have vanished.
    demo.deleted(path_of(good))
    balancer.sent("PUT", path, {"listener": {"name": "renamed"}})
    assert balancer.certificates[good] is None
    pool = balancer.pool()
    refused = balancer.sent("PUT", f"pools/{pool['id']}", {"pool": {"tls_container_ref": "x"}}, 400)
    assert refused["faultstring"] == "Could not retrieve certificate: ['x']"
    new = secret(demo, OTHER.pkcs12())
    balancer.sent("PUT", path, {"listener": {"default_tls_container_ref": new}})
    assert balancer.certificates[new].certificate == OTHER.pem


def test_a_private_secret_serves_its_creator(front: Any, balancer: Balancer, demo: Any, admin: Any) -> None:
    project = demo.login.project_id
    user = admin.made("/identity/v3/users", "user", name="ann", password="secret", default_project_id=project)
    role = admin.get("/identity/v3/roles?name=member")["roles"][0]["id"]
    admin.ask("PUT", f"/identity/v3/projects/{project}/users/{user['id']}/roles/{role}")
    ann = type(demo)(front.client, front.log_in("ann", "secret").headers["X-Subject-Token"], demo.login)
    reference = secret(ann, SHOP.pkcs12())
    ann.ask("PUT", f"{path_of(reference)}/acl", {"read": {"project-access": False}})
    assert balancer.refused(reference) == f"Could not retrieve certificate: ['{reference}']"
    demo_id = front.log_in("demo").json["token"]["user"]["id"]
    ann.ask("PUT", f"{path_of(reference)}/acl", {"read": {"users": [demo_id], "project-access": False}})
    balancer.listener(default_tls_container_ref=reference)
    # A user of another project, whom the ACL names.
    foreign = secret(admin, OTHER.pkcs12())
    admin.ask("PUT", f"{path_of(foreign)}/acl", {"read": {"users": [demo_id]}})
    balancer.listener(default_tls_container_ref=foreign, protocol_port=444)
    # An admin works with the secrets of the load balancer's project.
    asked = {"loadbalancer_id": balancer.id, "protocol": "TERMINATED_HTTPS", "protocol_port": 445}
    body = {"listener": {**asked, "default_tls_container_ref": reference}}
    assert admin.ask("POST", f"{LBAAS}/listeners", body).status_code == 201


def test_the_data_plane_is_woken_when_something_changes_or_vanishes(front: Any, demo: Any) -> None:
    one, other = Balancer(front, demo, "one"), Balancer(front, demo, "other")
    key = secret(demo, SHOP.key_pem())
    parts = container(demo, certificate=secret(demo, SHOP.pem), private_key=key)
    bundle = secret(demo, SHOP.pkcs12())
    one.listener(default_tls_container_ref=parts, sni_container_refs=[bundle])
    other.pool(tls_container_ref=bundle)
    front.woken.clear()
    secret(demo, "unused")
    assert front.woken == []
    demo.deleted(path_of(bundle))
    assert sorted(front.woken) == sorted([one.id, other.id])
    front.woken.clear()
    demo.deleted(path_of(key))
    assert front.woken == [one.id]
    assert one.certificates[parts].fault == "The container has no private key."
    demo.deleted(path_of(parts))
    assert front.woken == [one.id] * 2
    assert one.certificates == {parts: None, bundle: None}


def test_load_balancers_are_consumers(balancer: Balancer, demo: Any) -> None:
    bundle = secret(demo, SHOP.pkcs12())
    parts = container(demo, certificate=secret(demo, SHOP.pem), private_key=secret(demo, SHOP.key_pem()))
    listener = balancer.listener(default_tls_container_ref=bundle, sni_container_refs=[parts])
    newest = {"OpenStack_API_Version": "key-manager 1.2"}
    found = demo.ask("GET", path_of(bundle), **newest).json["consumers"]
    assert found == [{"service": "octavia", "resource_type": "listener", "resource_id": listener["id"]}]
    [consumer] = demo.get(path_of(parts))["consumers"]
    assert consumer["URL"].endswith(f"/load-balancer/v2.0/lbaas/listeners/{listener['id']}")
    assert demo.ask("DELETE", path_of(bundle), **newest).status_code == 400
    assert demo.ask("DELETE", f"{path_of(bundle)}?force=true", **newest).status_code == 204


def test_a_lost_key_is_a_fault_and_no_crash(
    front: Any, balancer: Balancer, demo: Any, tmp_path: Any, database_url: str
) -> None:
    bundle = secret(demo, SHOP.pkcs12())
    balancer.listener(default_tls_container_ref=bundle)
    [key] = (tmp_path / "key-manager-keys").iterdir()
    kept = key.read_bytes()
    key.unlink()
    store = Store(database_url, Vault(tmp_path / "key-manager-keys"))
    assert store.snapshot(balancer.id).certificates[bundle].fault.startswith("the key that the payload")
    key.write_bytes(kept)
    assert store.snapshot(balancer.id).certificates[bundle].certificate == SHOP.pem
    store.close()


def test_a_whole_load_balancer_in_one_request_refers_too(front: Any, demo: Any) -> None:
    bundle = secret(demo, SHOP.pkcs12())

    def asked(reference: str) -> Any:
        listener = {"protocol": "TERMINATED_HTTPS", "protocol_port": 443, "default_tls_container_ref": reference}
        whole = {"vip_subnet_id": front.world.private_subnet, "listeners": [listener]}
        return demo.ask("POST", f"{LBAAS}/loadbalancers", {"loadbalancer": whole})

    assert asked("x").status_code == 400
    assert asked(bundle).status_code == 201
