"""TLS versions and ciphers: which ones are supported, and the options for HAProxy. Pure."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from functools import lru_cache
from typing import TypeAlias

from ...resources.tls_settings import TLS_VERSIONS
from ...store.records import ListenerRecord, PoolRecord

NAMES = {"TLSv1": "TLSv1.0", "TLSv1.1": "TLSv1.1", "TLSv1.2": "TLSv1.2", "TLSv1.3": "TLSv1.3"}  # in HAProxy
OLD = ("TLSv1", "TLSv1.1")
NEWEST = "TLSv1.3"
VERSIONS = ("TLSv1.2", "TLSv1.3")
MODERN = "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:DHE+CHACHA20"
FOR_OLD = f"{MODERN}:ECDHE+AES:DHE+AES:RSA+AES"
LEVEL = "@SECLEVEL"
LOWEST_LEVEL = f"{LEVEL}=0"  # the only level at which OpenSSL 3 supports TLS 1.0 and 1.1
SUITE_PREFIX = "TLS_"
SUITES = (  # cipher suites of TLS 1.3, which OpenSSL configures separately
    "TLS_AES_128_GCM_SHA256",
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
    "TLS_AES_128_CCM_SHA256",
    "TLS_AES_128_CCM_8_SHA256",
)

TlsRecord: TypeAlias = ListenerRecord | PoolRecord


def refusal(record: TlsRecord) -> str | None:
    """Return why the tls_versions or tls_ciphers of a listener or pool are not supported; None if they are."""
    wanted = _versions(record)
    if "SSLv3" in wanted:
        return "the TLS version SSLv3"
    if wanted != list(NAMES)[list(NAMES).index(wanted[0]) :][: len(wanted)]:
        return f"tls_versions with a gap: {', '.join(wanted)}"
    ciphers, suites = _split(record)
    unknown = [suite for suite in suites if suite not in SUITES]
    if unknown:
        return f"the TLS cipher {unknown[0]}"
    if ciphers and not _selects(ciphers):
        return f"tls_ciphers '{ciphers}', which select no cipher"
    if not ciphers and NEWEST not in wanted:
        return f"tls_ciphers of {NEWEST} only without the TLS version {NEWEST}"
    return None


def words(record: TlsRecord) -> Iterator[str]:
    """Yield the options of a bind or a server about versions and ciphers."""
    wanted = _versions(record)
    ciphers, suites = _split(record)
    # With ciphers of TLS 1.3 only, older versions are disabled: no cipher that was not asked for is offered for them.
    oldest = wanted[0] if ciphers else NEWEST
    yield from ("ssl-min-ver", NAMES[oldest], "ssl-max-ver", NAMES[wanted[-1]])
    if ciphers:
        yield from ("ciphers", f"{ciphers}:{LOWEST_LEVEL}" if oldest in OLD and LEVEL not in ciphers else ciphers)
    if suites:
        yield from ("ciphersuites", ":".join(suites))


def _versions(record: TlsRecord) -> list[str]:
    """Return the TLS versions of a record, from the oldest to the newest."""
    given = record.tls_versions or VERSIONS
    return [version for version in TLS_VERSIONS if version in given]


def _split(record: TlsRecord) -> tuple[str, list[str]]:
    """Return the ciphers up to TLS 1.2, and the suites of TLS 1.3; without suites, OpenSSL's default suites apply."""
    usual = FOR_OLD if _versions(record)[0] in OLD else MODERN
    given = [each for each in (record.tls_ciphers or usual).split(":") if each]
    suites = [each for each in given if each.startswith(SUITE_PREFIX)]
    return ":".join(each for each in given if each not in suites), suites


@lru_cache(256)
def _selects(ciphers: str) -> bool:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).set_ciphers(ciphers)
    except ssl.SSLError:
        return False
    return True
