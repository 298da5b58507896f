"""The certificate of the API: load and check it, and reload it when its files change."""

from __future__ import annotations

import logging
import ssl
from pathlib import Path
from typing import Protocol

from cryptography import x509

LOG = logging.getLogger(__name__)

Stamp = tuple[tuple[int, int, int], ...]


class CertificateError(Exception):
    """The certificate or its key cannot be used; the message says which, and why."""


class Tls(Protocol):
    """The source of the TLS context for new connections."""

    @property
    def context(self) -> ssl.SSLContext: ...

    def refresh(self) -> None:
        """Load what has changed; called every second."""
        ...


class Certificate:
    """The TLS context for new connections to the HTTP server."""

    def __init__(self, certificate: Path, key: Path) -> None:
        """Load the certificate and its key. Raises CertificateError."""
        self._paths = certificate, key
        self._stamp = self._look()
        self.context = self._load()

    @property
    def is_self_signed(self) -> bool:
        """Whether the certificate is its own issuer, so that clients need it as their CA certificate."""
        first = x509.load_pem_x509_certificates(self._paths[0].read_bytes())[0]
        return first.issuer == first.subject

    def refresh(self) -> None:
        """Reload the files if they have changed; if they cannot be used, log that and keep the previous certificate."""
        try:
            stamp = self._look()
            if stamp == self._stamp:
                return
            self._stamp = stamp
            self.context = self._load()
        except CertificateError as error:
            LOG.error("%s The certificate before is still used.", error)
        else:
            LOG.info("the certificate %s is loaded again", self._paths[0])

    def _look(self) -> Stamp:
        try:
            found = [path.stat() for path in self._paths]
        except OSError as error:
            raise CertificateError(f"{error.filename} cannot be read: {error.strerror}.") from None
        return tuple((each.st_mtime_ns, each.st_size, each.st_ino) for each in found)

    def _load(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        certificate, key = self._paths
        try:
            context.load_cert_chain(certificate, key, password=_refuse)
        except _NeedsPassphrase:
            raise CertificateError(f"The key {key} needs a passphrase.") from None
        except ssl.SSLError as error:
            why = "they do not fit together" if error.reason == "KEY_VALUES_MISMATCH" else "they are no PEM files"
            raise CertificateError(f"The certificate {certificate} and the key {key} cannot be used: {why}.") from None
        except OSError as error:
            raise CertificateError(f"{certificate} or {key} cannot be read: {error.strerror}.") from None
        return context


class _NeedsPassphrase(Exception):
    """The key needs a passphrase, which a server without a terminal cannot ask for."""


def _refuse() -> str:
    raise _NeedsPassphrase
