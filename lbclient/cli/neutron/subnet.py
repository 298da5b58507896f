"""The commands of subnets."""

from __future__ import annotations

from . import views


class ListSubnet(views.ListThings):
    """List subnets."""

    thing = views.SUBNET
    examples = ("--name private-subnet -f value -c ID",)
    filters = (
        ("name", "name", "Only subnets of this name.", None),
        ("network", "network_id", "Only subnets of this network (name or ID).", "network"),
        ("ip-version", "ip_version", "Only subnets of this IP version: 4 or 6.", None),
        ("subnet-range", "cidr", "Only subnets of this range, as CIDR.", None),
        ("gateway", "gateway_ip", "Only subnets with this gateway.", None),
        ("project", "project_id", "Only subnets of this project (name or ID).", "project"),
    )


class ShowSubnet(views.ShowThing):
    """Show a subnet."""

    thing = views.SUBNET
    examples = ("private-subnet",)
