"""Every command of the load-balancing guide as it stands, in its order, through both command lines, with traffic."""

from __future__ import annotations

import re
import shlex
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

GUIDE: Sequence[dict[str, Any]] = yaml.safe_load(Path(__file__).with_name("guide.yaml").read_text(encoding="utf-8"))
MARK = "@@@"

GET = """
import sys, urllib.error, urllib.request
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
for _ in range(int(sys.argv[2])):
    try:
        print(opener.open(sys.argv[1], timeout=10).read().decode())
    except urllib.error.HTTPError as error:
        print(error.code)
"""
PRELUDE = f"""
get() {{ {shlex.quote(sys.executable)} -c {shlex.quote(GET)} "$1" "$2"; }}
if command -v curl >/dev/null; then curl() {{ command curl -sS "$@"; }}; else curl() {{ get "http://$1/" 1; }}; fi
until_active() {{  # the guide says: once it is ACTIVE
    for _ in $(seq 150); do
        [ "$(openstack loadbalancer show "$1" -f value -c provisioning_status)" = ACTIVE ] && return
        sleep 0.2
    done
    return 1
}}
answers() {{  # a floating IP is attached a moment after the command; on a slow machine, after the next one
    for _ in $(seq 150); do get "http://$1/" 1 >/dev/null 2>&1 && return; sleep 0.2; done
    return 1
}}
guide-servers >/dev/null 2>&1 </dev/null &
for _ in $(seq 100); do get http://10.0.0.7/ 1 >/dev/null 2>&1 && break; sleep 0.1; done
"""
BOTH = "Server : server-1 @ 10.0.0.4\nServer : server-2 @ 10.0.0.6"
TRAFFIC = {  # after this line of the guide: a check of ours, and what it prints (lines in any order)
    "openstack floating ip list | grep $VIP | awk '{ print $4}'": (
        ("get http://$VIP/ 4", f"{BOTH}\n{BOTH}"),
        ("get http://$VIP:443/ 4", f"{BOTH}\n{BOTH}"),
        ("get http://$VIP/health 1", "healthy!"),
        ("get http://$FIP/ 2", BOTH),
        ("get http://$FIP:443/ 2", BOTH),
    ),
    "openstack loadbalancer member set http_pool login.example.com --weight 0": (
        ("until_active lb_test_2", ""),
        ("get http://login.example.com/ 1", "503"),
        ("get http://shop.example.com/ 1", "Welcome to shop.example.com"),
    ),
}
WAITS = {  # before this line of the guide, what it says in words
    "openstack loadbalancer list": "until_active lb_test_1 && until_active ${BALANCER:-lb_test_1}",
    "openstack loadbalancer member list 80_pool": "until_active lb_test_1",
    "openstack loadbalancer member list 443_pool": "until_active lb_test_1",
    "export FIP=`openstack floating ip create public-net -f value -c floating_ip_address`": (
        "until_active ${BALANCER:-lb_test_1}"
    ),
    "openstack loadbalancer create --vip-subnet-id ${SUBNET} --name lb_test_2": "BALANCER=lb_test_2",
    "openstack floating ip list | grep $VIP | awk '{ print $4}'": "answers $FIP",
    "curl login.example.com": "answers $FIP && echo $FIP login.example.com shop.example.com | sudo tee -a /etc/hosts",
}
NEWER_DEFAULTS = {  # fields that were empty when the guide was written
    "timeout_client_data": "50000",
    "timeout_member_connect": "5000",
    "timeout_member_data": "50000",
    "timeout_tcp_inspect": "0",
    "vip_qos_policy_id": "None",
}
KINDS = (  # values that differ from run to run have the form of the guide's
    re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
    re.compile(r"[0-9a-f]{32}"),
    re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d"),
)


@dataclass(frozen=True)
class Played:
    """The result of a line."""

    line: str
    status: int
    output: str


def script(client: str) -> str:
    parts = [PRELUDE]
    for number, entry in enumerate(GUIDE):
        line = entry["line"]
        parts.append(WAITS.get(line, ":") + " >/dev/null")
        for typed in (line, *(check for check, _ in TRAFFIC.get(line, ()))):
            parts += [f"echo {MARK} {number}", re.sub(r"\bopenstack\b", client, typed), "echo; echo $?"]
    return "\n".join(["exec 2>&1", *parts, "kill %1"])


@pytest.fixture(scope="module", params=["lbclient", "openstack"])
def played(request: pytest.FixtureRequest, open_lab: Any) -> list[Played]:
    """The guide from its first to its last command, in one shell, and the traffic between."""
    if request.param == "openstack" and not shutil.which("openstack", path=str(Path(sys.executable).parent)):
        pytest.skip("the genuine openstack is not installed")
    result = open_lab("bash", "-c", script(request.param), timeout=900)
    assert result.returncode == 0, result.stdout[-2000:] + result.stderr
    lines = [typed for entry in GUIDE for typed in (entry["line"], *(t for t, _ in TRAFFIC.get(entry["line"], ())))]
    outputs = re.split(rf"^{MARK} \d+\n", result.stdout, flags=re.MULTILINE)[1:]
    return [read(line, output) for line, output in zip(lines, outputs, strict=True)]


def read(line: str, output: str) -> Played:
    text, _, status = output.rstrip("\n").rpartition("\n")
    return Played(line, int(status), text.rstrip("\n"))


def cells(table: str) -> list[list[str]]:
    """The rows of a table, cells as they are but for one space at both sides."""
    return [[cell[1:-1] for cell in line[1:-1].split("|")] for line in table.splitlines() if line.startswith("|")]


def is_like(value: str, model: str, name: str) -> bool:
    """Whether a value is the guide's, or of the same kind where values differ from run to run."""
    for kind in KINDS:
        if kind.fullmatch(model):
            return bool(kind.fullmatch(value))
    if name == "vip_address":
        return bool(re.fullmatch(r"10\.0\.0\.\d+", value))
    return value == model or (model == "" and value == NEWER_DEFAULTS.get(name))


def in_order(wanted: Sequence[str], found: Sequence[str]) -> bool:
    """Whether all wanted names are found in their order; others may stand between."""
    rest = iter(found)
    return all(name in rest for name in wanted)


def test_every_line_succeeds(played: list[Played]) -> None:
    assert [each for each in played if each.status != 0] == []


def test_tables_of_one_resource(played: list[Played]) -> None:
    for entry, output in zip(GUIDE, guide_lines(played), strict=True):
        if "fields" not in entry:
            continue
        values = {row[0].rstrip(): row[1].rstrip() for row in cells(output)[1:]}
        wanted = [name for name, _ in entry["fields"]]
        assert in_order(wanted, list(values)), (entry["line"], wanted, list(values))
        wrong = [
            (name, model, values[name]) for name, model in entry["fields"] if not is_like(values[name], model, name)
        ]
        assert wrong == [], entry["line"]


def test_lists(played: list[Played]) -> None:
    for entry, output in zip(GUIDE, guide_lines(played), strict=True):
        if "columns" not in entry:
            continue
        header, *rows = cells(output)
        names = [cell.strip() for cell in header]
        assert in_order(entry["columns"], names), (entry["line"], entry["columns"], names)
        for model, row in zip(entry["rows"], rows[-len(entry["rows"]) :], strict=True):
            check_row(
                entry["line"], dict(zip(entry["columns"], model, strict=True)), dict(zip(names, row, strict=True))
            )


def check_row(line: str, model: dict[str, str], row: dict[str, str]) -> None:
    for name, wanted in model.items():
        assert is_like(row[name].strip(), wanted.strip(), name), (line, name, wanted, row[name])
        if wanted.startswith(" "):
            assert row[name] == row[name].strip().rjust(len(row[name])), (line, name, "numbers stand at the right")


def test_plain_outputs(played: list[Played]) -> None:
    for entry, output in zip(GUIDE, guide_lines(played), strict=True):
        if "output" in entry:
            assert output.splitlines()[-1:] == [entry["output"]], entry["line"]


def test_the_floating_ip_is_found(played: list[Played]) -> None:
    (found,) = [each.output for each in played if each.line.startswith("openstack floating ip list")]
    assert re.fullmatch(r"203\.0\.113\.\d+", found)


def test_traffic(played: list[Played]) -> None:
    expected = {check: sorted(output.splitlines()) for checks in TRAFFIC.values() for check, output in checks}
    came = {each.line: sorted(each.output.splitlines()) for each in played if each.line in expected}
    assert came == expected


def guide_lines(played: Sequence[Played]) -> list[str]:
    """The outputs of the guide's own lines."""
    ours = {check for checks in TRAFFIC.values() for check, _ in checks}
    return [each.output for each in played if each.line not in ours]
