"""The output of commands: the guide's tables, and every other format."""

from __future__ import annotations

import csv
import io
import re

import pytest
import yaml

from lbclient import resources
from lbclient.cli.output import columns

ID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"


def rows(table: str) -> dict[str, list[str]]:
    """Field -> its lines, of a table of two columns."""
    found: dict[str, list[str]] = {}
    for line in table.splitlines()[3:-1]:
        field, value = (part.strip() for part in line.strip("|").split("|", 1))
        found.setdefault(field or list(found)[-1], []).append(value)
    return found


def test_a_load_balancer_as_the_guide_shows_it(run, loadbalancer):
    shown = rows(run("loadbalancer", "show", loadbalancer).out)
    assert list(shown) == list(resources.LOADBALANCER.rows)
    assert (shown["flavor"], shown["listeners"], shown["pools"], shown["vip_qos_policy_id"]) == ([""], [""], [""], [""])
    assert (shown["admin_state_up"], shown["tags"]) == (["True"], [""])
    assert shown["updated_at"] >= shown["created_at"]  # when it became ACTIVE


def test_a_listener_as_the_guide_shows_it(run, listener):
    shown = rows(run("loadbalancer", "listener", "show", listener).out)
    assert list(shown) == list(resources.LISTENER.rows)
    assert (shown["insert_headers"], shown["sni_container_refs"], shown["connection_limit"]) == (
        ["None"],
        ["[]"],
        ["-1"],
    )
    assert (shown["default_pool_id"], shown["l7policies"]) == (["None"], [""])
    assert re.fullmatch(ID, shown["loadbalancers"][0])


def test_a_pool_as_the_guide_shows_it(run, pool):
    shown = rows(run("loadbalancer", "pool", "show", pool).out)
    assert (shown["healthmonitor_id"], shown["members"], shown["session_persistence"]) == ([""], [""], ["None"])


def test_ids_and_mappings_take_one_line_each(run, listener, pool, loadbalancer):
    for number in "12":
        create = ("loadbalancer", "member", "create", "--address", f"127.0.0.{number}", "--protocol-port", "80")
        assert run(*create, "--wait", pool).status == 0
    persistence = "type=APP_COOKIE,cookie_name=x"
    assert run("loadbalancer", "pool", "set", "--session-persistence", persistence, "--wait", pool).status == 0
    shown = rows(run("loadbalancer", "pool", "show", pool).out)
    assert len(shown["members"]) == 2
    assert {"type=APP_COOKIE", "cookie_name=x"} <= set(shown["session_persistence"])
    plain = run("loadbalancer", "pool", "show", pool, "-f", "value", "-c", "members").lines
    assert plain == [",".join(shown["members"])]
    assert run("loadbalancer", "pool", "show", pool, "-f", "json").json["members"] == [
        {"id": id_} for id_ in shown["members"]
    ]


def test_numbers_are_right_aligned_in_lists(run, listener, loadbalancer):
    table = run("loadbalancer", "listener", "list", "--loadbalancer", loadbalancer, "-c", "name", "-c", "protocol_port")
    assert f"| {listener} |          8080 |" in table.out


def test_columns_of_lists_stand_as_in_the_resources(run, pool):
    for words, resource in (
        (("list",), resources.LOADBALANCER),
        (("listener", "list"), resources.LISTENER),
        (("pool", "list"), resources.POOL),
    ):
        heading = run("loadbalancer", *words).out.splitlines()[1]
        assert tuple(word.strip() for word in heading.strip("|").split("|")) == resource.columns


def test_every_format_of_show(run, loadbalancer):
    show = ("loadbalancer", "show", loadbalancer, "-f")
    as_json = run(*show, "json").json
    assert (as_json["flavor"], as_json["listeners"], as_json["tags"], as_json["name"]) == (None, [], [], loadbalancer)
    assert yaml.safe_load(run(*show, "yaml").out) == as_json
    assert len(run(*show, "value").lines) == len(resources.LOADBALANCER.rows)
    shell = run(*show, "shell", "--prefix", "lb_").lines
    assert f'lb_name="{loadbalancer}"' in shell
    assert 'lb_listeners=""' in shell
    assert run(*show, "value", "-c", "vip_address").out.startswith("127.")


def test_every_format_of_list(run, loadbalancer):
    listed = ("loadbalancer", "list", "--name", loadbalancer, "-f")
    as_json = run(*listed, "json").json
    assert yaml.safe_load(run(*listed, "yaml").out) == as_json
    (row,) = csv.DictReader(io.StringIO(run(*listed, "csv").out))
    assert row == {key: str(value) for key, value in as_json[0].items()}
    assert run(*listed, "value").lines == [" ".join(str(value) for value in as_json[0].values())]


def test_lists_can_be_sorted(run, loadbalancer):
    names = run("loadbalancer", "list", "--sort-column", "name", "--sort-descending", "-f", "value", "-c", "name").lines
    assert names == sorted(names, reverse=True)


def test_an_empty_list(run, name):
    assert run("loadbalancer", "list", "--name", name).out == "\n"
    assert run("loadbalancer", "list", "--name", name, "-f", "json").json == []
    assert run("loadbalancer", "list", "--name", name, "-f", "value").out == ""


def test_an_unknown_column_is_named(run, loadbalancer):
    result = run("loadbalancer", "list", "-c", "nonsense")
    assert result.status == 1
    assert result.err.startswith("No recognized column names in ['nonsense']. Recognized columns are ")
    assert len(result.err.splitlines()) == 1


@pytest.mark.parametrize("width", [80, 60])
def test_tables_fit_a_narrow_terminal(run, loadbalancer, width):
    table = run("loadbalancer", "show", loadbalancer, "--max-width", str(width)).out
    assert max(len(line) for line in table.splitlines()) <= width


@pytest.mark.parametrize(
    ("value", "plain", "table"),
    [
        ([], "", "[]"),
        (["a", "b"], "a,b", "a\nb"),
        ([{"id": "x"}, {"id": "y"}], "x,y", "x\ny"),
        ([{"subnet_id": "s", "ip_address": "i"}], "subnet_id=s;ip_address=i", "subnet_id=s,ip_address=i"),
        ({"a": "1", "b": "2"}, "a=1,b=2", "a=1\nb=2"),
        ({}, "", "None"),
    ],
)
def test_lists_and_mappings(value, plain, table):
    resource, field = resources.LISTENER, "sni_container_refs"
    assert columns.row(resource, [field], {field: value}, "value") == [plain]
    (cell,) = columns.row(resource, [field], {field: value}, "table")
    assert (cell.human_readable(), cell.machine_readable()) == (table, value)
