"""Lists on terminals of any width: no ID is broken, and what is left out is what is needed least."""

from __future__ import annotations

import argparse
import io
import re
import uuid

import pytest
from cliff.formatters.table import TableFormatter
from hypothesis import given, settings
from hypothesis import strategies as st

from lbclient import resources
from lbclient.cli.output import table
from lbclient.cli.output.formatters import FittingTableFormatter
from lbclient.resources.testing import RECORDED_REQUEST

ID = re.compile(r"[0-9a-f]{8}(-?)([0-9a-f]{4}\1){3}[0-9a-f]{12}")
SMALL = {"name": "web", "protocol": "HTTP", "protocol_port": "80", "admin_state_up": "True"}
NAMES = sorted({name for resource in resources.BY_NAME.values() for name in resource.columns})
IDS = st.uuids().map(str) | st.uuids().map(lambda id_: id_.hex)
CELLS = IDS | st.ip_addresses().map(str) | st.text(max_size=50) | st.lists(IDS, max_size=3).map(", ".join)
TABLES = st.lists(st.sampled_from(NAMES), min_size=1, max_size=9, unique=True).flatmap(
    lambda names: st.tuples(
        st.just(names), st.lists(st.lists(CELLS, min_size=len(names), max_size=len(names)), min_size=1, max_size=4)
    )
)


@given(TABLES, st.integers(42, 200))
def test_what_stays_fits_and_has_its_ids_whole(drawn: tuple[list[str], list[list[str]]], width: int) -> None:
    names, rows = drawn
    numbers = table.staying(names, rows, width)
    headings, kept = [names[number] for number in numbers], [[row[number] for number in numbers] for row in rows]
    assert headings
    lines = list(table.lines(headings, kept, [False] * len(headings), width))
    if table.natural_width(headings, kept) <= width:
        return
    text = "\n".join(lines)
    ids = [word for row in kept for cell in row for word in cell.split(", ") if ID.fullmatch(word)]
    assert [id_ for id_ in ids if id_ not in text] == []


@pytest.mark.parametrize(
    ("resource", "values", "left"),
    [
        (resources.LOADBALANCER, {"vip_address": "203.0.113.100"}, {"project_id", "provider", "provisioning_status"}),
        (resources.LISTENER, {"default_pool_id": str(uuid.uuid4()), **SMALL}, {"project_id", "default_pool_id"}),
        (resources.POOL, {"lb_algorithm": "ROUND_ROBIN"}, {"project_id", "lb_algorithm", "admin_state_up"}),
    ],
)
def test_what_leaves_80_columns(resource: resources.Resource, values: dict[str, str], left: set[str]) -> None:
    usual = {"id": str(uuid.uuid4()), "project_id": uuid.uuid4().hex, "name": "servers"}
    row = [{**usual, **values}.get(name, "ACTIVE") for name in resource.columns]
    numbers = table.staying(resource.columns, [row], 80)
    assert set(resource.columns) - {resource.columns[number] for number in numbers} == left


def test_times_are_not_broken_in_80_columns() -> None:
    values = {"created_at": "2026-11-28T21:54:56.522", "resource": "loadbalancer", "resource_id": str(uuid.uuid4())}
    row = [values.get(name, "observe") for name in resources.EVENT.columns]
    numbers = table.staying(resources.EVENT.columns, [row], 80)
    headings, cells = ([each[number] for number in numbers] for each in (resources.EVENT.columns, row))
    lines = list(table.lines(headings, [cells], [False] * len(cells), 80))
    assert any(values["created_at"] in line for line in lines)
    assert max(map(len, lines)) <= 80


def test_the_path_of_a_request_stays_in_80_columns() -> None:
    path = f"/v2.0/lbaas/loadbalancers/{uuid.uuid4()}"
    values = {"number": "17", "at": "2026-11-29T11:06:03.985", "method": "DELETE", "path": path, "status": "200"}
    row = [values.get(name, "1234.5") for name in RECORDED_REQUEST.columns]
    numbers = table.staying(RECORDED_REQUEST.columns, [row], 80)
    assert {"path", "method", "status"} <= {RECORDED_REQUEST.columns[number] for number in numbers}


def test_nothing_leaves_where_there_is_room() -> None:
    assert table.staying(["id", "project_id"], [["1", "2"]], 80) == [0, 1]


ASCII = st.one_of(st.text(st.characters(min_codepoint=32, max_codepoint=126) | st.just("\n")), st.integers(), st.none())
ANY = ASCII | st.booleans() | st.floats(allow_nan=False)


@settings(deadline=None)
@given(st.integers(1, 4).flatmap(lambda n: st.lists(st.lists(ANY, min_size=n, max_size=n), max_size=4)), st.data())
def test_a_table_of_ascii_is_what_cliff_writes(rows: list[list[object]], data: st.DataObject) -> None:
    count = len(rows[0]) if rows else 2
    names = data.draw(st.lists(st.text("ab_ -", min_size=1), min_size=count, max_size=count, unique=True))
    width = data.draw(st.sampled_from([0, 20, 200]))
    parsed = argparse.Namespace(max_width=width, fit_width=False, print_empty=data.draw(st.booleans()), columns=[])
    kinds = [FittingTableFormatter(), TableFormatter()]
    for emit in ("emit_one",) if len(rows) == 1 else ("emit_list",) if width == 0 else ():
        given_rows = rows[0] if emit == "emit_one" else rows
        written = []
        for kind in kinds:
            out = io.StringIO()
            getattr(kind, emit)(names, given_rows, out, parsed)
            written.append(out.getvalue())
        assert written[0] == written[1]
