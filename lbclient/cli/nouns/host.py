"""The commands of hosts, which run load balancers; only lbclient's server has them."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from ...client.rest import Json
from ...resources import HOST
from .. import verbs
from ..command import ShowOne


class ListHosts(verbs.List):
    """List hosts: what operators want of them, whether they are heard, and how many load balancers they have."""

    resource = HOST
    examples = ("", "--state DRAINING")


class ShowHost(verbs.Show):
    """Show a host: what operators want of it, what its agent has said, and what is wrong with it."""

    resource = HOST
    examples = ("host1",)


class EnrollHost(verbs.Verb, ShowOne):
    """Add a host, or prepare a known one for a new certificate, and show the token for its agent.

    The token works once, for an hour: lbclient agent enroll makes a key on the host and gets a certificate for it. The
    certificate that a known host has is accepted until then.
    """

    resource = HOST
    target = "name"
    examples = ("host1", "host1 -f value -c token")

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("host", metavar="<name>", help="The name of the host.")

    def take_action(self, parsed: argparse.Namespace) -> tuple[Sequence[str], Sequence[Any]]:
        api = self.services.api
        known = list(api.list(HOST, filters={"name": parsed.host}))
        host = known[0] if known else api.create(HOST, {"name": parsed.host})
        made = api.enroll(host["id"])
        return ("id", "name", "token", "expires_at"), (host["id"], host["name"], made["token"], made["expires_at"])


class SetHost(verbs.Set):
    """Change a host: its share of new load balancers, its zone, or whether it is dead.

    Say that a host is dead only if it is off, or cut from the network: others then take over its addresses at once.
    """

    resource = HOST
    examples = ("--weight 50 host1", "--zone east host1", "--dead host1", "--alive host1")

    def add_changes(self, parser: argparse.ArgumentParser) -> None:
        super().add_changes(parser)
        life = parser.add_mutually_exclusive_group()
        for flag, state, words in (
            ("--dead", "DEAD", "It is off: start its load balancers on other hosts."),
            ("--alive", "UP", "It is in use again."),
        ):
            life.add_argument(flag, dest="state", action="store_const", const=state, help=words)

    def changes(self, parsed: argparse.Namespace) -> Json:
        values = super().changes(parsed)
        return {**values, "state": parsed.state} if parsed.state else values


class _SetState(verbs.Set):
    resource = HOST
    state: str

    def add_changes(self, parser: argparse.ArgumentParser) -> None:
        """Add nothing: the command itself says what changes."""

    def changes(self, parsed: argparse.Namespace) -> Json:
        return {"state": self.state}


class DrainHost(_SetState):
    """Move the load balancers of a host to others, and give it no new ones.

    Each ends there before it starts elsewhere: its connections end, and new ones are refused for a moment.
    """

    state = "DRAINING"
    examples = ("host1",)


class UndrainHost(_SetState):
    """Let a host have load balancers again; those that have left do not come back by themselves."""

    state = "UP"
    examples = ("host1",)


class RemoveHost(verbs.Delete):
    """Remove hosts that have no load balancers any more; their agents are not served from then on."""

    resource = HOST
    examples = ("host1",)
