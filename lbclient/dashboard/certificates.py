"""Certificates in the key manager: list, store and delete them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from cryptography import x509

from ..client import certificates, errors
from ..client.rest import Json
from .kinds import Link
from .visit import Reply, Visit

LISTED = 100
LIST = Link("Certificates", "/dashboard/certificates")


def show(visit: Visit) -> Reply:
    return _page(visit)


def _page(visit: Visit, error: str = "") -> Reply:
    found = []
    for container in certificates.listed(visit.services.key_manager):
        found.append({"id": _id(container), "one": container, **_described(visit, container)})
        if len(found) == LISTED:
            break
    return visit.page("certificates.html", 400 if error else 200, found=found, error=error, name=visit.value("name"))


def _id(container: Json) -> str:
    return str(container["container_ref"]).rpartition("/")[2]


def _described(visit: Visit, container: Json) -> dict[str, Any]:
    """Return what a certificate says of itself; nothing if it cannot be read."""
    with suppress(errors.Error, ValueError, StopIteration):
        read = x509.load_pem_x509_certificate(certificates.text(visit.services.key_manager, container).encode())
        return {"names": ", ".join(_names(read)), "ends_at": read.not_valid_after_utc.strftime("%Y-%m-%d %H:%M")}
    return {"names": "", "ends_at": ""}


def _names(read: x509.Certificate) -> Iterator[str]:
    with suppress(x509.ExtensionNotFound):
        names = read.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        yield from map(str, names.get_values_for_type(x509.DNSName))
        yield from map(str, names.get_values_for_type(x509.IPAddress))
        return
    yield read.subject.rfc4514_string()


def store(visit: Visit) -> Reply:
    """Store a certificate from files, or from what was pasted."""

    def given(name: str) -> bytes | None:
        return visit.files.get(f"{name}_file") or visit.value(name).strip().encode() or None

    try:
        material = certificates.material(given("certificate") or b"", given("key"), given("chain"))
        certificates.store(visit.services.key_manager, visit.value("name") or "certificate", material)
    except errors.Refused as refusal:
        return _page(visit, refusal.words)
    except errors.Error as error:
        return _page(visit, str(error))
    return visit.redirect(LIST.path, f"Certificate {visit.value('name')} is stored.")


def ask_delete(visit: Visit, id: str) -> Reply:
    return _ask(visit, id)


def _ask(visit: Visit, id_: str, error: str = "") -> Reply:
    container = visit.services.key_manager.get(f"/containers/{id_}")
    parts = [str(part["name"]).replace("_", " ") for part in container["secret_refs"]]
    return visit.page(
        "delete.html",
        409 if error else 200,
        kind="certificate",
        name=container.get("name") or id_,
        trail=[LIST],
        action=f"{LIST.path}/{id_}/delete",
        back=LIST.path,
        lost=[f"Secret: {part}" for part in parts],
        is_quota=False,
        error=error or _in_use(container),
    )


def _in_use(container: Json) -> str:
    users = sorted({str(each.get("URL") or each.get("name")) for each in container.get("consumers", ())})
    return f"It is used by {', '.join(users)}." if users else ""


def delete(visit: Visit, id: str) -> Reply:
    container = visit.services.key_manager.get(f"/containers/{id}")
    try:
        certificates.remove(visit.services.key_manager, str(container["container_ref"]))
    except errors.Refused as refusal:
        return _ask(visit, id, refusal.words)
    return visit.redirect(LIST.path, f"Certificate {container.get('name') or id} is deleted.")
