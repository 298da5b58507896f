"""TLS towards clients and members: the files that HAProxy needs, and the options of binds and servers. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from ...store.records import ListenerRecord, Part, PoolRecord
from ...store.snapshot import Snapshot
from ...vault.material import Material
from . import cfg, ciphers

DIRECTORY = "tls-"  # prefix of a directory, followed by the generation; its contents never change
VERIFY = {"OPTIONAL": "optional", "MANDATORY": "required"}
ALPN = ("h2", "http/1.1", "http/1.0")  # the default towards clients; for members there is none


@dataclass(frozen=True)
class File:
    """A file of certificates, keys or revocation lists.

    A certificate with its key can be exchanged in a running HAProxy. Authorities and revocation lists cannot, although
    HAProxy has commands for it: clients that resume a session are not verified again, and servers without a certificate
    of their own keep using the files that they were loaded with.
    """

    name: str  # the relative path; a new certificate for the same purpose has the same name
    is_exchangeable: bool
    text: str
    reference: str  # to the secret or container in the key manager


def is_terminated(listener: ListenerRecord) -> bool:
    """Return whether the listener speaks TLS with its clients."""
    return listener.protocol == "TERMINATED_HTTPS" or (listener.protocol == "PROMETHEUS" and bool(_served(listener)))


def files(snapshot: Snapshot, listeners: Iterable[ListenerRecord], pools: Iterable[PoolRecord]) -> tuple[File, ...]:
    """Return the files that listeners and pools need. Raises cfg.Refused if the key manager has no usable contents."""
    return tuple(
        each
        for made in (
            *(_of_listener(listener, snapshot) for listener in listeners if is_terminated(listener)),
            *(_of_pool(pool, snapshot) for pool in pools if pool.tls_enabled),
        )
        for each in made
    )


def generation(needed: Sequence[File]) -> str:
    """Return a digest of the names and contents of the files; "" if there are none."""
    if not needed:
        return ""
    digest = hashlib.sha256()
    for each in needed:
        digest.update(f"{each.name}\0{each.text}\0".encode())
    return digest.hexdigest()[:16]


def bind(listener: ListenerRecord) -> Iterator[str]:
    """Yield the TLS options of a bind. Its certificates are in a directory, of which the first is the default."""
    if not is_terminated(listener):
        return
    yield from ("ssl", "crt", listener.id)
    yield from ciphers.words(listener)
    yield from ("alpn", ",".join(listener.alpn_protocols or ALPN))
    if listener.client_authentication in VERIFY and listener.client_ca_tls_container_ref:
        yield from ("ca-file", _authority(listener), "verify", VERIFY[listener.client_authentication])
        if listener.client_crl_container_ref:
            yield from ("crl-file", _revocations(listener))


def server(pool: PoolRecord) -> Iterator[str]:
    """Yield the TLS options of a server.

    The server name that the client sent is passed on to the member. With a CA, the member's certificate is verified.
    """
    if not pool.tls_enabled:
        return
    yield "ssl"
    if pool.ca_tls_container_ref:
        yield from ("verify", "required", "ca-file", _authority(pool))
        if pool.crl_container_ref:
            yield from ("crl-file", _revocations(pool))
    else:
        yield from ("verify", "none")
    if pool.tls_container_ref:
        yield from ("crt", _shown(pool))
    yield from ciphers.words(pool)
    if pool.alpn_protocols:
        yield from ("alpn", ",".join(pool.alpn_protocols))
    yield from ("sni", "ssl_fc_sni")


def transport_security(listener: ListenerRecord) -> Iterator[cfg.Line]:
    """Yield the HSTS header for every response, including those that HAProxy generates itself."""
    if listener.hsts_max_age is None or listener.protocol != "TERMINATED_HTTPS":
        return
    value = f"max-age={listener.hsts_max_age}"
    value += "; includeSubDomains" if listener.hsts_include_subdomains else ""
    value += "; preload" if listener.hsts_preload else ""
    yield cfg.line("http-after-response", "set-header", "Strict-Transport-Security", value)


def _served(listener: ListenerRecord) -> list[str]:
    """Return the references of a listener's certificates, the default first."""
    first = [listener.default_tls_container_ref] if listener.default_tls_container_ref else []
    return list(dict.fromkeys([*first, *(listener.sni_container_refs or ())]))


def _of_listener(listener: ListenerRecord, snapshot: Snapshot) -> Iterator[File]:
    look = _Look(snapshot, f"listener {listener.id}")
    for number, reference in enumerate(_served(listener)):
        yield look.certificate(f"{listener.id}/{number:04}.pem", reference)
    if listener.client_authentication in VERIFY and listener.client_ca_tls_container_ref:
        yield look.text(_authority(listener), listener.client_ca_tls_container_ref)
        if listener.client_crl_container_ref:
            yield look.text(_revocations(listener), listener.client_crl_container_ref)


def _of_pool(pool: PoolRecord, snapshot: Snapshot) -> Iterator[File]:
    look = _Look(snapshot, f"pool {pool.id}")
    if pool.tls_container_ref:
        yield look.certificate(_shown(pool), pool.tls_container_ref)
    if pool.ca_tls_container_ref:
        yield look.text(_authority(pool), pool.ca_tls_container_ref)
        if pool.crl_container_ref:
            yield look.text(_revocations(pool), pool.crl_container_ref)


def _shown(pool: PoolRecord) -> str:
    return f"{pool.id}.pem"


def _authority(record: Part) -> str:
    return f"{record.id}.ca.pem"


def _revocations(record: Part) -> str:
    return f"{record.id}.crl.pem"


@dataclass(frozen=True)
class _Look:
    """Looks up the files of references; errors name the owner of a reference."""

    snapshot: Snapshot
    owner: str

    def certificate(self, name: str, reference: str) -> File:
        found = self._material(reference)
        if not found.certificate:
            raise self._refused(reference, "it is no certificate with a private key.")
        text = "".join((found.certificate, found.private_key, *found.intermediates))
        return File(name, True, _without_gaps(text), reference)

    def text(self, name: str, reference: str) -> File:
        found = self._material(reference)
        if not found.text:
            raise self._refused(reference, "it is not PEM text.")
        return File(name, False, _without_gaps(found.text), reference)

    def _material(self, reference: str) -> Material:
        found = self.snapshot.certificates.get(reference)
        if found is None:
            raise self._refused(reference, "it is not in the key manager, or not any more.")
        if found.fault is not None:
            raise self._refused(reference, found.fault)
        return found

    def _refused(self, reference: str, why: str) -> cfg.Refused:
        return cfg.Refused(f"{reference}, which {self.owner} refers to, cannot be used: {why}")


def _without_gaps(text: str) -> str:
    """Return the text without empty lines, which end a value in the runtime API."""
    return "".join(f"{line.strip()}\n" for line in text.splitlines() if line.strip())
