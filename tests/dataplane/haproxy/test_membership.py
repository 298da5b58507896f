"""Members that come, go and change in a running HAProxy: what runs is what the configuration would start."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
import trees
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from instances import Running, binary
from members import free_port, until
from world import connected, get, member, web

from lbclient.dataplane.config.render import Settings, render
from lbclient.dataplane.haproxy import runtime
from lbclient.dataplane.haproxy.binary import most_files
from lbclient.dataplane.haproxy.membership import Lingering, NeedsReload, between
from lbclient.dataplane.haproxy.process import Instance

pytestmark = pytest.mark.usefixtures("some_vips")

NAMES = tuple("abcdef")
ALGORITHMS = ("ROUND_ROBIN", "LEAST_CONNECTIONS", "SOURCE_IP", "SOURCE_IP_PORT")
SEEN = ("srv_addr", "srv_port", "srv_uweight", "srv_use_ssl")
MONITORS: tuple[dict[str, Any] | None, ...] = (
    None,
    {"type": "TCP", "delay": 60, "timeout": 5, "max_retries": 3},
    {"type": "HTTP", "delay": 30, "timeout": 5, "max_retries": 2, "url_path": "/a b"},
    {"type": "HTTPS", "delay": 30, "timeout": 5, "max_retries": 2, "domain_name": "a.example"},
)
SETTINGS = st.fixed_dictionaries(
    {"weight": st.integers(0, 256), "admin_state_up": st.booleans()},
    optional={
        "monitor_port": st.sampled_from((None, 81, 82)),
        "monitor_address": st.sampled_from((None, "127.0.0.9", "::9")),
        "backup": st.sampled_from((False, False, False, True)),
    },
)


def running_servers(instance: Instance) -> dict[tuple[str, str], Any]:
    """Return the state of each server, without values that depend on time."""
    rows = runtime.parse_stat(runtime.ask(instance.directory, "admin.sock", "show stat -1 4 -1"))
    found = {}
    for row in runtime.states(instance.directory):
        key = (row["be_name"], row["srv_name"])
        is_tested = bool(int(row["srv_check_state"]) & 4)
        is_in_maintenance = bool(int(row["srv_admin_state"]) & runtime.MAINTENANCE)
        times = (rows[key]["check_rise"], rows[key]["check_fall"])
        place = (row["srv_check_addr"], row["srv_check_port"])
        found[key] = {name: row[name] for name in SEEN} | {
            "is_in_maintenance": is_in_maintenance,
            "is_tested": is_tested,
            "checked_at": (
                row["srv_addr"] if place[0] == "-" else place[0],
                row["srv_port"] if place[1] == "0" else place[1],
            ),
            "rise and fall": times if is_tested and not is_in_maintenance else None,
            "is_backup": rows[key]["bck"],
            "cookie": rows[key]["cookie"],
        }
    return found


def names(port: int) -> set[str]:
    return {get(port).name for _ in range(6)}


def test_a_member_that_comes_and_goes_is_no_reload(running: Running, webs) -> None:
    one, two = webs("one", "two")
    tree = web(members={"one": member(one)})
    port = tree["listeners"]["web"]["protocol_port"]
    running.apply(tree)
    worker = running.instance.worker()
    assert running.apply({"pools": {"pool": {"members": {"two": member(two)}}}}).how == "runtime"
    assert names(port) == {"one", "two"}
    del running.tree["pools"]["pool"]["members"]["one"]
    assert running.put().how == "runtime"
    assert names(port) == {"two"}
    assert running.instance.worker() == worker
    until(
        lambda: running.put().how == "nothing" and len(running_servers(running.instance)) == 1
    )  # idle connections end


def test_a_setting_that_has_no_command_yet_takes_a_reload() -> None:
    """An attribute that is rendered, but not known to the runtime changes, would otherwise never take effect."""
    snapshot = trees.snapshot(web(80, members={"one": {"address": "10.0.0.4", "protocol_port": 80}}))
    before = render(snapshot, Settings()).backends
    ((name, backend),) = before.items()
    servers = {id_: replace(each, settings=(*each.settings, "maxconn", "7")) for id_, each in backend.servers.items()}
    wanted = {name: replace(backend, servers=servers)}
    with pytest.raises(NeedsReload, match="has a setting that HAProxy cannot change at run time"):
        between(before, wanted, Lingering())


def test_the_first_member_of_an_empty_pool_is_no_reload(running: Running, webs) -> None:
    tree = web(members={})
    running.apply(tree)
    assert get(tree["listeners"]["web"]["protocol_port"]).status == 503
    assert running.apply({"pools": {"pool": {"members": {"one": member(*webs("one"))}}}}).how == "runtime"
    assert get(tree["listeners"]["web"]["protocol_port"]).name == "one"


def test_an_added_member_is_checked(running: Running, webs) -> None:
    one, two = webs("one", "two")
    tree = web(members={"one": member(one)})
    monitor = {"type": "HTTP", "delay": 1, "timeout": 1, "max_retries": 1, "max_retries_down": 1}
    tree["pools"]["pool"]["healthmonitor"] = monitor
    port = tree["listeners"]["web"]["protocol_port"]
    running.apply(tree)
    assert running.apply({"pools": {"pool": {"members": {"two": member(two)}}}}).how == "runtime"
    assert names(port) == {"one", "two"}
    two.down()

    def is_down() -> bool:
        states = runtime.states(running.instance.directory)
        return [row["srv_op_state"] for row in states if row["srv_name"] == trees.identity("two")] == ["0"]

    until(is_down)
    assert running.apply({"listeners": {"web": {"timeout_client_data": 7000}}}).how == "reloaded"
    assert is_down()  # also for the next worker, which reads it from the configuration


@pytest.mark.parametrize("is_again", [False, True], ids=["one server", "the server starts in between"])
def test_a_deleted_member_keeps_its_connections(running: Running, echoes, is_again: bool) -> None:
    one, two = echoes("one", "two")
    tree = web(members={"one": member(one)})
    tree["listeners"]["web"]["protocol"] = tree["pools"]["pool"]["protocol"] = "TCP"
    running.apply(tree)
    port = tree["listeners"]["web"]["protocol_port"]
    kept, _ = connected(port)
    with kept:
        running.tree["pools"]["pool"]["members"] = {"two": member(two)}
        applied = running.put()
        assert applied.how == "runtime"
        assert applied.running is not None
        assert [server for _, server in applied.running.lingering.since] == [trees.identity("one")]
        for _ in range(4):
            other, name = connected(port)
            other.close()
            assert name == "two"
        kept.sendall(b"x")
        assert kept.recv(1) == b"x"
        if is_again:
            running.last = None
        running.put()
    until(lambda: running.put().running.lingering.since == {})
    assert [name for _, name in running_servers(running.instance)] == [trees.identity("two")]


def test_a_reload_says_why(running: Running, webs) -> None:
    one, two = webs("one", "two")
    tree = web(members={"one": member(one), "two": member(two, backup=True)})
    running.apply(tree)
    pool = trees.identity("pool")
    changed = running.apply({"pools": {"pool": {"members": {"one": {"backup": True}}}}})
    assert (changed.how, changed.reason) == (
        "reloaded",
        f"member {trees.identity('one')} is a backup now, which HAProxy cannot change at run time",
    )
    changed = running.apply({"pools": {"pool": {"lb_algorithm": "LEAST_CONNECTIONS"}}})
    assert (changed.how, changed.reason) == ("reloaded", f"backend {pool}: balance leastconn")
    other = {"protocol": "HTTP", "protocol_port": free_port()}
    changed = running.apply({"listeners": {"other": other}})
    assert (changed.how, changed.reason) == ("reloaded", f"frontend {trees.identity('other')} is new")


class Membership(RuleBasedStateMachine):
    """Random changes of members and, now and then, of what takes a reload or a start of the server."""

    def __init__(self) -> None:
        super().__init__()
        haproxy = binary()  # before the directory, which teardown() removes: this skips where nothing may be started
        self.directory = tempfile.TemporaryDirectory()
        self.running = Running(Path(self.directory.name), haproxy)
        self.port = 9

    def teardown(self) -> None:
        try:
            before = running_servers(self.running.instance)
            self.running.instance.stop()
            self.running.put()
            assert running_servers(self.running.instance) == before
        finally:
            self.running.close()
            self.directory.cleanup()

    @property
    def members(self) -> dict[str, Any]:
        found: dict[str, Any] = self.running.tree["pools"]["pool"]["members"]
        return found

    @initialize(algorithm=st.sampled_from(ALGORITHMS), is_followed=st.booleans())
    def begin(self, algorithm: str, is_followed: bool) -> None:
        tree = web(free_port(), members={})
        tree["pools"]["pool"]["lb_algorithm"] = algorithm
        if is_followed:
            other = {"protocol": "HTTP", "protocol_port": free_port(), "timeout_member_data": 7, "default_pool": "pool"}
            tree["listeners"]["other"] = other
        self.running.apply(tree)

    @rule(settings=SETTINGS, version=st.sampled_from(("127.0.0.1", "::1")))
    def comes(self, settings: dict[str, Any], version: str) -> None:
        self.port += 1  # no member comes back under its old name
        self.members[f"m{self.port}"] = {"address": version, "protocol_port": self.port, **settings}
        self.running.put()

    @rule(data=st.data())
    def goes(self, data: st.DataObject) -> None:
        if self.members:
            del self.members[data.draw(st.sampled_from(sorted(self.members)))]
            self.running.put()

    @rule(data=st.data(), settings=SETTINGS)
    def changes(self, data: st.DataObject, settings: dict[str, Any]) -> None:
        if self.members:
            name = data.draw(st.sampled_from(sorted(self.members)))
            place = {key: self.members[name][key] for key in ("address", "protocol_port")}
            self.members[name] = {**place, **settings}
            self.running.put()

    @rule(algorithm=st.sampled_from(ALGORITHMS), is_cookie=st.booleans(), monitor=st.sampled_from(MONITORS))
    def pool_changes(self, algorithm: str, is_cookie: bool, monitor: dict[str, Any] | None) -> None:
        pool = self.running.tree["pools"]["pool"]
        pool.pop("healthmonitor", None)
        pool |= {"lb_algorithm": algorithm, **({"healthmonitor": monitor} if monitor else {})}
        pool["session_persistence"] = {"type": "HTTP_COOKIE"} if is_cookie else None
        self.running.put()

    @rule()
    def server_starts(self) -> None:
        self.running.last = None
        assert self.running.put().how == "nothing"

    @invariant()
    def what_runs_is_what_is_wanted(self) -> None:
        if not self.running.tree:
            return
        wanted = render(trees.snapshot(self.running.tree), Settings(most_files=most_files(), user=self.running.user))
        assert (self.running.instance.directory / "haproxy.cfg").read_text() == wanted.text
        found = running_servers(self.running.instance)
        assert {(each.backend, each.name): each for each in wanted.servers}.keys() == found.keys()
        for each in wanted.servers:
            row = found[each.backend, each.name]
            assert (row["srv_uweight"], row["is_in_maintenance"]) == (str(each.weight), not each.is_enabled)
            assert (row["is_tested"], row["is_backup"]) == (each.is_tested, str(int(each.is_backup)))
            if each.is_tested:
                assert row["checked_at"] == (each.check_address, str(each.check_port))


TestMembership = Membership.TestCase
TestMembership.settings = settings(
    max_examples=8,
    stateful_step_count=15,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.explicit, Phase.reuse, Phase.generate),  # each example starts HAProxy: shrinking would take minutes
)


@pytest.mark.parametrize("count", [20, 200])
def test_a_weight_is_one_command_in_a_pool_of_any_size(
    running: Running, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    members = {f"m{number}": {"address": "127.0.0.1", "protocol_port": number + 1} for number in range(count)}
    running.apply(web(free_port(), members=members))
    commands: list[str] = []
    ask = runtime.ask

    def noted(directory: Path, name: str, command: str, *patience: float) -> str:
        commands.append(command)
        return ask(directory, name, command, *patience)

    monkeypatch.setattr(runtime, "ask", noted)
    assert running.apply({"pools": {"pool": {"members": {"m7": {"weight": 9}}}}}).how == "runtime"
    [change] = [each for each in commands if not each.startswith("show info")]
    assert change.startswith("set server ")
    assert change.endswith(f"/{trees.identity('m7')} weight 9")
    assert len(commands) <= 2
