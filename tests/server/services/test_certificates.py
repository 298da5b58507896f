"""Certificates out of what clients store: PKCS12 bundles and the parts of containers."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ed25519, rsa
from cryptography.hazmat.primitives.serialization import pkcs7

from certificates import authority, certified, revocations
from lbclient.vault import certificates as known
from lbclient.vault.certificates import of_container, of_pkcs12, of_secret

ROOT = authority("Root")
MIDDLE = authority("Middle", ROOT)
SHOP = certified("shop.example", MIDDLE, "Shop.example", "*.shop.example")


def parts(**texts: str) -> dict[str, bytes]:
    return {name: text.encode() for name, text in texts.items()}


def test_a_pkcs12_bundle() -> None:
    found = of_secret(SHOP.pkcs12())
    assert (found.certificate, found.private_key) == (SHOP.pem, SHOP.key_pem())
    assert "".join(found.intermediates) == SHOP.chain_pem
    assert found.host_names == ("shop.example", "*.shop.example")
    assert found.not_after == SHOP.certificate.not_valid_after_utc.strftime("%Y-%m-%dT%H:%M:%S")
    assert (found.text, found.fault) == ("", None)


def test_a_bundle_that_needs_a_passphrase_is_refused() -> None:
    with pytest.raises(known.UnreadablePkcs12, match=r"The PKCS12 bundle is unreadable\. .* without a passphrase"):
        of_pkcs12(SHOP.pkcs12("secret"))


@pytest.mark.parametrize("payload", [b"", b"x", b"\x30\x03\x02\x01\x03", bytes(5000), SHOP.pem.encode()])
def test_what_is_no_bundle(payload: bytes) -> None:
    with pytest.raises(known.UnreadablePkcs12):
        of_pkcs12(payload)


def test_the_parts_of_a_container() -> None:
    found = of_container(parts(certificate=SHOP.pem, private_key=SHOP.key_pem(), intermediates=SHOP.chain_pem))
    assert (found.certificate, found.private_key) == (SHOP.pem, SHOP.key_pem())
    assert "".join(found.intermediates) == SHOP.chain_pem


def test_a_chain_is_put_in_order_without_doubles() -> None:
    above = [each.public_bytes(serialization.Encoding.PEM).decode() for each in SHOP.above]
    shuffled = above[1] + SHOP.pem + above[0] + above[0]
    together = of_container(parts(certificate=SHOP.pem + shuffled, private_key=SHOP.key_pem()))
    assert list(together.intermediates) == above


@pytest.mark.parametrize("encoding", [serialization.Encoding.PEM, serialization.Encoding.DER])
def test_intermediates_may_be_pkcs7(encoding: Any) -> None:
    bundle = pkcs7.serialize_certificates(list(SHOP.above), encoding)
    content = {**parts(certificate=SHOP.pem, private_key=SHOP.key_pem()), "intermediates": bundle}
    assert "".join(of_container(content).intermediates) == SHOP.chain_pem


def test_a_key_with_its_passphrase_comes_out_without() -> None:
    encrypted = {"certificate": SHOP.pem, "private_key": SHOP.key_pem("secret")}
    found = of_container(parts(**encrypted, private_key_passphrase="secret"))
    assert found.private_key == SHOP.key_pem()
    with pytest.raises(known.PassphraseError, match="encrypted, and there is no passphrase"):
        of_container(parts(**encrypted))
    with pytest.raises(known.PassphraseError, match="does not fit"):
        of_container(parts(**encrypted, private_key_passphrase="wrong"))


@pytest.mark.parametrize(
    "key",
    [
        rsa.generate_private_key(65537, 2048),
        ed25519.Ed25519PrivateKey.generate(),
    ],
    ids=["RSA", "Ed25519"],
)
def test_kinds_of_keys(key: Any) -> None:
    one = certified("a.example", ROOT, key=key)
    assert of_pkcs12(one.pkcs12()).host_names == ("a.example",)
    legacy = key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    assert of_container({**parts(certificate=one.pem), "private_key": legacy}).private_key == one.key_pem()


def test_a_key_that_serves_no_tls() -> None:
    old = certified("a.example", ROOT, key=dsa.generate_private_key(1024))
    with pytest.raises(known.UnsupportedKey):
        of_container(parts(certificate=old.pem, private_key=old.key_pem()))


def test_the_key_of_another_certificate() -> None:
    other = certified("other.example", ROOT)
    with pytest.raises(known.KeyMismatch):
        of_container(parts(certificate=SHOP.pem, private_key=other.key_pem()))


def test_an_expired_certificate_is_taken_and_dated() -> None:
    old = certified("old.example", ROOT, days=-1)
    assert of_pkcs12(old.pkcs12()).not_after < "2099"


@pytest.mark.parametrize(
    ("content", "error"),
    [
        ({}, known.Unreadable),
        ({"certificate": "x"}, known.Unreadable),
        ({"certificate": SHOP.key_pem()}, known.Unreadable),
        ({"certificate": SHOP.pem}, known.MissingKey),
        ({"certificate": SHOP.pem, "private_key": "x"}, known.Unreadable),
        ({"certificate": SHOP.pem, "private_key": SHOP.pem}, known.Unreadable),
        ({"certificate": SHOP.pem, "private_key": SHOP.key_pem(), "intermediates": "x"}, known.Unreadable),
    ],
)
def test_containers_that_hold_no_certificate(content: dict[str, str], error: type[Exception]) -> None:
    with pytest.raises(error):
        of_container(parts(**content))


def test_a_text_comes_without_what_is_written_between() -> None:
    remarked = f"# Zürich\n\n{ROOT.pem}\nsubject=Middle\n{MIDDLE.pem}end"
    found = of_secret(remarked.encode("latin-1"))
    assert found.text == ROOT.pem + MIDDLE.pem
    assert [each.subject for each in known.authorities(found.text.encode())] == [
        ROOT.certificate.subject,
        MIDDLE.certificate.subject,
    ]


def test_revocations_are_signed_by_one_of_the_authorities() -> None:
    issuers = known.authorities((ROOT.pem + MIDDLE.pem).encode())
    known.check_revocations((revocations(MIDDLE, SHOP) + revocations(ROOT)).encode(), issuers)
    same_name = authority("Middle")
    with pytest.raises(known.ForeignRevocations):
        known.check_revocations(revocations(same_name, SHOP).encode(), issuers)
    for wrong in (b"", b"x", ROOT.pem.encode()):
        with pytest.raises(known.Unreadable):
            known.check_revocations(wrong, issuers)
