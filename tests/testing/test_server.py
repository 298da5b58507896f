"""The server that a test starts."""

from __future__ import annotations

import os

import pytest
import requests

from lbclient.testing.server import NotStarted, Server
from running import processes_with, wait_until

PIPE = 64 * 1024  # bytes that a pipe takes before its writer has to wait


def test_a_server_that_logs_much_answers_to_the_end() -> None:
    server = Server.start(["--default-provider=noop_driver", "--request-log=/dev/stderr"])
    try:
        with requests.Session() as session:
            session.trust_env = False
            for _ in range(PIPE // 100):
                session.get(f"{server.url}/v2.0/lbaas/loadbalancers", headers={"User-Agent": "x" * 200}, timeout=20)
    finally:
        server.stop()


def test_a_server_that_is_not_ready_in_time_is_ended() -> None:
    network = f"127.{os.getpid() % 200 + 20}.7.0/24"
    with pytest.raises(NotStarted, match=r"not ready within 0\.01 seconds"):
        Server.start([f"--private-cidr={network}"], seconds=0.01)
    wait_until(lambda: processes_with(network) == [])


def test_why_it_did_not_start_is_in_the_exception() -> None:
    with pytest.raises(NotStarted, match=r"bind_port: .* is not allowed|--bind-port: .* is not allowed"):
        Server.start(["--bind-port=many"])
