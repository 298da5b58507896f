"""A snapshot that continues another is the same as one that reads everything, and so are the statuses that follow."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import sqlalchemy as sa
import stored
import trees
from hypothesis import Phase, given, settings
from world import web

from lbclient.dataplane.config.render import render
from lbclient.dataplane.statuses import expected
from lbclient.store import reading
from lbclient.store.snapshot import Snapshot
from lbclient.store.store import Store
from lbclient.store.tables import TABLES
from lbclient.vault.sealing import Vault
from quick import examples

MEMBER = st.fixed_dictionaries(
    {"weight": st.sampled_from((0, 1, 5)), "admin_state_up": st.sampled_from((True, True, False))},
    optional={"backup": st.booleans(), "monitor_port": st.sampled_from((None, 81))},
)
MEMBERS_TABLE = TABLES["member"]
MEMBERS = st.dictionaries(st.sampled_from("abcdef"), MEMBER, max_size=6)
MONITOR = {"type": "TCP", "delay": 5, "timeout": 5, "max_retries": 2}
CHANGE = st.fixed_dictionaries(
    {"pool": MEMBERS, "other": MEMBERS},
    optional={"is_monitored": st.just(True), "is_disabled": st.just(True), "is_other_gone": st.just(True)},
)


def tree(change: Mapping[str, Any]) -> dict[str, Any]:
    pools = {
        name: {
            "protocol": "HTTP",
            "lb_algorithm": "ROUND_ROBIN",
            "admin_state_up": not (change.get("is_disabled") and name == "other"),
            "members": {
                f"{name} {each}": {"address": "127.0.0.1", "protocol_port": ord(each), **values}
                for each, values in change[name].items()
            },
        }
        for name in (("pool",) if change.get("is_other_gone") else ("pool", "other"))
    }
    if change.get("is_monitored"):
        pools["pool"]["healthmonitor"] = MONITOR
    return {"listeners": web(8080)["listeners"], "pools": pools}


def desired(snapshot: Snapshot) -> tuple[Any, ...]:
    """All but what is observed, and the order of members, of which some are created at the same time here."""
    members = {
        pool_id: {row.id: {**row._mapping, "operating_status": None, "provisioning_status": None} for row in rows}
        for pool_id, rows in snapshot.members.items()
    }
    for row in (row for rows in members.values() for row in rows.values()):
        del row["updated_at"]
    return members, snapshot.seen, snapshot.addresses, snapshot.pools, snapshot.listeners, snapshot.healthmonitors


@contextmanager
def opened() -> Iterator[Store]:
    with tempfile.TemporaryDirectory() as directory:
        store = Store(f"sqlite:///{directory}/state.db", Vault(Path(directory, "keys")))
        store.migrate()
        yield store
        store.close()


def changed(known: Mapping[Any, str], wanted: Mapping[Any, str]) -> dict[Any, str]:
    return {key: status for key, status in wanted.items() if known.get(key, status) != status}


@settings(deadline=None, max_examples=examples(12), phases=(Phase.explicit, Phase.reuse, Phase.generate))
@given(
    changes=st.lists(st.tuples(CHANGE, st.sampled_from((None, None, "refused"))), min_size=2, max_size=6),
    down=st.lists(st.sampled_from([f"pool {each}" for each in "abcdef"]), max_size=3),
)
def test_what_is_continued_is_what_is_stored(changes: list[tuple[dict[str, Any], str | None]], down: list[str]) -> None:
    with opened() as store:
        before: Snapshot | None = None
        configuration = None
        for change, error in changes:
            id_ = stored.put(store, tree(change))
            full, found = store.snapshot(id_), store.snapshot(id_, before)
            assert full is not None
            assert desired(found) == desired(full)
            configuration = render(found, previous=configuration)
            assert sorted(configuration.text.splitlines()) == sorted(render(full).text.splitlines())
            with store.reading() as tx:
                every = reading.operating_statuses(tx, id_)
                some = reading.changeable_statuses(tx, id_, found.touched or ())
            if found.touched is not None:
                assert changed(some, expected(found, some)) == changed(every, expected(full, every))
            store.settle(found, error, None, partial(expected, found))
            before = before if error else found
            if not error:
                store.observed(id_, {("member", trees.identity(each)): "ERROR" for each in down})


def test_members_that_have_not_changed_are_the_same_objects() -> None:
    with opened() as store:
        given_ = {"weight": 1, "admin_state_up": True}
        id_ = stored.put(store, tree({"pool": {"a": given_, "b": given_}, "other": {"c": given_}}))
        before = store.snapshot(id_)
        assert before is not None
        store.settle(before, None)
        with store.writing() as tx:
            change = {"weight": 2, "provisioning_status": "PENDING_UPDATE", "revision": 9}
            tx.execute(sa.update(MEMBERS_TABLE).where(MEMBERS_TABLE.c.id == trees.identity("pool b")).values(change))
        found = store.snapshot(id_, before)
        assert found is not None
        assert found.touched == {trees.identity("pool b")}
        pool, other = trees.identity("pool"), trees.identity("other")
        assert found.members[other] is before.members[other]
        kept = {row.id: row for row in before.members[pool]}[trees.identity("pool a")]
        rows = {row.id: row for row in found.members[pool]}
        assert rows[trees.identity("pool a")] is kept
        assert rows[trees.identity("pool b")].weight == 2
        one, two = render(before), render(found, previous=render(before))
        assert [each.line for each in two.servers] == [each.line for each in render(found).servers]
        again = render(found, previous=one).backends[pool].servers
        assert again[trees.identity("pool a")] is one.backends[pool].servers[trees.identity("pool a")]
