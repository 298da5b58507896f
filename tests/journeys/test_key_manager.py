"""The key manager with its genuine clients: python-barbicanclient, openstacksdk and the openstack command."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openstack
import pytest
from barbicanclient import client as barbicanclient
from barbicanclient.exceptions import HTTPClientError, SecretHasConsumers

import genuine_openstack
from running import RunningServer, end_server, start_server

# The genuine clients warn of what will become of themselves.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::PendingDeprecationWarning")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    running = start_server(tmp_path_factory.mktemp("key-manager") / "state")
    try:
        yield running
    finally:
        end_server(running)


@pytest.fixture(scope="module")
def cloud(server: RunningServer) -> Any:
    """The demo user's connection."""
    config = openstack.config.OpenStackConfig(config_files=[str(server.state_directory / "clouds.yaml")])
    return openstack.connection.Connection(config=config.get_one("lbclient"))


@pytest.fixture(scope="module")
def barbican(cloud: Any) -> Any:
    return barbicanclient.Client(session=cloud.session, region_name="RegionOne")


def run(server: RunningServer, *words: str, status: int = 0) -> str:
    ended = genuine_openstack.openstack(server.environment, *words)
    assert ended.returncode == status, ended.stderr
    return ended.stdout.strip() if status == 0 else ended.stderr


def test_barbicanclient_keeps_secrets(barbican: Any) -> None:
    assert barbican.client.microversion == "1.2"
    payload = bytes(range(256))
    for given in ("opensesame", payload):
        secret = barbican.secrets.create(name="s", payload=given, secret_type="opaque", algorithm="aes")
        reference = secret.store()
        again = barbican.secrets.get(reference)
        assert (again.payload, again.name, again.algorithm, again.status) == (given, "s", "aes", "ACTIVE")
        assert again.created is not None
    assert len(barbican.secrets.list(name="s")) == 2
    later = barbican.secrets.create(name="later")
    later.store()
    later.payload = "now"
    later.update()
    assert barbican.secrets.get(later.secret_ref).payload == "now"
    gone = later.secret_ref
    later.delete()
    with pytest.raises(HTTPClientError) as refused:
        _ = barbican.secrets.get(gone).name
    assert refused.value.status_code == 404


def test_barbicanclient_keeps_containers(barbican: Any) -> None:
    parts = {name: barbican.secrets.create(name=name, payload=name) for name in ("certificate", "private_key")}
    container = barbican.containers.create_certificate(name="c", **parts)
    reference = container.store()
    again = barbican.containers.get(reference)
    assert (again.name, again.certificate.payload, again.private_key.payload) == ("c", "certificate", "private_key")
    with_consumer = barbican.containers.register_consumer(reference, "lb", "https://lb/1")
    assert with_consumer.consumers == [{"name": "lb", "URL": "https://lb/1"}]
    barbican.containers.remove_consumer(reference, "lb", "https://lb/1")
    rsa = barbican.containers.create_rsa(public_key=parts["certificate"], private_key=parts["private_key"])
    rsa.store()
    assert {each.container_ref for each in barbican.containers.list()} >= {reference, rsa.container_ref}
    barbican.containers.delete(reference)
    with pytest.raises(HTTPClientError):
        barbican.containers.get(reference)


def test_barbicanclient_sets_acls_and_consumers(barbican: Any) -> None:
    secret = barbican.secrets.create(payload="x")
    reference = secret.store()
    assert barbican.acls.get(reference).read.project_access is True
    acl = barbican.acls.create(entity_ref=reference, users=["u" * 32], project_access=False)
    assert acl.submit() == f"{reference}/acl"
    read = barbican.acls.get(reference).read
    assert (read.users, read.project_access) == (["u" * 32], False)
    acl.remove()
    assert barbican.acls.get(reference).read.project_access is True
    consumer = {"service": "image", "resource_type": "image", "resource_id": "1"}
    barbican.secrets.register_consumer(reference, **consumer)
    assert barbican.secrets.get(reference).consumers == [consumer]
    assert [each.service for each in barbican.secrets.list_consumers(reference)] == ["image"]
    with pytest.raises(SecretHasConsumers):
        barbican.secrets.delete(reference)
    barbican.secrets.remove_consumer(reference, **consumer)
    barbican.secrets.delete(reference)


def test_openstacksdk(cloud: Any) -> None:
    payload = base64.b64encode(b"\x00\xff").decode()
    kinds = {"payload_content_type": "application/octet-stream", "payload_content_encoding": "base64"}
    made = [cloud.key_manager.create_secret(name=f"sdk{n}", payload=payload, **kinds) for n in range(12)]
    found = cloud.key_manager.get_secret(made[0].secret_id)
    assert (found.name, found.payload, found.secret_type) == ("sdk0", b"\x00\xff", "opaque")
    names = [each.name for each in cloud.key_manager.secrets(sort="created") if (each.name or "").startswith("sdk")]
    assert sorted(names) == sorted(each.name for each in made)  # more than one page
    references = [{"name": "a", "secret_ref": made[0].secret_ref}]
    container = cloud.key_manager.create_container(name="sdk", type="generic", secret_refs=references)
    assert cloud.key_manager.get_container(container.container_id).secret_refs == references
    cloud.key_manager.delete_container(container.container_id, ignore_missing=False)
    for each in made:
        cloud.key_manager.delete_secret(each.secret_id, ignore_missing=False)
    assert "sdk0" not in [each.name for each in cloud.key_manager.secrets()]


def test_the_openstack_command(server: RunningServer, tmp_path: Path) -> None:
    file = tmp_path / "secret.bin"
    file.write_bytes(b"\x00\x01")
    stored = run(server, "secret", "store", "--name", "cli", "--file", str(file), "-f", "json")
    reference = json.loads(stored)["Secret href"]
    listed = json.loads(run(server, "secret", "list", "--name", "cli", "-f", "json"))
    assert [each["Secret href"] for each in listed] == [reference]
    assert json.loads(run(server, "secret", "get", reference, "-f", "json"))["Name"] == "cli"
    container = ("secret", "container", "create", "--name", "c", "--type", "certificate")
    made = json.loads(run(server, *container, "--secret", f"certificate={reference}", "-f", "json"))
    listed = json.loads(run(server, "secret", "container", "list", "-f", "json"))
    assert made["Container href"] in [each["Container href"] for each in listed]
    run(server, "secret", "container", "delete", made["Container href"])
    run(server, "acl", "user", "add", "--user", "u" * 32, reference)
    assert "u" * 32 in run(server, "acl", "get", reference)
    run(server, "secret", "delete", reference)
    assert "Secret not found." in run(server, "secret", "get", reference, status=1)
