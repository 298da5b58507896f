"""Announced addresses as the kernel has them, in a network namespace of the test's own; and BIRD's configurations."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from lbclient.dataplane.haproxy import announced
from machines import Run
from routed import CONTRIB, ROUTER, configured, needed

BEGIN = """
from lbclient.dataplane.haproxy import announced
announced.find = lambda: "bird"  # it is not run here
W4, W6 = "198.51.100.8", "2001:db8::8"
"""


def test_an_address_is_announced_as_long_as_a_holder_has_it(in_namespace: Run) -> None:
    script = """
anyip = attachments.attachment("anyip", is_announcing=True)
anyip.start({})
assert anyip.is_announcing
for _ in range(2):  # idempotent
    anyip.announce("a", [V4, V6])
anyip.announce("b", [V4, W4])
assert announced.routes() == {V4, V6, W4}
anyip.announce("a", [V6, W6])
assert announced.routes() == {V4, V6, W4, W6}, "b has V4, too"
anyip.announce("b", [])
assert announced.routes() == {V6, W6}
announced.remove(V6)  # as somebody else could
anyip.announce("a", [])
anyip.announce("a", [])
assert announced.routes() == set()
assert not local_routes.is_local(V4) and not local_routes.is_local(V6), "to announce an address does not attach it"
anyip.stop()
"""
    in_namespace(BEGIN + script)


def test_a_start_takes_over_what_is_wanted_and_withdraws_the_rest(in_namespace: Run) -> None:
    script = """
def started(kind, is_announcing, wanted):
    made = attachments.attachment(kind, is_announcing=is_announcing)
    made.start(wanted)
    return made

before = started("anyip", True, {})
before.announce("a", [V4, V6, W4])
before.announce("b", [W6])
before.stop()
assert announced.routes() == {V4, V6, W4, W6}, "HAProxy serves them on"
after = started("anyip", True, {"a": [V4, V6]})
assert announced.routes() == {V4, V6}
after.announce("a", [])
assert announced.routes() == set()
after.announce("a", [V4, V6])
after.stop()
kernel.route("add", dst="198.51.100.0/24", table=announced.TABLE, type="blackhole", proto=4)
for kind in ("interface", "anyip"):
    announced.add(V4)
    announced.add(V6)
    made = started(kind, False, {"a": [V4, V6]})
    made.announce("a", [V4])
    assert announced.routes() == set(), f"nothing withdraws later what {kind} leaves there"
    made.stop()
assert len(kernel.get_routes(table=announced.TABLE)) == 1, "the route of someone else stays"
"""
    in_namespace(BEGIN + script)


def test_what_someone_else_removes_is_announced_again(in_namespace: Run) -> None:
    script = """
from running import wait_until
made = announced.Announced(is_enabled=True, watch_seconds=0.05)
made.start({})
made.announce("a", [V4, V6])
for address in (V4, V6):
    announced.remove(address)
wait_until(lambda: announced.routes() == {V4, V6})
made.stop()
"""
    in_namespace(BEGIN + script)


def test_without_bird_nothing_starts(in_namespace: Run) -> None:
    script = """
announced.find = lambda: None
anyip = attachments.attachment("anyip", is_announcing=True)
assert refused(anyip.check) == refused(anyip.start, {}) == announced.MISSING
attachments.attachment("anyip").check()
"""
    in_namespace(BEGIN + script)


@pytest.mark.parametrize("name", ["host.conf", "router.conf"])
def test_bird_accepts_the_configurations_that_the_documentation_has(name: str, tmp_path: Path) -> None:
    """As they are, and with the addresses of the tests that play them."""
    own = {4: "10.0.0.11", 6: "fd00::11"} if name == "host.conf" else ROUTER
    text = (CONTRIB / name).read_text()
    played = configured(name, own)
    assert "192.0.2." not in played
    assert "2001:db8::" not in played
    for number, each in enumerate((text, played)):
        path = tmp_path / f"{number}.conf"
        path.write_text(each)
        done = subprocess.run([needed(), "-p", "-c", path], capture_output=True, text=True, timeout=60)
        assert (done.returncode, done.stderr) == (0, "")


def test_bird_reads_the_table_that_addresses_are_in() -> None:
    assert (CONTRIB / "host.conf").read_text().count(f"kernel table {announced.TABLE};") == 2
