"""Polls of an HAProxy with many servers read the rows of servers only after something has happened."""

from __future__ import annotations

import pytest
import trees
from members import until
from world import DataPlaneRig, get, member, web

from lbclient.dataplane.haproxy import runtime
from lbclient.store import observing

MANY = 120


def test_idle_members_are_not_looked_at(world: DataPlaneRig, webs, monkeypatch: pytest.MonkeyPatch) -> None:
    (one,) = webs("one")
    others = {f"m{number}": {"address": "127.0.0.1", "protocol_port": number, "weight": 0} for number in range(1, MANY)}
    tree = web(members={"one": member(one), **others})
    looks: list[int] = []
    parse = runtime.parse_report

    def counted(text: str) -> runtime.Report:
        report = parse(text)
        looks.append(len(report.rows))
        return report

    monkeypatch.setattr(runtime, "parse_report", counted)
    world.change(tree)
    until(lambda: any(each > MANY for each in looks))
    until(lambda: looks[-2:] == [2, 2])  # a frontend and a backend

    def requests() -> int:
        with world.store.reading() as tx:
            return observing.part_totals(tx, trees.identity("one"))["total_connections"]

    assert requests() == 0
    get(tree["listeners"]["web"]["protocol_port"])
    world.observer.observe_now(world.id)
    assert requests() == 1
    assert world.operating("member", "one") == "NO_MONITOR"
    world.change({"pools": {"pool": {"members": {"one": {"weight": 0}}}}})
    until(lambda: world.operating("pool", "pool") == "ERROR")  # no member serves any more
