"""The commands of the testing API: faults, paces, members, snapshots and recorded requests.

They use the server of the load-balancer API, which must run with --testing.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any
from urllib.parse import quote

from ...client.errors import Failed, NotFound
from ...client.names import Names
from ...client.services import Services
from ...resources.testing import (
    FAULT,
    PACE,
    PRESETS,
    RECORDED_REQUEST,
    SCALE_MAXIMUM,
    SNAPSHOT,
    SNAPSHOT_NAME,
    SNAPSHOT_NAMES,
)
from .. import verbs
from ..command import Command, Lister
from ..output import columns

MOUNTED_AT = re.compile(r"(/load-balancer)?(/v[0-9.]+)?/?$")
HEALTH = ("ONLINE", "ERROR", "OFFLINE", "DRAINING", "NO_MONITOR")


def _factor(text: str) -> float:
    try:
        factor = float(text)
    except ValueError:
        factor = 0.0
    if not 0 < factor <= SCALE_MAXIMUM:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number above 0, up to {SCALE_MAXIMUM:g}")
    return factor


def _snapshot(text: str) -> str:
    if not re.fullmatch(SNAPSHOT_NAME, text):
        raise argparse.ArgumentTypeError(f"'{text}' is not a name of {SNAPSHOT_NAMES}")
    return text


class _Testing(Command):
    """A command that speaks to the testing API."""

    @cached_property
    def cloud(self) -> Services:
        """Return the services of the cloud itself."""
        return super().connect()

    def connect(self) -> Services:
        """Return the cloud's services, with the testing API in place of the load-balancer API."""
        root = MOUNTED_AT.sub("", self.cloud.loadbalancer.base)
        return replace(self.cloud, endpoints={**self.cloud.endpoints, "load-balancer": f"{root}/testing/v1"})

    def run(self, parsed_args: argparse.Namespace) -> int:
        """Run the command and return its exit status. Raises Failed if the server has no testing API."""
        try:
            return super().run(parsed_args)
        except NotFound:
            testing = self.services.loadbalancer
            try:
                testing.get("")
            except NotFound:
                reason = f"There is no testing API at {testing.base}: lbclient server --testing offers it."
                raise Failed(reason) from None
            raise

    @cached_property
    def names(self) -> Names:
        return Names(self.cloud)


class CreateFault(_Testing, verbs.Create):
    """Make matching requests fail: with a status, late, or with the connection closed.

    The first fault that strikes decides; delays add up until then. Answers that a fault gave carry its ID in the header
    X-Lbclient-Fault.
    """

    resource = FAULT
    examples = (
        "--resource loadbalancer --operation create --status 503 --retry-after 2 --times 3",
        "--method POST --drop after --times 1",
        "--service network --delay 1.5 --delay-sigma 0.5 --seed 7",
    )


class ListFault(_Testing, verbs.List):
    """List the faults that are set, with how often each has struck."""

    resource = FAULT
    examples = ("",)


class ShowFault(_Testing, verbs.Show):
    """Show a fault."""

    resource = FAULT
    examples = ("7c4e248f-b820-40bd-84ae-947aba6b31d6",)


class DeleteFault(_Testing, verbs.Delete):
    """Delete faults."""

    resource = FAULT
    examples = ("7c4e248f-b820-40bd-84ae-947aba6b31d6",)


class CreatePace(_Testing, verbs.Create):
    """Make changes of load balancers stay PENDING: for a time, for a number of GETs, or until they are released.

    With the outcome ERROR the change fails, and the load balancer stays in ERROR until it is changed again.
    """

    resource = PACE
    examples = (
        "--resource loadbalancer --operation create --seconds 3",
        "--operation delete --manual",
        "--resource member --outcome ERROR --reason 'no route to host' --times 1",
    )


class PresetPace(_Testing, Lister):
    """Set several paces at once: octavia takes as long as Octavia with amphorae does."""

    examples = ("octavia --scale 0.1",)

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("preset", metavar="<preset>", choices=sorted(PRESETS), help=f"One of {', '.join(PRESETS)}.")
        parser.add_argument(
            "--scale",
            metavar="<factor>",
            type=_factor,
            default=1.0,
            help="What all times are multiplied by. Default: 1.",
        )

    def take_action(self, parsed: argparse.Namespace) -> Any:
        body = {PACE.key: {"preset": parsed.preset, "scale": parsed.scale}}
        made = self.services.loadbalancer.post(PACE.path, body)[PACE.collection]
        return PACE.columns, [columns.row(PACE, PACE.columns, each, parsed.formatter) for each in made]


class ListPace(_Testing, verbs.List):
    """List the paces that are set, with how many changes each has held back."""

    resource = PACE
    examples = ("",)


class ShowPace(_Testing, verbs.Show):
    """Show a pace."""

    resource = PACE
    examples = ("7c4e248f-b820-40bd-84ae-947aba6b31d6",)


class DeletePace(_Testing, verbs.Delete):
    """Delete paces, and release what they hold back."""

    resource = PACE
    examples = ("7c4e248f-b820-40bd-84ae-947aba6b31d6",)


class ReleasePace(_Testing):
    """Let changes that are held back take effect now: those of a load balancer, or all."""

    examples = ("lb1", "")

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "loadbalancer", metavar="<loadbalancer>", nargs="?", help="The load balancer (name or ID). Default: all."
        )

    def take_action(self, parsed: argparse.Namespace) -> None:
        word = parsed.loadbalancer
        body = {"release": {"loadbalancer_id": self.names.id("loadbalancer", word) if word else None}}
        self.services.loadbalancer.post("/release", body)


class SetMemberHealth(_Testing):
    """Have a member of a no-op provider report an operating status.

    A member that carries real traffic fails when its server does: stop that instead.
    """

    examples = ("pool1 member1 ERROR", "pool1 member1 --recover")

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("pool", metavar="<pool>", help="The pool of the member (name or ID).")
        parser.add_argument("member", metavar="<member>", help="The member (name or ID).")
        status = parser.add_mutually_exclusive_group(required=True)
        status.add_argument(
            "status", metavar="<status>", nargs="?", choices=HEALTH, help=f"One of {', '.join(HEALTH)}."
        )
        status.add_argument("--recover", action="store_true", help="Report what would be reported otherwise.")

    def take_action(self, parsed: argparse.Namespace) -> None:
        pool_id = self.names.id("pool", parsed.pool)
        member_id = self.names.id("member", parsed.member, {"pool_id": pool_id})
        body = {"member": {"operating_status": None if parsed.recover else parsed.status}}
        self.services.loadbalancer.put(f"/members/{member_id}", body)


class KillAmphora(_Testing):
    """Kill the HAProxy of an amphora, as a crash would."""

    examples = ("7c4e248f-b820-40bd-84ae-947aba6b31d6",)

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("amphora", metavar="<amphora>", help="The amphora (ID).")

    def take_action(self, parsed: argparse.Namespace) -> None:
        answer = self.services.loadbalancer.post(f"/amphorae/{quote(parsed.amphora, safe='')}/kill", {})
        if not answer["amphora"]["killed"]:
            verbs.LOG.warning("Amphora %s has no running process: nothing was killed.", parsed.amphora)


class ListRequest(_Testing, verbs.List):
    """List the last thousand requests to the server, the oldest first; secrets are left out."""

    resource = RECORDED_REQUEST
    examples = ("--status 503", "--path '*/listeners' --long")

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--long", action="store_true", help="Show the bodies, too.")

    def columns(self, parsed: argparse.Namespace) -> Sequence[str]:
        return RECORDED_REQUEST.rows if parsed.long else RECORDED_REQUEST.columns


class Reset(_Testing):
    """Restore the state of the server's first start, or that of a snapshot.

    Faults, paces and recorded requests are removed as well.
    """

    examples = ("", "--snapshot before")

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "--snapshot",
            metavar="<snapshot>",
            type=_snapshot,
            help="The snapshot to restore. Default: the state of the first start.",
        )

    def take_action(self, parsed: argparse.Namespace) -> None:
        self.services.loadbalancer.post("/reset", {"reset": {"snapshot": parsed.snapshot} if parsed.snapshot else {}})


class _Snapshot(_Testing):
    """A command about one snapshot."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("snapshot", metavar="<snapshot>", type=_snapshot, help="The name of the snapshot.")


class SaveSnapshot(_Snapshot):
    """Save everything that the server has under a name."""

    examples = ("before",)

    def take_action(self, parsed: argparse.Namespace) -> None:
        self.services.loadbalancer.put(f"{SNAPSHOT.path}/{parsed.snapshot}")


class RestoreSnapshot(_Snapshot):
    """Bring back what was saved; what runs follows."""

    examples = ("before",)

    def take_action(self, parsed: argparse.Namespace) -> None:
        self.services.loadbalancer.post(f"{SNAPSHOT.path}/{parsed.snapshot}/restore", {})


class DeleteSnapshot(_Snapshot):
    """Delete a snapshot."""

    examples = ("before",)

    def take_action(self, parsed: argparse.Namespace) -> None:
        self.services.loadbalancer.delete(f"{SNAPSHOT.path}/{parsed.snapshot}")


class ListSnapshot(_Testing, verbs.List):
    """List the snapshots."""

    resource = SNAPSHOT
    examples = ("",)
