"""Look-up of key manager references by the names or IDs of containers and secrets."""

from __future__ import annotations

from . import errors
from .names import UUID, Names
from .rest import Json, Rest

KINDS = ("container", "secret")


def reference(names: Names, word: str) -> str:
    """Return the reference of a container or secret, given by name, ID or reference.

    Raises UnknownName or Ambiguous.
    """
    if "://" in word:
        return word
    service = names.services.key_manager
    if UUID.fullmatch(word):
        found = [one for kind in KINDS for one in _by_id(service, kind, word)]
    else:
        found = [one for kind in KINDS for one in _by_name(service, kind, word)]
    if not found:
        raise errors.UnknownName(f"No container and no secret has the name or ID '{word}'.")
    if len(found) > 1:
        listed = ", ".join(found)
        raise errors.Ambiguous(
            f"{len(found)} containers and secrets have the name '{word}': give the reference instead ({listed})."
        )
    return found[0]


def _by_id(service: Rest, kind: str, id_: str) -> list[str]:
    try:
        return [_reference(kind, service.get(f"/{kind}s/{id_}"))]
    except errors.NotFound:
        return []


def _by_name(service: Rest, kind: str, name: str) -> list[str]:
    listed = service.get(f"/{kind}s", {"name": name})[f"{kind}s"]
    # A key manager may ignore filters that it does not know.
    return [_reference(kind, one) for one in listed if one.get("name") == name]


def _reference(kind: str, record: Json) -> str:
    return str(record[f"{kind}_ref"])
