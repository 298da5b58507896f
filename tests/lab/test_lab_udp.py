"""UDP in a lab: port 53 on a real address, for an ordinary user."""

from __future__ import annotations

import sys

from running import Lab

MEMBER = """
import socket
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
    listening.bind(("10.0.0.153", 53))
    while True:
        data, client = listening.recvfrom(2048)
        listening.sendto(b"answer to " + data, client)
"""
ASK = """
import socket, sys
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
    client.settimeout(10)
    client.sendto(b"question", (sys.argv[1], 53))
    print(*client.recvfrom(2048))
"""
SCRIPT = """
set -e
"$1" -c "$2" &
make() { lbclient loadbalancer "$@" --wait > /dev/null; }
make create --name lb --vip-subnet-id public-subnet --vip-address 203.0.113.53
make listener create --name dns --protocol UDP --protocol-port 53 lb
make pool create --name pool --listener dns --protocol UDP --lb-algorithm ROUND_ROBIN
make member create --address 10.0.0.153 --protocol-port 53 pool
"$1" -c "$3" 203.0.113.53
kill %1
"""


def test_port_53(open_lab: Lab) -> None:
    done = open_lab("bash", "-c", SCRIPT, "script", sys.executable, MEMBER, ASK)
    assert done.stdout == "b'answer to question' ('203.0.113.53', 53)\n", done.stderr
