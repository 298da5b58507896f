"""Report the state of a relay in HAProxy's format, so that one parser reads both."""

from __future__ import annotations

import csv
import io
import os
import time
from collections.abc import Iterable, Iterator

from .exposition import GONE
from .listener import Listener
from .plan import VERSION
from .pool import Member, Pool

COLUMNS = (
    "pxname",
    "svname",
    "qcur",
    "qmax",
    "scur",
    "smax",
    "slim",
    "stot",
    "bin",
    "bout",
    "dreq",
    "dresp",
    "ereq",
    "econ",
    "eresp",
    "wretr",
    "wredis",
    "status",
    "weight",
    "act",
    "bck",
    "chkfail",
    "chkdown",
    "lastchg",
    "downtime",
    "qlimit",
    "type",
    "check_status",
    "check_code",
    "check_desc",
    "check_duration",
    "last_chk",
    "mode",
    "uweight",
)
FRONTEND, BACKEND, SERVER = range(3)

Row = dict[str, object]
CHECKED = {
    "L4OK": "Layer4 check passed",
    "L4CON": "Layer4 connection problem",
    "L4TOUT": "Layer4 timeout",
    "L7OK": "Layer7 check passed",
    "L7STS": "Layer7 wrong status",
    "L7RSP": "Layer7 invalid response",
    "L7TOUT": "Layer7 timeout",
}


def info(fingerprint: str, flows: int) -> str:
    return f"Name: relay\nVersion: {VERSION}\nPid: {os.getpid()}\nCurrConns: {flows}\ndescription: {fingerprint}\n\n"


def stat(*parts: Iterable[Row]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n", restval="")
    text.write("# ")
    writer.writeheader()
    for rows in parts:
        writer.writerows(rows)
    return text.getvalue() + "\n"


def present(listeners: Iterable[Listener], pools: Iterable[Pool]) -> Iterator[Row]:
    """Yield the rows of the present listeners, pools and members."""
    for listener in listeners:
        yield _of_listener(listener)
    for pool in pools:
        for member in pool.members.values():
            yield _of_member(member, pool)
        yield _of_pool(pool)


def past(pools: Iterable[Pool], past_listeners: Iterable[Listener], past_pools: Iterable[Pool]) -> Iterator[Row]:
    """Yield the rows of removed listeners, pools and members, for their counters."""
    for listener in past_listeners:
        yield _gone(_of_listener(listener))
    for pool in past_pools:
        yield from (_gone(_of_member(member, pool)) for member in (*pool.members.values(), *pool.left))
        yield _gone(_of_pool(pool))
    for pool in pools:
        yield from (_gone(_of_member(member, pool)) for member in pool.left)


def _gone(row: Row) -> Row:
    """Turn the row of a removed object into that of a backend with its ID: only its counters are read."""
    id_ = row["svname"] if row["type"] == SERVER else row["pxname"]
    errors = row["ereq"] if row["type"] == FRONTEND else row["econ"]
    return row | {"pxname": id_, "svname": "BACKEND", "type": BACKEND, "status": GONE, "econ": errors}


def _of_listener(listener: Listener) -> Row:
    return {
        "pxname": listener.wanted.id,
        "svname": "FRONTEND",
        "type": FRONTEND,
        "mode": "udp",
        "status": "FULL" if listener.wanted.limit and listener.is_full else "OPEN",
        "scur": len(listener.flows),
        "smax": listener.most,
        "slim": max(listener.wanted.limit, 0),
        "stot": listener.total,
        "bin": listener.bytes_in,
        "bout": listener.bytes_out,
        "dreq": listener.denied,
        "ereq": listener.errors,
    }


def _of_member(member: Member, pool: Pool) -> Row:
    wanted = member.wanted
    is_checked = pool.wanted.monitor is not None
    health = ("UP" if member.is_up else "DOWN") if is_checked else "no check"
    return {
        "pxname": pool.wanted.id,
        "svname": wanted.id,
        "type": SERVER,
        "mode": "udp",
        "status": health if wanted.is_enabled else "MAINT",
        "scur": member.flows,
        "stot": member.total,
        "bin": member.bytes_in,
        "bout": member.bytes_out,
        "econ": member.errors,
        "eresp": 0,
        "weight": wanted.weight,
        "uweight": wanted.weight,
        "act": int(not wanted.is_backup),
        "bck": int(wanted.is_backup),
        "chkfail": member.failures if is_checked else "",
        "chkdown": member.downs if is_checked else "",
        "lastchg": int(time.monotonic() - member.since),
        "check_status": member.check_status if is_checked else "",
        "check_desc": CHECKED.get(member.check_status, ""),
        "check_duration": member.check_milliseconds if member.check_status else "",
        "last_chk": member.check_said,
    }


def _of_pool(pool: Pool) -> Row:
    serving = [each for each in pool.members.values() if each.can_serve and each.wanted.weight]
    counted = [*pool.members.values(), *pool.left, pool.forgotten]
    return {
        "pxname": pool.wanted.id,
        "svname": "BACKEND",
        "type": BACKEND,
        "mode": "udp",
        "status": "UP" if pool.is_up else "DOWN",
        "scur": sum(each.flows for each in counted),
        "stot": sum(each.total for each in counted),
        "bin": sum(each.bytes_in for each in counted),
        "bout": sum(each.bytes_out for each in counted),
        "econ": sum(each.errors for each in counted),
        "weight": sum(each.wanted.weight for each in serving),
        "act": sum(not each.wanted.is_backup for each in serving),
        "bck": sum(each.wanted.is_backup for each in serving),
    }
