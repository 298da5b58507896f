"""Snapshots as JSON documents, for agents on other hosts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from ..vault.material import Material
from .prepared import row
from .records import Record
from .snapshot import Peer, Snapshot

Document = dict[str, Any]

PROTOCOL = 1  # of the documents that a server and the agents of hosts exchange

ONE = ("loadbalancer",)
LISTS = ("listeners", "pools")
LISTS_BY_OWNER = ("members", "l7policies", "l7rules")
ONE_BY_OWNER = ("healthmonitors",)
PLAIN = ("is_deleted", "amphora_id", "host_id", "role")


def document(snapshot: Snapshot) -> Document:
    """Return a snapshot as values of JSON, private keys included."""
    return {
        **{name: getattr(snapshot, name) for name in PLAIN},
        **{name: _values(getattr(snapshot, name)) for name in ONE},
        **{name: list(map(_values, getattr(snapshot, name))) for name in LISTS},
        **{name: _mapped(getattr(snapshot, name), lambda rows: list(map(_values, rows))) for name in LISTS_BY_OWNER},
        **{name: _mapped(getattr(snapshot, name), _values) for name in ONE_BY_OWNER},
        "addresses": list(snapshot.addresses),
        "peers": list(map(asdict, snapshot.peers)),
        "seen": [[*key, revision] for key, revision in snapshot.seen.items()],
        "certificates": {name: each and asdict(each) for name, each in snapshot.certificates.items()},
        "admitted": {name: list(each) for name, each in snapshot.admitted.items()},
    }


def snapshot(found: Mapping[str, Any]) -> Snapshot:
    """Return the snapshot of a document."""
    parts: dict[str, Any] = {
        **{name: found[name] for name in PLAIN},
        **{name: row(found[name]) for name in ONE},
        **{name: tuple(map(row, found[name])) for name in LISTS},
        **{name: _mapped(found[name], lambda rows: tuple(map(row, rows))) for name in LISTS_BY_OWNER},
        **{name: _mapped(found[name], row) for name in ONE_BY_OWNER},
    }
    return Snapshot(
        **parts,
        addresses=tuple(found["addresses"]),
        peers=tuple(Peer(**each) for each in found["peers"]),
        seen={(name, id_): revision for name, id_, revision in found["seen"]},
        certificates={name: each and _material(each) for name, each in found["certificates"].items()},
        admitted={name: tuple(each) for name, each in found["admitted"].items()},
    )


def _values(record: Record) -> dict[str, Any]:
    return dict(record._mapping)


def _mapped(found: Mapping[str, Any], change: Any) -> dict[str, Any]:
    return {key: change(value) for key, value in found.items()}


def _material(found: Mapping[str, Any]) -> Material:
    lists = {name: tuple(found[name]) for name in ("intermediates", "host_names")}
    return Material(**{**found, **lists})
