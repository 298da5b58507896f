"""The diagram of a load balancer: boxes with rows, and links from rows to pools."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ....client.rest import Json
from ...schema import endpoint, rule_words
from ..screen import clean

REJECT, TO_POOL = "REJECT", "REDIRECT_TO_POOL"


@dataclass(frozen=True)
class Row:
    """One line of a box."""

    text: str
    state: str = ""
    leads: str = ""  # the ID of the pool that the row links to
    end: str = ""  # end of the text, shown even if the rest is cut

    @property
    def full_text(self) -> str:
        return f"{self.text}{self.end}"


@dataclass
class Box:
    """The load balancer, a listener or a pool."""

    id: str
    kind: str
    name: str
    facts: str
    state: str
    rows: list[Row] = field(default_factory=list)

    @property
    def title(self) -> str:
        return f"{self.kind} {self.name}".strip()


@dataclass
class Diagram:
    """A load balancer with its listeners, and its pools in the order in which listeners link to them."""

    balancer: Box
    listeners: list[Box]
    pools: list[Box]


def of(whole: Json) -> Diagram:
    """Return the diagram of a load balancer that was read with all its parts."""
    listeners = [_listener(listener) for listener in whole["listeners"]]
    order = [row.leads for box in listeners for row in box.rows if row.leads]
    pools = {pool["id"]: _pool(pool) for pool in whole["pools"]}
    used = [pools[id_] for id_ in dict.fromkeys(order) if id_ in pools]
    return Diagram(_balancer(whole), listeners, [*used, *(box for id_, box in pools.items() if id_ not in order)])


def _balancer(whole: Json) -> Box:
    vips = [whole.get("vip_address"), *(vip.get("ip_address") for vip in whole.get("additional_vips") or ())]
    return _box(whole, "load balancer", f"VIP {', '.join(str(vip) for vip in vips if vip)}")


def _listener(listener: Json) -> Box:
    box = _box(listener, "listener", f"{listener['protocol']} :{listener['protocol_port']}")
    box.rows = [_policy(number, policy) for number, policy in enumerate(listener["l7policies"], 1)]
    if listener.get("default_pool_id"):
        words = "everything else" if box.rows else "everything"
        box.rows.append(Row(words, leads=listener["default_pool_id"]))
    return box


def _policy(number: int, policy: Json) -> Row:
    rules = " and ".join(rule_words(rule) for rule in policy["rules"]) or "no rule yet"
    name = f"{policy['name']}, " if policy.get("name") else ""
    if policy["action"] == TO_POOL:
        end = ""
    elif policy["action"] == REJECT:
        end = " → reject"
    else:
        end = f" → {policy.get('redirect_url') or policy.get('redirect_prefix')}"
    leads = policy.get("redirect_pool_id") or "" if policy["action"] == TO_POOL else ""
    return Row(clean(f"{number}: {name}{rules}{_disabled(policy)}"), leads=leads, end=clean(end))


def _pool(pool: Json) -> Box:
    persistence = (pool.get("session_persistence") or {}).get("type")
    box = _box(pool, "pool", " ".join(filter(None, (pool["protocol"], pool["lb_algorithm"], persistence))))
    if pool["healthmonitor"]:
        box.rows.append(_monitor(pool["healthmonitor"]))
    box.rows += [_member(member) for member in pool["members"]]
    if not pool["members"]:
        box.rows.append(Row("no members"))
    return box


def _monitor(monitor: Json) -> Row:
    asked = " ".join(filter(None, (monitor.get("http_method"), monitor.get("url_path"))))
    words = f"checked by {monitor['type']} {asked}".rstrip()
    return Row(clean(f"{words} every {monitor['delay']} s{_disabled(monitor)}"))


def _member(member: Json) -> Row:
    where = endpoint(member["address"], member["protocol_port"])
    weight = f" weight {member['weight']}" if member.get("weight", 1) != 1 else ""
    backup = " backup" if member.get("backup") else ""
    name = f" {member['name']}" if member.get("name") else ""
    state = str(member.get("operating_status") or "")
    return Row(clean(f"{where}{name}{weight}{backup}{_disabled(member)}"), state)


def _box(found: Mapping[str, Any], kind: str, facts: str) -> Box:
    name = str(found.get("name") or found["id"])
    state = str(found.get("operating_status") or "")
    provisioning = str(found.get("provisioning_status") or "")
    if provisioning not in ("", "ACTIVE"):
        facts = f"{facts} {provisioning}"
    return Box(str(found["id"]), kind, clean(name), clean(f"{facts}{_disabled(found)}"), clean(state))


def _disabled(found: Mapping[str, Any]) -> str:
    return " (disabled)" if found.get("admin_state_up") is False else ""
