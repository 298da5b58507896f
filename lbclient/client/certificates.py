"""Certificates in the key manager: containers of a certificate, its key and its intermediate certificates.

Octavia and lbclient's server both read them, as Barbican containers of type ``certificate``.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from . import errors, similar
from .names import UUID
from .rest import Json, Rest

CERTIFICATE, KEY, CHAIN = "certificate", "private_key", "intermediates"
SECRET_TYPES = {CERTIFICATE: "certificate", KEY: "private", CHAIN: "certificate"}
BLOCK = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----.*?-----END \1-----", re.DOTALL)
PAGE = 100


@dataclass(frozen=True)
class Material:
    """The content to store: PEM texts by their names in the container, or one PKCS12 file."""

    parts: dict[str, str]
    pkcs12: bytes | None = None


def material(certificate: bytes, key: bytes | None = None, chain: bytes | None = None) -> Material:
    """Read the contents of files; the certificate's file may include the key and the chain. Raises WrongInput."""
    if certificate[:1] == b"\x30" and key is None and chain is None:
        return Material({}, certificate)
    given = _blocks(certificate, "certificate")
    certificates = [text for kind, text in given if kind == "CERTIFICATE"]
    keys = [text for kind, text in (_blocks(key, "key") if key else given) if kind.endswith("PRIVATE KEY")]
    above = [text for kind, text in (_blocks(chain, "chain") if chain else ()) if kind == "CERTIFICATE"]
    if not certificates:
        raise errors.WrongInput("The certificate's file has no certificate in PEM (BEGIN CERTIFICATE).")
    if chain and not above:
        raise errors.WrongInput("The chain's file has no certificate in PEM (BEGIN CERTIFICATE).")
    if len(keys) != 1:
        raise errors.WrongInput(f"One key is needed (BEGIN PRIVATE KEY), and there are {len(keys) or 'none'}.")
    if "ENCRYPTED" in keys[0]:
        raise errors.WrongInput("The key has a passphrase: give it without one (openssl pkey -in <key> -out <file>).")
    if not _belong_together(certificates[0], keys[0]):
        raise errors.WrongInput("The key does not belong to the certificate.")
    parts = {CERTIFICATE: certificates[0], KEY: keys[0], CHAIN: "".join([*certificates[1:], *above])}
    return Material({place: text for place, text in parts.items() if text})


def store(service: Rest, name: str, wanted: Material) -> str:
    """Store a certificate as a container, or as a secret for PKCS12, and return the reference.

    After a failure, secrets that were already stored are deleted.
    """
    if wanted.pkcs12 is not None:
        payload = {"payload": base64.b64encode(wanted.pkcs12).decode(), "payload_content_encoding": "base64"}
        kind = {"payload_content_type": "application/octet-stream", "secret_type": "opaque"}
        return str(service.post("/secrets", {"name": name, **payload, **kind})["secret_ref"])
    stored: dict[str, str] = {}
    try:
        for place, text in wanted.parts.items():
            kind = {"payload_content_type": "text/plain", "secret_type": SECRET_TYPES[place]}
            answer = service.post("/secrets", {"name": f"{name} {place}", "payload": text, **kind})
            stored[place] = str(answer["secret_ref"])
        references = [{"name": place, "secret_ref": reference} for place, reference in stored.items()]
        body = {"name": name, "type": "certificate", "secret_refs": references}
        return str(service.post("/containers", body)["container_ref"])
    except BaseException:
        for reference in stored.values():
            with suppress(errors.Error):
                service.delete(f"/secrets/{_id(reference)}")
        raise


def listed(service: Rest) -> Iterator[Json]:
    """Yield the containers of type certificate."""
    offset = 0
    while True:
        page = service.get("/containers", {"limit": PAGE, "offset": offset, "type": "certificate"})
        found = page["containers"]
        yield from (one for one in found if one.get("type") == "certificate")
        offset += len(found)
        if not found or offset >= page.get("total", offset):
            return


def find(service: Rest, word: str) -> Json:
    """Return the container with this name, ID or reference. Raises UnknownName or Ambiguous."""
    id_ = _id(word) if "://" in word else word
    if UUID.fullmatch(id_):
        with suppress(errors.NotFound):
            return service.get(f"/containers/{id_}")
    every = list(listed(service))
    found = [one for one in every if one.get("name") == word]
    if not found:
        question = similar.question(similar.closest(word, [str(one["name"]) for one in every if one.get("name")]))
        raise errors.UnknownName(f"No certificate has the name or ID '{word}'. {question}".rstrip())
    if len(found) > 1:
        references = ", ".join(str(one["container_ref"]) for one in found)
        raise errors.Ambiguous(f"{len(found)} certificates have the name '{word}': give the reference ({references}).")
    return found[0]


def text(service: Rest, container: Json) -> str:
    """Return the certificate of a container, in PEM."""
    reference = next(each["secret_ref"] for each in container["secret_refs"] if each["name"] == CERTIFICATE)
    return service.text(f"/secrets/{_id(reference)}/payload")


def remove(service: Rest, reference: str) -> None:
    """Delete a container with its secrets, or a secret."""
    id_ = _id(reference)
    if "/secrets/" in reference:
        return service.delete(f"/secrets/{id_}")
    container = service.get(f"/containers/{id_}")
    service.delete(f"/containers/{id_}")
    for each in container["secret_refs"]:
        with suppress(errors.NotFound):
            service.delete(f"/secrets/{_id(each['secret_ref'])}")
    return None


def _blocks(content: bytes, what: str) -> Sequence[tuple[str, str]]:
    """Return the blocks of a PEM file as (kind, text) pairs. Raises WrongInput."""
    try:
        decoded = content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError:
        raise errors.WrongInput(f"The file of the {what} is not in PEM.") from None
    return [(found[1], f"{found[0]}\n") for found in BLOCK.finditer(decoded)]


def _belong_together(certificate: str, key: str) -> bool:
    """Whether the key belongs to the certificate; True if cryptography is not installed. Raises WrongInput."""
    try:
        from cryptography import x509  # imported here, because the client alone does not depend on it
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.serialization import load_pem_private_key
    except ImportError:
        return True
    try:
        public = load_pem_private_key(key.encode(), None).public_key()
        return x509.load_pem_x509_certificate(certificate.encode()).public_key() == public
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise errors.WrongInput(f"The certificate or its key cannot be read: {error}.") from error


def _id(reference: str) -> str:
    return reference.rstrip("/").rpartition("/")[2]
