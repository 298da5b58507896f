"""Enrolling hosts: a token is good once and for one server, and agents renew their certificates themselves."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
import sqlalchemy as sa

from agents import LONG, Hosts
from lbclient.agent.connection import Refused, ask_once, new_context
from lbclient.server.agents.service import DIRECTORY
from lbclient.store.cluster_tables import HOST
from lbclient.store.store import Store
from lbclient.vault.authority import Authority, new_request, validity
from running import wait_until


def test_a_token_works_once_and_a_running_agent_is_cut_only_when_it_is_used(hosts: Hosts, tmp_path: Path) -> None:
    before = hosts.enroll("first")
    token = hosts.token("first")
    assert hosts.connection("first").get("/wanted")["loadbalancers"] == []
    wrong = hosts.enroll_agent("0" * 32 + token[32:], tmp_path / "wrong.pem")
    assert (wrong.returncode, "the token is not valid, was used, or has expired" in wrong.stderr) == (1, True)
    assert hosts.enroll_agent(token, tmp_path / "new.pem").returncode == 0
    with pytest.raises(Refused, match="unknown host"):
        hosts.connection("first").get("/wanted")
    again = hosts.enroll_agent(token, tmp_path / "again.pem")
    assert (again.returncode, "the token is not valid" in again.stderr) == (1, True)
    assert (tmp_path / "new.pem").stat().st_mode & 0o777 == 0o600
    assert "PRIVATE KEY" in before.read_text()


def test_a_token_of_another_server_is_not_sent(hosts: Hosts, tmp_path: Path) -> None:
    secret, _, fingerprint = hosts.token("first").partition(".")
    for other in (f"{secret}.{fingerprint[::-1]}", secret, f"{secret}.\N{SNOWMAN}"):
        done = hosts.enroll_agent(other, tmp_path / "x.pem")
        expected = f"lbclient agent: the server at 127.0.0.1:{hosts.port} is not the one that made the token.\n"
        assert (done.returncode, done.stderr) == (1, expected)
    done = hosts.enroll_agent(f"{secret}.{fingerprint}", tmp_path / "x.pem")
    assert (done.returncode, done.stdout) == (0, f"{tmp_path / 'x.pem'}: this host is first.\n")


def test_a_request_that_cannot_be_signed_does_not_use_up_the_token(hosts: Hosts, tmp_path: Path) -> None:
    token = hosts.token("first")
    context = new_context()
    place = ("127.0.0.1", hosts.port)
    context.load_verify_locations(cadata=_authority(hosts).certificate)
    for request in ("nothing", new_request()[1].replace("A", "B", 1), None):
        with pytest.raises(Refused, match="bad request"):
            ask_once(place, context, "POST", "/enroll", {"token": token.partition(".")[0], "request": request})
    assert hosts.enroll_agent(token, tmp_path / "x.pem").returncode == 0


def test_an_agent_renews_its_certificate_in_time(hosts: Hosts) -> None:
    path = hosts.enroll("first")
    now = datetime.now(timezone.utc)
    _replace_certificate(hosts, path, now - timedelta(days=70))
    old = path.read_text()
    hosts.run_agent("first")
    assert _end(path) > now + timedelta(days=89)
    assert path.read_text().partition("CERTIFICATE")[0] != old.partition("CERTIFICATE")[0]  # the key is new, too
    wait_until(lambda: hosts.shown("first")["heard"] == "yes", LONG)
    assert hosts.connection("first").get("/wanted")["loadbalancers"] == []


def test_an_agent_with_an_expired_certificate_says_so(hosts: Hosts) -> None:
    path = hosts.enroll("first")
    _replace_certificate(hosts, path, datetime.now(timezone.utc) - timedelta(days=100))
    agent = hosts.start_agent("first", "first", capture_errors=True)
    _, said = agent.communicate(timeout=60)
    assert agent.returncode == 1
    assert f"lbclient agent: the certificate in {path} was valid until" in said
    assert "enrol this host again" in said


def _authority(hosts: Hosts) -> Authority:
    return Authority(hosts.directory / "server" / DIRECTORY)


def _replace_certificate(hosts: Hosts, path: Path, start: datetime) -> None:
    """Give a host a certificate of its enrolment that is valid from another time on."""
    store = Store(hosts.database.partition("=")[2])
    with store.reading() as tx:
        host = tx.execute(sa.select(HOST).where(HOST.c.name == "first")).one()
    store.close()
    key, request = new_request()
    path.write_text(key + _authority(hosts).sign(request, host.id, host.certificate, start))


def _end(path: Path) -> datetime:
    text = path.read_text()
    return validity(text[text.index("-----BEGIN CERTIFICATE") :])[1]
