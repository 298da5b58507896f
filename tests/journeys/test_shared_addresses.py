"""A load balancer on two hosts, from its flavor to a planned move: real agents, keepalived, HAProxy and clients."""

from __future__ import annotations

from pathlib import Path

import pytest

from lbclient.dataplane.vrrp import handover
from pair import needed, play

BEGIN = """
from agents import LBAAS
from moving import member
from sharers import *
member()
sharers = Sharers(pair, Path(sys.argv[1]))
balancer = sharers.balanced()
vip = balancer["vip_address"]
def is_settled():
    return len(sharers.holders(vip)) == 1 and answer(vip) == "hello"
"""


def test_death_return_failover_and_drain(tmp_path: Path) -> None:
    """The death of the holder costs a moment; its return, a failover and a drain of the next holder cost nothing."""
    needed()
    if handover.find() is None:
        pytest.skip("nft is not installed (Debian's package nftables)")
    script = """
wait(is_settled, "no host has the address alone and serves")
assert sorted(sharers.places(balancer)) == ["host1", "host2"]
[dying] = sharers.holders(vip)
client = Client(vip)
client.start()
wait(lambda: len(client.seen) >= 50, "the client does not start")
sharers.die(dying)
other = pair.other(dying)
wait(lambda: other.has(vip) and client.seen[-1][1] == "hello", "the other host does not serve")
client.stop()
print(f"death of the holder: not served for {gap(client) * 1000:.0f} ms")
assert gap(client) < 20

visitors = Visitors(vip)
visitors.start()
progress(visitors)
sharers.come_back(dying, vip)
wait(lambda: all(each["status"] == "ALLOCATED" for each in sharers.amphorae(balancer)), "does not come back")
def log():
    return (dying.directory / "agent" / "shared-addresses" / "keepalived.log").read_text()
wait(lambda: "Entering BACKUP STATE" in log().rpartition("Starting Keepalived")[2], "does not stand by")
progress(visitors)
assert sharers.holders(vip) == [other]
assert visitors.failures == [], visitors.failures

before = {each["id"] for each in sharers.amphorae(balancer)}
sharers.ask("PUT", f"{LBAAS}/loadbalancers/{balancer['id']}/failover")
wait(lambda: sharers.statuses(balancer)[0] == "ACTIVE", "not ACTIVE after a failover")
assert not before & {each["id"] for each in sharers.amphorae(balancer)}
wait(lambda: sharers.holders(vip) == [dying], "a failover does not move the address")
progress(visitors)
assert visitors.failures == [], visitors.failures
dying, other = other, dying

later = Visitors(vip)  # whose connections are open where the address is now
later.start()
progress(later)
sharers.add(3)
done = sharers.host("drain", other.name)
assert done.returncode == 0, done.stderr
wait(lambda: sorted(sharers.places(balancer)) == sorted([dying.name, "host3"]), "the third host takes no place")
wait(lambda: sharers.holders(vip) == [dying], "the address does not move")
progress(visitors, 1000)
progress(later, 1000)
haproxy = other.directory / "agent" / "haproxy"
assert processes_with(f"{haproxy}/{balancer['id']}"), "open connections were not kept where they are"
for each in (visitors, later):
    each.stop()
    assert each.failures == [], each.failures
print(f"return, failover and drain: {visitors.count + later.count} answers, no failure")
wait(lambda: not haproxy.exists() or not list(haproxy.iterdir()), "what has left the host stays there")
wait(lambda: sharers.statuses(balancer)[0] == "ACTIVE", "not ACTIVE")

for each in list(sharers.machines.values()):
    sharers.end_agent(each)
assert sharers.holders(vip) == [dying] and answer(vip) == "hello", "keepalived has ended with its agent"
sharers.finish()
"""
    print(play(BEGIN + script, tmp_path))
