"""The server that a test starts."""

from __future__ import annotations

import pytest
import requests

from lbclient.testing.server import NotStarted, Server

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


def test_why_it_did_not_start_is_in_the_exception() -> None:
    with pytest.raises(NotStarted, match=r"bind_port: .* is not allowed|--bind-port: .* is not allowed"):
        Server.start(["--bind-port=many"])
