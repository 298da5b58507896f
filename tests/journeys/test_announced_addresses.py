"""Addresses that hosts announce by BGP: real servers, agents, HAProxy and BIRD, and a client behind a router."""

from __future__ import annotations

from pathlib import Path

from routed import play

BEGIN = """
from agents import LBAAS
from moving import member
member()
"""


def test_an_address_is_routed_to_a_host_while_it_is_served(tmp_path: Path) -> None:
    """Its route goes with HAProxy, with BIRD, with the host and with the load balancer, and comes back with them."""
    script = """
host = routed.hosts[0]
lone = Lone(host, Path(sys.argv[1]))
balancer, vips = served(lone)
path = f"{LBAAS}/loadbalancers/{balancer['id']}"

def is_served():
    for vip in vips:
        routed.until_routed(vip, host)
        wait(lambda: routed.answer(vip) == "hello", f"{vip} does not answer")

def is_withdrawn(why):
    print(why, *(f"{routed.until_routed(vip) * 1000:.0f} ms" for vip in vips))

is_served()
lone.broken.touch()
lone.kill_haproxy()
is_withdrawn("HAProxy fails for good:")
lone.broken.unlink()
is_served()

bird = routed.birds[host.name]
bird.kill()
is_withdrawn("BIRD is killed:")
bird.start(host)
is_served()

host.leave()
is_withdrawn("the host is cut off:")
host.join()
is_served()

lone.ask("PUT", path, {"loadbalancer": {"admin_state_up": False}})
is_withdrawn("the load balancer is disabled:")
lone.ask("PUT", path, {"loadbalancer": {"admin_state_up": True}})
is_served()

with host.inside():
    for family, vip in (("-4", vips[0]), ("-6", vips[1])):
        ip(f"{family} route flush table 108")
        wait(lambda: vip in ip(f"{family} route show table 108"), "what someone removed is not announced again")
is_served()

lone.restart(*lone.server_addresses)
is_served()
lone.restart(*SERVED)
is_withdrawn("the server announces nothing any more:")
lone.restart(*SERVED, "--announce=bgp")
is_served()
lone.ask("DELETE", f"{path}?cascade=true")
is_withdrawn("the load balancer is deleted:")
lone.end()
"""
    print(play(BEGIN + script, tmp_path))


def test_routes_follow_a_load_balancer_to_another_host(tmp_path: Path) -> None:
    """With its agent gone, the routes stay; and a host that dies loses them."""
    script = """
announcers = Announcers(routed, Path(sys.argv[1]))
assert announcers.host("set", "--weight=0", "server").returncode == 0
balancer, vips = served(announcers)

def holder():
    return announcers.machines[announcers.place(balancer)]

def is_served(host):
    for vip in vips:
        routed.until_routed(vip, host)
        wait(lambda: routed.answer(vip) == "hello", f"{vip} does not answer")

first = holder()
is_served(first)
second = routed.other(first)
done = announcers.host("drain", first.name)
assert done.returncode == 0, done.stderr
wait(lambda: holder() is second, "the load balancer does not move")
is_served(second)
with first.inside():
    assert "108" not in ip("route show table all"), "the host that it has left announces it"

announcers.end_agent(second)
is_served(second)
second.leave()
for pid in announcers.processes(second):
    os.kill(pid, signal.SIGKILL)
routed.birds[second.name].kill()
print("the host dies:", *(f"{routed.until_routed(vip) * 1000:.0f} ms" for vip in vips))
assert announcers.host("undrain", first.name).returncode == 0
assert announcers.host("set", "--dead", second.name).returncode == 0
wait(lambda: holder() is first, "the load balancer does not leave a dead host")
is_served(first)
announcers.finish()
"""
    print(play(BEGIN + script, tmp_path))
