"""The commands of floating IPs."""

from __future__ import annotations

import argparse
import functools
import logging

from ...client import errors
from ...client.rest import Json
from . import views

LOG = logging.getLogger(__name__)

TARGET = "<floating-ip>"
TARGET_HELP = "The floating IP (IP address or ID)."

# Option, attribute, help, kind of the object that it names.
CREATED = (
    ("subnet", "subnet_id", "The subnet to take it from (name or ID).", "subnet"),
    ("port", "port_id", "The port that it leads to, say a load balancer's vip_port_id (name or ID).", "port"),
    ("floating-ip-address", "floating_ip_address", "The IP address (one that is free).", None),
    ("fixed-ip-address", "fixed_ip_address", "The address of the port, if it has several.", None),
    ("qos-policy", "qos_policy_id", "The QoS policy (name or ID).", "qos_policy"),
    ("description", "description", "A description.", None),
    ("project", "project_id", "The project that owns it (name or ID).", "project"),
    ("dns-domain", "dns_domain", "The DNS domain.", None),
    ("dns-name", "dns_name", "The DNS name.", None),
)
CHANGED = tuple(option for option in CREATED if option[0] in ("port", "fixed-ip-address", "description", "qos-policy"))


class CreateFloatingIp(views.ShowThing):
    """Create a floating IP: an address of an external network."""

    thing = views.FLOATING_IP
    examples = ("public-net", "--port ae5e8208-8839-48fa-b141-66d2c12e9409 public-net")

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("network", metavar="<network>", help="The external network (name or ID).")
        for flag, name, words, _ in CREATED:
            parser.add_argument(f"--{flag}", dest=name, metavar=f"<{flag}>", help=words)

    def take_action(self, parsed: argparse.Namespace) -> views.Shown:
        return self.shown(self.tried(lambda: self._create(parsed)), parsed)

    def _create(self, parsed: argparse.Namespace) -> Json:
        values = {"floating_network_id": self.names.id("network", parsed.network)}
        for _, name, _, refers in CREATED:
            value = getattr(parsed, name)
            if value is not None:
                values[name] = self.names.id(refers, value) if refers else value
        return self.one(self.services.network.post(self.kind.path, {self.key: values}))


class ListFloatingIp(views.ListThings):
    """List floating IPs."""

    thing = views.FLOATING_IP
    examples = ("--status ACTIVE",)
    filters = (
        ("network", "floating_network_id", "Only those of this network (name or ID).", "network"),
        ("port", "port_id", "Only those that lead to this port (name or ID).", "port"),
        ("floating-ip-address", "floating_ip_address", "Only the one with this address.", None),
        ("fixed-ip-address", "fixed_ip_address", "Only those that lead to this address.", None),
        ("status", "status", "Only those of this status: ACTIVE or DOWN.", None),
        ("router", "router_id", "Only those of this router (name or ID).", "router"),
        ("project", "project_id", "Only those of this project (name or ID).", "project"),
    )


class ShowFloatingIp(views.ShowThing):
    """Show a floating IP."""

    thing = views.FLOATING_IP
    examples = ("203.0.113.10",)


class _ChangeFloatingIp(views.NetworkCommand):
    thing = views.FLOATING_IP

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("target", metavar=TARGET, help=TARGET_HELP)

    def changes(self, parsed: argparse.Namespace) -> Json:
        raise NotImplementedError

    def take_action(self, parsed: argparse.Namespace) -> None:
        self.tried(lambda: self._change(parsed))

    def _change(self, parsed: argparse.Namespace) -> None:
        values = self.changes(parsed)
        if not values:
            LOG.warning("Nothing to change: no option says what.")
            return
        id_ = self.names.id(self.thing.kind, parsed.target)
        self.services.network.put(self.path(id_), {self.key: values})


class SetFloatingIp(_ChangeFloatingIp):
    """Associate a floating IP with a port, or change its other settings."""

    examples = ("--port ae5e8208-8839-48fa-b141-66d2c12e9409 203.0.113.10",)

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        super().add_arguments(parser)
        policy = parser.add_mutually_exclusive_group()
        for flag, name, words, _ in CHANGED:
            group = policy if flag == "qos-policy" else parser
            group.add_argument(f"--{flag}", dest=name, metavar=f"<{flag}>", help=words)
        policy.add_argument("--no-qos-policy", action="store_true", help="Remove the QoS policy.")

    def changes(self, parsed: argparse.Namespace) -> Json:
        values: Json = {"qos_policy_id": None} if parsed.no_qos_policy else {}
        for _, name, _, refers in CHANGED:
            value = getattr(parsed, name)
            if value is not None:
                values[name] = self.names.id(refers, value) if refers else value
        return values


class UnsetFloatingIp(_ChangeFloatingIp):
    """Disassociate a floating IP from its port, or clear its other settings."""

    examples = ("--port 203.0.113.10",)

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--port", dest="port_id", action="store_true", help="Let it lead to no port.")
        parser.add_argument("--qos-policy", dest="qos_policy_id", action="store_true", help="Remove the QoS policy.")

    def changes(self, parsed: argparse.Namespace) -> Json:
        return {name: None for name in ("port_id", "qos_policy_id") if getattr(parsed, name)}


class DeleteFloatingIp(views.NetworkCommand):
    """Delete floating IPs."""

    thing = views.FLOATING_IP
    examples = ("203.0.113.10",)

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("target", metavar=TARGET, nargs="+", help="What to delete (IP addresses or IDs).")

    def take_action(self, parsed: argparse.Namespace) -> None:
        failed = []
        for word in parsed.target:
            try:
                self.tried(functools.partial(self._delete, word))
            except errors.Error as error:
                if len(parsed.target) == 1:
                    raise
                LOG.error("%s: %s", word, error)
                failed.append(word)
        if failed:
            raise errors.Failed(f"{len(failed)} of {len(parsed.target)} could not be deleted: {', '.join(failed)}.")

    def _delete(self, word: str) -> None:
        self.services.network.delete(self.path(self.names.id(self.thing.kind, word)))
