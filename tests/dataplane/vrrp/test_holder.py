"""Agents' halves of a pair: the groups that are wanted become a keepalived that runs, and stays what it should be."""

from __future__ import annotations

from pathlib import Path

import pytest

from halves import BEGIN
from pair import play


def test_groups_become_addresses_that_one_host_has(tmp_path: Path) -> None:
    script = """
assert first.states() == set() and first.pid() is None
first.want()
settled("MASTER", first)
second.want()
settled("BACKUP", second)
for version in VIPS:
    assert pair.settle(version) is first.host
second.want(("10.0.1.2",))
first.want(("10.0.1.2",))
wait(lambda: first.host.has("10.0.1.2"), "the new address is not there")
assert not second.host.has("10.0.1.2")
with first.host.inside():
    assert first.holder.own_addresses() == {"eth0": ["10.0.0.11/16", "fd00::11/16"]}
first.holder.want(())
second.holder.want(())
assert first.pid() is None and second.pid() is None
assert not first.host.has(VIPS[4]) and not second.host.has(VIPS[4])
end()
"""
    play(BEGIN + script, tmp_path)


def test_keepalived_outlives_the_holder_and_is_started_again_when_killed(tmp_path: Path) -> None:
    script = """
first.want()
second.want()
settled("MASTER", first)
settled("BACKUP", second)
pid = first.pid()
first.holder.stop()
first.start(is_able=False)  # for an agent that starts again, what runs goes on
assert first.pid() == pid and first.states() == set()
first.want()
settled("MASTER", first)
assert first.pid() == pid
first.host.keepalived.kill()
wait(lambda: first.pid() not in (None, pid), "keepalived was not started again")
wait(lambda: {*first.states()} | {*second.states()} == {"MASTER", "BACKUP"}, "no host has the addresses alone")
for version in VIPS:
    pair.settle(version)
end()
"""
    play(BEGIN + script, tmp_path)


def test_a_group_moves_where_it_is_wanted_and_others_stay(tmp_path: Path) -> None:
    script = """
for half in halves:
    half.want()
settled("MASTER", first)
settled("BACKUP", second)
four, six = first.groups()
first.news.clear()
with first.host.inside():
    first.holder.want([replace(four, yields=True), six])
wait(lambda: second.holder.states() == {"four": "MASTER", "six": "BACKUP"}, "the group does not move")
wait(lambda: first.holder.states() == {"four": "FAULT", "six": "MASTER"}, "the other one does not stay")
assert first.news.is_set()
first.want()
wait(lambda: first.holder.states() == {"four": "BACKUP", "six": "MASTER"}, "does not stand by again")
assert pair.settle(4) is second.host and pair.settle(6) is first.host
end()
"""
    play(BEGIN + script, tmp_path)


def test_a_host_takes_nothing_before_it_can_serve(tmp_path: Path) -> None:
    script = """
first.holder.stop()
first.start(is_able=False)
first.want()
second.want()
settled("MASTER", second)
settled("FAULT", first)
with first.host.inside():
    first.holder.set_able(True)
settled("BACKUP", first)
end()
"""
    play(BEGIN + script, tmp_path)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ('peer="10.77.0.1"', "no address in a network with 10.0.1.1 and the other host, 10.77.0.1"),
        ("number=0", "the number of a virtual router is from 1 to 255, not 0"),
    ],
)
def test_a_group_that_cannot_be_shared_is_a_fault_until_it_can(tmp_path: Path, change: str, reason: str) -> None:
    script = f"""
import io, logging
log = io.StringIO()
logging.basicConfig(stream=log)
four, six = first.groups()
with first.host.inside():
    first.holder.want([replace(four, {change}), six])
settled("FAULT", first)
assert {reason!r} in log.getvalue(), log.getvalue()
first.want()
settled("MASTER", first)
end()
"""
    play(BEGIN + script, tmp_path)
