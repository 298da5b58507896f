"""TERMINATED_HTTPS: certificates by name, chains, versions, ciphers, HTTP/2, HSTS, and clients' certificates."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pki
import pytest
import vips
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from handshakes import Session, refused, shake, trusting
from instances import Running
from members import free_port
from world import get, member, web

from certificates import certified as fresh
from lbclient.dataplane.config import ciphers

pytestmark = pytest.mark.usefixtures("vips")

FIXED = {
    "shop": {"host": "shop.example"},
    "blog": {"host": "blog.example"},
    "ca": {"authority": "ca"},
    "crl": {"revocations": "ca", "revoked": ["mallory"]},
}
ALICE, MALLORY, STRANGER = pki.certified("alice"), pki.certified("mallory"), pki.certified("alice", "other")


def secure(one: Any, **listener: Any) -> dict[str, Any]:
    """The usual tree with TLS towards its clients."""
    tree = web(members={"one": member(one)})
    values = {"protocol": "TERMINATED_HTTPS", "default_tls_container_ref": "shop", **listener}
    tree["listeners"]["web"] |= values
    return {**tree, "certificates": FIXED}


@pytest.fixture
def serve(running: Running, webs):
    """Runs the usual tree; gives the port."""

    def run(certificates: dict[str, Any] | None = None, **listener: Any) -> int:
        tree = secure(webs("one")[0], **listener)
        running.apply({**tree, "certificates": FIXED | (certificates or {})})
        return tree["listeners"]["web"]["protocol_port"]

    return run


def test_the_certificate_is_chosen_by_name(serve) -> None:
    port = serve(sni_container_refs=["blog", "wild"], certificates={"wild": {"host": "*.wild.example"}})
    for name, proved in (
        ("shop.example", "shop.example"),
        ("blog.example", "blog.example"),
        ("any.wild.example", "*.wild.example"),
    ):
        session = shake(port, name)
        assert (session.certificate, session.name) == (proved, "one")
    context = trusting()
    context.check_hostname = False
    assert shake(port, "unknown.example", context).certificate == "shop.example"
    assert shake(port, None, context).certificate == "shop.example"


def test_without_a_default_the_first_of_the_others_is_it(serve) -> None:
    port = serve(default_tls_container_ref=None, sni_container_refs=["blog", "shop"])
    context = trusting()
    context.check_hostname = False
    assert shake(port, None, context).certificate == "blog.example"
    assert shake(port, "shop.example", context).certificate == "shop.example"


def test_many_certificates(serve) -> None:
    """More than HAProxy takes words in a line."""
    many = {f"c{number}": {"host": f"n{number}.example"} for number in range(80)}
    port = serve(sni_container_refs=list(many), certificates=many)
    for number in (0, 41, 79):
        assert shake(port, f"n{number}.example").certificate == f"n{number}.example"


def test_the_chain_is_sent(serve) -> None:
    port = serve(certificates={"shop": {"host": "shop.example", "by": "ca/one/two"}})
    assert shake(port, context=trusting("ca")).certificate == "shop.example"
    assert "CERTIFICATE_VERIFY_FAILED" in refused(port, context=trusting("other"))


def _at(version: ssl.TLSVersion, ciphers: str | None = None) -> ssl.SSLContext:
    context = trusting(None, ciphers=ciphers)
    context.minimum_version = context.maximum_version = version
    return context


def test_versions(serve, running: Running) -> None:
    port = serve()
    modern, newest = _at(ssl.TLSVersion.TLSv1_2), _at(ssl.TLSVersion.TLSv1_3)
    assert shake(port, context=modern).version == "TLSv1.2"
    assert shake(port, context=newest).version == "TLSv1.3"
    running.apply({"listeners": {"web": {"tls_versions": ["TLSv1.3"]}}})
    assert "PROTOCOL_VERSION" in refused(port, context=modern)
    assert shake(port, context=newest).version == "TLSv1.3"
    running.apply({"listeners": {"web": {"tls_versions": ["TLSv1.2"]}}})
    assert shake(port, context=modern).version == "TLSv1.2"
    assert "PROTOCOL_VERSION" in refused(port, context=newest)


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
def test_old_versions_where_they_are_wanted(serve) -> None:
    made = fresh("shop.example", None, "shop.example", key=rsa.generate_private_key(65537, 2048))
    port = serve(certificates={"shop": pki.of_certified(made)}, tls_versions=["TLSv1", "TLSv1.1", "TLSv1.2"])
    for version, name in ((ssl.TLSVersion.TLSv1, "TLSv1"), (ssl.TLSVersion.TLSv1_1, "TLSv1.1")):
        assert shake(port, context=_at(version, "ALL:@SECLEVEL=0")).version == name
    assert shake(port, context=_at(ssl.TLSVersion.TLSv1_2)).version == "TLSv1.2"


def test_ciphers(serve, running: Running) -> None:
    wanted = "ECDHE-ECDSA-AES256-GCM-SHA384"
    port = serve(tls_ciphers=f"TLS_CHACHA20_POLY1305_SHA256:{wanted}")
    assert shake(port, context=_at(ssl.TLSVersion.TLSv1_3)).cipher == "TLS_CHACHA20_POLY1305_SHA256"
    assert shake(port, context=_at(ssl.TLSVersion.TLSv1_2)).cipher == wanted
    assert "HANDSHAKE_FAILURE" in refused(port, context=_at(ssl.TLSVersion.TLSv1_2, "ECDHE-ECDSA-AES128-GCM-SHA256"))
    running.apply({"listeners": {"web": {"tls_ciphers": "TLS_AES_128_GCM_SHA256"}}})
    assert shake(port, context=trusting()).cipher == "TLS_AES_128_GCM_SHA256"
    assert "PROTOCOL_VERSION" in refused(port, context=_at(ssl.TLSVersion.TLSv1_2))


def test_alpn(serve, running: Running) -> None:
    port = serve()
    assert shake(port, alpn=["http/1.1"]).alpn == "http/1.1"
    assert shake(port, alpn=["http/1.0"]).alpn == "http/1.0"
    assert shake(port).alpn is None
    running.apply({"listeners": {"web": {"alpn_protocols": ["http/1.1"]}}})
    assert shake(port, alpn=["h2", "http/1.1"]).alpn == "http/1.1"


def curl(port: int, *options: str) -> str:
    if not shutil.which("curl") or "HTTP2" not in subprocess.check_output(["curl", "-V"], text=True):
        pytest.skip("there is no curl with HTTP/2 here")
    place = f"shop.example:{port}:{vips.at(port)}"
    command = ["curl", "-sS", "-i", "--resolve", place, *options, f"https://shop.example:{port}/path"]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


def test_http2(serve, running: Running, tmp_path: Path) -> None:
    port = serve(insert_headers={"X-Forwarded-Proto": "true"})
    (tmp_path / "ca.pem").write_text(pki.authority("ca").pem)
    trusted = ("--cacert", str(tmp_path / "ca.pem"))
    answer = curl(port, *trusted)
    assert answer.startswith("HTTP/2 200")
    assert '["x-forwarded-proto", "https"]' in answer
    assert curl(port, *trusted, "--http1.1").startswith("HTTP/1.1 200")
    running.apply({"listeners": {"web": {"alpn_protocols": ["http/1.1"]}}})
    assert curl(port, *trusted).startswith("HTTP/1.1 200")


def test_strict_transport_security(serve, running: Running) -> None:
    """Also in answers that no member gives."""
    rule = {"type": "PATH", "compare_type": "EQUAL_TO", "value": "/away"}
    moved = {"action": "REDIRECT_TO_URL", "redirect_url": "https://www.example/", "rules": [rule]}
    port = serve(hsts_max_age=300, hsts_include_subdomains=True, hsts_preload=True, l7policies={"moved": moved})
    whole = "max-age=300; includeSubDomains; preload"
    for path, status in (("/", 200), ("/away", 302)):
        answer = shake(port, path=path).answer
        assert (answer.status, answer.headers["Strict-Transport-Security"]) == (status, whole)
    running.apply({"listeners": {"web": {"hsts_include_subdomains": False, "hsts_preload": False}}})
    assert shake(port).answer.headers["Strict-Transport-Security"] == "max-age=300"
    running.apply({"listeners": {"web": {"hsts_max_age": None}}, "pools": {"pool": {"admin_state_up": False}}})
    answer = shake(port).answer
    assert (answer.status, answer.headers["Strict-Transport-Security"]) == (503, None)


def test_client_authentication(serve, running: Running) -> None:
    port = serve(client_ca_tls_container_ref="ca", insert_headers={"X-SSL-Client-Has-Cert": "true"})

    def seen(shows: Any) -> str:
        return shake(port, context=trusting(shows=shows)).headers["x-ssl-client-has-cert"]

    assert [seen(None), seen(ALICE), seen(STRANGER)] == ["0", "0", "0"]  # no client is asked for a certificate
    running.apply({"listeners": {"web": {"client_authentication": "OPTIONAL"}}})
    assert [seen(None), seen(ALICE), seen(MALLORY)] == ["0", "1", "1"]
    assert "UNKNOWN_CA" in refused(port, context=trusting(shows=STRANGER))
    running.apply({"listeners": {"web": {"client_crl_container_ref": "crl"}}})
    assert [seen(None), seen(ALICE)] == ["0", "1"]
    assert "CERTIFICATE_REVOKED" in refused(port, context=trusting(shows=MALLORY))
    running.apply({"listeners": {"web": {"client_authentication": "MANDATORY"}}})
    assert seen(ALICE) == "1"
    assert "CERTIFICATE_REQUIRED" in refused(port)
    assert "CERTIFICATE_REVOKED" in refused(port, context=trusting(shows=MALLORY))
    assert "UNKNOWN_CA" in refused(port, context=trusting(shows=STRANGER))


def test_headers_about_the_client(serve) -> None:
    names = ("Verify", "Has-Cert", "DN", "CN", "SHA1", "Not-Before", "Not-After")
    wanted = dict.fromkeys([f"X-SSL-Client-{name}" for name in names] + ["X-SSL-Issuer"], "true")
    port = serve(client_ca_tls_container_ref="ca", client_authentication="OPTIONAL", insert_headers=wanted)
    forged = {"X-SSL-Client-CN": "root", "X-SSL-Client-Verify": "0"}
    found = shake(port, context=trusting(shows=ALICE), headers=forged).headers
    assert {name: value for name, value in found.items() if name.startswith("x-ssl")} == {
        "x-ssl-client-verify": "0",
        "x-ssl-client-has-cert": "1",
        "x-ssl-client-dn": "/O=Test & Co/CN=alice",
        "x-ssl-client-cn": "alice",
        "x-ssl-issuer": "/O=Test & Co/CN=ca",
        "x-ssl-client-sha1": ALICE.certificate.fingerprint(hashes.SHA1()).hex().upper(),
        "x-ssl-client-not-before": "200101000000Z",
        "x-ssl-client-not-after": "900101000000Z",
    }
    nobody = shake(port, headers=forged).headers
    assert (nobody["x-ssl-client-has-cert"], nobody.get("x-ssl-client-cn", "")) == ("0", "")


def test_rules_about_the_client(serve) -> None:
    def policy(number: int, *rules: dict[str, Any]) -> dict[str, Any]:
        url = f"https://{number}.example/"
        return {"action": "REDIRECT_TO_URL", "redirect_url": url, "rules": list(rules)}

    def rule(kind: str, value: str, compare: str = "EQUAL_TO", **more: Any) -> dict[str, Any]:
        return {"type": kind, "compare_type": compare, "value": value, **more}

    policies = {
        "alice": policy(1, rule("SSL_DN_FIELD", "ali", "STARTS_WITH", key="cn"), rule("SSL_VERIFY_RESULT", "0")),
        "company": policy(2, rule("SSL_DN_FIELD", "^Test & (Co|Sons)$", "REGEX", key="O")),
        "nobody": policy(3, rule("SSL_CONN_HAS_CERT", "true", invert=True)),
    }
    port = serve(client_ca_tls_container_ref="ca", client_authentication="OPTIONAL", l7policies=policies)

    def goes(shows: Any) -> str:
        return str(shake(port, context=trusting(shows=shows)).answer.headers["Location"])

    assert goes(ALICE) == "https://1.example/"
    assert goes(MALLORY) == "https://2.example/"
    assert goes(None) == "https://3.example/"


def test_every_address_has_the_certificates(running: Running, webs) -> None:
    tree = {**secure(*webs("one")), "addresses": ["127.0.0.1", "127.5.6.8", "::1"]}
    running.apply(tree)
    port = tree["listeners"]["web"]["protocol_port"]
    sessions: list[Session] = [shake(port, address=address) for address in tree["addresses"]]
    assert {session.certificate for session in sessions} == {"shop.example"}


def test_plain_and_secure_listeners_share_a_pool(running: Running, webs) -> None:
    tree = secure(*webs("one"), insert_headers={"X-Forwarded-Proto": "true"})
    port = free_port()
    plain = {"protocol": "HTTP", "protocol_port": port, "default_pool": "pool"}
    tree["listeners"]["plain"] = {**plain, "insert_headers": {"X-Forwarded-Proto": "true"}}
    running.apply(tree)
    assert shake(tree["listeners"]["web"]["protocol_port"]).headers["x-forwarded-proto"] == "https"
    assert dict(get(port).json["headers"])["x-forwarded-proto"] == "http"


def test_metrics_over_tls(running: Running) -> None:
    port = free_port()
    listener = {"protocol": "PROMETHEUS", "protocol_port": port, "default_tls_container_ref": "shop"}
    running.apply({"listeners": {"metrics": listener}, "certificates": FIXED})
    answer = shake(port, path="/metrics").answer
    assert (answer.status, b"octavia_" in answer.text) == (200, True)


def test_what_cannot_be_carried_is_refused() -> None:
    def reason(**given: Any) -> str | None:
        return ciphers.refusal(SimpleNamespace(**{"tls_versions": None, "tls_ciphers": None, **given}))

    for given in (
        {},
        {"tls_versions": ["TLSv1.3", "TLSv1.2"]},
        {"tls_versions": ["TLSv1"]},
        {"tls_ciphers": "TLS_AES_128_GCM_SHA256", "tls_versions": ["TLSv1.2", "TLSv1.3"]},
        {"tls_ciphers": "DEFAULT:@SECLEVEL=1"},
    ):
        assert reason(**given) is None
    assert reason(tls_versions=["SSLv3", "TLSv1"]) == "the TLS version SSLv3"
    assert reason(tls_versions=["TLSv1", "TLSv1.2"]) == "tls_versions with a gap: TLSv1, TLSv1.2"
    assert reason(tls_ciphers="TLS_MADE_UP:DEFAULT") == "the TLS cipher TLS_MADE_UP"
    assert reason(tls_ciphers="NONSENSE") == "tls_ciphers 'NONSENSE', which select no cipher"
    only = {"tls_ciphers": "TLS_AES_128_GCM_SHA256", "tls_versions": ["TLSv1.2"]}
    assert reason(**only) == "tls_ciphers of TLSv1.3 only without the TLS version TLSv1.3"
