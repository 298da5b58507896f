"""Attachments, in a network namespace of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lbclient.dataplane.haproxy import attachments
from machines import CAPABILITIES, IN_NAMESPACE, LINKED, SERVED, USER, Run, runner


def test_anyip_makes_any_address_local(in_namespace: Run) -> None:
    script = """
anyip = attachments.attachment("anyip")
for _ in range(2):  # idempotent
    anyip.prepare("a", [V4, V6, "127.0.0.1"])
for family, address in ((socket.AF_INET, V4), (socket.AF_INET6, V6)):
    with socket.socket(family) as server:
        server.bind((address, 80))
        server.listen()
        with socket.create_connection((address, 80), timeout=5):
            pass
print(sorted(local_routes.ours()), sorted(local_routes.foreign()))
"""
    assert in_namespace(script) == "['198.51.100.7', '2001:db8::7'] ['127.0.0.1', '::1']\n"


def test_the_last_one_who_leaves_takes_an_address_along(in_namespace: Run) -> None:
    script = """
anyip = attachments.attachment("anyip")
anyip.start({})
for holder in "ab":
    anyip.prepare(holder, [V4, V6, "127.0.0.1"])
anyip.keep_only("a", [V6])
assert local_routes.ours() == {V4, V6}, "b has both"
anyip.keep_only("b", [])
assert local_routes.ours() == {V6} and not local_routes.is_local(V4)
anyip.keep_only("a", [])
anyip.keep_only("a", [])
assert local_routes.ours() == set() and not local_routes.is_local(V6)
assert local_routes.foreign() == {"127.0.0.1", "::1"}
"""
    in_namespace(script)


def test_anyip_says_that_it_does_not_answer_for_ipv6_addresses(in_namespace: Run) -> None:
    """And the test that this is so: IPv4 clients on the link connect, IPv6 clients do not."""
    script = """
import logging
there("addr add 198.51.100.2/24 dev right")
there("addr add 2001:db8::2/64 dev right nodad")
logging.basicConfig(stream=sys.stdout, format="%(levelname)s %(message)s")
anyip = attachments.attachment("anyip")
anyip.start({})
anyip.prepare("a", [V4, V6])
anyip.prepare("b", ["2001:db8:1::7"])
servers = [socket.create_server((address, 80), family=family) for family, address in (
    (socket.AF_INET, V4), (socket.AF_INET6, V6), (socket.AF_INET6, "2001:db8:1::7"))]
there("route add 2001:db8:1::/64 via 2001:db8::1")
for address in (V4, V6, "2001:db8:1::7"):
    code = f"import socket; socket.create_connection(({address!r}, 80), 5)"
    command = ["nsenter", f"--net=/proc/{other.pid}/ns/net", sys.executable, "-c", code]
    print(address, subprocess.run(command, capture_output=True, timeout=60).returncode)
other.stdin.close()
"""
    said = in_namespace(LINKED + script).splitlines()
    assert said[0].startswith("WARNING machines on the link of left (2001:db8::/64) get no answers for IPv6 addresses")
    assert said[1:] == ["198.51.100.7 0", "2001:db8::7 1", "2001:db8:1::7 0"]


def test_what_others_have_routed_is_used_and_stays(in_namespace: Run) -> None:
    script = """
kernel.route("add", dst="198.51.100.0/24", oif=LO, type="local", table=255, scope="host")
kernel.addr("add", index=LO, address=V6, prefixlen=128, flags=2)
anyip = attachments.attachment("anyip")
anyip.start({})
anyip.prepare("a", [V4, V6])
anyip.keep_only("a", [])
assert local_routes.is_local(V4) and local_routes.is_local(V6)
assert V6 in anyip.own_addresses()
"""
    in_namespace(script)


def test_a_start_takes_over_what_is_wanted_and_takes_back_the_rest(in_namespace: Run) -> None:
    script = """
wanted = {"a": ["198.51.100.1", "2001:db8::1"]}
unwanted = ["198.51.100.2", "2001:db8::2"]
before = attachments.attachment("anyip")
before.start({})
before.prepare("a", [*wanted["a"], *unwanted])
assert "Another lbclient server" in refused(attachments.attachment("anyip").start, wanted)
before.stop()
after = attachments.attachment("anyip")
after.start(wanted)
assert local_routes.ours() == set(wanted["a"]), local_routes.ours()
after.keep_only("a", [])
assert local_routes.ours() == set()
"""
    in_namespace(script)


@pytest.mark.parametrize(
    ("taken", "free", "routed"),
    [("198.51.100.7", "198.51.100.8", "203.0.113.9"), ("2001:db8::7", "2001:db8::8", "2001:db8:9::9")],
)
def test_an_address_that_another_machine_answers_for_is_refused(
    in_namespace: Run, taken: str, free: str, routed: str
) -> None:
    script = """
TAKEN, FREE, ROUTED = sys.argv[1:]
there(f"addr add {TAKEN}/{64 if ':' in TAKEN else 24} dev right" + (" nodad" if ":" in TAKEN else ""))
there("link set right multicast on")
kernel.route("add", dst="default", gateway="198.51.100.2")
kernel.route("add", dst="default", gateway="2001:db8::2", family=socket.AF_INET6)
assert local_routes.link_of(TAKEN) == "left" and local_routes.link_of(ROUTED) is None
assert neighbours.find("left", TAKEN, 10.0) == neighbours.Neighbour("02:00:00:00:00:07", "left")
assert neighbours.find("left", FREE) is None and neighbours.find("lo", TAKEN) is None
anyip = attachments.attachment("anyip")
anyip.start({})
print(refused(anyip.prepare, "a", [TAKEN]))
assert anyip.duplicate(TAKEN) == refused(anyip.prepare, "a", [TAKEN])
assert anyip.duplicate(FREE) is None and anyip.duplicate(ROUTED) is None
assert local_routes.ours() == set(), "it would take the traffic of the other machine"
anyip.prepare("a", [FREE, ROUTED])
assert local_routes.ours() == {FREE, ROUTED}
there(f"addr del {TAKEN}/{64 if ':' in TAKEN else 24} dev right")
anyip.prepare("a", [TAKEN])
other.stdin.close()
other.wait()
"""
    said = in_namespace(LINKED + script, taken, free, routed)
    assert said == f"Address {taken} is in use by another machine: 02:00:00:00:00:07 answers for it on left.\n"


def test_a_link_that_has_gone_does_not_hinder(in_namespace: Run) -> None:
    script = """
kernel.link("set", index=LEFT, state="down")
anyip = attachments.attachment("anyip")
anyip.prepare("a", [V4, V6])
assert local_routes.ours() == {V4, V6}
other.stdin.close()
other.wait()
"""
    in_namespace(LINKED + script)


def test_a_server_gives_back_what_it_took(in_namespace: Run, tmp_path: Path) -> None:
    script = """
    made = server.served()
    server.ask("DELETE", "/networking/v2.0/floatingips/" + server.floating["id"])
    wait_until(lambda: local_routes.ours() == {made["vip_address"]})
    server.ask("DELETE", server.path + "?cascade=true")
    wait_until(lambda: local_routes.ours() == set())
finally:
    end_server(server.running)
"""
    in_namespace(SERVED + script, str(tmp_path))


def test_without_root_two_capabilities_are_enough_and_haproxy_has_one_of_them(
    in_namespace_without_root: Run, tmp_path: Path
) -> None:
    script = """
    made = server.served()  # on port 80
    found = process_table.family(state / "haproxy" / made["id"])
    assert len(found) > 1  # master and worker
    for pid in found:
        status = Path(f"/proc/{pid}/status").read_text().splitlines()
        print(*(line.replace(chr(9), " ") for line in status if line.startswith(("Uid", "CapPrm", "CapBnd"))))
finally:
    server.ask("DELETE", server.path + "?cascade=true")
    wait_until(lambda: made["vip_address"] not in local_routes.ours())
    end_server(server.running)
"""
    most = sum(1 << number for number in CAPABILITIES.values())
    ports = 1 << CAPABILITIES["net_bind_service"]
    said = f"Uid: {USER} {USER} {USER} {USER} CapPrm: {ports:016x} CapBnd: {most:016x}"
    assert set(in_namespace_without_root(SERVED + script, str(tmp_path)).splitlines()) == {said}


def test_a_server_takes_back_what_was_deleted_while_it_was_down(in_namespace: Run, tmp_path: Path) -> None:
    script = """
    made = server.served()
    server.running.process.kill()
    server.running.process.wait()
    assert len(local_routes.ours()) == 2
    server = Server()
    wait_until(lambda: answers(made["vip_address"]))
    assert len(local_routes.ours()) == 2
    server.running.process.kill()
    server.running.process.wait()
    engine = sqlalchemy.create_engine(f"sqlite:///{state}/lbclient.sqlite")
    with engine.begin() as tx:
        tx.execute(sqlalchemy.text("UPDATE floating_ip SET port_id = NULL, fixed_ip_address = NULL"))
    server = Server()
    wait_until(lambda: local_routes.ours() == {made["vip_address"]})
    server.running.process.kill()
    server.running.process.wait()
    with engine.begin() as tx:
        tx.execute(sqlalchemy.text("DELETE FROM listener"))
        tx.execute(sqlalchemy.text("DELETE FROM loadbalancer"))
    server = Server()
    wait_until(lambda: local_routes.ours() == set())
finally:
    end_server(server.running)
"""
    in_namespace(SERVED + script, str(tmp_path))


def test_loopback_takes_what_is_local_and_nothing_else() -> None:
    loopback = attachments.attachment("loopback")
    loopback.prepare("a", ["127.0.0.1", "127.200.3.4"])
    with pytest.raises(attachments.AttachmentFailed, match=r"198\.51\.100\.7 .* 127\.0\.0\.0/8"):
        loopback.prepare("a", ["127.0.0.1", "198.51.100.7"])


@pytest.mark.parametrize("kind", ["anyip", "lab"])
def test_without_privileges_a_server_does_not_start(tmp_path: Path, kind: str) -> None:
    dropped = ("setpriv", "--bounding-set=-net_admin") if os.getuid() == 0 else ()
    command = [*dropped, sys.executable, "-m", "lbclient.server.main", f"--attachment={kind}", "--bind-port=0"]
    command.append(f"--state-directory={tmp_path}/state")
    result = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert result.returncode == 1
    assert result.stderr == (
        "lbclient server: attachment: Addresses cannot be attached to this machine without CAP_NET_ADMIN: "
        "run the server as root, or inside `lbclient lab`.\n"
    )


def test_a_port_that_the_server_has_no_right_to_is_refused_at_once(tmp_path: Path) -> None:
    dropped = ["setpriv", "--bounding-set=-net_bind_service", "--inh-caps=-net_bind_service"]
    run = runner([*IN_NAMESPACE, *dropped], "--private-cidr=127.10.0.0/24 --public-cidr=127.20.0.0/24")
    script = """
    SUBNET = server.ask("GET", "/networking/v2.0/subnets?name=private-subnet")["subnets"][0]["id"]
    place = {"vip_subnet_id": SUBNET, "project_id": "p" * 32}
    for port, provider in ((80, "octavia"), (1024, "octavia"), (80, "noop_driver")):
        listener = {"protocol": "HTTP", "protocol_port": port}
        body = {"loadbalancer": {**place, "provider": provider, "listeners": [listener]}}
        answer = requests.post(server.running.url + "/v2.0/lbaas/loadbalancers", json=body, timeout=20)
        print(answer.status_code, answer.json().get("faultstring"))
finally:
    end_server(server.running)
"""
    said = run(SERVED + script, str(tmp_path)).splitlines()
    assert said[1:] == ["201 None", "201 None"]
    assert said[0].startswith("400 ")
    assert "protocol_port" in said[0]
    assert "CAP_NET_BIND_SERVICE" in said[0]
