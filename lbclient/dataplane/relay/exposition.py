"""Metrics of HAProxy and the relay under Octavia's metric names, with resource names beside the UUIDs. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, partial

Names = Mapping[str, Mapping[str, str]]  # loadbalancer, listener, pool, member -> id -> name
Row = Mapping[str, str]

GONE = "GONE"  # the status of removed resources, whose rows are only for counters
INTERNAL = ("exporter", "metrics")  # proxies that are not listeners or pools of a user
COMMENT = re.compile(r"# (?P<about>HELP|TYPE) (?P<name>\w+) (?P<said>.*)")
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
PREFIXES = {
    "haproxy_process_pool_": "octavia_memory_pool_",
    "haproxy_process_": "octavia_loadbalancer_",
    "haproxy_frontend_": "octavia_listener_",
    "haproxy_backend_": "octavia_pool_",
    "haproxy_server_": "octavia_member_",
}
KINDS = {"octavia_listener_": "listener", "octavia_pool_": "pool", "octavia_member_": "member"}
RENAMED = {
    "octavia_pool_active_servers": "octavia_pool_active_members",
    "octavia_pool_backup_servers": "octavia_pool_backup_members",
    "octavia_pool_server_aborts_total": "octavia_pool_member_aborts_total",
}
WORDS = {"frontend": "listener", "backend": "pool", "server": "member"}
WORD = re.compile(rf"\b({'|'.join(WORDS)})(s?)\b")

# Metrics of a relay: the column in its report, the metric's name, its type.
COUNTED = {
    "listener": (
        ("scur", "current_sessions", "gauge"),
        ("smax", "max_sessions", "gauge"),
        ("slim", "limit_sessions", "gauge"),
        ("stot", "sessions_total", "counter"),
        ("stot", "connections_total", "counter"),
        ("bin", "bytes_in_total", "counter"),
        ("bout", "bytes_out_total", "counter"),
        ("dreq", "requests_denied_total", "counter"),
        ("ereq", "request_errors_total", "counter"),
    ),
    "pool": (
        ("scur", "current_sessions", "gauge"),
        ("stot", "sessions_total", "counter"),
        ("bin", "bytes_in_total", "counter"),
        ("bout", "bytes_out_total", "counter"),
        ("econ", "connection_errors_total", "counter"),
        ("act", "active_members", "gauge"),
        ("bck", "backup_members", "gauge"),
    ),
    "member": (
        ("scur", "current_sessions", "gauge"),
        ("stot", "sessions_total", "counter"),
        ("bin", "bytes_in_total", "counter"),
        ("bout", "bytes_out_total", "counter"),
        ("econ", "connection_errors_total", "counter"),
        ("weight", "weight", "gauge"),
        ("chkfail", "check_failures_total", "counter"),
        ("chkdown", "check_up_down_total", "counter"),
        ("lastchg", "check_last_change_seconds", "gauge"),
    ),
}
STATES = {"listener": ("DOWN", "UP"), "pool": ("DOWN", "UP"), "member": ("DOWN", "UP", "MAINT")}
UP = ("UP", "OPEN", "FULL", "no check")  # statuses in a report that mean up


@dataclass
class Family:
    """A metric: its help text, its type and its samples, which must be adjacent in the page."""

    help: str = ""
    type: str = "gauge"
    samples: list[str] = field(default_factory=list)


def exposition(haproxy: str, rows: Iterable[Row], machine: Mapping[str, float], names: Names) -> str:
    """Return the page of metrics: HAProxy's own, translated, those of a relay's rows, and those of the machine."""
    families: dict[str, Family] = {}
    _translate(haproxy, families, names)
    for row in rows:
        _count(row, families, names)
    for name, value in machine.items():
        known = _family(families, f"octavia_loadbalancer_{name}", "gauge", f"Load balancer {name} utilization (%).")
        known.samples.append(_labelled(_loadbalancer(names)) + f" {value:.1f}")
    return "".join(_page(families))


def _translate(text: str, families: dict[str, Family], names: Names) -> None:
    """Translate HAProxy's metrics into families.

    Translated names and labels are cached: dozens of metrics of a server have the same labels.
    """
    renamed = cache(_renamed)
    relabelled = cache(partial(_relabelled, names))
    for line in text.splitlines():
        if line.startswith("#"):
            _comment(line, families, renamed)
            continue
        theirs, labels, value = _sample(line)
        name = renamed(theirs)
        if not name or not value:
            continue
        told = relabelled(_kind(name), labels)
        if told is not None:
            families.setdefault(name, Family()).samples.append(f"{told} {value}")


def _sample(line: str) -> tuple[str, str, str]:
    """Split a sample into name, labels and value; the value is empty if the line is not a sample."""
    place, _, value = line.rpartition(" ")
    name, _, labels = place.partition("{")
    return name, labels.removesuffix("}"), value


def _comment(line: str, families: dict[str, Family], renamed: Callable[[str], str]) -> None:
    found = COMMENT.match(line)
    name = renamed(found["name"]) if found else ""
    if not found or not name:
        return
    known = families.setdefault(name, Family())
    if found["about"] == "HELP":
        known.help = WORD.sub(lambda word: WORDS[word[1]] + word[2], found["said"])
    else:
        known.type = found["said"]


def _kind(name: str) -> str | None:
    return next((kind for prefix, kind in KINDS.items() if name.startswith(prefix)), None)


def _relabelled(names: Names, kind: str | None, text: str) -> str | None:
    """Translate HAProxy's labels into Octavia's, as text; return None for internal proxies."""
    labels = dict(LABEL.findall(text))
    return None if labels.get("proxy") in INTERNAL else _labelled(_described(kind, labels, names))


def _renamed(name: str) -> str:
    """Return Octavia's name for a metric; "" if Octavia has no such metric."""
    for theirs, ours in PREFIXES.items():
        if name.startswith(theirs):
            found = ours + name[len(theirs) :]
            return RENAMED.get(found, found)
    return ""


def _described(kind: str | None, labels: Mapping[str, str], names: Names) -> dict[str, str]:
    """Translate HAProxy's labels into Octavia's, and add the names of the resources."""
    others = {label: value for label, value in labels.items() if label not in ("proxy", "server")}
    if kind is None:
        return _loadbalancer(names) | others
    # A pool's further backends are called <pool>:<listener>.
    id_, _, listener_id = labels["proxy"].partition(":")
    if kind == "listener":
        return _named("listener", id_, names) | others
    found = _named("pool", id_, names) | (_named("listener", listener_id, names) if listener_id else {})
    return found | (_named("member", labels["server"], names) if kind == "member" else {}) | others


def _named(kind: str, id_: str, names: Names) -> dict[str, str]:
    return {kind: id_, f"{kind}_name": _escaped(names.get(kind, {}).get(id_, ""))}


def _loadbalancer(names: Names) -> dict[str, str]:
    return next((_named("loadbalancer", id_, names) for id_ in names.get("loadbalancer", {})), {})


def _count(row: Row, families: dict[str, Family], names: Names) -> None:
    if row["status"] == GONE:
        return
    kind = {"FRONTEND": "listener", "BACKEND": "pool"}.get(row["svname"], "member")
    labels = _named("listener" if kind == "listener" else "pool", row["pxname"], names)
    if kind == "member":
        labels |= _named("member", row["svname"], names)
    for column, name, type_ in COUNTED[kind]:
        if row[column] != "":
            known = _family(families, f"octavia_{kind}_{name}", type_, "")
            known.samples.append(f"{_labelled(labels)} {row[column]}")
    known = _family(families, f"octavia_{kind}_status", "gauge", "")
    said = "UP" if row["status"] in UP else row["status"]
    for state in STATES[kind]:
        known.samples.append(f"{_labelled(labels | {'state': state})} {int(state == said)}")


def _family(families: dict[str, Family], name: str, type_: str, help_: str) -> Family:
    return families.setdefault(name, Family(help_, type_))


def _labelled(labels: Mapping[str, str]) -> str:
    return "{" + ",".join(f'{name}="{value}"' for name, value in labels.items()) + "}" if labels else ""


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _page(families: Mapping[str, Family]) -> Iterator[str]:
    for name, each in families.items():
        if each.samples:
            yield f"# HELP {name} {each.help}\n# TYPE {name} {each.type}\n"
            yield from (f"{name}{sample}\n" for sample in each.samples)
