"""A small certificate authority for the hosts of one server: it signs the server's certificate and those of agents."""

from __future__ import annotations

import base64
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
AGENT_VALID = timedelta(days=90)  # agents renew their certificates in time
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
        loaded = serialization.load_pem_private_key(content, None)
        assert isinstance(loaded, ec.EllipticCurvePrivateKey)
        self._key = loaded
        self.certificate = x509.load_pem_x509_certificate(content).public_bytes(PEM).decode()
        self.fingerprint = fingerprint(self.certificate)
        if not self.server.exists():
            key = ec.generate_private_key(ec.SECP256R1())
            use = ExtendedKeyUsageOID.SERVER_AUTH
            _write(self.server, _text(key, _signed(key.public_key(), NAME, self._key, "lbclient hosts", use)))

    def sign(self, request: str, host_id: str, name: str, start: datetime | None = None) -> str:
        """Return the certificate that an agent requests, with the host's ID and a name in its subject, and its issuer.

        It is valid from `start`, by default now, for AGENT_VALID. Raises ValueError if the request is not one in PEM,
        not signed with its own key, or its key is not of an elliptic curve.
        """
        wanted = x509.load_pem_x509_csr(request.encode())
        public = wanted.public_key()
        if not wanted.is_signature_valid or not isinstance(public, ec.EllipticCurvePublicKey):
            raise ValueError("the certificate request is not signed with a key of an elliptic curve")
        subject = x509.Name([*_name(host_id), x509.NameAttribute(NameOID.SERIAL_NUMBER, name)])
        use = ExtendedKeyUsageOID.CLIENT_AUTH
        certificate = _signed(public, host_id, self._key, "lbclient hosts", use, AGENT_VALID, start, subject)
        return certificate.public_bytes(PEM).decode() + self.certificate


def fingerprint(certificate: str) -> str:
    """Return the SHA-256 of a certificate in PEM, as text. Raises ValueError."""
    digest = x509.load_pem_x509_certificate(certificate.encode()).fingerprint(hashes.SHA256())
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def new_request() -> tuple[str, str]:
    """Return a new private key and a request to certify it, in PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    wanted = x509.CertificateSigningRequestBuilder().subject_name(_name("agent")).sign(key, hashes.SHA256())
    private = key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return private.decode(), wanted.public_bytes(PEM).decode()


def validity(text: str) -> tuple[datetime, datetime]:
    """Return from when to when the first certificate in a PEM is valid. Raises ValueError."""
    certificate = x509.load_pem_x509_certificate(text.encode())
    return certificate.not_valid_before_utc, certificate.not_valid_after_utc


def _signed(
    public: ec.EllipticCurvePublicKey,
    name: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: str,
    use: x509.ObjectIdentifier | None,
    valid: timedelta = VALID,
    start: datetime | None = None,
    subject: x509.Name | None = None,
) -> x509.Certificate:
    start = start or datetime.now(timezone.utc)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject or _name(name))
        .issuer_name(_name(issuer))
        .public_key(public)
        .serial_number(uuid.uuid4().int)
        .not_valid_before(start - timedelta(days=1))  # the clock of the host may be late
        .not_valid_after(start + valid)
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
