"""A full disk, and an address that the machine does not have: both for real, in namespaces of this test's own.

Its functions run in a process of their own there: `python test_full_disk.py NAME DIRECTORY`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lbclient.lab import namespace

TESTS = Path(__file__).parents[2]
APART = ("unshare", "--user", "--map-root-user", "--mount", "--net")
ADDRESS = "198.51.100.7"
TAGS = [f"{number:0255}" for number in range(50)]


def apart(name: str, directory: Path) -> None:
    paths = os.pathsep.join(map(str, (TESTS.parent, TESTS / "support", TESTS / "support/dataplane")))
    command = [*APART, sys.executable, __file__, name, str(directory)]
    ended = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": paths}, capture_output=True, text=True, timeout=180
    )
    assert ended.returncode == 0, ended.stderr


@pytest.mark.skipif(namespace.obstacle() is not None, reason="this machine does not allow namespaces")
@pytest.mark.parametrize("name", ["full_disk", "full_database", "foreign_address"])
def test_for_real(name: str, tmp_path: Path) -> None:
    apart(name, tmp_path)


def full_disk(directory: Path) -> None:
    """An error that names the cause; what runs runs on; it heals when there is room again."""
    from members import Web, until
    from world import DataPlaneRig, get, member, web

    (directory / "haproxy").mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", directory / "haproxy"], check=True)
    world, one, two = DataPlaneRig(directory), Web("one"), Web("two")
    tree = web(members={"one": member(one)})
    port = tree["listeners"]["web"]["protocol_port"]
    try:
        assert world.change(tree) == "ACTIVE"
        filler = directory / "haproxy" / "filler"
        subprocess.run(["dd", "if=/dev/zero", f"of={filler}", "bs=4k"], capture_output=True)
        assert world.change({"pools": {"pool": {"members": {"two": member(two)}}}}) == "ERROR"
        assert world.fault() == "The system refuses: No space left on device.", world.fault()
        assert {get(port).name for _ in range(4)} == {"one"}
        until(lambda: world.operating() == "ONLINE")  # what is counted cannot be saved, what is seen is told
        filler.unlink()
        until(lambda: world.provisioning() == "ACTIVE", seconds=20)
        assert world.fault() is None
        assert {get(port).name for _ in range(4)} == {"one", "two"}
    finally:
        world.close()
        one.down()
        two.down()


def full_database(directory: Path) -> None:
    """Changes are refused, in words; what runs runs on; afterwards all goes on as before."""
    import requests
    from members import Web, free_port, until
    from world import get

    from mixed_changes import LBAAS, Api
    from running import end_server, start_server

    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=20m", "tmpfs", directory], check=True)
    server, one = start_server(directory / "state"), Web("one")
    try:
        api = Api(server.url, directory / "state" / "clouds.yaml")
        [subnet] = api.ask("GET", "/networking/v2.0/subnets?name=private-subnet")["subnets"]
        member = {"address": "127.0.0.1", "protocol_port": one.port}
        pool = {"name": "pool", "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN", "members": [member]}
        port = free_port()
        listener = {"protocol": "HTTP", "protocol_port": port, "default_pool": pool}
        made = api.create("loadbalancer", "loadbalancers", vip_subnet_id=subnet["id"], listeners=[listener])
        path = f"{LBAAS}/loadbalancers/{made['id']}"

        def is_active() -> bool:
            return bool(api.ask("GET", path)["loadbalancer"]["provisioning_status"] == "ACTIVE")

        until(is_active)
        # Changes of the one that runs could wait for their turn for ever: the disk may be full when they are settled.
        other = {"vip_subnet_id": subnet["id"], "provider": "noop_driver"}
        idle = api.create("loadbalancer", "loadbalancers", **other)["id"]
        filler = directory / "filler"
        subprocess.run(["dd", "if=/dev/zero", f"of={filler}", "bs=4k"], capture_output=True)
        answers: list[requests.Response] = []

        def is_refused() -> bool:
            """There is some room in the journal, and it begins again as long as the database need not grow."""
            pool = {"protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN", "loadbalancer_id": idle, "tags": TAGS}
            answers.append(api.session.post(f"{server.url}{LBAAS}/pools", json={"pool": pool}, timeout=30))
            return answers[-1].status_code == 503

        until(is_refused, seconds=60)
        assert "database" in answers[-1].json()["faultstring"], answers[-1].text
        assert get(port, address=made["vip_address"]).name == "one"
        filler.unlink()
        until(is_active)
        api.update("loadbalancer", f"loadbalancers/{made['id']}", description="there is room again")
        until(is_active)
        assert get(port, address=made["vip_address"]).name == "one"
    finally:
        end_server(server)
        one.down()


def foreign_address(directory: Path) -> None:
    """An error that names it; it heals when the machine gets the address."""
    from members import Web, until
    from world import DataPlaneRig, get, member, web

    world, one = DataPlaneRig(directory), Web("one")
    tree = web(members={"one": member(one)})
    port = tree["listeners"]["web"]["protocol_port"]
    try:
        assert world.change({"addresses": ["127.0.0.1", ADDRESS]}, tree) == "ERROR"
        assert ADDRESS in (world.fault() or ""), world.fault()
        subprocess.run(["ip", "address", "add", ADDRESS, "dev", "lo"], check=True)
        until(lambda: world.provisioning() == "ACTIVE", seconds=20)
        assert {get(port, address=each).name for each in ("127.0.0.1", ADDRESS)} == {"one"}
        assert world.fault() is None
    finally:
        world.close()
        one.down()


if __name__ == "__main__":
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    for each in (full_disk, full_database, foreign_address):
        if each.__name__ == sys.argv[1]:
            each(Path(sys.argv[2]))
