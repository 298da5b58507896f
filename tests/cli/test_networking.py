"""Networks, subnets and floating IPs: the same as `openstack` prints, and what floating IPs are for."""

from __future__ import annotations

import pytest

import genuine_openstack


def openstack(cloud, *arguments: str) -> str:
    done = genuine_openstack.openstack(cloud.environment(), *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "line",
    [
        "network list",
        "network list --long",
        "network list --external -f csv -c Name",
        "network list --name private-net --enable --share -f json",
        "network show public-net",
        "network show private-net -f json",
        "subnet list",
        "subnet list --long",
        "subnet list --long -f json",
        "subnet list --name private-subnet -f value -c ID",
        "subnet list --network public-net",
        "subnet show private-subnet",
        "subnet show private-subnet -f json",
        "floating ip list --status ACTIVE",
    ],
)
def test_as_openstack_prints_it(run, cloud, line):
    words = line.split()
    assert run(*words).out == openstack(cloud, *words)


def test_a_floating_ip_from_create_to_delete(run, cloud, loadbalancer):
    (address,) = run("floating", "ip", "create", "public-net", "-f", "value", "-c", "floating_ip_address").lines
    (port,) = run("loadbalancer", "show", loadbalancer, "-f", "value", "-c", "vip_port_id").lines
    (vip,) = run("loadbalancer", "show", loadbalancer, "-f", "value", "-c", "vip_address").lines
    assert run("floating", "ip", "set", "--port", port, address).status == 0
    for line in (f"floating ip show {address}", f"floating ip show {address} -f json", "floating ip list --long"):
        assert run(*line.split()).out == openstack(cloud, *line.split())
    # The guide: openstack floating ip list | grep $VIP | awk '{ print $4}'
    (found,) = [text.split()[3] for text in run("floating", "ip", "list").lines if f" {vip} " in text]
    assert found == address
    assert run("floating", "ip", "unset", "--port", address).status == 0
    assert run("floating", "ip", "show", address, "-f", "json").json["port_id"] is None
    assert run("floating", "ip", "delete", address).status == 0
    assert run("floating", "ip", "show", address).err == f"No floating IP has the name or ID '{address}'.\n"


def test_several_floating_ips_are_deleted(run):
    create = ("floating", "ip", "create", "public-net", "-f", "value", "-c", "id")
    ids = [run(*create).lines[0] for _ in range(2)]
    result = run("floating", "ip", "delete", ids[0], "203.0.113.250", ids[1])
    assert (result.status, result.err.splitlines()[-1]) == (1, "1 of 3 could not be deleted: 203.0.113.250.")


def test_a_token(run):
    issued = run("token", "issue", "-f", "json").json
    assert list(issued) == ["expires", "id", "project_id", "user_id"]
    assert run("--os-auth-type", "token", "--os-token", issued["id"], "loadbalancer", "list").status == 0
