"""The attachment `interface`, on links between network namespaces; the namespaces are machines."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from machines import LINKED, SERVED, Run

# The other machine reports what it believes, is told nonsense, and connects.
WATCHED = (
    LINKED
    + """
from lbclient.dataplane.haproxy import links
from lbclient.dataplane.haproxy.on_interfaces import OnInterfaces
from lbclient.dataplane.haproxy import process_table

NONSENSE = "02:00:00:00:00:99"
NAME = "left"
there("addr add 198.51.100.2/24 dev right")
there("addr add 2001:db8::2/64 dev right nodad")
there("link set lo up")
MAC = kernel.get_links(LEFT)[0].get_attr("IFLA_ADDRESS")


def output(line):
    command = ["nsenter", f"--net=/proc/{other.pid}/ns/net", "ip", *line.split()]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def confuse(*addresses):
    for address in addresses:
        there(f"neigh replace {address} lladdr {NONSENSE} nud stale dev right")


def believes(address, hardware_address=None):
    found = output(f"neigh show {address} dev right")
    return (hardware_address or MAC) in found


def until(condition, what=""):
    assert process_table.wait_until(condition, 20), what


def connects(address):
    code = f"import socket; socket.create_connection(({address!r}, 80), 3)"
    command = ["nsenter", f"--net=/proc/{other.pid}/ns/net", sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, timeout=60).returncode == 0


def on(interface):
    [link] = kernel.link_lookup(ifname=interface)
    return {a.get_attr("IFA_LOCAL") or a.get_attr("IFA_ADDRESS") for a in kernel.get_addr(index=link)}


def end():
    other.stdin.close()
    other.wait()
"""
)


def test_addresses_are_announced_and_taken_back(in_namespace: Run) -> None:
    script = """
attachment = OnInterfaces()
attachment.start({})
own = on("left")
confuse(V4, V6)
attachment.prepare("a", [V4, V6])
assert links.ours() == {V4: {"left"}, V6: {"left"}}
until(lambda: believes(V4) and believes(V6), "was not announced")
servers = []
for family, address in ((socket.AF_INET, V4), (socket.AF_INET6, V6)):
    servers.append(socket.create_server((address, 80), family=family))
    assert connects(address)
# A connection to elsewhere comes from an address of the machine's own.
for family, address in ((socket.AF_INET, "198.51.100.2"), (socket.AF_INET6, "2001:db8::2")):
    with socket.socket(family, socket.SOCK_DGRAM) as trial:
        trial.connect((address, 9))
        assert trial.getsockname()[0] in own, trial.getsockname()
attachment.prepare("b", [V4])
attachment.keep_only("a", [])
assert links.ours() == {V4: {"left"}}, "b has it"
attachment.keep_only("b", [])
assert links.ours() == {} and on("left") == own
there("neigh flush all")
assert not connects(V4) and not connects(V6)
assert not believes(V4) and not believes(V6)
attachment.stop()
end()
"""
    in_namespace(WATCHED + script)


def test_addresses_are_attached_where_programs_may_listen_on_any_address(in_namespace: Run) -> None:
    """As on a host that shares other addresses: that a program can listen there does not mean that they are here."""
    script = """
attachment = OnInterfaces()
attachment.start({})
attachment.share([V4])
assert links.ours() == {}
for address in (V4, V6):
    assert not local_routes.is_local(address)
attachment.prepare("a", [V4, V6, "127.0.0.1"])
assert links.ours() == {V4: {"left"}, V6: {"left"}}
for address in (V4, V6, "127.0.0.1", "127.3.2.1", "::1"):
    assert local_routes.is_local(address)
attachment.keep_only("a", [])
assert links.ours() == {}
assert "No interface has it" in refused(attachment.share, ["192.0.2.1"])
attachment.stop()
end()
"""
    in_namespace(WATCHED + script)


@pytest.mark.parametrize(("taken", "bits"), [("198.51.100.7", 24), ("2001:db8::7", 64)])
def test_another_machine_keeps_its_address(in_namespace: Run, taken: str, bits: int) -> None:
    script = """
TAKEN, BITS = sys.argv[1:]
there(f"addr add {TAKEN}/{BITS} dev right" + (" nodad" if ":" in TAKEN else ""))
assert neighbours.find("left", TAKEN, 10.0) is not None
attachment = OnInterfaces()
attachment.start({})
print(refused(attachment.prepare, "a", [TAKEN]))
assert links.ours() == {}
assert attachment.duplicate(TAKEN) == refused(attachment.prepare, "a", [TAKEN])
there(f"addr del {TAKEN}/{BITS} dev right")
assert attachment.duplicate(TAKEN) is None
attachment.prepare("a", [TAKEN])
assert links.ours() == {TAKEN: {"left"}}
attachment.stop()
end()
"""
    said = in_namespace(WATCHED + script, taken, str(bits))
    assert said == f"Address {taken} is in use by another machine: 02:00:00:00:00:07 answers for it on left.\n"


def test_what_the_machine_had_before_is_used_and_stays(in_namespace: Run) -> None:
    script = """
kernel.addr("add", index=LEFT, address=V4, prefixlen=24)
kernel.addr("add", index=LEFT, address=V6, prefixlen=64, flags=2)
kernel.addr("add", index=LO, address="203.0.113.9", prefixlen=32)
before = on("left"), on("lo")
for wanted in ({}, {"a": [V4, V6, "203.0.113.9"]}):
    attachment = OnInterfaces()
    attachment.start(wanted)
    attachment.prepare("a", [V4, V6, "203.0.113.9"])
    assert links.ours() == {} and V4 in attachment.own_addresses()
    attachment.keep_only("a", [])
    attachment.stop()
    assert (on("left"), on("lo")) == before
end()
"""
    in_namespace(WATCHED + script)


def test_a_start_takes_over_what_is_wanted_and_takes_back_the_rest(in_namespace: Run) -> None:
    script = """
wanted = {"a": ["198.51.100.8", "2001:db8::8"]}
attachment = OnInterfaces()
attachment.start({})
attachment.prepare("a", [V4, V6, *wanted["a"]])
assert "Another lbclient server" in refused(OnInterfaces().start, {})
attachment.stop()
confuse(*wanted["a"])
attachment = OnInterfaces()
attachment.start(wanted)
assert links.ours() == dict.fromkeys(wanted["a"], {"left"})
until(lambda: all(map(believes, wanted["a"])), "was not announced after the restart")
attachment.stop()

routed = attachments.attachment("anyip")  # which has other places for addresses
routed.start(wanted)
assert links.ours() == {}
routed.prepare("a", [*wanted["a"], V4])
routed.stop()
attachment = OnInterfaces()
attachment.start(wanted)
assert local_routes.ours() == set(), local_routes.ours()
attachment.prepare("a", wanted["a"])
assert links.ours() == dict.fromkeys(wanted["a"], {"left"})
attachment.stop()
end()
"""
    in_namespace(WATCHED + script)


KILLED = """
HOST, WANTED, UNWANTED = "198.51.100.1", ["198.51.100.8", "2001:db8::8"], [V4, V6]
STEPS = (neighbours, "find"), (links, "add"), (neighbours, "announce"), (local_routes, "remove")


def dies(module, name, is_after):
    real = getattr(module, name)

    def dying(*arguments):
        result = real(*arguments) if is_after else None
        os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(module, name, dying)


before = on("left")
for module, name in STEPS:
    for is_after in (False, True):
        child = os.fork()
        if child == 0:
            dies(module, name, is_after)
            attachment = OnInterfaces(probe_seconds=0.03)
            attachment.start({})
            attachment.prepare("a", [*UNWANTED, *WANTED])
            attachment.keep_only("a", WANTED)
            os._exit(7)
        assert os.waitpid(child, 0)[1] == signal.SIGKILL, name
        attachment = OnInterfaces(probe_seconds=0.03)
        attachment.start({"a": WANTED})
        attachment.prepare("a", WANTED)
        assert links.ours() == dict.fromkeys(WANTED, {"left"}), (name, is_after)
        assert on("left") == before | set(WANTED)
        attachment.keep_only("a", [])
        attachment.stop()
        assert on("left") == before, (name, is_after)
end()
"""


def test_no_kill_leaves_or_loses_an_address(in_namespace: Run) -> None:
    in_namespace(WATCHED + KILLED)


def test_addresses_come_back_when_someone_has_removed_them(in_namespace: Run) -> None:
    script = """
attachment = OnInterfaces(watch_seconds=0.1)
attachment.start({})
attachment.prepare("a", [V4, V6])
kernel.addr("del", index=LEFT, address=V4, prefixlen=32)
until(lambda: V4 in links.ours())
kernel.link("set", index=LEFT, state="down")  # IPv6 addresses go with it
until(lambda: V6 not in links.ours())
confuse(V4, V6)
kernel.link("set", index=LEFT, state="up")
kernel.addr("replace", index=LEFT, address="2001:db8::1", prefixlen=64, flags=2)
until(lambda: links.ours() == {V4: {"left"}, V6: {"left"}})
until(lambda: believes(V4) and believes(V6), "was not announced when the link came up")
attachment.keep_only("a", [V4])
kernel.addr("del", index=LEFT, address=V4, prefixlen=32)
until(lambda: V4 in links.ours())
assert V6 not in links.ours()
attachment.stop()
end()
"""
    in_namespace(WATCHED + script)


def has_kind(kind: str) -> bool:
    words = {
        "veth": "name one type veth peer name two",
        "vlan": "link one name three type vlan id 7",
        "bond": "name three type bond",
    }
    script = f"ip link add {words['veth']}" + (f" && ip link add {words[kind]}" if kind != "veth" else "")
    command = ["unshare", "--user", "--map-root-user", "--net", "sh", "-c", script]
    return subprocess.run(command, capture_output=True).returncode == 0


SECONDS = {
    "veth": """
kernel.link("add", ifname="second", kind="veth", peer={"ifname": "other"})
kernel.link("set", index=kernel.link_lookup(ifname="other")[0], net_ns_pid=other.pid)
""",
    "vlan": """
kernel.link("add", ifname="second", kind="vlan", link=LEFT, vlan_id=7)
there("link add link right name other type vlan id 7")
""",
    "bond": """
kernel.link("add", ifname="second", kind="bond", bond_mode=1)
kernel.link("add", ifname="part", kind="veth", peer={"ifname": "other"})
[PART] = kernel.link_lookup(ifname="part")
kernel.link("set", index=PART, master=kernel.link_lookup(ifname="second")[0])
kernel.link("set", index=PART, state="up")
kernel.link("set", index=kernel.link_lookup(ifname="other")[0], net_ns_pid=other.pid)
""",
}


@pytest.mark.parametrize("kind", SECONDS)
def test_networks_choose_among_interfaces(in_namespace: Run, kind: str) -> None:
    if not has_kind(kind):
        pytest.skip(f"this kernel has no interfaces of the kind {kind}")
    script = """
from ipaddress import ip_network
from lbclient.dataplane.haproxy.links import Assignment

exec(sys.argv[1])
there("link set other up")
there("addr add 192.0.2.2/24 dev other")
[SECOND] = kernel.link_lookup(ifname="second")
kernel.link("set", index=SECOND, state="up")
kernel.addr("add", index=SECOND, address="192.0.2.1", prefixlen=24)
attachment = OnInterfaces()
attachment.start({})
print(attachment.refusal("203.0.113.9"))
assert attachment.refusal("192.0.2.9") is None and attachment.refusal(V6) is None
attachment.prepare("a", [V4, "192.0.2.9"])
assert links.ours() == {V4: {"left"}, "192.0.2.9": {"second"}}
with socket.create_server(("192.0.2.9", 80)):
    assert connects("192.0.2.9")
attachment.stop()

named = [Assignment("second", ip_network("192.0.2.0/24")), Assignment("lo", ip_network("203.0.113.0/24"))]
attachment = OnInterfaces(named)
attachment.start({"a": ["203.0.113.9", "192.0.2.9"]})
print(attachment.refusal(V4))
attachment.prepare("a", ["203.0.113.9", "192.0.2.9"])
assert links.ours() == {"203.0.113.9": {"lo"}, "192.0.2.9": {"second"}}
there("route add 203.0.113.0/24 via 198.51.100.1")  # a network that is routed to this machine
with socket.create_server(("203.0.113.9", 80)):
    assert connects("203.0.113.9")
attachment.stop()

kernel.link("add", ifname="bridge", kind="bridge")
[BRIDGE] = kernel.link_lookup(ifname="bridge")
kernel.link("set", index=LEFT, master=BRIDGE)
print(refused(OnInterfaces([Assignment("left", ip_network("192.0.2.0/24"))]).start, {}))
print(refused(OnInterfaces([Assignment("right", ip_network("192.0.2.0/24"))]).start, {}))
end()
"""
    *lines, names = in_namespace(WATCHED + script, SECONDS[kind]).splitlines()
    assert names.startswith("There is no interface right on this machine: it has lo, ")
    assert lines == [
        "No interface has it: this machine has no address in a network on a link with it. "
        "Give one to an interface, or name its network with --interface.",
        "No interface has it: the networks of --interface are second=192.0.2.0/24, lo=203.0.113.0/24.",
        "The interface left is a part of bridge: name bridge instead.",
    ]


NAMED = 'os.environ["ATTACHED"] += " --interface=left=198.51.100.0/24,lo=203.0.113.0/24"\n'


def test_a_server_serves_on_the_link_and_says_what_it_cannot_reach(on_interfaces: Run, tmp_path: Path) -> None:
    script = """
    made = server.served()  # the floating IP is on lo
    until(lambda: connects(made["vip_address"]))
    assert links.ours() == {made["vip_address"]: {"left"}, server.floating["floating_ip_address"]: {"lo"}}
    body = {"network": {"name": "far", "project_id": "p" * 32}}
    far = server.ask("POST", "/networking/v2.0/networks", body)["network"]["id"]
    body = {"subnet": {"network_id": far, "cidr": "192.0.2.0/24", "ip_version": 4, "project_id": "p" * 32}}
    subnet = server.ask("POST", "/networking/v2.0/subnets", body)["subnet"]["id"]
    body = {"loadbalancer": {"vip_subnet_id": subnet, "project_id": "p" * 32}}
    answer = requests.post(server.running.url + "/v2.0/lbaas/loadbalancers", json=body, timeout=20)
    print(answer.status_code, answer.json()["faultstring"])
    there("addr add 198.51.100.77/24 dev right")
    wanted = {"vip_subnet_id": made["vip_subnet_id"], "vip_address": "198.51.100.77", "project_id": "p" * 32}
    answer = requests.post(server.running.url + "/v2.0/lbaas/loadbalancers", json={"loadbalancer": wanted}, timeout=20)
    print(answer.status_code, answer.json()["faultstring"])

    server.running.process.kill()
    server.running.process.wait()
    confuse(made["vip_address"])
    server = Server()
    until(lambda: believes(made["vip_address"]), "was not announced after the restart")
    assert connects(made["vip_address"])
    server.ask("DELETE", f"/v2.0/lbaas/loadbalancers/{made['id']}?cascade=true")
    until(lambda: links.ours() == {})
    assert not connects(made["vip_address"])
finally:
    end_server(server.running)
    end()
"""
    assert on_interfaces(WATCHED + NAMED + SERVED + script, str(tmp_path)) == (
        "400 IP address 192.0.2.2 cannot be a VIP or a floating IP. No interface has it: the networks of --interface "
        "are left=198.51.100.0/24, lo=203.0.113.0/24.\n"
        "409 Address 198.51.100.77 is in use by another machine: 02:00:00:00:00:07 answers for it on left.\n"
    )


DIES = """
    if sys.argv[2] == "served":
        made = server.served()
    else:  # nothing waits for the load balancer
        subnets = {each["name"]: each["id"] for each in server.ask("GET", "/networking/v2.0/subnets")["subnets"]}
        place = {"vip_subnet_id": subnets["private-subnet"], "project_id": "p" * 32}
        made = server.ask("POST", "/v2.0/lbaas/loadbalancers", {"loadbalancer": place})["loadbalancer"]
    print(made["id"], made["vip_address"])
finally:
    server.running.process.kill()
    server.running.process.wait()
    for directory in (state / "haproxy").iterdir():
        for pid in process_table.family(directory):
            os.kill(pid, signal.SIGKILL)
    end()
"""
REBOOTED = """
    id_, vip = sys.argv[2:]
    path = f"/v2.0/lbaas/loadbalancers/{id_}"

    def status():
        return server.ask("GET", path)["loadbalancer"]["provisioning_status"]

    until(lambda: status() == "ACTIVE", "did not become ACTIVE after the reboot")
    if not server.ask("GET", path)["loadbalancer"]["listeners"]:
        listener = {"loadbalancer_id": id_, "protocol": "HTTP", "protocol_port": 80}
        server.ask("POST", "/v2.0/lbaas/listeners", {"listener": listener})
    until(lambda: connects(vip), "was not served after the reboot")
    assert links.ours()[vip] == {"left"}
    assert on("left") == before | {vip}
    until(lambda: status() == "ACTIVE")
    server.ask("DELETE", path + "?cascade=true")
    until(lambda: links.ours() == {})
    assert on("left") == before
finally:
    end_server(server.running)
    end()
"""


@pytest.mark.parametrize("moment", ["served", "asked"])
def test_a_reboot_neither_loses_an_address_nor_takes_one(on_interfaces: Run, tmp_path: Path, moment: str) -> None:
    """The namespace with its addresses goes; the next one has an address of its own that is not ours."""
    made = on_interfaces(WATCHED + NAMED + SERVED + DIES, str(tmp_path), moment).split()
    booted = """
kernel.addr("add", index=LEFT, address="198.51.100.50", prefixlen=24)
before = on("left")
"""
    on_interfaces(WATCHED + NAMED + booted + SERVED + REBOOTED, str(tmp_path), *made)


def test_a_server_without_raw_sockets_does_not_start(tmp_path: Path) -> None:
    command = ["setpriv", "--bounding-set=-net_raw", "--inh-caps=-net_raw"]
    namespace = ["unshare", "--user", "--map-root-user", "--net"]
    if subprocess.run([*namespace, *command, "true"], capture_output=True).returncode != 0:
        pytest.skip("no user namespaces here")
    server = [sys.executable, "-m", "lbclient.server.main", "--attachment=interface", "--bind-port=0"]
    result = subprocess.run(
        [*namespace, *command, *server, f"--state-directory={tmp_path}/state"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.returncode == 1
    assert "without CAP_NET_RAW" in result.stderr
