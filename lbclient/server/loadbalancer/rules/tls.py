"""The default TLS settings, the same as Octavia's."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ....resources.tls_settings import OLD_TLS_VERSIONS

Values = dict[str, Any]

CIPHERS = ":".join(
    (
        "TLS_AES_128_GCM_SHA256",
        "TLS_AES_256_GCM_SHA384",
        "TLS_CHACHA20_POLY1305_SHA256",
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        "ECDHE-RSA-AES128-GCM-SHA256",
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        "ECDHE-RSA-AES256-GCM-SHA384",
        "ECDHE-ECDSA-CHACHA20-POLY1305",
        "ECDHE-RSA-CHACHA20-POLY1305",
        "DHE-RSA-AES128-GCM-SHA256",
        "DHE-RSA-AES256-GCM-SHA384",
        "DHE-RSA-CHACHA20-POLY1305",
    )
)
DEFAULTS: dict[str, Any] = {
    "tls_ciphers": CIPHERS,
    "tls_versions": ["TLSv1.2", "TLSv1.3"],
    "alpn_protocols": ["h2", "http/1.1", "http/1.0"],
}


def fill(values: Values, names: Iterable[str] = tuple(DEFAULTS)) -> None:
    """Fill in the default settings for the given names where the values have none.

    With TLS 1.0 or 1.1 no ciphers are set: these versions support none of the default ciphers.
    """
    for name in names:
        if values.get(name) is None:
            values[name] = DEFAULTS[name]
    if values.get("tls_ciphers") is CIPHERS and set(values.get("tls_versions") or ()) & set(OLD_TLS_VERSIONS):
        values["tls_ciphers"] = None


def reset(values: Values, names: Iterable[str]) -> None:
    """Replace null in the values of a PUT by the default setting."""
    fill(values, [name for name in names if name in values])
