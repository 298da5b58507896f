"""The meaning of HAProxy's answers at its runtime socket."""

from __future__ import annotations

import pytest

from lbclient.dataplane.config.backends import Server
from lbclient.dataplane.haproxy import runtime

COLUMNS = (
    "be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight "
    "srv_time_since_last_change srv_check_status srv_check_result srv_check_health srv_check_state srv_agent_state "
    "bk_f_forced_id srv_f_forced_id srv_fqdn srv_port srvrecord srv_use_ssl srv_check_port srv_check_addr "
    "srv_agent_addr srv_agent_port"
)


def states(*rows: tuple[str, int, int, int]) -> str:
    """`show servers state`: name, operational state, administrative state and weight of each server."""
    lines = [
        f"3 b 1 {name} 127.0.0.1 {op} {admin} {weight} 9 3 6 3 4 6 0 0 0 - 80 - 0 8080 10.0.0.1 - 0"
        for name, op, admin, weight in rows
    ]
    return "\n".join(("1", f"# {COLUMNS}", *lines, "", ""))


ROWS = runtime.parse_states(states(("up", 2, 0, 5), ("down", 0, 0, 5), ("maint", 0, 1, 5), ("config", 0, 5, 0)))


def server(name: str, weight: int = 5, is_enabled: bool = True, is_checked: bool = True) -> Server:
    return Server("b", name, weight, is_enabled, is_checked)


def test_health_is_kept_and_nothing_that_the_configuration_decides() -> None:
    servers = (server("up", weight=7), server("down"), server("maint"), server("config"))
    text = runtime.kept_states(servers, ROWS)
    assert text.startswith(f"1\n# {COLUMNS}\n")
    up, down = runtime.parse_states(text)
    assert (up["srv_uweight"], up["srv_iweight"], up["srv_op_state"]) == ("7", "7", "2")
    assert (down["srv_op_state"], down["srv_check_health"], down["srv_admin_state"]) == ("0", "4", "0")
    assert (down["srv_check_port"], down["srv_check_addr"]) == ("0", "-")
    assert runtime.kept_states((server("down", is_checked=False), server("up", is_enabled=False)), ROWS) == "1\n"


def test_reports() -> None:
    report = runtime.parse_report(
        "Name: HAProxy\nPid: 7\ndescription: abc\n\n# pxname,svname,status,\nf,FRONTEND,OPEN,\n"
    )
    assert (report.pid, report.fingerprint) == (7, "abc")
    row = report.rows["f", "FRONTEND"]
    assert row["status"] == "OPEN"
    assert dict(row) == {"pxname": "f", "svname": "FRONTEND", "status": "OPEN"}
    assert row.get("weight") is None
    for strange in ("", "hello", "Pid: x\n# pxname,svname\n"):
        with pytest.raises(runtime.Unreachable):
            runtime.parse_report(strange)
