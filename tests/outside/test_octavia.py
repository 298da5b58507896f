"""The same requests to Octavia's own API server and to this one: where the answers differ is known.

Skipped unless LBCLIENT_OCTAVIA_PYTHON names the interpreter of an environment with octavia, gunicorn and PyMySQL.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import servers
import tests.outside.differing_bodies as bodies
import tests.outside.differing_queries as queries
import tests.outside.differing_requests as requests
import tests.outside.differing_situations as situations
from tests.outside.differences import Pair, Side
from tests.outside.known_differences import is_known

from lbclient.resources import ALL, Resource

OURS = ("--providers=noop_driver:No-op,noop_driver-alt=noop_driver:Another", "--busy-wait=5")
PYTHON = os.environ.get("LBCLIENT_OCTAVIA_PYTHON", "")
pytestmark = pytest.mark.skipif(not PYTHON, reason="LBCLIENT_OCTAVIA_PYTHON names no interpreter")


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    with tempfile.TemporaryDirectory(prefix="lbclient-octavia-") as name:  # pytest's own are closed to the database
        theirs, ours = Path(name), tmp_path_factory.mktemp("ours")
        with servers.theirs(PYTHON, theirs) as octavia, servers.ours(ours, *OURS) as lbclient:
            found = Pair(Side(octavia.port, octavia.settle), Side(lbclient.port, lbclient.settle))
            requests.build(found)
            yield found


@pytest.fixture
def compared(pair: Pair, record_property: Callable[[str, object], None], tmp_path: Path) -> Iterator[Pair]:
    """The two; what is not known of their differences stands in differences.txt, and nothing here may be a 5xx."""
    pair.found, pair.asked = [], 0
    yield pair
    record_property("compared", pair.asked)
    (tmp_path / "differences.txt").write_text("\n".join(_unknown(pair)))
    failed = [str(each) for each in pair.found if each.where == "status" and each.ours >= 500]
    assert not failed, failed[:5]


def _unknown(pair: Pair) -> list[str]:
    return [str(each) for each in pair.found if not is_known(each)]


@pytest.mark.parametrize("resource", ALL, ids=lambda each: each.name)
def test_every_attribute_of_a_new_object(compared: Pair, resource: Resource) -> None:
    requests.compare_posts(compared, resource)
    assert _unknown(compared) == []


@pytest.mark.parametrize("resource", ALL, ids=lambda each: each.name)
def test_every_attribute_of_a_change(compared: Pair, resource: Resource) -> None:
    requests.compare_puts(compared, resource)
    assert _unknown(compared) == []


# Lists come before quotas: Octavia lists also those that were reset.
SITUATIONS = [
    value for module in (situations, queries, bodies) for name, value in vars(module).items() if name[:8] == "compare_"
]


@pytest.mark.parametrize("compare", SITUATIONS, ids=lambda each: each.__name__.removeprefix("compare_"))
def test_situations(compared: Pair, compare: Callable[[Pair], None]) -> None:
    compare(compared)
    assert _unknown(compared) == []
