"""Distribution of requests and connections among members."""

from __future__ import annotations

import contextlib
import http.client
import socket
import threading
import time
from collections import Counter
from typing import Any

import pki
import pytest
import trees
import vips
from handshakes import trusting
from instances import Running
from members import Echo, free_port, until
from world import connected, get, line, member, web

from lbclient.dataplane.haproxy import runtime

pytestmark = pytest.mark.usefixtures("vips")


def shares(port: int, requests: int, **given: Any) -> Counter[str]:
    return Counter(get(port, **given).name for _ in range(requests))


def test_round_robin_alternates(running: Running, webs) -> None:
    tree = web(members={each.name: member(each) for each in webs("one", "two", "three")})
    running.apply(tree)
    port = tree["listeners"]["web"]["protocol_port"]
    seen = [get(port).name for _ in range(6)]
    assert seen[:3] == seen[3:]
    assert set(seen) == {"one", "two", "three"}


def test_weights_are_shares(running: Running, webs) -> None:
    one, two = webs("one", "two")
    tree = web(members={"one": member(one, weight=3), "two": member(two, weight=1)})
    running.apply(tree)
    assert shares(tree["listeners"]["web"]["protocol_port"], 40) == {"one": 30, "two": 10}


def test_least_connections(running: Running, echoes) -> None:
    one, two = echoes("one", "two")
    port, connections = tcp(running, {"one": one, "two": two}, lb_algorithm="LEAST_CONNECTIONS"), []
    for _ in range(4):
        connections.append(connected(port))
    assert Counter(name for _, name in connections) == {"one": 2, "two": 2}
    for connection, name in connections:
        if name == "one":
            connection.close()
    until(lambda: sessions(running, "one") == 0)
    assert next_name(port) == "one"
    close(connections)


def tcp(running: Running, servers: dict[str, Echo], fields: dict[str, Any] | None = None, **pool: Any) -> int:
    port = free_port()
    members = {name: member(each, **(fields or {}).get(name, {})) for name, each in servers.items()}
    running.apply(
        {
            "listeners": {"tcp": {"protocol": "TCP", "protocol_port": port, "default_pool": "pool"}},
            "pools": {"pool": {"protocol": "TCP", "lb_algorithm": "ROUND_ROBIN", "members": members, **pool}},
        }
    )
    return port


def next_name(port: int, source: str | None = None) -> str:
    connection, name = connected(port, source)
    connection.close()
    return name


def close(connections: list[tuple[socket.socket, str]]) -> None:
    for connection, _ in connections:
        connection.close()


def sessions(running: Running, name: str) -> int:
    rows = runtime.parse_report(runtime.ask(running.instance.directory, "admin.sock", runtime.REPORT)).rows
    return int(rows[trees.identity("pool"), trees.identity(name)]["scur"])


def test_source_ip_stays(running: Running, echoes) -> None:
    servers = {each.name: each for each in echoes("one", "two", "three")}
    port = tcp(running, servers, lb_algorithm="SOURCE_IP")
    sources = [f"127.0.0.{number}" for number in range(1, 30)]
    first = {source: next_name(port, source) for source in sources}
    assert first == {source: next_name(port, source) for source in sources}
    assert set(first.values()) == set(servers)
    # A weight can be changed while it runs, and moves only those who were with that member.
    how = running.apply({"pools": {"pool": {"members": {"one": {"weight": 0}}}}}).how
    assert how == "runtime"
    later = {source: next_name(port, source) for source in sources}
    assert "one" not in later.values()
    assert all(later[source] == name for source, name in first.items() if name != "one")


def test_backups_serve_only_when_nobody_else_can(running: Running, webs) -> None:
    one, two, three = webs("one", "two", "three")
    members = {"one": member(one), "two": member(two, backup=True), "three": member(three, backup=True)}
    tree = web(members=members)
    port = tree["listeners"]["web"]["protocol_port"]
    running.apply(tree)
    assert set(shares(port, 6)) == {"one"}
    running.apply({"pools": {"pool": {"members": {"one": {"admin_state_up": False}}}}})
    assert shares(port, 6) == {"two": 3, "three": 3}


def test_a_drained_member_finishes_what_it_has(running: Running, echoes) -> None:
    servers = {each.name: each for each in echoes("one", "two")}
    port = tcp(running, servers)
    connections = [connected(port), connected(port)]
    running.apply({"pools": {"pool": {"members": {"one": {"weight": 0}}}}})
    assert {next_name(port) for _ in range(4)} == {"two"}
    for connection, _ in connections:
        connection.sendall(b"still here\n")
        assert line(connection) == "still here"
    close(connections)


def test_a_drained_member_keeps_its_sessions(running: Running, webs) -> None:
    """The policy: clients with a session at a drained member may finish it; all others go elsewhere."""
    one, two = webs("one", "two")
    members = {"one": member(one), "two": member(two)}
    tree = web(members=members, session_persistence={"type": "HTTP_COOKIE"})
    port = tree["listeners"]["web"]["protocol_port"]
    running.apply(tree)
    answer = until(lambda: (found := get(port)).name == "one" and found)
    session = {"Cookie": answer.headers["Set-Cookie"].partition(";")[0]}
    running.apply({"pools": {"pool": {"members": {"one": {"weight": 0}}}}})
    assert set(shares(port, 4)) == {"two"}
    assert set(shares(port, 4, headers=session)) == {"one"}


PERSISTENCE: dict[str, dict[str, str]] = {
    "HTTP_COOKIE": {},
    "APP_COOKIE": {"cookie_name": "SESSION"},
    "SOURCE_IP": {},
}


def test_sessions_stay_also_over_a_reload(running: Running, webs) -> None:
    one, two, three = webs("one", "two", "three")
    ports = {kind: free_port() for kind in PERSISTENCE}
    for kind, fields in PERSISTENCE.items():
        members = {f"{kind} one": member(one), f"{kind} two": member(two)}
        pool = {"protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN", "members": members}
        listener = {"protocol": "HTTP", "protocol_port": ports[kind], "default_pool": kind}
        pool["session_persistence"] = {"type": kind, **fields}
        running.tree = trees.merged(running.tree, {"listeners": {f"on {kind}": listener}, "pools": {kind: pool}})
    running.put()
    sessions = [(kind, *session(ports[kind], kind, number)) for kind in PERSISTENCE for number in range(8)]
    assert {name for _, _, name in sessions} == {"one", "two"}
    for kind, given, name in sessions:
        assert set(shares(ports[kind], 3, **given)) == {name}
    for number in range(3):  # one reload right after the other, the first of a worker that has just been started
        for kind in PERSISTENCE:
            pool = running.tree["pools"][kind]
            pool["members"] = {f"{kind} three {number}": member(three, weight=1 + number), **pool["members"]}
        assert running.put().how == "runtime"
        for milliseconds, how in ((0, "runtime"), (1000 + number, "reloaded")):
            if how == "reloaded":
                listener = {"timeout_client_data": milliseconds}
                assert running.apply({"listeners": {f"on {kind}": listener for kind in PERSISTENCE}}).how == how
            for kind, given, name in sessions:
                assert set(shares(ports[kind], 3, **given)) == {name}


def test_sessions_stay_where_the_worker_before_had_no_tables(running: Running, webs) -> None:
    """A worker without stick tables sends none, and the new one does not wait for them."""
    one, two = webs("one", "two")
    port = free_port()
    running.apply(web(port, members={"one": member(one), "two": member(two)}))
    running.apply({"pools": {"pool": {"session_persistence": {"type": "APP_COOKIE", "cookie_name": "SESSION"}}}})
    sessions = [session(port, "APP_COOKIE", number) for number in range(4)]
    running.apply({"pools": {"pool": {"members": {"three": member(webs("three")[0])}}}})
    for given, name in sessions:
        assert set(shares(port, 3, **given)) == {name}


def session(port: int, persistence: str, number: int) -> tuple[dict[str, Any], str]:
    """Return the client's identification, and the member that it was assigned."""
    if persistence == "SOURCE_IP":
        given: dict[str, Any] = {"source": f"127.0.1.{number + 1}"}
        return given, get(port, **given).name
    answer = get(port, f"/login/{number}")
    cookies = [each.partition(";")[0] for each in answer.headers.get_all("Set-Cookie") or []]
    wanted = "SRV=" if persistence == "HTTP_COOKIE" else "SESSION="
    return {"headers": {"Cookie": next(each for each in cookies if each.startswith(wanted))}}, answer.name


@pytest.mark.parametrize(("protocol", "start"), [("PROXY", b"PROXY TCP%d %s %s "), ("PROXYV2", b"\r\n\r\n\0")])
def test_proxy_protocol(running: Running, protocol: str, start: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = free_port()
        members = {"one": {"address": "127.0.0.1", "protocol_port": server.getsockname()[1]}}
        running.apply(
            {
                "listeners": {"tcp": {"protocol": "TCP", "protocol_port": port, "default_pool": "pool"}},
                "pools": {"pool": {"protocol": protocol, "lb_algorithm": "ROUND_ROBIN", "members": members}},
            }
        )
        address = vips.at(port)
        told = (6 if ":" in address else 4, address.encode(), address.encode()) if protocol == "PROXY" else ()
        with socket.create_connection((address, port), timeout=5) as client:
            client.sendall(b"hello")
            taken, _ = server.accept()
            taken.settimeout(5)
            with taken:
                assert taken.recv(1024).startswith(start % told)


def test_proxy_protocol_tells_of_tls(running: Running) -> None:
    """Behind TERMINATED_HTTPS: the version, and who has shown a certificate; behind HTTP nothing of that."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        ports = {"HTTP": free_port(), "TERMINATED_HTTPS": free_port()}
        tls = {
            "default_tls_container_ref": "shop",
            "client_authentication": "OPTIONAL",
            "client_ca_tls_container_ref": "ca",
        }
        listeners = {
            name: {"protocol": name, "protocol_port": port, "default_pool": "pool"} for name, port in ports.items()
        }
        listeners["TERMINATED_HTTPS"] |= tls
        members = {"one": {"address": "127.0.0.1", "protocol_port": server.getsockname()[1]}}
        pool = {"protocol": "PROXYV2", "lb_algorithm": "ROUND_ROBIN", "members": members}
        certificates = {"shop": {"host": "shop.example"}, "ca": {"authority": "ca"}}
        running.apply({"listeners": listeners, "pools": {"pool": pool}, "certificates": certificates})

        def header(kind: str, client: str | None = None) -> bytes:
            """Return the extensions (TLVs) of the PROXY header, which follow the addresses."""
            with (
                socket.create_connection((vips.at(ports[kind]), ports[kind]), timeout=5) as plain,
                contextlib.ExitStack() as open_,
            ):
                connection = plain
                if kind != "HTTP":
                    context = trusting(shows=pki.certified(client) if client else None)
                    connection = open_.enter_context(context.wrap_socket(plain, server_hostname="shop.example"))
                connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
                server.settimeout(5)
                taken, _ = server.accept()
                with taken:
                    taken.settimeout(5)
                    start = taken.recv(16, socket.MSG_WAITALL)
                    assert start.startswith(b"\r\n\r\n\0\r\nQUIT\n")
                    addresses = 36 if ":" in vips.at(ports[kind]) else 12
                    return taken.recv(int.from_bytes(start[14:16], "big"), socket.MSG_WAITALL)[addresses:]

        assert header("HTTP") == b""
        shown, nobody = header("TERMINATED_HTTPS", "alice"), header("TERMINATED_HTTPS")
        assert shown[0] == nobody[0] == 0x20  # PP2_TYPE_SSL
        assert (shown[3] & 1, nobody[3] & 1) == (1, 1)  # over TLS
        assert b"TLSv1.3" in shown
        assert (b"alice" in shown, b"alice" in nobody) == (True, False)


def test_one_pool_behind_different_listeners(running: Running, webs) -> None:
    """PROXY takes the mode of the listener, and each listener has timeouts of its own: the pool has two backends."""
    one, two = webs("one", "two")
    ports = free_port(), free_port()
    tree: dict[str, Any] = web(ports[0], members={"one": member(one), "two": member(two)})
    tree["listeners"]["slow"] = {
        "protocol": "HTTP",
        "protocol_port": ports[1],
        "default_pool": "pool",
        "timeout_member_data": 100,
    }
    running.apply(tree)
    assert set(shares(ports[0], 4)) == set(shares(ports[1], 4)) == {"one", "two"}
    one.delay = 0.4
    assert shares(ports[0], 4) == {"one": 2, "two": 2}
    assert shares(ports[1], 4) == {"504": 2, "two": 2}
    assert running.apply({"pools": {"pool": {"members": {"one": {"weight": 0}}}}}).how == "runtime"
    assert set(shares(ports[0], 4)) == set(shares(ports[1], 4)) == {"two"}


def test_a_pool_without_members_is_503(running: Running) -> None:
    tree = web()
    running.apply(tree)
    assert get(tree["listeners"]["web"]["protocol_port"]).status == 503


def test_http_pool_behind_a_tcp_listener(running: Running, webs) -> None:
    (one,) = webs("one")
    tree = web(members={"one": member(one)}, session_persistence={"type": "HTTP_COOKIE"})
    tree["listeners"]["web"]["protocol"] = "TCP"
    running.apply(tree)
    answer = get(tree["listeners"]["web"]["protocol_port"])
    assert answer.name == "one"
    assert answer.headers["Set-Cookie"].startswith("SRV=")


def test_a_member_that_refuses_is_tried_elsewhere(running: Running, webs) -> None:
    one, two = webs("one", "two")
    tree = web(members={"one": member(one), "two": member(two)})
    running.apply(tree)
    one.down()
    assert set(shares(tree["listeners"]["web"]["protocol_port"], 6)) == {"two"}
    one.up()


def test_hitless(running: Running, webs, echoes) -> None:
    """Requests on new and on kept connections, and open TCP connections, through reloads and runtime changes."""
    one, two, three = webs("one", "two", "three")
    (echo,) = echoes("echo")
    tcp_port = free_port()
    tree: dict[str, Any] = web(members={"one": member(one), "two": member(two)})
    tree["listeners"]["tcp"] = {"protocol": "TCP", "protocol_port": tcp_port, "default_pool": "echo"}
    tree["pools"]["echo"] = {"protocol": "TCP", "lb_algorithm": "ROUND_ROBIN", "members": {"echo": member(echo)}}
    running.apply(tree)
    port = tree["listeners"]["web"]["protocol_port"]
    load = Load(port, tcp_port)
    hows = []
    for number in range(40):
        members = {"one": {"weight": 1 + number}, f"three {number}": member(three, admin_state_up=number % 3 > 0)}
        if number % 2:
            running.tree["pools"]["pool"]["members"].pop(f"three {number - 1}")
            members.pop(f"three {number}")
        changed = {"pools": {"pool": {"members": members}}}
        if number % 2:
            changed["listeners"] = {"web": {"timeout_client_data": 40000 + number}}
        hows.append(running.apply(changed).how)
        time.sleep(0.05)
    load.stop()
    assert hows == ["runtime", "reloaded"] * 20
    assert load.failures == []
    assert load.done > 300
    until(lambda: len(old_workers(running)) == 0)


def test_a_restart_is_not_hitless(running: Running, webs, echoes) -> None:
    """The load of the test above does notice."""
    (one,), (echo,) = webs("one"), echoes("echo")
    tree: dict[str, Any] = web(members={"one": member(one)})
    tree["listeners"]["tcp"] = {"protocol": "TCP", "protocol_port": (tcp_port := free_port()), "default_pool": "echo"}
    tree["pools"]["echo"] = {"protocol": "TCP", "lb_algorithm": "ROUND_ROBIN", "members": {"echo": member(echo)}}
    running.apply(tree)
    load = Load(tree["listeners"]["web"]["protocol_port"], tcp_port)
    until(lambda: load.done > 20)
    running.instance.stop()
    running.put()
    load.stop()
    assert load.failures


def old_workers(running: Running) -> list[int]:
    return runtime.old_workers(running.instance.directory)


class Load:
    """Clients that never rest."""

    def __init__(self, port: int, tcp_port: int) -> None:
        self.failures: list[str] = []
        self.done = 0
        self._is_over = threading.Event()
        work = (lambda: self._new(port), lambda: self._kept(port), lambda: self._open(tcp_port))
        self._threads = [threading.Thread(target=each) for each in (work[0], work[0], *work)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._is_over.set()
        for thread in self._threads:
            thread.join()

    def _new(self, port: int) -> None:
        while not self._is_over.is_set():
            self._check(lambda: get(port).status == 200)

    def _kept(self, port: int) -> None:
        """As a browser does: HAProxy may end a connection between two requests, and says so."""
        connection = http.client.HTTPConnection(vips.at(port), port, timeout=10)

        def ask() -> bool:
            connection.request("GET", "/")
            answer = connection.getresponse()
            answer.read()
            return answer.status == 200

        while not self._is_over.is_set():
            self._check(ask)
        connection.close()

    def _open(self, port: int) -> None:
        connection, _ = connected(port)

        def ask() -> bool:
            connection.sendall(b"ping\n")
            return line(connection) == "ping"

        while not self._is_over.is_set():
            self._check(ask)
        connection.close()

    def _check(self, ask: Any) -> None:
        try:
            is_well = ask()
        except Exception as error:
            self.failures.append(repr(error))
        else:
            self.done += 1
            if not is_well:
                self.failures.append("a wrong answer")
