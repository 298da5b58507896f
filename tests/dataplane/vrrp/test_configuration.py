"""Golden pairs: cases/<name>.yaml is what a host shares, cases/<name>.conf keepalived's configuration, byte for byte.

A new case is the first file; REGENERATE=1 writes the second. Read what it wrote before you commit it.
"""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from lbclient.dataplane.config.cfg import Refused
from lbclient.dataplane.vrrp.configuration import Group, render
from pair import NAMESPACE, needed

CASES = sorted((Path(__file__).parent / "cases").glob("*.yaml"))
GROUP = Group("web", 7, "eth0", "10.0.0.11", "10.0.0.12", True, "10.0.1.1", ("10.0.1.2",))
CHECKED = """
for name in eth0 eth1; do ip link add $name type veth peer name $name-peer || exit 9; done
exec "$0" -t -P -f "$1"
"""


def rendered(case: Path) -> str:
    given: dict[str, Any] = yaml.safe_load(case.read_text())
    groups = [Group(**{**each, "others": tuple(each.get("others", ()))}) for each in given.pop("groups")]
    return render(groups=groups, tracked_file="/var/lib/lbclient/vrrp/able", **given)


@pytest.mark.parametrize("case", CASES, ids=[case.stem for case in CASES])
def test_the_configuration_is_the_golden_one(case: Path) -> None:
    golden = case.with_suffix(".conf")
    if os.environ.get("REGENERATE"):
        golden.write_text(rendered(case))
    assert rendered(case) == golden.read_text()


@pytest.mark.parametrize("case", CASES, ids=[case.stem for case in CASES])
def test_keepalived_accepts_the_configuration(case: Path, tmp_path: Path) -> None:
    keepalived = needed()
    path = tmp_path / "keepalived.conf"
    path.write_text(rendered(case).replace("/var/lib/lbclient/vrrp", str(tmp_path)))
    (tmp_path / "able").write_text("0\n")
    path.chmod(0o600)
    result = subprocess.run(
        [*NAMESPACE, "sh", "-c", CHECKED, keepalived, path], capture_output=True, text=True, timeout=60
    )
    assert result.returncode == 0, result.stderr


def test_the_order_of_groups_and_addresses_changes_nothing() -> None:
    """Otherwise keepalived would be reloaded for nothing."""
    other = replace(GROUP, name="api", number=8, lead="10.0.1.5", others=("10.0.1.6", "10.0.1.7"))
    turned = replace(other, others=other.others[::-1])
    assert render("host1", [GROUP, other], "/run/able") == render("host1", [turned, GROUP], "/run/able")


def test_both_hosts_of_a_group_never_have_equal_priorities() -> None:
    first, second = (render("host1", [replace(GROUP, is_first=each)], "/run/able") for each in (True, False))
    changed = [pair for pair in zip(first.splitlines(), second.splitlines(), strict=True) if pair[0] != pair[1]]
    assert changed == [("    priority 250", "    priority 249")]


def test_the_lead_address_alone_is_in_adverts() -> None:
    """So that two hosts agree while only one of them knows a new address."""
    text = render("host1", [replace(GROUP, others=("10.0.1.2", "10.0.1.3"))], "/run/able")
    assert "virtual_ipaddress {\n        10.0.1.1/32\n    }" in text


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"number": 0}, "from 1 to 255, not 0"),
        ({"number": 256}, "from 1 to 255, not 256"),
        ({"name": "a b"}, "The name of a group has other characters"),
        ({"name": "web {\n}"}, "The name of a group has other characters"),
        ({"interface": "eth0\nnotify /bin/sh"}, "The name of an interface has other characters"),
        ({"peer": "10.0.0.11"}, "both hosts have the address 10.0.0.11"),
        ({"peer": "fd00::1"}, "different IP versions"),
        ({"lead": "fd00::1"}, "different IP versions"),
        ({"lead": "10.0.1"}, "'10.0.1' is not an IP address"),
        ({"others": ("10.0.1.1",)}, "Address 10.0.1.1 is shared twice"),
        ({"others": ("fd00::1", "FD00:0::1")}, "Address fd00::1 is shared twice"),
        ({"others": ("fe80::1%eth0 }",)}, "is not an IP address"),
    ],
)
def test_a_group_that_cannot_be_configured_is_refused(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(Refused, match=reason):
        render("host1", [replace(GROUP, **changes)], "/run/able")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"name": "web", "number": 8}, "Two groups have the name web"),
        ({"name": "api"}, "Two groups on eth0 have the virtual router 7"),
        ({"name": "api", "number": 8}, "Address 10.0.1.2 is shared twice"),
    ],
)
def test_groups_that_collide_are_refused(changes: dict[str, Any], reason: str) -> None:
    other = replace(GROUP, lead="10.0.1.9", **changes)
    with pytest.raises(Refused, match=reason):
        render("host1", [GROUP, other], "/run/able")


@pytest.mark.parametrize(
    ("host", "file", "seconds", "reason"),
    [
        ("host 1", "/run/able", 0.2, "The host's name has other characters"),
        ("host1", "/run/it is able", 0.2, "characters that keepalived's configuration cannot contain"),
        ("host1", "able", 0.2, "characters that keepalived's configuration cannot contain"),
        ("host1", "/run/able", 0.05, "from 0.1 to 1 second"),
        ("host1", "/run/able", 3, "from 0.1 to 1 second"),
    ],
)
def test_a_host_that_cannot_be_configured_is_refused(host: str, file: str, seconds: float, reason: str) -> None:
    with pytest.raises(Refused, match=reason):
        render(host, [GROUP], file, seconds)
