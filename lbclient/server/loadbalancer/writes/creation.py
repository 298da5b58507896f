"""Create the rows of each kind of object: checks against other objects, defaults, and references."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import sqlalchemy as sa

from ....resources import HEALTHMONITOR, L7POLICY, L7RULE, LISTENER, LOADBALANCER, MEMBER, POOL
from ....store import addresses, prepared
from ....store.records import ListenerRecord, PoolRecord, Record
from ....store.tables import LISTENER as LISTENERS
from ....store.tables import LOADBALANCER as LOADBALANCERS
from ....store.tables import TABLES
from ...access.context import Context
from ...errors import BadRequest, Conflict, InvalidInput, ValidationFailure
from ...keymanager import references as certificates
from ...network.claims import Claims, lock_addresses
from ...network.mode import network
from ...network.vip import Vip
from ...services import Services
from .. import bodies, drivers, policy, quotas
from ..rules import healthmonitor as healthmonitor_rules
from ..rules import l7policy as l7policy_rules
from ..rules import l7rule as l7rule_rules
from ..rules import listener as listener_rules
from ..rules import member as member_rules
from ..rules import pool as pool_rules
from ..rules import tls
from . import placement, transaction
from .transaction import Change

Values = dict[str, Any]


def create_loadbalancer(
    services: Services, who: Context, body: Any, tx: sa.Connection, id_: str | None = None
) -> Record:
    """Create a load balancer with its VIPs and return its row. Raises errors.Error, which rolls everything back.

    It gets a new ID unless one is given.
    """
    values = {**bodies.created(LOADBALANCER, body), "id": id_}
    values["project_id"] = project_of(services, who, values)
    place = placement.of(tx, services, values)
    values["provider"] = place.provider
    if values["additional_vips"] or not drivers.is_noop(services.config.providers, place.provider):
        lock_addresses(tx)
    quotas.check(services, tx, LOADBALANCER, values["project_id"])
    check_references(services, tx, who, values)
    row = transaction.new_row(tx, values, revision=1)
    claims = None if drivers.is_noop(services.config.providers, place.provider) else Claims(services, who.is_admin)
    main = network(services).allocate(
        tx,
        claims=claims,
        loadbalancer_id=row["id"],
        project_id=row["project_id"],
        is_admin=who.is_admin,
        vip_address=row["vip_address"],
        vip_port_id=row["vip_port_id"],
        vip_subnet_id=row["vip_subnet_id"],
        vip_network_id=row["vip_network_id"],
    )
    place.check_network(main.network_id)
    row |= {
        "vip_address": main.address,
        "vip_port_id": main.port_id,
        "vip_subnet_id": main.subnet_id,
        "vip_network_id": main.network_id,
        "vip_vnic_type": "direct" if place.flavor.get("sriov_vip") else "normal",
        "additional_vips": _additional_vips(services, tx, who, row, claims),
    }
    row = addresses.with_canonical(LOADBALANCERS, row)
    prepared.insert(LOADBALANCERS, *row).run(tx, **row)
    vips = [row["vip_address"], *(vip["ip_address"] for vip in row["additional_vips"])]
    placement.place(tx, services, row["id"], vips, place)
    if row["vip_sg_ids"] or row["vip_qos_policy_id"]:  # otherwise a given port keeps its own settings
        network(services).guard(tx, row["id"], row["vip_sg_ids"], row["vip_qos_policy_id"])
    return prepared.by(LOADBALANCERS, "id").one(tx, id=row["id"])


def project_of(services: Services, who: Context, values: Values) -> str:
    """Return the project that the request names, or else the sender's own. Raises Forbidden and ValidationFailure."""
    project_id: str | None = values["project_id"] or who.project_id
    if project_id is None:
        policy.check(services, who, "loadbalancer:post")
        raise ValidationFailure(
            "Missing project ID in request where one is required. "
            "An administrator should check the keystone settings in the Octavia configuration."
        )
    policy.check(services, who, "loadbalancer:post", project_id)
    if values["vip_sg_ids"]:
        policy.check(services, who, "loadbalancer:post:vip_sg_ids", project_id)
    return project_id


def check_references(services: Services, tx: sa.Connection, who: Context, values: Values) -> None:
    """Check that the QoS policy and the security groups of a load balancer's VIP exist. Raises BadRequest."""
    known = network(services)
    policy_id = values.get("vip_qos_policy_id")
    if policy_id and not known.qos_policy_exists(tx, policy_id, who):
        raise BadRequest(f"qos_policy {policy_id} not found.")
    for group in values.get("vip_sg_ids", ()):
        if not known.security_group_exists(tx, group, who):
            raise BadRequest(f"Security Group {group} not found.")


def _additional_vips(
    services: Services, tx: sa.Connection, who: Context, row: Values, claims: Claims | None
) -> list[Values]:
    placed = []
    subnets = {row["vip_subnet_id"]}
    for asked in row["additional_vips"]:
        place = _additional_vip(services, tx, who, row, asked, claims)
        if place.subnet_id in subnets:
            raise ValidationFailure(f"additional_vips: subnet {place.subnet_id} has a VIP already.")
        if place.network_id != row["vip_network_id"] and row["vip_network_id"]:
            raise ValidationFailure("additional_vips: all VIPs must be in one network.")
        subnets.add(place.subnet_id)
        placed.append({"subnet_id": place.subnet_id, "ip_address": place.address, "port_id": place.port_id})
    return placed


def _additional_vip(
    services: Services, tx: sa.Connection, who: Context, row: Values, asked: Values, claims: Claims | None
) -> Vip:
    unknown = sorted(set(asked) - {"subnet_id", "ip_address", "port_id"})
    if unknown:
        raise BadRequest(f"Unknown attribute for argument additional_vips: {', '.join(unknown)}")
    if not asked.get("subnet_id"):
        raise InvalidInput("additional_vips.subnet_id", None, "Mandatory field missing.")
    return network(services).allocate(
        tx,
        claims=claims,
        loadbalancer_id=row["id"],
        project_id=row["project_id"],
        is_admin=who.is_admin,
        vip_address=_checked("vip_address", asked.get("ip_address")),
        vip_port_id=_checked("vip_port_id", asked.get("port_id")),
        vip_subnet_id=_checked("vip_subnet_id", asked["subnet_id"]),
        vip_network_id=None,
    )


def _checked(name: str, value: Any) -> Any:
    return None if value is None else bodies.check(LOADBALANCER[name], value)


def create_listener(change: Change, who: Context, values: Values) -> Record:
    listener_rules.check(values)
    listener_rules.check_port_is_free(change.tx, change.loadbalancer.id, values)
    if not drivers.is_noop(change.services.config.providers, change.loadbalancer.provider):
        listener_rules.check_right_to_listen(change.services, values)
    listener_rules.check_cidrs(change.loadbalancer, values["allowed_cidrs"])
    if values["default_pool_id"]:
        pool = pool_rules.of(change.tx, change.loadbalancer, values["default_pool_id"])
        listener_rules.check_pool_fits(values["protocol"], pool)
        change.touch_pool(pool.id)
    certificates.check_references(change.services, change.tx, who, LISTENER, values)
    if values["protocol"] == "TERMINATED_HTTPS":
        tls.fill(values)
    return change.insert(LISTENER, values)


def create_pool(change: Change, who: Context, values: Values) -> Record:
    listener_id = values.pop("listener_id")
    if values["session_persistence"] is not None:
        values["session_persistence"] = pool_rules.persistence(values["session_persistence"], None)
    pool_rules.check(values)
    if values["tls_enabled"]:
        tls.fill(values)
    certificates.check_references(change.services, change.tx, who, POOL, values)
    row = change.insert(POOL, values)
    if listener_id:
        _make_default(change, listener_id, row)
    return row


def _make_default(change: Change, listener_id: str, pool: PoolRecord) -> None:
    listener = change.row(LISTENERS, listener_id)
    if listener.loadbalancer_id != change.loadbalancer.id:
        raise BadRequest(f"Listener {listener_id} belongs to another load balancer.")
    if listener.default_pool_id:
        raise Conflict("This listener already has a default pool")
    listener_rules.check_pool_fits(listener.protocol, pool)
    change.update(LISTENERS, listener_id, {"default_pool_id": pool.id})


def create_member(change: Change, who: Context, values: Values) -> Record:
    if values.pop("request_sriov"):
        placement.check_member_sriov(change.tx, change.loadbalancer.flavor_id)
        values["vnic_type"] = "direct"
    member_rules.check_addresses(change.services, values)
    member_rules.check(change.tx, values["pool_id"], values)
    check_subnet(change, who, values["subnet_id"])
    has_monitor = healthmonitor_rules.of_pool(change.tx, values["pool_id"]) is not None
    change.touch_pool(values["pool_id"])
    return change.insert(MEMBER, {**values, "operating_status": "OFFLINE" if has_monitor else "NO_MONITOR"})


def create_members(change: Change, who: Context, pool_id: str, rows: Sequence[Values]) -> None:
    """Create members of a pool like create_member, but all at once.

    The rows are drafts, with the owners' columns, that are completed here. Their addresses have been checked.
    """
    has_monitor = healthmonitor_rules.of_pool(change.tx, pool_id) is not None
    taken = member_rules.places(change.tx, pool_id) if rows else set()
    subnets: set[str | None] = set()  # that have been checked
    common = {"pool_id": pool_id, "operating_status": "OFFLINE" if has_monitor else "NO_MONITOR"}

    for row in rows:
        if row.pop("request_sriov"):
            placement.check_member_sriov(change.tx, change.loadbalancer.flavor_id)
            row["vnic_type"] = "direct"
        member_rules.take(taken, row)
        if row["subnet_id"] not in subnets:
            check_subnet(change, who, row["subnet_id"])
            subnets.add(row["subnet_id"])
        row |= common
    change.insert_all(MEMBER, rows)
    change.touch_pool(pool_id)


def adopt_members(change: Change, who: Context, members: Sequence[Values]) -> None:
    """Do for members of a new pool that have been inserted before it what create_members does beside inserting."""
    for subnet_id in dict.fromkeys(each["subnet_id"] for each in members):
        check_subnet(change, who, subnet_id)
    change.adopt_all(MEMBER, members)


def check_subnet(change: Change, who: Context, subnet_id: str | None) -> None:
    if subnet_id and not network(change.services).subnet_exists(change.tx, subnet_id, who):
        raise BadRequest(f"Subnet {subnet_id} not found.")


def create_healthmonitor(change: Change, who: Context, values: Values) -> Record:
    pool = change.row(TABLES["pool"], values["pool_id"])
    healthmonitor_rules.check_is_first(change.tx, pool.id)
    healthmonitor_rules.check(values, pool.protocol)
    change.touch_pool(pool.id)
    return change.insert(HEALTHMONITOR, healthmonitor_rules.with_defaults(values))


def create_l7policy(change: Change, who: Context, values: Values, last: int | None = None) -> Record:
    """Create a policy at its position; as the last one if the number of all is given, which leaves the others alone."""
    listener = change.row(LISTENERS, values["listener_id"])
    listener_rules.check_has_children(listener.protocol)
    if values["redirect_pool_id"]:  # it has to exist even if the action ignores it
        pool = pool_rules.of_project(change.tx, change.loadbalancer.project_id, values["redirect_pool_id"])
        listener_rules.check_pool_fits(listener.protocol, pool)
    values = l7policy_rules.complete(values, None)
    if values["redirect_pool_id"]:
        pool_rules.of(change.tx, change.loadbalancer, values["redirect_pool_id"])
    row = change.insert(L7POLICY, {**values, "position": last or values["position"]})
    if last is None:
        l7policy_rules.move(change.tx, listener.id, row.id, values["position"])
    change.touch(LISTENERS, [listener.id])
    return change.row(TABLES["l7policy"], row.id)


def check_redirect_pool(change: Change, listener: ListenerRecord, pool_id: str | None) -> None:
    if pool_id:
        pool = pool_rules.of(change.tx, change.loadbalancer, pool_id)
        listener_rules.check_pool_fits(listener.protocol, pool)


def create_l7rule(change: Change, who: Context, values: Values) -> Record:
    l7rule_rules.check(values)
    l7rule_rules.check_count(change.tx, values["l7policy_id"])
    touch_policy(change, values["l7policy_id"])
    return change.insert(L7RULE, values)


def touch_policy(change: Change, l7policy_id: str) -> None:
    """Mark a policy and its listener PENDING_UPDATE."""
    policies = TABLES["l7policy"]
    change.touch(policies, [l7policy_id])
    change.touch(LISTENERS, [change.row(policies, l7policy_id).listener_id])


CREATE: dict[str, Callable[[Change, Context, Values], Record]] = {
    LISTENER.name: create_listener,
    POOL.name: create_pool,
    MEMBER.name: create_member,
    HEALTHMONITOR.name: create_healthmonitor,
    L7POLICY.name: create_l7policy,
    L7RULE.name: create_l7rule,
}
