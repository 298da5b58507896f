"""Attachments, in a network namespace of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence

import pytest

from lbclient.dataplane.haproxy import attachments

IN_NAMESPACE = """
import socket
from lbclient.dataplane import attach
from pyroute2 import IPRoute

with IPRoute() as routes:
    routes.link("set", index=routes.link_lookup(ifname="lo")[0], state="up")
anyip = attach.attachment("anyip")
for _ in range(2):  # idempotent
    anyip.prepare(["198.51.100.7", "2001:db8::7", "127.0.0.1"])
for family, address in ((socket.AF_INET, "198.51.100.7"), (socket.AF_INET6, "2001:db8::7")):
    with socket.socket(family) as server:
        server.bind((address, 80))
        server.listen()
        with socket.create_connection((address, 80), timeout=5):
            pass
print("well")
"""


def test_anyip_makes_any_address_local() -> None:
    command = ["unshare", "--user", "--map-root-user", "--net", sys.executable, "-c", IN_NAMESPACE]
    if subprocess.run([*command[:4], "true"], capture_output=True).returncode != 0:
        pytest.skip("no user namespaces here")
    result = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert result.stdout == "well\n", result.stderr


def test_loopback_takes_what_is_local_and_nothing_else() -> None:
    loopback = attachments.attachment("loopback")
    loopback.prepare(["127.0.0.1", "127.200.3.4"])
    with pytest.raises(attachments.AttachmentFailed, match=r"198\.51\.100\.7 .* 127\.0\.0\.0/8"):
        loopback.prepare(["127.0.0.1", "198.51.100.7"])


def test_without_privileges_anyip_says_so(unprivileged: Sequence[str]) -> None:
    if os.getuid() == 0 and not unprivileged:
        pytest.skip("an ordinary user cannot run this Python")
    script = "from lbclient.dataplane import attach\nattach.attachment('anyip').prepare(['198.51.100.7'])"
    command = [*unprivileged, sys.executable, "-c", script]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert "Address 198.51.100.7 cannot be attached to this machine" in result.stderr
