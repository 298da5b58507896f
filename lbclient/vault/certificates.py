"""Parsing of certificates with their keys, CA certificates and revocation lists from payloads. Does no I/O."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import pkcs7, pkcs12

from .material import Material

PEM = serialization.Encoding.PEM
DER = serialization.Encoding.DER
SERVED_KEYS = (rsa.RSAPrivateKey, ec.EllipticCurvePrivateKey, ed25519.Ed25519PrivateKey, ed448.Ed448PrivateKey)
RSA_MINIMUM = 1024  # bits
# Text between PEM blocks is skipped: bundles contain comments, in any encoding.
PEM_BLOCK = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----[\x09-\x7e]+?-----END \1-----")
# Exceptions that the parsers raise for unreadable input.
UNREADABLE = (ValueError, TypeError, UnsupportedAlgorithm)


class CertificateError(Exception):
    """The certificate or key cannot be used; the text explains the reason to its owner."""


class Unreadable(CertificateError):
    """The payload is not a certificate or key in a supported format."""


class UnreadablePkcs12(Unreadable):
    """The payload is not a PKCS12 bundle, or the bundle needs a passphrase, which cannot be stored with a secret."""


class PassphraseError(CertificateError):
    """The key is encrypted, and the passphrase is missing or wrong."""


class MissingKey(CertificateError):
    """The private key of the certificate is missing."""


class KeyMismatch(CertificateError):
    """The key belongs to another certificate."""


class UnsupportedKey(CertificateError):
    """Keys of this kind or size cannot be used for TLS."""


class ForeignRevocations(CertificateError):
    """None of the CA certificates has signed the revocation list."""


def of_secret(payload: bytes) -> Material:
    """Read the payload of a secret: a text in PEM or a PKCS12 bundle. Raises CertificateError."""
    text = "\n".join(found.group().decode() for found in PEM_BLOCK.finditer(payload))
    return Material(text=text + "\n") if text else of_pkcs12(payload)


def of_pkcs12(payload: bytes) -> Material:
    """Read a PKCS12 bundle with a certificate, its key and possibly the chain. Raises CertificateError."""
    bundle = _bundle(payload)
    if bundle.cert is None:
        raise UnreadablePkcs12("The PKCS12 bundle is unreadable. It holds no certificate that belongs to its key.")
    chain = [bundle.cert.certificate, *(extra.certificate for extra in bundle.additional_certs)]
    return _material(chain, bundle.key)


def _bundle(payload: bytes) -> pkcs12.PKCS12KeyAndCertificates:
    why = ""
    for passphrase in (None, b""):  # some programs write an empty passphrase instead of none
        try:
            return pkcs12.load_pkcs12(payload, passphrase)
        except UNREADABLE as error:
            why = why or str(error)
    raise UnreadablePkcs12(
        "The PKCS12 bundle is unreadable. It has to be a PKCS12 file in binary form (DER) without a passphrase. "
        f"Error: {why}"
    )


def of_container(parts: Mapping[str, bytes]) -> Material:
    """Read a certificate container; `parts` has payloads by their names in it. Raises CertificateError."""
    if "certificate" not in parts:
        raise Unreadable("The container has no certificate.")
    chain = certificates(parts["certificate"], "The certificate")
    if "intermediates" in parts:
        chain += certificates(parts["intermediates"], "The intermediates")
    if "private_key" not in parts:
        raise MissingKey("The container has no private key.")
    passphrase = parts.get("private_key_passphrase")
    return _material(chain, _private_key(parts["private_key"], passphrase))


def certificates(payload: bytes, title: str) -> list[x509.Certificate]:
    """Read one or more certificates in PEM, PKCS7 or DER. Raises Unreadable, whose text begins with the title."""
    for read in READERS:
        try:
            found = read(payload)
        except UNREADABLE:
            continue
        if found:
            return list(found)
    raise Unreadable(f"{title} cannot be read: it has to be an X.509 certificate in PEM.")


READERS = (
    x509.load_pem_x509_certificates,
    pkcs7.load_pem_pkcs7_certificates,
    pkcs7.load_der_pkcs7_certificates,
    lambda payload: [x509.load_der_x509_certificate(payload)],
)


def _private_key(payload: bytes, passphrase: bytes | None) -> Any:
    is_pem = PEM_BLOCK.search(payload) is not None
    read = serialization.load_pem_private_key if is_pem else serialization.load_der_private_key
    try:
        return read(payload, None)
    except TypeError:  # the key is encrypted
        pass
    except UNREADABLE:
        raise Unreadable("The private key cannot be read: it has to be a key in PEM.") from None
    if not passphrase:
        raise PassphraseError("The private key is encrypted, and there is no passphrase for it.")
    try:
        return read(payload, passphrase)
    except UNREADABLE:
        raise PassphraseError("The private key is encrypted, and the passphrase does not fit.") from None


def _material(chain: Sequence[x509.Certificate], key: Any) -> Material:
    certificate = chain[0]
    if key is None:
        raise MissingKey("There is no private key with the certificate.")
    _check_kind(key)
    if _public(key.public_key()) != _public(certificate.public_key()):
        raise KeyMismatch("The private key does not belong to the certificate.")
    return Material(
        certificate=_pem(certificate),
        private_key=key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode(),
        intermediates=tuple(_pem(each) for each in _ordered(certificate, chain[1:])),
        host_names=host_names(certificate),
        not_after=certificate.not_valid_after_utc.strftime("%Y-%m-%dT%H:%M:%S"),
    )


def _ordered(certificate: x509.Certificate, others: Sequence[x509.Certificate]) -> list[x509.Certificate]:
    """Order a chain without duplicates: each issuer after the certificate it has signed, unrelated ones at the end."""
    left = [each for each in dict.fromkeys(others) if each != certificate]
    found: list[x509.Certificate] = []
    last = certificate
    while issuer := next((each for each in left if each.subject == last.issuer), None):
        left.remove(issuer)
        found.append(issuer)
        last = issuer
    return [*found, *left]


def _check_kind(key: Any) -> None:
    if not isinstance(key, SERVED_KEYS):
        raise UnsupportedKey("Keys of this kind cannot be used for TLS: use RSA, ECDSA, Ed25519 or Ed448.")
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size < RSA_MINIMUM:
        raise UnsupportedKey(f"The RSA key has {key.key_size} bits; at least {RSA_MINIMUM} are needed.")


def _public(key: Any) -> bytes:
    try:
        encoded: bytes = key.public_bytes(DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        return encoded
    except UNREADABLE:
        raise UnsupportedKey("The certificate's key is of a kind that is not known here.") from None


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(PEM).decode()


def host_names(certificate: x509.Certificate) -> tuple[str, ...]:
    """Return the host names of a certificate in lower case: its DNS names, or else its common name."""
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        found = extension.value.get_values_for_type(x509.DNSName)
    except (x509.ExtensionNotFound, *UNREADABLE):
        found = []
    if not found:
        named = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
        found = [str(attribute.value) for attribute in named]
    return tuple(dict.fromkeys(name.lower() for name in found))


def authorities(payload: bytes) -> list[x509.Certificate]:
    """Read one or more CA certificates in PEM. Raises Unreadable."""
    try:
        return x509.load_pem_x509_certificates(payload)
    except UNREADABLE as error:
        raise Unreadable(str(error)) from None


def check_revocations(payload: bytes, issuers: Sequence[x509.Certificate]) -> None:
    """Check that an issuer has signed each revocation list in a PEM text. Raises Unreadable or ForeignRevocations."""
    for revocations in _revocations(payload):
        if not any(_has_signed(issuer, revocations) for issuer in issuers):
            raise ForeignRevocations("None of the CA certificates has signed the revocation list.")


def _revocations(payload: bytes) -> list[x509.CertificateRevocationList]:
    blocks = [found.group() for found in PEM_BLOCK.finditer(payload)]
    try:
        found = [x509.load_pem_x509_crl(block) for block in blocks]
    except UNREADABLE as error:
        raise Unreadable(str(error)) from None
    if not found:
        raise Unreadable("there is no revocation list in it")
    return found


def _has_signed(issuer: x509.Certificate, revocations: x509.CertificateRevocationList) -> bool:
    try:
        return bool(revocations.is_signature_valid(issuer.public_key()))  # type: ignore[arg-type]
    except UNREADABLE:
        return False
