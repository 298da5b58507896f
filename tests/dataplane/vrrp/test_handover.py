"""Moves of addresses between two hosts by plan: no request fails, and no open connection is cut."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pki
import pytest

from halves import BEGIN
from lbclient.dataplane.config.cfg import Refused
from lbclient.dataplane.vrrp import handover
from pair import NAMESPACE, needed, play

MOVES = """
from moving import Clients, configure, member
from lbclient.dataplane.vrrp.handover import Handover, find
member()

def serve(host):
    path = host.directory / "haproxy.cfg"
    path.write_text(configure(host, CERTIFICATE))
    with host.inside(), open(host.directory / "haproxy.log", "ab") as log:
        host.haproxy.kill()
        host.haproxy.wait()
        host.haproxy = subprocess.Popen([find_haproxy(), "-db", "-f", str(path)], stdout=log, stderr=log)

def move(old, new):
    handover = Handover(find())
    wanted = old.groups()
    if IS_KEPT:
        with new.host.inside():
            for each in new.groups():
                interface, _ = new.holder.place(each)
                handover.expect(each.name, interface, each.addresses, each.peer)
        with old.host.inside():
            for each in wanted:
                handover.keep(each.addresses)
    old.want(yields=True)
    settled("MASTER", new)
    with old.host.inside():
        for each in wanted:
            handover.forget(each.name)
    old.want()
    settled("BACKUP", old)

import subprocess
for each in pair.hosts:
    serve(each)
for half in halves:
    half.want()
settled("MASTER", first)
settled("BACKUP", second)
for address in VIPS.values():
    def is_served(address=address):
        import http.client
        connection = http.client.HTTPConnection(address, 80, timeout=1)
        try:
            connection.request("GET", "/")
            return connection.getresponse().status == 200
        except OSError:
            return False
    wait(is_served, "is not served")
clients = [Clients(address) for address in VIPS.values()]
for each in clients:
    each.start()
def progress():
    before = [each.count for each in clients]
    wait(lambda: all(each.failures or each.count > seen + 200 for each, seen in zip(clients, before)), "no progress")
progress()
"""


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    path = tmp_path / "certificate.pem"
    made = pki.certified("web.example")
    path.write_text(made.pem + made.key_pem())
    return path


def moved(certificate: Path, directory: Path, script: str, is_kept: bool = True) -> str:
    needed()
    if handover.find() is None:
        pytest.skip("nft is not installed (Debian's package nftables)")
    given = f"CERTIFICATE, IS_KEPT = {str(certificate)!r}, {is_kept}\n"
    return play(BEGIN + given + MOVES + script, directory)


def test_moves_there_and_back_cut_nothing(certificate: Path, tmp_path: Path) -> None:
    """Back again while connections of both hosts are open: each stays with the host that has it."""
    script = """
for old, new in ((first, second), (second, first), (first, second)):
    move(old, new)
    progress()
for each in clients:
    each.stop()
    print(each.address, each.count, each.names)
found = [each.failures for each in clients]
assert found == [[], []], found
for each in clients:
    assert each.names["new"] == {"host1", "host2"}
    assert each.names["kept"] == each.names["tls"] == {"host1"}
end()
"""
    print(moved(certificate, tmp_path, script))


def test_without_the_hand_over_open_connections_are_cut(certificate: Path, tmp_path: Path) -> None:
    """Shows that the test above can fail."""
    script = """
move(first, second)
wait(lambda: all(any("kept" in failure for failure in each.failures) for each in clients), "nothing was cut")
end()
"""
    moved(certificate, tmp_path, script, is_kept=False)


def test_tables_end_by_themselves_and_when_the_group_moves_on(tmp_path: Path) -> None:
    if handover.find() is None:
        pytest.skip("nft is not installed (Debian's package nftables)")
    script = """
from lbclient.dataplane.vrrp.handover import Handover, find
def tables():
    with first.host.inside():
        return subprocess.run([find(), "list", "tables"], capture_output=True, text=True, check=True).stdout
import subprocess
four, six = first.groups()
with first.host.inside():
    short, long = Handover(find(), 1), Handover(find())
    short.expect("four", "eth0", four.addresses, four.peer)
    long.expect("six", "eth0", six.addresses, six.peer)
    long.expect("six", "eth0", six.addresses, six.peer)
    assert tables().count("lbclient-four-") == tables().count("lbclient-six-") == 1
    def is_over():
        long.forget_ended()
        return "lbclient-four-" not in tables()
    wait(is_over, "a table stays")
    assert "lbclient-six-" in tables()
    long.forget("four")
    long.forget("six")
    assert "lbclient" not in tables()
    short.keep((VIPS[4], VIPS[6]))
    assert VIPS[4] in ip("addr show dev lo") and VIPS[6] in ip("addr show dev lo")
    wait(lambda: VIPS[4] not in ip("addr show dev lo") and VIPS[6] not in ip("addr show dev lo"), "an address stays")
    short.keep((VIPS[4],))
    long.keep((VIPS[4],))
end()
"""
    play(BEGIN + script, tmp_path)


GOLDEN = Path(__file__).parent / "handover.nft"


def test_the_table_is_the_golden_one(tmp_path: Path) -> None:
    known = [("10.0.0.9", 5000, "10.0.1.1", 80), ("10.0.0.9", 5001, "10.0.0.11", 22)]
    addresses = ["10.0.1.2", "10.0.1.1", "fd00:1::1"]
    name = handover.table("web", 7200)
    text = handover.render(name, "eth0", addresses, "10.0.0.12", known)
    assert text == GOLDEN.read_text()
    if handover.find() is None or subprocess.run([*NAMESPACE, "true"], capture_output=True).returncode != 0:
        return
    path = tmp_path / "table.nft"
    path.write_text(text)
    script = f"{shutil.which('ip')} link add eth0 type veth peer name other; exec {handover.find()} -c -f {path}"
    done = subprocess.run([*NAMESPACE, "sh", "-c", script], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_a_host_of_another_version_is_refused() -> None:
    with pytest.raises(Refused, match="has the IP version of fd00::12"):
        handover.render("name", "eth0", ["10.0.1.1"], "fd00::12")


def test_connections_are_read_as_the_kernel_writes_them(tmp_path: Path) -> None:
    path = tmp_path / "tcp"
    rest = "00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0"
    lines = (
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode",
        f"   0: 0101000A:0050 00000000:0000 0A {rest}",
        f"   1: 0101000A:0050 0900000A:1388 01 {rest}",
        f"   2: 0B00000A:0016 0900000A:1389 01 {rest}",
    )
    path.write_text("".join(f"{line}\n" for line in lines))
    found = list(handover.connections(["10.0.1.1"], [path, tmp_path / "missing"]))
    assert found == [("10.0.0.9", 5000, "10.0.1.1", 80)]
    path.write_text(
        "  sl  local_address  remote_address st\n"
        "   0: 000000FD000000000000000001000000:0050 000000FD000000000000000000010000:1388 01 0\n"
    )
    assert list(handover.connections(["fd00::1"], [path])) == [("fd00::100", 5000, "fd00::1", 80)]
