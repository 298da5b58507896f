"""The operator's guide: all of its commands in their order, and the reasons that it quotes."""

from __future__ import annotations

import importlib.util
import re
import shlex
from pathlib import Path

import pytest

import guides

ROOT = Path(__file__).resolve().parents[2]
PAGES = ROOT / "doc/source/operating"
GUIDE = (PAGES / "index.rst").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^    \$ (.+)$", GUIDE, re.MULTILINE)

# A machine: eth0 on a link with another one, which serves on 192.0.2.20; systemctl runs what the unit says.
PRELUDE = r"""
set -u
mkdir -p "$ROOT"/etc/{sysusers.d,systemd/system,lbclient} "$ROOT"/{backup,elsewhere,bin,var/lib,opt/lbclient/bin}
ln -s "$LBCLIENT" "$ROOT/opt/lbclient/bin/lbclient"
ip link set lo up
ip link add eth0 type veth peer name other
ip address add 192.0.2.10/24 dev eth0
ip link set eth0 up
unshare --net sleep 1000 &
OTHER=$!
while [ "$(readlink /proc/$OTHER/ns/net)" = "$(readlink /proc/$$/ns/net)" ]; do sleep 0.05; done
ip link set other netns $OTHER
nsenter --net=/proc/$OTHER/ns/net sh -c 'ip link set other up && ip address add 192.0.2.20/24 dev other'
serve="-m http.server --bind 192.0.2.20 --directory $ROOT/elsewhere 80"
nsenter --net=/proc/$OTHER/ns/net "$PYTHON" $serve >/dev/null 2>&1 &
MEMBER=$!
cat > "$ROOT/bin/systemctl" <<'END'
#!/bin/bash
unit=$ROOT/etc/systemd/system/lbclient.service
start() {
    command=$(sed -n 's/^ExecStart=//p' "$unit" | sed "s#/opt/#$ROOT/opt/#; s#/etc/#$ROOT/etc/#")
    XDG_STATE_HOME=$ROOT/var/lib setsid $command >> "$ROOT/log" 2>&1 < /dev/null &
    echo $! > "$ROOT/pid"
    "$LBCLIENT" server wait --timeout 120 --state-directory "$ROOT/var/lib/lbclient" > /dev/null
}
stop() { kill "$(cat "$ROOT/pid")" && "$PYTHON" -c "import os, sys, time
while os.path.exists('/proc/' + sys.argv[1]): time.sleep(0.05)" "$(cat "$ROOT/pid")"; }
case $1 in
    enable|start) start ;;
    stop) stop ;;
    restart) stop; start ;;
    reload) MAINPID=$(cat "$ROOT/pid"); eval "$(sed -n 's/^ExecReload=//p' "$unit")" ;;
    *) exit 64 ;;
esac
END
printf '#!/bin/sh\ngrep -q "^u lbclient" "$ROOT/etc/sysusers.d/lbclient.conf"\n' > "$ROOT/bin/systemd-sysusers"
printf '#!/bin/sh\ncat "$ROOT/log"\n' > "$ROOT/bin/journalctl"
chmod +x "$ROOT"/bin/*
PATH=$ROOT/bin:$PATH
trap 'end_haproxy; kill -9 "$(cat "$ROOT/pid")" $MEMBER $OTHER' EXIT
end_haproxy() { for file in "$ROOT"/var/lib/lbclient/haproxy/*/*.pid; do kill -9 "$(cat "$file")"; done; }
lose_machine() {
    systemctl stop
    end_haproxy
    ip address flush dev eth0 metric 27746 2>/dev/null || ip address flush to 192.0.2.128/25 dev eth0
    rm -rf "$ROOT/var/lib/lbclient"
}
"""
BEFORE = {"lbclient server restore": "lose_machine"}


def played(command: str, root: Path) -> str:
    """The command with the places of this test instead of the machine's."""
    return re.sub(r"(?<![\w./])/(etc|opt|var|backup|elsewhere)/", rf"{root}/\1/", command)


def script(root: Path) -> str:
    [ini] = re.findall(r"code-block:: ini\n\n((?:   .*\n|\n)+)", GUIDE)
    text = re.sub(r"^   ", "", ini, flags=re.MULTILINE)
    lines = [PRELUDE, f"cat > {root}/etc/lbclient/server.ini <<'END'\n{played(text, root)}END"]
    for number, command in enumerate(COMMANDS):
        lines += [hook for begin, hook in BEFORE.items() if command.startswith(begin)]
        lines += guides.marked(number, played(command, root))
    return guides.script(lines)


def test_every_command_succeeds(tmp_path: Path) -> None:
    guides.check_namespaces("ip link add a0 type veth peer name a1")
    if importlib.util.find_spec("openstackclient") is None:
        pytest.skip("the genuine openstack is not installed")
    outputs = guides.outputs(script(tmp_path), len(COMMANDS), guides.environment(tmp_path), 600)
    wrong = [(command, output) for command, output in zip(COMMANDS, outputs, strict=True) if guides.has_failed(output)]
    assert wrong == []
    said = dict(zip(COMMANDS, outputs, strict=True))
    assert "metric 27746" in said["ip address show dev eth0"]
    assert "to log in: export OS_CLIENT_CONFIG_FILE=" in said["journalctl -u lbclient"]


def test_the_formula_of_memory_is_the_one_that_the_benchmark_checks() -> None:
    page = (PAGES / "capacity.rst").read_text(encoding="utf-8")
    [written] = re.findall(r"(\d+) MB \+ ([\d.]+) MB × load balancers \+ (\d+) kB × members", page)
    benchmark = (ROOT / "benchmarks/scale.py").read_text(encoding="utf-8")
    [checked] = re.findall(r"^SERVER, BALANCER, MEMBER = ([\d_]+), ([\d_]+), ([\d_]+)", benchmark, re.MULTILINE)
    server, balancer, member = map(int, checked)
    assert [float(each) for each in written] == [server / 1000, balancer / 1000, member]


def test_commands_are_programs_and_reasons_are_the_products() -> None:
    assert {shlex.split(each)[0] for each in COMMANDS} >= {"lbclient", "systemctl", "curl", "ip"}
    page = (PAGES / "troubleshooting.rst").read_text(encoding="utf-8")
    reasons = re.findall(r"^   \* - ``(.+)``$", page, re.MULTILINE)
    assert len(reasons) > 15
    sources = (path.read_text(encoding="utf-8") for path in (ROOT / "lbclient").rglob("*.py"))
    code = re.sub(r'"\s*\n\s*f?"', "", "\n".join(sources))
    missing = [reason for reason in reasons if reason not in code]
    assert missing == []
