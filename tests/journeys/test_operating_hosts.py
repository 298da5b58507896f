"""The operator's guide to several hosts: all of its commands in their order, on two machines that are namespaces."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import guides

if TYPE_CHECKING:
    from databases import Cluster

ROOT = Path(__file__).resolve().parents[2]
GUIDE = (ROOT / "doc/source/operating/hosts.rst").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^    (lb[12])\$ (.+)$", GUIDE, re.MULTILINE)
FILES = re.findall(r"code-block:: ini\n\n((?:   .*\n|\n)+)", GUIDE)[:2]

# This namespace is lb1, another one lb2, and a third one has the bridge between them, and a member on it.
PRELUDE = r"""
set -u
for each in lb1 lb2; do
    mkdir -p "$ROOT/$each"/etc/{sysusers.d,systemd/system,lbclient} "$ROOT/$each"/{bin,var/lib,opt/lbclient/bin}
    ln -s "$LBCLIENT" "$ROOT/$each/opt/lbclient/bin/lbclient"
done
mkdir "$ROOT/site" "$ROOT/bin"
namespace() {
    unshare --net sleep 1000 &
    FOUND=$!
    while [ "$(readlink /proc/$FOUND/ns/net)" = "$(readlink /proc/$$/ns/net)" ]; do sleep 0.05; done
}
namespace; LB2=$FOUND
namespace; OTHER=$FOUND
at() { nsenter --net=/proc/$1/ns/net "${@:2}"; }
ip link set lo up
at $LB2 ip link set lo up
at $OTHER ip link add bridge address 02:00:00:00:00:64 type bridge
at $OTHER ip link set bridge up
at $OTHER ip address add 192.0.2.20/24 dev bridge
ip link add eth0 type veth peer name lb1 netns $OTHER
ip link add lb2eth0 netns $LB2 type veth peer name lb2 netns $OTHER
at $LB2 ip link set lb2eth0 name eth0
ip address add 192.0.2.10/24 dev eth0
at $LB2 ip address add 192.0.2.11/24 dev eth0
ip link set eth0 up
at $LB2 ip link set eth0 up
at $OTHER ip link set lb1 master bridge up
at $OTHER ip link set lb2 master bridge up
serve="-m http.server --bind 192.0.2.20 --directory $ROOT/site 80"
nsenter --net=/proc/$OTHER/ns/net "$PYTHON" $serve >/dev/null 2>&1 &
MEMBER=$!
cat > "$ROOT/bin/systemctl" <<'END'
#!/bin/bash
name=${!#}
unit=$MACHINE/etc/systemd/system/$name.service
start() {
    file=$(sed -n "s#^EnvironmentFile=#$MACHINE#p" "$unit")
    [ -z "$file" ] || . "$file"
    places="s#/opt/#$MACHINE/opt/#; s#/etc/#$MACHINE/etc/#; s#\${SERVER}#${SERVER-}#"
    command=$(sed -n 's/^ExecStart=//p' "$unit" | sed "$places")
    : > "$MACHINE/log"
    setsid $command >> "$MACHINE/log" 2>&1 < /dev/null &
    echo $! > "$MACHINE/pid"
    for _ in $(seq 1200); do
        grep -q "agent is running\|server is listening" "$MACHINE/log" && exit 0
        kill -0 $! || exit 1
        sleep 0.1
    done
    exit 1
}
stop() { kill "$(cat "$MACHINE/pid")" && "$PYTHON" -c "import os, sys, time
while os.path.exists('/proc/' + sys.argv[1]): time.sleep(0.05)" "$(cat "$MACHINE/pid")"; }
case $1 in
    enable|start) start ;;
    stop) stop ;;
    restart) stop; start ;;
    *) exit 64 ;;
esac
END
printf '#!/bin/sh\ngrep -q "^u lbclient" "$MACHINE/etc/sysusers.d/lbclient.conf"\n' > "$ROOT/bin/systemd-sysusers"
printf '#!/bin/sh\ncat "$MACHINE/log"\n' > "$ROOT/bin/journalctl"
printf '#!/bin/sh\nshift 3\nPGUSER=postgres exec "$@"\n' > "$ROOT/bin/runuser"
printf '#!/bin/sh\n[ "$*" = "-R lbclient: $MACHINE/var/lib/lbclient-agent" ]\n' > "$ROOT/bin/chown"
chmod +x "$ROOT"/bin/*
PATH=$ROOT/bin:$PATH
end_haproxy() { for file in "$ROOT/$1"/var/lib/*/haproxy/*/*.pid; do kill -9 "$(cat "$file")"; done; }
end() { end_haproxy lb1; end_haproxy lb2; kill -9 $(cat "$ROOT"/lb[12]/pid) $MEMBER $OTHER $LB2; }
trap end EXIT
until_count() {
    for _ in $(seq 600); do
        [ "$(lbclient host show "$1" -f value -c loadbalancer_count)" = "$2" ] && return
        sleep 0.1
    done
    echo "$1 has not come to have $2 load balancers"
}
lose_lb2() {
    until_count lb2 1
    until_heard lb2 True
    until_served
    at $OTHER ip link set lb2 down
    kill -9 "$(cat "$ROOT/lb2/pid")"
    end_haproxy lb2
    until_heard lb2 False
    at $LB2 ip address flush dev eth0
    at $LB2 ip address add 192.0.2.11/24 dev eth0
    at $OTHER ip link set lb2 up
}
until_served() {
    for _ in $(seq 600); do
        ls "$ROOT"/lb2/var/lib/*/haproxy/*/*.pid >/dev/null 2>&1 && curl --fail --silent --output /dev/null \
            "http://$(lbclient loadbalancer show web -f value -c vip_address)/" && return
        sleep 0.1
    done
    echo "web has not come to be served by lb2"
}
until_heard() {
    for _ in $(seq 600); do
        [ "$(lbclient host show "$1" -f value -c heard)" = "$2" ] && return
        sleep 0.1
    done
    echo "$1 is not heard: $2"
}
"""
# What happens, or is waited for, between the commands: by the machine and the beginning of the next command.
BEFORE = {
    "lbclient host undrain lb2": "until_count lb2 0",
    "lbclient host undrain server": "until_count server 0",
    "lbclient host set --dead lb2": "lose_lb2",
    "lbclient host remove lb2": "until_count lb2 0",
}


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """A PostgreSQL whose administrator is called postgres, as in Debian."""
    psycopg = pytest.importorskip("psycopg", reason="psycopg is in the extra `postgresql`")
    from databases import Cluster, programs

    binaries = programs()
    if binaries is None:
        pytest.skip("PostgreSQL is not installed (Debian's package postgresql)")
    made = Cluster(binaries)
    try:
        place = f"host={made.directory} dbname=postgres"
        with psycopg.connect(f"{place} user=lbclient", autocommit=True) as connection:
            connection.execute("CREATE ROLE postgres SUPERUSER LOGIN")
        with psycopg.connect(f"{place} user=postgres", autocommit=True) as connection:
            connection.execute("ALTER ROLE lbclient RENAME TO first")
        made.directory.chmod(0o755)
        yield made
    finally:
        made.remove()


def played(machine: str, command: str, root: Path) -> str:
    """The command with the places of this test instead of the machine's."""
    text = re.sub(r"(?<![\w./])/(etc|opt|var)/", rf"{root}/{machine}/\1/", command)
    if command.startswith("lbclient host enroll"):
        text += f" | tee {root}/token"
    if "TOKEN" in text:
        text = text.replace("TOKEN", f"\"$(sed -n 's/^| token *| \\([^ ]*\\).*/\\1/p' {root}/token)\"")
    if machine == "lb1":
        return f"MACHINE={root}/lb1; export MACHINE; {text}"
    script = root / "command"
    quoted = text.replace("'", "'\\''")
    return f"MACHINE={root}/lb2; export MACHINE; echo '{quoted}' > {script}; at $LB2 bash {script}"


def script(root: Path) -> str:
    lines = [PRELUDE]
    for machine, name, text in zip(("lb1", "lb2"), ("server", "agent"), FILES, strict=True):
        plain = re.sub(r"^   ", "", text, flags=re.MULTILINE).replace(" /", f" {root}/{machine}/")
        lines.append(f"cat > {root}/{machine}/etc/lbclient/{name}.ini <<'END'\n{plain}END")
    lines += [f"cp contrib/systemd/lbclient.service {root}/lb1/etc/systemd/system"]
    certificate = f"-keyout {root}/lb1/etc/lbclient/api.key -out {root}/lb1/etc/lbclient/api.pem"
    names = "-days 365 -subj /CN=lb.example -addext subjectAltName=IP:127.0.0.1"
    lines += [f"openssl req -x509 -newkey rsa:2048 -nodes {names} {certificate} 2>/dev/null"]
    for number, (machine, command) in enumerate(COMMANDS):
        lines += [hook for begin, hook in BEFORE.items() if command.startswith(begin)]
        lines += guides.marked(number, played(machine, command, root))
    return guides.script(lines)


def test_every_command_succeeds(tmp_path: Path, cluster: Cluster) -> None:
    guides.check_namespaces("ip link add a0 type bridge && ip link add a1 type veth peer name a2")
    from databases import programs

    environment = guides.environment(tmp_path, ("OS_", "PG"))
    environment |= {"PGHOST": str(cluster.directory), "PGUSER": "lbclient"}
    environment["PATH"] += f":{programs()}"
    outputs = guides.outputs(script(tmp_path), len(COMMANDS), environment, 900)
    wrong = [
        (machine, command, output)
        for (machine, command), output in zip(COMMANDS, outputs, strict=True)
        if guides.has_failed(output) or "has not come" in output or "is not heard: " in output
    ]
    assert wrong == []
    said = dict(zip(COMMANDS, outputs, strict=True))
    assert re.search(r"^\| heard +\| True", said["lb1", "lbclient host show lb2"], re.MULTILINE)
    assert "metric 27746" in said["lb2", "ip address show dev eth0"]
    assert "registered, epoch 1" in said["lb2", "journalctl -u lbclient-agent"]


def test_every_option_and_path_of_the_table_is_played_or_exists() -> None:
    table = GUIDE.partition("What happens when what fails\n")[2].partition("\nAnother machine")[0]
    words = {re.split(" (?:HOST|AMPHORA)", each)[0] for each in re.findall(r"``(lbclient [^`]+)``", table)}
    assert words == {
        "lbclient host set --dead",
        "lbclient host show",
        "lbclient host enroll",
        "lbclient agent enroll",
        "lbclient loadbalancer amphora configure",
    }
