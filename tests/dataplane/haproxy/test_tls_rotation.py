"""New certificates for old: without a reload, on disk as well, and what becomes of bad ones."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pki
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from handshakes import refused, serving, shake, trusting
from instances import Running
from members import Web, free_port, until
from test_process import Killed, stop_at
from world import DataPlaneRig, get, member, web

from certificates import certified as fresh
from lbclient.dataplane.config.cfg import Refused
from lbclient.dataplane.haproxy import certificates, process_table


def secure(one: Any, **listener: Any) -> dict[str, Any]:
    tree = web(members={"one": member(one)})
    tree["listeners"]["web"] |= {"protocol": "TERMINATED_HTTPS", "default_tls_container_ref": "shop", **listener}
    return {**tree, "certificates": {"shop": {"host": "shop.example"}}}


def port_of(tree: dict[str, Any]) -> int:
    return tree["listeners"]["web"]["protocol_port"]


def version(number: int, host: str = "shop.example") -> dict[str, Any]:
    return {"host": host, "serial": number}


def serial(number: int, host: str = "shop.example") -> int:
    return pki.certified(host, serial=number).certificate.serial_number


def pid(running: Running) -> int:
    worker = running.instance.worker()
    assert worker is not None
    return worker.pid


def generations(directory: Path) -> list[str]:
    return [path.name for path in directory.glob("tls-*")]


def test_a_new_certificate_needs_no_reload(running: Running, webs) -> None:
    tree = secure(*webs("one"), sni_container_refs=["blog"])
    running.apply(tree, {"certificates": {"blog": {"host": "blog.example"}}})
    first = pid(running)
    for number in (1, 2, 0, 3):
        assert running.apply({"certificates": {"shop": version(number)}}).how == "runtime"
        assert shake(port_of(tree)).serial == serial(number)
        assert shake(port_of(tree), "blog.example").serial == serial(0, "blog.example")
        assert running.apply().how == "nothing"
    both = {"shop": version(4), "blog": version(4, "blog.example")}
    assert running.apply({"certificates": both}).how == "runtime"
    assert [shake(port_of(tree), name).serial for name in ("shop.example", "blog.example")] == [
        serial(4),
        serial(4, "blog.example"),
    ]
    assert pid(running) == first


def test_another_reference_in_its_place_needs_no_reload(running: Running, webs) -> None:
    """Also for other names, a longer chain and another kind of key."""
    tree = secure(*webs("one"))
    running.apply(tree)
    first = pid(running)
    other = {"other": {"host": "other.example", "by": "ca/one"}}
    running.apply({"certificates": other, "listeners": {"web": {"default_tls_container_ref": "other"}}})
    assert shake(port_of(tree), "other.example").certificate == "other.example"
    made = fresh("rsa.example", None, "rsa.example", key=rsa.generate_private_key(65537, 2048))
    assert running.apply({"certificates": {"other": pki.of_certified(made)}}).how == "runtime"
    assert shake(port_of(tree), None, trusting(None)).name == "one"
    assert pid(running) == first


def test_more_or_fewer_certificates_are_a_reload(running: Running, webs) -> None:
    tree = secure(*webs("one"))
    running.apply(tree, {"certificates": {"blog": {"host": "blog.example"}}})
    assert running.apply({"listeners": {"web": {"sni_container_refs": ["blog"]}}}).how == "reloaded"
    assert shake(port_of(tree), "blog.example").certificate == "blog.example"
    assert running.apply({"listeners": {"web": {"sni_container_refs": []}}}).how == "reloaded"
    assert "CERTIFICATE_VERIFY_FAILED" in refused(port_of(tree), "blog.example")


def test_new_certificates_survive_restarts_and_reloads(running: Running, webs) -> None:
    tree = secure(*webs("one"))
    running.apply(tree)
    running.apply({"certificates": {"shop": version(1)}})
    assert running.apply({"listeners": {"web": {"timeout_client_data": 7000}}}).how == "reloaded"
    assert shake(port_of(tree)).serial == serial(1)
    assert running.apply({"certificates": {"shop": version(2)}}).how == "runtime"
    for each in process_table.family(running.instance.directory):
        os.kill(each, signal.SIGKILL)
    assert running.apply().how == "started"
    assert shake(port_of(tree)).serial == serial(2)
    assert running.apply().how == "nothing"


def test_files_are_private_and_none_is_left_behind(running: Running, webs) -> None:
    tree = secure(*webs("one"), client_authentication="OPTIONAL", client_ca_tls_container_ref="ca")
    running.apply(tree, {"certificates": {"ca": {"authority": "ca"}}})
    for number in (1, 2, 3):
        running.apply({"certificates": {"shop": version(number)}})
    directory = running.instance.directory
    (generation,) = generations(directory)
    files = [path for path in (directory / generation).rglob("*") if path.is_file()]
    assert len(files) == 2
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    folders = [directory / generation, *(path for path in (directory / generation).iterdir() if path.is_dir())]
    assert {path.stat().st_mode & 0o777 for path in folders} == {0o700}
    assert generation in (directory / "haproxy.cfg").read_text()
    running.apply({"loadbalancer": {"admin_state_up": False}})
    assert generations(directory) == []


def test_damaged_files_are_written_anew(running: Running, webs) -> None:
    """As after a machine's crash: there, but empty."""
    tree = secure(*webs("one"))
    running.apply(tree)
    for each in process_table.family(running.instance.directory):
        os.kill(each, signal.SIGKILL)
    (file,) = running.instance.directory.glob("tls-*/*/*.pem")
    file.write_text("")
    assert running.apply().how == "started"
    assert shake(port_of(tree)).serial == serial(0)


def test_other_authorities_are_a_reload(running: Running, webs) -> None:
    """At run time HAProxy would let revoked clients go on with the sessions that they had."""
    mallory = trusting(shows=pki.certified("mallory"))
    mallory.maximum_version = ssl.TLSVersion.TLSv1_2
    asked = {"client_authentication": "MANDATORY", "client_ca_tls_container_ref": "ca"}
    tree = secure(*webs("one"), **asked, client_crl_container_ref="crl")
    running.apply(tree, {"certificates": {"ca": {"authority": "ca"}, "crl": {"revocations": "ca"}}})
    with _connected(port_of(tree), mallory) as connection:
        session = connection.session
    with _connected(port_of(tree), mallory, session) as connection:
        assert connection.session_reused
    revoked = {"revocations": "ca", "revoked": ["mallory"]}
    assert running.apply({"certificates": {"crl": revoked}}).how == "reloaded"
    with pytest.raises(ssl.SSLError, match="REVOKED"):
        _connected(port_of(tree), mallory, session)


def _connected(port: int, context: ssl.SSLContext, session: ssl.SSLSession | None = None) -> ssl.SSLSocket:
    plain = socket.create_connection(("127.0.0.1", port), timeout=5)
    return context.wrap_socket(plain, server_hostname="shop.example", session=session)


def test_our_certificate_for_members_needs_no_reload(running: Running) -> None:
    one = Web("one", context=serving(pki.certified("shop.example"), "ca", required=True))
    tree = web(members={"one": member(one)}, tls_enabled=True, tls_container_ref="us", ca_tls_container_ref="ca")
    running.apply(tree, {"certificates": {"us": {"host": "us.example"}, "ca": {"authority": "ca"}}})
    first = pid(running)
    assert get(port_of(tree)).json["tls"]["client"] == "us.example"
    assert running.apply({"certificates": {"us": {"host": "new.example"}}}).how == "runtime"
    assert get(port_of(tree)).json["tls"]["client"] == "new.example"
    assert pid(running) == first
    one.down()


def test_what_is_too_long_for_a_command_is_a_reload(running: Running, webs) -> None:
    tree = secure(*webs("one"))
    running.apply(tree)
    deep = "/".join(["ca", *(f"c{number}" for number in range(35))])
    assert running.apply({"certificates": {"shop": {"host": "shop.example", "by": deep}}}).how == "reloaded"
    assert shake(port_of(tree), context=trusting("ca")).certificate == "shop.example"


def test_an_haproxy_that_cannot_exchange_is_reloaded(running: Running, webs, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = secure(*webs("one"))
    running.apply(tree)
    monkeypatch.setattr(certificates, "DONE", "no answer of any HAProxy")
    assert running.apply({"certificates": {"shop": version(1)}}).how == "reloaded"
    assert shake(port_of(tree)).serial == serial(1)


class Handshakes:
    """Clients that shake hands all the time, and one that stays."""

    def __init__(self, port: int) -> None:
        self.failures: list[str] = []
        self.serials: set[int] = set()
        self.done = 0
        self._is_over = threading.Event()
        work: list[Callable[[], None]] = [lambda: self._new(port), lambda: self._new(port), lambda: self._stay(port)]
        self._threads = [threading.Thread(target=each) for each in work]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._is_over.set()
        for thread in self._threads:
            thread.join()

    def _new(self, port: int) -> None:
        context = trusting()
        while not self._is_over.is_set():
            try:
                session = shake(port, context=context)
            except Exception as error:
                self.failures.append(repr(error))
                continue
            self.done += 1
            self.serials.add(session.serial)
            if session.name != "one":
                self.failures.append(session.name)

    def _stay(self, port: int) -> None:
        with _connected(port, trusting()) as secured:
            connection = http.client.HTTPConnection("shop.example", port)
            connection.sock = secured
            while not self._is_over.is_set():
                connection.request("GET", "/")
                answer = connection.getresponse()
                answer.read()
                if answer.status != 200 or answer.will_close:
                    self.failures.append(f"the one that stays: {answer.status}")
                    return
                self.done += 1


def test_rotation_under_load_fails_nothing(running: Running, webs) -> None:
    tree = secure(*webs("one"))
    running.apply(tree)
    first = pid(running)
    load = Handshakes(port_of(tree))
    for number in range(1, 21):
        assert running.apply({"certificates": {"shop": version(number)}}).how == "runtime"
        done = load.done
        until(lambda: load.done > done + 4)  # noqa: B023
    load.stop()
    assert load.failures == []
    assert pid(running) == first
    assert load.serials == {serial(number) for number in range(21)}


@pytest.mark.parametrize("is_after", [False, True], ids=["before", "after"])
def test_killed_while_exchanging_it_converges(tmp_path: Path, webs, is_after: bool) -> None:
    tree = secure(*webs("one"))
    for number in range(1, 60):
        running = Running(tmp_path / str(number))
        try:
            running.apply(tree)
            first = pid(running)
            with pytest.MonkeyPatch.context() as monkeypatch:
                steps = stop_at(monkeypatch, number, is_after)
                with contextlib.suppress(Killed):
                    running.apply({"certificates": {"shop": version(1)}})
                steps_made = steps()
            assert shake(port_of(tree)).serial in (serial(0), serial(1))
            running.put()
            assert running.put().how == "nothing"
            assert shake(port_of(tree)).serial == serial(1)
            assert pid(running) == first
            generation = running.instance.worker().generation
            assert f"tls-{generation}" in (running.instance.directory / "haproxy.cfg").read_text()
        finally:
            running.close()
        if steps_made < number:
            break
    assert number > 8


def test_what_haproxy_refuses_leaves_the_old_one(running: Running, webs) -> None:
    """Its reason names the reference rather than a file of ours."""
    tree = secure(*webs("one"))
    running.apply(tree)
    running.tree["certificates"]["shop"] = replace(pki.of_certified(fresh("x")), private_key="")
    with pytest.raises(Refused, match=r"HAProxy refuses the configuration: .*'shop") as refusal:
        running.put()
    assert "tls-" not in str(refusal.value)
    assert shake(port_of(tree)).serial == serial(0)
    with pytest.raises(Refused):
        running.apply({"listeners": {"web": {"timeout_client_data": 7000}}})
    assert shake(port_of(tree)).serial == serial(0)
    (kept,) = [line for line in (running.instance.directory / "haproxy.cfg").read_text().splitlines() if "crt-" in line]
    assert (running.instance.directory / kept.split()[-1]).is_dir()  # which a restarted HAProxy would load
    running.tree["certificates"]["shop"] = version(1)
    running.put()
    assert shake(port_of(tree)).serial == serial(1)
    assert len(generations(running.instance.directory)) == 1


SHOP, CA = "5d0c2f30-0000-4000-8000-000000000001", "5d0c2f30-0000-4000-8000-000000000002"


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (None, "it is not in the key manager, or not any more."),
        (b"hello", "The PKCS12 bundle is unreadable."),
        (pki.certified("shop.example").pkcs12("passphrase"), "without a passphrase"),
        (pki.certified("shop.example").pem.encode(), "it is no certificate with a private key."),
    ],
    ids=["vanished", "no certificate", "encrypted", "no key"],
)
def test_bad_certificates(world: DataPlaneRig, webs, bad: bytes | None, why: str) -> None:
    """The last good one goes on; the reason is readable; the next good one heals it, without anybody's help."""
    tree = secure(*webs("one"), default_tls_container_ref=SHOP)
    tree["certificates"] = {SHOP: version(0)}
    assert world.change(tree) == "ACTIVE"
    worker = world.worker()
    assert world.change({"certificates": {SHOP: bad}, "loadbalancer": {"description": "x"}}) == "ERROR"
    fault = world.fault() or ""
    assert fault.startswith(f"{SHOP}, which listener ")
    assert why in fault
    assert "BEGIN" not in fault
    assert shake(port_of(tree)).serial == serial(0)
    world.change({"certificates": {SHOP: version(1)}}, wait=False)
    until(lambda: world.provisioning() == "ACTIVE")
    assert world.fault() is None
    assert shake(port_of(tree)).serial == serial(1)
    assert world.worker() == worker


def test_what_ran_last_is_started_again_without_its_certificate(world: DataPlaneRig, webs) -> None:
    """As after a machine's restart; not what was stopped, though."""
    tree = secure(*webs("one"), default_tls_container_ref=SHOP)
    tree["certificates"] = {SHOP: version(0)}
    world.change(tree)
    assert world.change({"certificates": {SHOP: None}, "loadbalancer": {"description": "x"}}) == "ERROR"
    world.crash()
    for each in process_table.family(world.instance.directory):
        os.kill(each, signal.SIGKILL)
    world.begin()
    until(lambda: process_table.master(world.instance.directory))
    assert until(lambda: _served(tree)) == serial(0)
    assert world.provisioning() == "ERROR"
    world.change({"loadbalancer": {"admin_state_up": False}})
    world.change({"loadbalancer": {"admin_state_up": True}})
    assert world.provisioning() == "ERROR"
    assert process_table.family(world.instance.directory) == []
    world.change({"certificates": {SHOP: version(1)}}, wait=False)
    until(lambda: world.provisioning() == "ACTIVE")
    assert _served(tree) == serial(1)


def _served(tree: dict[str, Any]) -> int:
    try:
        return shake(port_of(tree)).serial
    except OSError:
        return 0


def test_an_expired_certificate(world: DataPlaneRig, webs) -> None:
    """Octavia serves expired certificates; it is for clients to refuse them."""
    tree = secure(*webs("one"), default_tls_container_ref=SHOP)
    tree["certificates"] = {SHOP: version(0)}
    assert world.change(tree) == "ACTIVE"
    expired = fresh("shop.example", None, "shop.example", days=-1, key=ed25519.Ed25519PrivateKey.generate())
    world.change({"certificates": {SHOP: expired.pkcs12()}}, wait=False)
    until(lambda: shake(port_of(tree), context=trusting(None)).name == "one" and _is_served(tree, expired))
    until(lambda: world.provisioning() == "ACTIVE")
    assert "CERTIFICATE_VERIFY_FAILED" in refused(port_of(tree))


def _is_served(tree: dict[str, Any], made: Any) -> bool:
    pem = ssl.get_server_certificate(("127.0.0.1", port_of(tree)))
    return pem.strip() == made.pem.strip()


def test_authorities_that_are_none(world: DataPlaneRig, webs) -> None:
    asked = {"client_authentication": "MANDATORY", "client_ca_tls_container_ref": CA}
    tree = secure(*webs("one"), default_tls_container_ref=SHOP, **asked)
    tree["certificates"] = {SHOP: version(0), CA: version(0)}
    assert world.change(tree) == "ERROR"
    assert "it is not PEM text" in (world.fault() or "")
    world.tree["certificates"][CA] = {"authority": "ca"}
    world.put(wait=False)
    until(lambda: world.provisioning() == "ACTIVE")
    assert "CERTIFICATE_REQUIRED" in refused(port_of(tree))


def test_two_listeners_with_one_certificate(running: Running, webs) -> None:
    tree = secure(*webs("one"))
    port = free_port()
    tree["listeners"]["more"] = {**tree["listeners"]["web"], "protocol_port": port}
    running.apply(tree)
    assert running.apply({"certificates": {"shop": version(1)}}).how == "runtime"
    assert shake(port_of(tree)).serial == shake(port).serial == serial(1)
