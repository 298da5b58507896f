"""Two hosts that share addresses by VRRP: real keepalived and HAProxy, in network namespaces, with a client."""

from __future__ import annotations

from pathlib import Path

import pytest

from pair import play


@pytest.mark.parametrize("version", [4, 6])
def test_the_client_of_a_host_that_dies_is_served_by_the_other(version: int, tmp_path: Path) -> None:
    script = f"""
pair.start()
dying = pair.settle({version})
client = Client(VIPS[{version}])
client.start()
wait(lambda: len(client.seen) >= 20, "the client does not start")
dying.die()
other = pair.other(dying)
wait(lambda: client.seen[-1][1] == other.name, "the other host does not serve")
client.stop()
print(f"IPv{version}: not served for {{client.gap() * 1000:.0f}} ms")
assert other.has(VIPS[{version}])
"""
    print(play(script, tmp_path))


def test_a_host_that_comes_back_takes_nothing_away(tmp_path: Path) -> None:
    script = """
pair.start(seconds=1)
dying = pair.settle(4)
dying.die()
other = pair.other(dying)
for address in VIPS.values():
    wait(lambda: answer(address) == other.name, "the other host does not serve")
taken = other.takeovers()
dying.join()
dying.serve()
assert dying.share(seconds=1) == "started"
assert pair.settle(4) is other
wait(lambda: "Entering BACKUP STATE" in dying.last_words(), "the host that came back does not stand by")
wait(lambda: not dying.has(VIPS[4]), "the host that came back keeps the address of its former life")
assert pair.settle(4) is other
assert other.takeovers() == taken
"""
    play(script, tmp_path)


def test_a_host_that_is_not_able_to_serve_gives_its_addresses_away(tmp_path: Path) -> None:
    script = """
pair.start()
first = pair.settle(4)
first.keepalived.set_able(False)
other = pair.other(first)
wait(lambda: pair.settle(4) is other, "the other host does not serve")
first.keepalived.set_able(True)
other.keepalived.set_able(False)
wait(lambda: pair.settle(4) is first, "the first host does not serve again")
"""
    play(script, tmp_path)


def test_after_a_partition_one_host_has_the_addresses(tmp_path: Path) -> None:
    script = """
pair.start()
first = pair.settle(4)
other = pair.other(first)
first.leave()
wait(lambda: answer(VIPS[4]) == other.name, "the other host does not serve")
assert first.has(VIPS[4])
first.join()
for version in VIPS:
    pair.settle(version)
"""
    play(script, tmp_path)


def test_reloads_move_no_address(tmp_path: Path) -> None:
    """Also while one host knows a new address and the other does not yet; adverts each second, for busy machines."""
    script = """
pair.start(seconds=1)
holder = pair.settle(4)
other = pair.other(holder)
before = [host.takeovers() for host in pair.hosts]
for round in range(1, 13):
    others = tuple(f"10.0.2.{last}" for last in range(1, 1 + round * 5))
    for host in pair.hosts if round % 2 else pair.hosts[::-1]:
        assert host.share(others, seconds=1) == "reloaded"
        assert host.share(others, seconds=1) == "nothing"
    wait(lambda: holder.has(others[-1]), "the new address is not there")
    assert not other.has(others[-1])
assert holder.share(seconds=1) == other.share(seconds=1) == "reloaded"
wait(lambda: not holder.has(others[-1]), "the address is not taken away")
assert pair.settle(4) is holder
assert [host.takeovers() for host in pair.hosts] == before
"""
    play(script, tmp_path)


def test_a_refused_configuration_leaves_the_last_one_in_effect(tmp_path: Path) -> None:
    script = """
from lbclient.dataplane.config.cfg import Refused
pair.start()
host = pair.settle(4)
text = (host.directory / "keepalived.conf").read_text()
pid = host.keepalived.pid()
try:
    with host.inside():
        host.keepalived.apply(text.replace("advert_int", "advert"))
except Refused as error:
    assert "Unknown keyword 'advert'" in str(error), error
    assert str(host.directory) not in str(error), error
else:
    raise AssertionError("was not refused")
assert (host.directory / "keepalived.conf").read_text() == text
assert host.keepalived.pid() == pid
assert host.share() == "nothing"
pair.settle(4)
"""
    play(script, tmp_path)


def test_keepalived_that_was_killed_is_started_again(tmp_path: Path) -> None:
    """Also if its child has outlived it, which would hold the addresses for ever."""
    script = """
import os, signal
pair.start()
host = pair.settle(4)
host.keepalived.kill()
assert host.keepalived.pid() is None
assert host.share() == "started"
pair.settle(4)
os.kill(host.keepalived.pid(), signal.SIGKILL)
wait(lambda: host.keepalived.pid() is None, "the parent does not end")
assert host.share() == "started"
pair.settle(4)
"""
    play(script, tmp_path)


def test_keepalived_that_is_stopped_gives_its_addresses_away(tmp_path: Path) -> None:
    script = """
pair.start()
first = pair.settle(4)
assert first.keepalived.stop() == "stopped"
assert first.keepalived.stop() == "nothing"
assert not first.has(VIPS[4])
assert pair.settle(4) is pair.other(first)
assert pair.other(first).keepalived.stop() == "stopped"
assert answer(VIPS[4]) is None
"""
    play(script, tmp_path)


def test_a_foreign_virtual_router_of_the_same_number_moves_no_address(tmp_path: Path) -> None:
    """It has a higher priority, and sends its adverts to all on the link."""
    script = """
pair.start(seconds=1)
holder = pair.settle(4)
taken = [each.takeovers() for each in pair.hosts]
foreign = Host(Path(sys.argv[1]), 3)
with foreign.inside():
    foreign.keepalived.apply(
        "global_defs {\\n vrrp_version 3\\n}\\n"
        "vrrp_instance foreign {\\n state MASTER\\n interface eth0\\n virtual_router_id 7\\n"
        " priority 254\\n advert_int 0.2\\n virtual_ipaddress {\\n 10.0.9.3/32\\n }\\n}\\n"
    )
wait(lambda: foreign.has("10.0.9.3"), "the foreign router does not start")
client = Client(VIPS[4])
client.start()
wait(lambda: len(client.seen) > 500, "no progress")
client.stop()
assert {name for _, name in client.seen} <= {holder.name, None}
assert [each.takeovers() for each in pair.hosts] == taken
assert pair.settle(4) is holder
"""
    play(script, tmp_path)
