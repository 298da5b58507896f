"""The amphora: what carries the traffic of a load balancer, here an HAProxy of its own."""

from __future__ import annotations

from . import shared
from .fields import NONE, READ, Cli, Field, Resource, Type

ROLES = ("STANDALONE", "MASTER", "BACKUP")
STATUSES = (
    "ALLOCATED",
    "BOOTING",
    "DELETED",
    "ERROR",
    "FAILOVER_STOPPED",
    "PENDING_CREATE",
    "PENDING_DELETE",
    "READY",
)


def _fact(name: str, kind: Type, help: str, *, cli: Cli = NONE, since: int = 0) -> Field:
    return Field(name, kind, help, api=READ, cli=cli, since=since)


AMPHORA = Resource(
    name="amphora",
    title="Amphora",
    key="amphora",
    collection="amphorae",
    path="/octavia/amphorae",
    argument="amphora-id",
    named=False,
    fields=(
        shared.ID,
        Field(
            "loadbalancer_id",
            Type.UUID,
            "The load balancer that it works for (name or ID).",
            api=READ,
            cli=Cli.LIST,
            flag="loadbalancer",
            refers="loadbalancer",
            always=True,
        ),
        _fact("compute_id", Type.UUID, "The host that it runs on; none for the server's own.", cli=Cli.LIST),
        _fact("lb_network_ip", Type.ADDRESS, "Its address in a network for management, where there is one."),
        _fact("vrrp_ip", Type.ADDRESS, "Its own address in the network of the VIP."),
        _fact("ha_ip", Type.ADDRESS, "The VIP."),
        _fact("vrrp_port_id", Type.UUID, "The port of its own address."),
        _fact("ha_port_id", Type.UUID, "The port of the VIP."),
        _fact("cert_expiration", Type.TIME, "When the certificate for its management ends (UTC)."),
        _fact("cert_busy", Type.BOOLEAN, "Whether that certificate is being replaced."),
        Field("role", Type.CHOICE, "Its part among those of its load balancer.", api=READ, cli=Cli.LIST, choices=ROLES),
        Field(
            "status",
            Type.CHOICE,
            "How it is.",
            api=READ,
            cli=Cli.LIST,
            choices=STATUSES,
            flag="provisioning-status",
            aliases=("status",),
        ),
        _fact("vrrp_interface", Type.STRING, "The network interface of its own address."),
        _fact("vrrp_id", Type.INTEGER, "The number of its VRRP group."),
        _fact("vrrp_priority", Type.INTEGER, "Its priority in that group."),
        _fact("cached_zone", Type.STRING, "The compute zone that its availability zone stands for."),
        shared.CREATED_AT,
        shared.UPDATED_AT,
        _fact("image_id", Type.UUID, "The image that it was made of.", cli=Cli.LIST, since=1),
        _fact("compute_flavor", Type.STRING, "The compute flavor that its flavor stands for.", since=3),
    ),
    columns=("id", "loadbalancer_id", "status", "role", "lb_network_ip", "ha_ip"),
    rows=(
        "id",
        "loadbalancer_id",
        "compute_id",
        "lb_network_ip",
        "vrrp_ip",
        "ha_ip",
        "vrrp_port_id",
        "ha_port_id",
        "cert_expiration",
        "cert_busy",
        "role",
        "status",
        "vrrp_interface",
        "vrrp_id",
        "vrrp_priority",
        "cached_zone",
        "created_at",
        "updated_at",
        "image_id",
        "compute_flavor",
    ),
)
