"""Certificates, keys and texts from the key manager, as PEM."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Material:
    """The certificate with its key, or the text, behind a key manager reference."""

    certificate: str = ""  # the server's certificate; empty if the secret is a text
    private_key: str = ""  # not encrypted
    intermediates: tuple[str, ...] = ()
    host_names: tuple[str, ...] = ()  # names in the certificate, in lower case: shop.example, *.example
    not_after: str = ""  # when the certificate expires, UTC
    text: str = ""  # CA certificates or revocation lists
    fault: str | None = None  # why it cannot be used
