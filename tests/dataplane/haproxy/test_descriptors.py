"""The limit of open files: listeners and checks that fit under it are carried, others refused with the limit."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import trees
from hypothesis import given
from hypothesis import strategies as st
from instances import Running, binary
from members import free_port, until
from world import get, member, web

from lbclient.dataplane.config import descriptors
from lbclient.dataplane.config.cfg import Refused
from lbclient.dataplane.config.render import Settings, render
from lbclient.dataplane.haproxy.process import Instance

LIMIT = 2000
MONITOR = {"type": "TCP", "delay": 60, "timeout": 1, "max_retries": 1, "max_retries_down": 1}


@pytest.fixture
def limited(tmp_path: Path, running: Running) -> Instance:
    """An HAProxy that may have few files open."""
    program = tmp_path / "limited"
    program.write_text(f'#!/bin/sh\nulimit -n {LIMIT}\nexec {binary()} "$@"\n')
    program.chmod(0o700)
    return Instance(running.instance.directory, str(program))


@pytest.mark.parametrize(("members", "listeners"), [(1, 1), (100, 1), (160, 1), (20, 160), (1000, 1), (700, 300)])
def test_what_fits_under_the_limit_is_carried(limited: Instance, webs, members: int, listeners: int) -> None:
    (one,) = webs("one")
    tree = web(members={f"m{n}": member(one) | {"address": f"127.1.{n // 250}.{n % 250 + 1}"} for n in range(members)})
    tree["pools"]["pool"]["healthmonitor"] = MONITOR
    port = tree["listeners"]["web"]["protocol_port"]
    base = free_port() // 2
    for number in range(1, listeners):
        tree["listeners"][f"l{number}"] = tree["listeners"]["web"] | {"protocol_port": base + number}
    wanted = render(trees.snapshot(tree), Settings(most_files=LIMIT))
    assert limited.apply(wanted).how == "started"
    until(lambda: get(port).status in (200, 503))
    assert int(re.findall(r"^ {4}maxconn (\d+)$", wanted.text, re.MULTILINE)[0]) >= descriptors.FEWEST


def test_what_does_not_fit_names_the_limit_and_how_to_raise_it(webs) -> None:
    (one,) = webs("one")
    tree = web(members={f"m{n}": member(one) | {"address": f"127.1.{n // 250}.{n % 250 + 1}"} for n in range(1999)})
    tree["pools"]["pool"]["healthmonitor"] = MONITOR
    with pytest.raises(Refused) as refusal:
        render(trees.snapshot(tree), Settings(most_files=LIMIT))
    assert "2000 listening sockets and health checks do not fit under the limit of 2000 open files" in str(
        refusal.value
    )
    assert "LimitNOFILE" in str(refusal.value)


@given(st.integers(200, 2_000_000), st.integers(1, 30_000), st.integers(0, 30_000))
def test_files_are_enough_for_all_that_haproxy_reserves(most: int, listening: int, checked: int) -> None:
    try:
        connections = descriptors.connections(50_000, most, listening, checked)
    except Refused:
        assert listening + checked + descriptors.STEP + descriptors.SPARE + 2 * descriptors.FEWEST > most
        return
    assert 2 * connections + listening + checked + 60 <= max(most, 60)
    assert descriptors.FEWEST <= connections <= 50_000


def test_five_thousand_checked_members_fit_under_twenty_thousand_files() -> None:
    assert descriptors.connections(50_000, 20_000, 1, 5000) >= 7000
