"""Checks of key manager references in listeners and pools: they exist, are readable by the caller, and are usable."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from ...resources import Resource
from ...store import tls_material
from ...store.keymanager_tables import CONTENT, SECRET
from ...vault import certificates
from ...vault.certificates import CertificateError, UnreadablePkcs12
from ...vault.material import Material
from ...vault.sealing import KeyLost
from ..access.context import Context
from ..errors import BadRequest, Forbidden, NotFound, ValidationFailure
from ..services import Services
from . import access
from .access import CONTAINERS, SECRETS

BAD_AUTHORITY = (
    "The client authentication CA certificate is invalid. It must be a valid x509 PEM format certificate. Error: {why}"
)
BAD_REVOCATIONS = (
    "The client authentication certificate revocation list is invalid. "
    "It must be a valid x509 PEM format certificate revocation list. Error: {why}"
)
FOREIGN_REVOCATIONS = "The CRL specified is not valid for client certificate authority reference supplied."


def check_references(
    services: Services,
    tx: sa.Connection,
    who: Context,
    resource: Resource,
    values: Mapping[Any, Any],
    given: Collection[str] | None = None,
) -> None:
    """Check the references among the values of a listener or a pool.

    `values` are all its values; `given` names those that the request sets (None: all). Only these are checked, but CA
    certificates and revocation lists are checked against each other. Raises BadRequest or ValidationFailure with
    Octavia's messages.
    """
    if services.config.certificates == "noop" or resource.name not in tls_material.CERTIFICATES:
        return
    # Copies of secrets from an external Barbican have just been read with the caller's token.
    reader = _Reader(tx, None if services.barbican else _acting(who, values["project_id"]))
    wanted = [name for name in tls_material.CERTIFICATES[resource.name] if given is None or name in given]
    references = [ref for name in wanted for ref in _listed(values[name])]
    authority, revocations = tls_material.TEXTS[resource.name]
    reader.check_certificates(references)
    if given is None or {authority, revocations} & set(given):
        reader.check_authority(values[authority], values[revocations])


def _listed(value: str | Sequence[str] | None) -> list[str]:
    return [value] if isinstance(value, str) and value else list(value or ())


def _acting(who: Context, project_id: str) -> Context:
    """The caller as a member of the load balancer's project, since those who may change it may use its secrets."""
    return Context(who.user_id, project_id, who.roles | {"member"}, who.domain_id, who.user_name)


class _Reader:
    """Reads references with the access rights of a user; None: without checking access."""

    def __init__(self, tx: sa.Connection, who: Context | None) -> None:
        self._tx = tx
        self._who = who

    def check_certificates(self, references: Sequence[str]) -> None:
        bad, reasons = [], []
        for reference in references:
            try:
                self._certificate(reference)
            except UnreadablePkcs12 as error:
                raise BadRequest(str(error)) from None
            except CertificateError as error:
                bad.append(reference)
                reasons.append(str(error))
            except (NotFound, Forbidden, KeyLost):
                bad.append(reference)
        _refuse(bad, reasons)

    def check_authority(self, authority: str | None, revocations: str | None) -> None:
        """Check CA certificates and that they have signed the revocation list. Raises BadRequest, ValidationFailure."""
        bad, texts = [], []
        for reference in filter(None, (authority, revocations)):
            try:
                texts.append(self._text(reference))
            except (NotFound, Forbidden, KeyLost):
                bad.append(reference)
        _refuse(bad, [])
        if authority:
            _check_authority(texts[0], texts[1] if revocations else None)

    def _certificate(self, reference: str) -> Material:
        id_ = _id(reference)
        payload = self._payload(id_)
        if payload is not None:
            return certificates.of_pkcs12(payload)
        container = self._row(CONTAINERS, id_)
        if container.type != "certificate":
            raise certificates.Unreadable(f"It is a container of type {container.type}, not certificate.")
        parts = self._tx.execute(sa.select(CONTENT).where(CONTENT.c.container_id == id_)).all()
        payloads = {part.name: self._payload(part.secret_id) for part in parts}
        return certificates.of_container({name: part for name, part in payloads.items() if part is not None})

    def _text(self, reference: str) -> bytes:
        payload = self._payload(_id(reference))
        if payload is None:
            raise NotFound(SECRETS.not_found)
        return payload

    def _payload(self, id_: str) -> bytes | None:
        """Return the payload of a secret; None if there is no secret with this ID. Raises NotFound or Forbidden."""
        if self._tx.scalar(sa.select(SECRET.c.id).where(SECRET.c.id == id_)) is None:
            return None
        secret = self._row(SECRETS, id_)
        if secret.sealed is None:
            raise NotFound(SECRETS.not_found)
        return tls_material.vault(self._tx).unseal(secret.sealed)

    def _row(self, kind: access.Kind, id_: str) -> Any:
        who = self._who
        return access.find(self._tx, kind, id_) if who is None else access.readable(self._tx, kind, id_, who, "")


def _id(reference: str) -> str:
    id_ = tls_material.id_of(reference)
    if id_ is None:
        raise NotFound(SECRETS.not_found)
    return id_


def _refuse(bad: Sequence[str], reasons: Sequence[str]) -> None:
    if bad:
        raise BadRequest(" ".join((f"Could not retrieve certificate: {list(bad)}", *reasons)))


def _check_authority(authority: bytes, revocations: bytes | None) -> None:
    try:
        issuers = certificates.authorities(authority)
    except CertificateError as error:
        raise ValidationFailure(BAD_AUTHORITY.format(why=error)) from None
    if revocations is None:
        return
    try:
        certificates.check_revocations(revocations, issuers)
    except certificates.ForeignRevocations:
        raise ValidationFailure(FOREIGN_REVOCATIONS) from None
    except CertificateError as error:
        raise ValidationFailure(BAD_REVOCATIONS.format(why=error)) from None
