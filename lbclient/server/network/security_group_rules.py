"""Create and delete rules of security groups."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

import sqlalchemy as sa

from ...store import admission
from ...store.network_tables import SECURITY_GROUP_RULE
from .. import errors
from ..services import Services
from ..web.routing import Answer, Request
from . import objects, rows, unkept
from .attributes import SECURITY_GROUP_RULES, SECURITY_GROUPS
from .bodies import Values, bad

WITH_PORTS = {"tcp", "udp", "sctp", "dccp", "udplite", "6", "17", "33", "132", "136"}
ANY = ("ip", "0")  # besides null
ICMP = {"icmp", "icmpv6", "ipv6-icmp", "1", "58"}  # their port range is a type and a code
SAME = ("direction", "ethertype", "protocol", "port_range_min", "port_range_max", "remote_ip_prefix", "remote_group_id")


def add(tx: sa.Connection, request: Request, values: Values) -> str:
    """Create a rule of a security group and return its ID."""
    group = objects.own(tx, SECURITY_GROUPS, values["security_group_id"], request.who, "create_rule_in")
    values = {**dict.fromkeys(SAME), "ethertype": "IPv4", **values, "project_id": group.project_id}
    if values["protocol"] in ANY:
        values["protocol"] = None
    _check_ports(values)
    _check_remote(tx, request, values)
    _refuse_double(tx, values)
    return rows.new(tx, SECURITY_GROUP_RULE, **objects.columns(SECURITY_GROUP_RULES, values))


def warnings(values: Values) -> list[str]:
    """Return the warnings about a rule that has no effect."""
    protocol = values.get("protocol")
    return unkept.of_rule(values["direction"], None if protocol in ANY else protocol)


def affected(tx: sa.Connection, ids: Sequence[str]) -> list[str]:
    """Return the IDs of the load balancers that these rules concern."""
    rule = SECURITY_GROUP_RULE.c
    return admission.concerned(tx, list(tx.scalars(sa.select(rule.security_group_id).where(rule.id.in_(ids)))))


def delete(services: Services, request: Request, id_: str) -> Answer:
    with services.store.writing() as tx:
        row = objects.own(tx, SECURITY_GROUP_RULES, id_, request.who, "delete")
        tx.execute(sa.delete(SECURITY_GROUP_RULE).where(SECURITY_GROUP_RULE.c.id == id_))
        woken = admission.concerned(tx, [row.security_group_id])
    services.wake(woken)
    return Answer(status=204)


def _check_ports(values: Values) -> None:
    protocol, low, high = values["protocol"], values["port_range_min"], values["port_range_max"]
    if low is None and high is None:
        return
    if protocol is None:
        why = "Must also specify protocol if port range is given."
        raise bad(why, "SecurityGroupProtocolRequiredWithPorts")
    if protocol in ICMP:
        _check_icmp(low, high)
    elif protocol not in WITH_PORTS:
        why = f"Invalid protocol {protocol} for port range, only supported for TCP, UDP, UDPLITE, SCTP and DCCP."
        raise bad(why, "SecurityGroupInvalidProtocolForPort")
    elif low is None or high is None or low > high or low == 0:
        why = "For TCP/UDP protocols, port_range_min must be <= port_range_max"
        raise bad(why, "SecurityGroupInvalidPortRange")


def _check_icmp(kind: int | None, code: int | None) -> None:
    if kind is None:
        why = f"ICMP code (port-range-max) {code} is provided but ICMP type (port-range-min) is missing."
        raise bad(why, "SecurityGroupMissingIcmpType")
    for name, value in (("port_range_min", kind), ("port_range_max", code)):
        if value is not None and value > 255:
            why = f"Invalid value for ICMP {name}: {value}. It must be 0 to 255."
            raise bad(why, "SecurityGroupInvalidIcmpValue")


def _check_remote(tx: sa.Connection, request: Request, values: Values) -> None:
    prefix, group = values["remote_ip_prefix"], values["remote_group_id"]
    if prefix and group:
        why = "Only remote_ip_prefix or remote_group_id may be provided."
        raise bad(why, "SecurityGroupRemoteGroupAndRemoteIpPrefix")
    if prefix and f"IPv{ipaddress.ip_network(prefix).version}" != values["ethertype"]:
        why = f"Conflicting value ethertype {values['ethertype']} for CIDR {prefix}"
        raise bad(why, "SecurityGroupRuleParameterConflict")
    if group:
        objects.existing(tx, SECURITY_GROUPS, group, request.who)


def _refuse_double(tx: sa.Connection, values: Values) -> None:
    table = SECURITY_GROUP_RULE
    same = [table.c[name].is_not_distinct_from(values[name]) for name in ("security_group_id", *SAME)]
    found = tx.scalar(sa.select(table.c.id).where(*same).limit(1))
    if found is not None:
        why = f"Security group rule already exists. Rule id is {found}."
        raise errors.Conflict(why, "SecurityGroupRuleExists")
