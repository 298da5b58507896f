"""The work of operations grows no faster than their objects: steps counted at three sizes, without a clock."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import pairwise
from pathlib import Path

import pytest
import sqlalchemy as sa

import growing
from growing import Growing

SIZES = (12, 24, 48)
LINEAR = 2.6  # the second doubling beside the first: 2 where costs are linear, 2.3 for n log n, 4 where they are square
FEW = 150  # steps that depend on something else, such as the depth of an index
ALIKE = ("page", "page of a project", "show")  # whatever there is beside it


@pytest.mark.parametrize("kind", growing.KINDS)
def test_costs_grow_no_faster_than_what_there_is(tmp_path: Path, kind: str) -> None:
    found: dict[str, list[int]] = {}
    for size in SIZES:
        with opened(tmp_path / str(size)) as api:
            for name, operation in growing.operations(api, kind, size):
                found.setdefault(name, []).append(api.cost(operation).total)
    assert not {name: costs for name, costs in found.items() if is_faster_than_linear(costs)}
    assert not {name: found[name] for name in ALIKE if found[name][-1] - found[name][0] > FEW / 3}


@pytest.mark.parametrize("kind", ["l7policies", "pools"])
def test_a_tree_of_many_policies_costs_what_its_policies_cost(tmp_path: Path, kind: str) -> None:
    """The positions of those that are there already are not looked at for each one."""
    costs = []
    for size in (50, 100, 200):
        with opened(tmp_path / str(size)) as api:
            operations = dict(growing.operations(api, kind, 3, tree=size))
            costs.append(api.cost(operations["tree"]).total)
    assert not is_faster_than_linear(costs), costs


@pytest.mark.parametrize("tables", ["member a, member b", "member a, member b, member c"])
def test_the_count_sees_what_is_square(tmp_path: Path, tables: str) -> None:
    costs = []
    for size in SIZES:
        with opened(tmp_path / str(size)) as api:
            growing.members(api, size)
            costs.append(api.cost(lambda api=api: read(api, f"SELECT count(*) FROM {tables}")).total)
    assert is_faster_than_linear(costs)


@contextmanager
def opened(directory: Path) -> Iterator[Growing]:
    directory.mkdir()
    with closing(Growing(directory)) as api:
        yield api


def read(api: Growing, statement: str) -> None:
    with api.store.reading() as tx:
        tx.execute(sa.text(statement)).all()


def is_faster_than_linear(costs: list[int]) -> bool:
    """Whether the second doubling adds much more than twice what the first one has added."""
    first, second = (after - before for before, after in pairwise(costs))
    return second > LINEAR * first + FEW
