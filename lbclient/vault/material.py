"""Certificates, keys and texts of the key manager, as PEM."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Material:
    """What a reference of the key manager stands for, as PEM."""

    certificate: str = ""  # the server's own; empty where the secret is a text
    private_key: str = ""  # not encrypted
    intermediates: tuple[str, ...] = ()
    host_names: tuple[str, ...] = ()  # what the certificate is for, in small letters: shop.example, *.example
    not_after: str = ""  # when the certificate expires, UTC
    text: str = ""  # CA certificates, or revocation lists
    fault: str | None = None  # why nothing of it can be used
