"""A tree in a real store: written as a change of the API would write it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pki
import sqlalchemy as sa
import trees

from lbclient.store import placing, tls_material
from lbclient.store.cluster_tables import AMPHORA
from lbclient.store.keymanager_tables import SECRET
from lbclient.store.snapshot import Snapshot
from lbclient.store.store import Store
from lbclient.store.tables import TABLES
from lbclient.store.times import now

Key = tuple[str, str]


def put(store: Store, tree: Mapping[str, Any]) -> str:
    """Makes the stored load balancer what the tree says, all that differs PENDING; gives its id."""
    snapshot = trees.snapshot({**tree, "certificates": {}})
    id_ = snapshot.loadbalancer.id
    wanted = dict(_rows(snapshot))
    with store.writing() as tx:
        _put_secrets(tx, tree.get("certificates", {}))
        known = dict(_known(tx, id_))
        revision = 1 + max((row["revision"] for row in known.values()), default=0)
        for serial, (key, values) in enumerate(wanted.items()):
            _put(tx, key, {**values, "serial": serial, "revision": revision}, known.get(key))
        for name, row_id in set(known) - set(wanted):
            _mark(tx, (name, row_id), revision, "PENDING_DELETE")
        deleted = bool(tree.get("is_deleted"))
        if ("loadbalancer", id_) in known:
            _mark(tx, ("loadbalancer", id_), revision, "PENDING_DELETE" if deleted else "PENDING_UPDATE")
        else:
            placing.place(tx, id_, [], {"cached_zone": None})
        tx.execute(sa.update(AMPHORA).where(AMPHORA.c.loadbalancer_id == id_).values(id=snapshot.amphora_id))
    return id_


def status(store: Store, kind: str, name: str, column: str = "provisioning_status") -> str | None:
    """One word of a row; None where there is no such row."""
    table = TABLES[kind]
    with store.reading() as tx:
        return tx.scalar(sa.select(table.c[column]).where(table.c.id == trees.identity(name)))


def _put_secrets(tx: sa.Connection, given: Mapping[str, Any]) -> None:
    """The references are IDs; secrets that are None are deleted, the others replaced where they differ."""
    if not given:
        return
    vault = tls_material.vault(tx)
    for id_, each in given.items():
        if each is not None and tx.scalar(sa.select(SECRET.c.name).where(SECRET.c.id == id_)) == repr(each):
            continue
        tx.execute(sa.delete(SECRET).where(SECRET.c.id == id_))
        if each is not None:
            row = {"id": id_, "name": repr(each), "project_id": "p", "creator_id": "u", "serial": 0}
            row |= {
                "sealed": vault.seal(pki.payload(each)),
                "created": now(),
                "updated": now(),
            }
            tx.execute(sa.insert(SECRET).values(row))


def _rows(snapshot: Snapshot) -> Iterator[tuple[Key, dict[str, Any]]]:
    id_ = snapshot.loadbalancer.id
    vip = {"vip_address": snapshot.addresses[0]}
    extra = [{"subnet_id": None, "ip_address": each, "port_id": None} for each in snapshot.addresses[1:]]
    yield ("loadbalancer", id_), {**vars(snapshot.loadbalancer), **vip, "additional_vips": extra}
    for listener in snapshot.listeners:
        yield ("listener", listener.id), {**vars(listener), "loadbalancer_id": id_}
        for policy in snapshot.l7policies[listener.id]:
            yield ("l7policy", policy.id), {**vars(policy), "loadbalancer_id": id_}
            for rule in snapshot.l7rules[policy.id]:
                yield ("l7rule", rule.id), {**vars(rule), "loadbalancer_id": id_, "l7policy_id": policy.id}
    for pool in snapshot.pools:
        yield ("pool", pool.id), {**vars(pool), "loadbalancer_id": id_}
        for member in snapshot.members[pool.id]:
            yield ("member", member.id), {**vars(member), "loadbalancer_id": id_}
    for monitor in snapshot.healthmonitors.values():
        yield ("healthmonitor", monitor.id), {**vars(monitor), "loadbalancer_id": id_}


def _known(tx: sa.Connection, id_: str) -> Iterator[tuple[Key, Mapping[str, Any]]]:
    for name, table in TABLES.items():
        owner = table.c.id if name == "loadbalancer" else table.c.loadbalancer_id
        for row in tx.execute(sa.select(table).where(owner == id_)).mappings():
            yield (name, row["id"]), row


def _put(tx: sa.Connection, key: Key, values: dict[str, Any], known: Mapping[str, Any] | None) -> None:
    table = TABLES[key[0]]
    stored = {name: value for name, value in values.items() if name in table.c}
    if known is None:
        tx.execute(sa.insert(table).values({**stored, "provisioning_status": "PENDING_CREATE"}))
        return
    own = {"serial", "revision", "provisioning_status", "operating_status", "fault"}
    changed = {name: value for name, value in stored.items() if name not in own and _plain(value) != known[name]}
    if changed:
        update = {**changed, "revision": values["revision"], "provisioning_status": "PENDING_UPDATE"}
        tx.execute(sa.update(table).where(table.c.id == key[1]).values(update))


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _mark(tx: sa.Connection, key: Key, revision: int, status: str) -> None:
    table = TABLES[key[0]]
    values = {"revision": revision, "provisioning_status": status}
    tx.execute(sa.update(table).where(table.c.id == key[1]).values(values))
