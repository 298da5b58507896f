"""The TLS settings of listeners, towards clients, and of pools, towards members."""

from __future__ import annotations

from .fields import Field, Type

TLS_VERSIONS = ("SSLv3", "TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")
OLD_TLS_VERSIONS = TLS_VERSIONS[:3]
ALPN_PROTOCOLS = ("http/1.0", "http/1.1", "h2")
TLS_CIPHERS = r"[A-Za-z0-9\-+!:@=_.]+"


def ciphers() -> Field:
    return Field(
        "tls_ciphers",
        Type.STRING,
        "The TLS ciphers, in OpenSSL's notation.",
        since=15,
        length=2048,
        pattern=TLS_CIPHERS,
        filled=True,
    )


def versions(since: int) -> Field:
    return Field(
        "tls_versions",
        Type.STRINGS,
        "A TLS version that is spoken.",
        since=since,
        choices=TLS_VERSIONS,
        flag="tls-version",
        unset_flag="tls-versions",
        filled=True,
    )


def alpn_protocols(since: int) -> Field:
    return Field(
        "alpn_protocols",
        Type.STRINGS,
        "A protocol that is offered through ALPN.",
        since=since,
        choices=ALPN_PROTOCOLS,
        flag="alpn-protocol",
        unset_flag="alpn-protocols",
        filled=True,
    )
