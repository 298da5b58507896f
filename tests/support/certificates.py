"""Certificates for tests: authorities, what they sign, and the forms in which clients store it."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import pkcs12

PEM = serialization.Encoding.PEM
PKCS8 = serialization.PrivateFormat.PKCS8
PLAIN = serialization.NoEncryption()


@dataclass(frozen=True)
class Certified:
    """A certificate with its key and the certificates above it."""

    certificate: x509.Certificate
    key: Any
    above: tuple[x509.Certificate, ...] = ()

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(PEM).decode()

    @property
    def chain_pem(self) -> str:
        return "".join(each.public_bytes(PEM).decode() for each in self.above)

    def key_pem(self, passphrase: str | None = None) -> str:
        sealing = serialization.BestAvailableEncryption(passphrase.encode()) if passphrase else PLAIN
        return str(self.key.private_bytes(PEM, PKCS8, sealing).decode())

    def pkcs12(self, passphrase: str | None = None, key: Any = None) -> bytes:
        """As Octavia's guides make it: openssl pkcs12 -export."""
        sealing = serialization.BestAvailableEncryption(passphrase.encode()) if passphrase else PLAIN
        chain = list(self.above) or None
        return pkcs12.serialize_key_and_certificates(b"bundle", key or self.key, self.certificate, chain, sealing)


def authority(name: str = "Test CA", above: Certified | None = None) -> Certified:
    """A CA, one of its own or below another."""
    return certified(name, above, is_authority=True)


def certified(
    name: str,
    issuer: Certified | None = None,
    *names: str,
    key: Any = None,
    days: int = 30,
    is_authority: bool = False,
) -> Certified:
    """A certificate for some DNS names and addresses, by an issuer or by itself; one for -1 days has expired."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(timezone.utc)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=60))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
    )
    if names:
        alternatives = x509.SubjectAlternativeName([_named(each) for each in names])
        builder = builder.add_extension(alternatives, critical=False)
    signer = issuer.key if issuer else key
    above = (issuer.certificate, *issuer.above) if issuer else ()
    return Certified(builder.sign(signer, _hash(signer)), key, above)


def _named(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def revocations(issuer: Certified, *revoked: Certified) -> str:
    """A revocation list in PEM."""
    now = datetime.now(timezone.utc)
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.certificate.subject)
        .last_update(now - timedelta(days=1))
        .next_update(now + timedelta(days=30))
    )
    for each in revoked:
        entry = x509.RevokedCertificateBuilder().serial_number(each.certificate.serial_number).revocation_date(now)
        builder = builder.add_revoked_certificate(entry.build())
    return builder.sign(issuer.key, _hash(issuer.key)).public_bytes(PEM).decode()


def _hash(signer: Any) -> Any:
    return None if isinstance(signer, ed25519.Ed25519PrivateKey) else hashes.SHA256()
