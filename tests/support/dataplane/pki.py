"""Certificates that are always the same for a name: golden files may hold what follows from their contents.

A tree's certificates are {reference: {host: name, by: authority}} for a certificate with its key,
{authority: name} for a CA's certificate, {revocations: authority, revoked: [host, ...]} for a revocation list,
{fault: text} for what cannot be used, and null for what is not there. An authority below another is "above/below".
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519

from certificates import PEM, Certified
from lbclient.vault.material import Material

BEGIN, END = datetime(2020, 1, 1), datetime(2090, 1, 1)


@cache
def authority(path: str) -> Certified:
    above, _, _ = path.rpartition("/")
    return _certified(path, authority(above) if above else None, is_authority=True)


@cache
def certified(host: str, by: str = "ca", serial: int = 0) -> Certified:
    return _certified(host, authority(by), serial=serial)


def revocations(by: str, *revoked: str) -> str:
    issuer = authority(by)
    builder = x509.CertificateRevocationListBuilder(issuer.certificate.subject, BEGIN, END)
    for host in revoked:
        number = certified(host, by).certificate.serial_number
        entry = x509.RevokedCertificateBuilder(number, BEGIN).build()
        builder = builder.add_revoked_certificate(entry)
    return builder.sign(issuer.key, None).public_bytes(PEM).decode()


def material(given: Material | Mapping[str, Any] | None) -> Material | None:
    """As a snapshot has it."""
    if given is None or isinstance(given, Material):
        return given
    if "host" in given:
        return of_certified(certified(**given))
    if "fault" in given:
        return Material(fault=given["fault"])
    return Material(text=payload(given).decode())


def of_certified(made: Certified) -> Material:
    chain = tuple(each.public_bytes(PEM).decode() for each in made.above)
    return Material(certificate=made.pem, private_key=made.key_pem(), intermediates=chain)


def payload(given: Mapping[str, Any] | bytes) -> bytes:
    """As the key manager keeps it."""
    if isinstance(given, bytes):
        return given
    if "host" in given:
        return certified(**given).pkcs12()
    if "authority" in given:
        return authority(given["authority"]).pem.encode()
    return revocations(given["revocations"], *given.get("revoked", ())).encode()


def _certified(name: str, issuer: Certified | None, serial: int = 0, is_authority: bool = False) -> Certified:
    seed = hashlib.sha256(f"{name} {serial}".encode()).digest()
    key = ed25519.Ed25519PrivateKey.from_private_bytes(seed)
    subject = _name(name)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(int.from_bytes(seed[:8], "big") >> 1)
        .not_valid_before(BEGIN)
        .not_valid_after(END)
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
    )
    if not is_authority:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
    above = (issuer.certificate, *issuer.above) if issuer else ()
    return Certified(builder.sign(issuer.key if issuer else key, None), key, above)


def _name(common: str) -> x509.Name:
    organization = x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "Test & Co")
    return x509.Name([organization, x509.NameAttribute(x509.NameOID.COMMON_NAME, common[-64:])])
