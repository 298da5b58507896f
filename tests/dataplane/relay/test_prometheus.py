"""PROMETHEUS listeners: real scrapes, read by Prometheus' own parser."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from typing import Any

import pki
import pytest
import trees
from handshakes import shake, trusting
from instances import Running
from members import free_port, until
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families
from world import get, member, web

from lbclient.dataplane.haproxy.relay_process import RelayProcess
from lbclient.dataplane.relay.exposition import exposition

Families = dict[str, Metric]

METRICS: dict[str, Any] = {"listeners": {"metrics": {"protocol": "PROMETHEUS", "protocol_port": free_port()}}}


def scrape(tree: dict[str, Any] = METRICS, **given: Any) -> Families:
    answer = get(tree["listeners"]["metrics"]["protocol_port"], "/metrics", **given)
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    return parsed(answer.text.decode())


def parsed(text: str) -> Families:
    families = {each.name: each for each in text_string_to_metric_families(text)}
    for family in families.values():
        seen = [(sample.name, *sorted(sample.labels.items())) for sample in family.samples]
        assert len(seen) == len(set(seen)), family.name
    return families


def value(families: Families, name: str, **labels: str) -> float:
    (found,) = samples(families, name, **labels)
    return found.value


def samples(families: Families, name: str, **labels: str) -> list[Any]:
    return list(_samples(families, name, labels))


def _samples(families: Families, name: str, labels: dict[str, str]) -> Iterator[Any]:
    for sample in families[name.removesuffix("_total")].samples:
        if labels.items() <= sample.labels.items():
            yield sample


def test_a_scrape_tells_ids_and_names(running: Running, webs) -> None:
    one, two = webs("one", "two")
    tree = web(members={"one": member(one), "two": member(two, admin_state_up=False)})
    running.apply(METRICS, tree)
    for _ in range(3):
        assert get(tree["listeners"]["web"]["protocol_port"]).name == "one"
    found = scrape()
    listener = {"listener": trees.identity("web"), "listener_name": "web"}
    pool = {"pool": trees.identity("pool"), "pool_name": "pool"}
    (told,) = samples(found, "octavia_listener_http_requests_total", **listener)
    assert (told.labels, told.value) == (listener, 3)
    assert value(found, "octavia_pool_http_responses_total", **pool, code="2xx") == 3
    assert value(found, "octavia_member_sessions_total", **pool, member_name="one") == 3
    assert value(found, "octavia_member_status", member=trees.identity("two"), state="MAINT") == 1
    assert value(found, "octavia_member_status", member=trees.identity("one"), state="UP") == 1
    assert value(found, "octavia_pool_active_members", **pool) == 1
    assert value(found, "octavia_loadbalancer_connections_total", loadbalancer_name="lb") >= 3
    assert {"octavia_loadbalancer_cpu", "octavia_loadbalancer_memory", "octavia_memory_pool_used_bytes"} <= set(found)
    assert {sample.labels["listener_name"] for sample in found["octavia_listener_status"].samples} == {"web", "metrics"}
    assert {sample.labels["pool_name"] for sample in found["octavia_pool_status"].samples} == {"pool"}
    assert found["octavia_listener_bytes_in"].type == "counter"
    assert "server" not in found["octavia_member_status"].documentation


def test_names_change_without_a_reload(running: Running) -> None:
    names = {"listeners": {"metrics": {"name": 'a "quoted"\nname\\'}}, "loadbalancer": {"name": "first"}}
    running.apply(METRICS, names)
    assert samples(scrape(), "octavia_listener_status", listener_name='a "quoted"\nname\\')
    assert running.apply({"loadbalancer": {"name": "second"}}).how == "runtime"
    assert {sample.labels["loadbalancer_name"] for sample in scrape()["octavia_loadbalancer_cpu"].samples} == {"second"}


def test_udp_is_told_too(running: Running, datagrams) -> None:
    (one,) = datagrams("one")
    port = free_port()
    pool = {"protocol": "UDP", "lb_algorithm": "ROUND_ROBIN", "members": {"one": member(one)}}
    udp = {"protocol": "UDP", "protocol_port": port, "default_pool": "dns"}
    running.apply(METRICS, web(), {"listeners": {"udp": udp}, "pools": {"dns": pool}})
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(5)
        client.sendto(b"12345", ("127.0.0.1", port))
        assert client.recv(100) == b"one 12345"
    found = scrape()
    assert value(found, "octavia_listener_bytes_in_total", listener_name="udp") == 5
    assert value(found, "octavia_listener_sessions_total", listener_name="udp") == 1
    assert value(found, "octavia_pool_bytes_out_total", pool_name="dns") == 9
    assert value(found, "octavia_member_current_sessions", pool_name="dns", member_name="one") == 1
    assert value(found, "octavia_member_status", member_name="one", state="UP") == 1
    assert value(found, "octavia_listener_status", listener_name="web", state="UP") == 1


def test_one_pool_behind_different_listeners(running: Running, webs) -> None:
    (one,) = webs("one")
    other = {"protocol": "HTTP", "protocol_port": free_port(), "default_pool": "pool", "timeout_member_data": 1000}
    running.apply(METRICS, web(members={"one": member(one)}), {"listeners": {"other": other}})
    found = samples(scrape(), "octavia_pool_status", pool_name="pool", state="UP")
    assert sorted(each.labels.get("listener_name", "") for each in found) == ["", "other"]


def test_who_may_scrape_and_what(running: Running) -> None:
    limited = {"listeners": {"metrics": {"allowed_cidrs": ["127.0.0.2/32"]}}}
    running.apply(METRICS, limited)
    port = METRICS["listeners"]["metrics"]["protocol_port"]
    assert get(port, "/metrics", source="127.0.0.1").status == 403
    assert scrape(source="127.0.0.2")


@pytest.mark.parametrize("path", ["/", "/metrics", "/metrics?a=b", "/anything"])
def test_metrics_are_at_every_path(running: Running, path: str) -> None:
    """As in Octavia, whose own suite asks for / with and without a certificate."""
    tls = {
        "default_tls_container_ref": "shop",
        "client_authentication": "MANDATORY",
        "client_ca_tls_container_ref": "ca",
    }
    secured: dict[str, Any] = {"protocol": "PROMETHEUS", "protocol_port": free_port(), **tls}
    certificates = {"shop": {"host": "shop.example"}, "ca": {"authority": "ca"}}
    running.apply(METRICS, {"listeners": {"secured": secured}, "certificates": certificates})
    plain = get(METRICS["listeners"]["metrics"]["protocol_port"], path)
    shown = shake(secured["protocol_port"], context=trusting(shows=pki.certified("alice")), path=path).answer
    for answer in (plain, shown):
        assert answer.status == 200
        assert "octavia_loadbalancer_cpu" in parsed(answer.text.decode())


def test_a_killed_relay_comes_back_and_leaves_with_the_listener(running: Running) -> None:
    running.apply(METRICS)
    pid = RelayProcess(running.instance.directory).pid()
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    until(lambda: get(METRICS["listeners"]["metrics"]["protocol_port"], "/metrics").status == 503)
    assert running.put().how == "started"
    assert scrape()
    del running.tree["listeners"]["metrics"]
    running.apply(web())
    assert RelayProcess(running.instance.directory).pid() is None


@pytest.mark.parametrize("text", ["", "# HELP", "haproxy_frontend_status{", "other_metric 1\n", "\x00\xff"])
def test_what_haproxy_never_says_harms_nobody(text: str) -> None:
    assert set(parsed(exposition(text, [], {"cpu": 1.0}, {}))) == {"octavia_loadbalancer_cpu"}
