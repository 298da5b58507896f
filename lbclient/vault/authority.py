"""A small certificate authority for the hosts of one server: it signs the server's certificate and those of agents."""

from __future__ import annotations

import os
import uuid
from datetime import datetime, timedelta, timezone
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

NAME = "lbclient-server"  # the name in the server's certificate: agents check it, whatever address they connect to
AUTHORITY, SERVER = "authority.pem", "server.pem"  # a key and a certificate each
VALID = timedelta(days=3650)
PEM = serialization.Encoding.PEM


class Authority:
    """The authority whose files are in a directory; they are created if there are none."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path = directory / AUTHORITY
        self.server = directory / SERVER
        if not self._path.exists():
            key = ec.generate_private_key(ec.SECP256R1())
            _write(self._path, _text(key, _signed(key.public_key(), "lbclient hosts", key, "lbclient hosts", None)))
        content = self._path.read_bytes()
        self._key = serialization.load_pem_private_key(content, None)
        self.certificate = x509.load_pem_x509_certificate(content).public_bytes(PEM).decode()
        if not self.server.exists():
            _write(self.server, self._new(NAME, ExtendedKeyUsageOID.SERVER_AUTH)[0])

    def enroll(self, host_id: str) -> tuple[str, str]:
        """Return a new key with its certificate and the authority's, and the serial number as ssl writes it."""
        text, serial = self._new(host_id, ExtendedKeyUsageOID.CLIENT_AUTH)
        return text + self.certificate, serial

    def _new(self, name: str, use: x509.ObjectIdentifier) -> tuple[str, str]:
        assert isinstance(self._key, ec.EllipticCurvePrivateKey)
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = _signed(key.public_key(), name, self._key, "lbclient hosts", use)
        serial = f"{certificate.serial_number:X}"
        return _text(key, certificate), serial.zfill(len(serial) + len(serial) % 2)


def _signed(
    public: ec.EllipticCurvePublicKey,
    name: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: str,
    use: x509.ObjectIdentifier | None,
) -> x509.Certificate:
    now = datetime.now(timezone.utc)
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(_name(issuer))
        .public_key(public)
        .serial_number(uuid.uuid4().int)
        .not_valid_before(now - timedelta(days=1))  # the clock of the host may be late
        .not_valid_after(now + VALID)
        .add_extension(x509.BasicConstraints(ca=use is None, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
    )
    if use is not None:
        builder = builder.add_extension(x509.ExtendedKeyUsage([use]), critical=False)
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
    return builder.sign(key, hashes.SHA256())


def _name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _text(key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> str:
    private = key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return (private + certificate.public_bytes(PEM)).decode()


def _write(path: Path, text: str) -> None:
    """Create a file that only this user can read. Raises FileExistsError."""
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
