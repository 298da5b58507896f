"""The commands apply and diff: make load balancers match a file, or show the differences."""

from __future__ import annotations

import argparse
import json
import logging
import sys
from pathlib import Path
from typing import Any

from ...client import errors, wait
from ...resources import LOADBALANCER
from .. import confirm
from ..command import Command, positive_seconds
from ..output import screen
from . import document, plan
from .document import Mistakes
from .execute import carry_out
from .plan import Plan
from .planner import Planner

LOG = logging.getLogger(__name__)

DRIFT = 2  # exit status
STDIN = "-"
FORMATS = ("text", "json")


class _Declaring(Command):
    """A command about load balancers that a file declares."""

    resource = LOADBALANCER

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("files", metavar="<file>", nargs="*", help="A YAML file; - reads from stdin.")
        parser.add_argument(
            "--file", dest="more_files", metavar="<file>", action="append", default=[], help="The same as <file>."
        )
        parser.add_argument("--prune", action="store_true", help="Remove what the sections of the file do not name.")
        parser.add_argument(
            "-f",
            "--format",
            type=_format,
            choices=FORMATS,
            default=FORMATS[0],
            help="How differences are shown (text).",
        )

    def plans(self, parsed: argparse.Namespace) -> list[Plan]:
        """Return the plan of each load balancer in the files. Prints all mistakes, then raises WrongInput."""
        sources = [*parsed.files, *parsed.more_files]
        if not sources:
            raise errors.WrongUsage("No file is given; - is standard input.")
        planner = Planner(self.names, parsed.prune)
        failed: list[str] = []
        found = []
        for source in sources:
            try:
                declared = document.read(*_content(source))
                found += [planner.plan(balancer) for balancer in declared]
            except Mistakes as mistakes:
                for line in mistakes.lines:
                    LOG.error("%s", line)
                failed.append(str(mistakes))
        if failed:
            raise errors.WrongInput(" ".join(failed))
        return found

    def show(self, plans: list[Plan], parsed: argparse.Namespace) -> None:
        out: Any = self.app.stdout
        write = out.write
        if parsed.format == "json":
            write(f"{json.dumps([plan.data(one) for one in plans], indent=4)}\n")
            return
        for one in plans:
            for line in plan.text(one):
                colour = plan.COLOURS.get(line.split()[0], "")
                for piece in screen.wrapped(screen.clean(line), out):
                    write(f"{screen.paint(piece, colour, screen.is_coloured(out))}\n")
        write(f"{plan.summary(plans)}\n")


class ApplyLoadBalancer(_Declaring):
    """Make load balancers match a file.

    What does not exist is created, what differs is changed; what is as the file says is not touched. Fields and
    sections that the file does not have are left alone.
    """

    examples = ("lb.yaml", "--dry-run lb.yaml", "--prune --yes lb.yaml")

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--dry-run", action="store_true", help="Show what would be done, and do nothing.")
        parser.add_argument("-y", "--yes", action="store_true", help="Do not ask before anything is removed.")
        parser.add_argument(
            "--timeout",
            metavar="<seconds>",
            type=positive_seconds,
            default=wait.TIMEOUT,
            help="How long one step may take (300).",
        )

    def take_action(self, parsed: argparse.Namespace) -> int | None:
        plans = self.plans(parsed)
        self.show(plans, parsed)
        if parsed.dry_run:
            return None
        removed = sum(one.count(plan.DELETE) for one in plans)
        if removed and not parsed.yes and confirm.asked(f"Remove {removed} object{'s' * (removed > 1)}?") is False:
            return confirm.DECLINED
        failed = []
        for one in plans:
            try:
                self._carry_out(one, parsed)
            except errors.Error as error:
                if len(plans) == 1:
                    raise
                self.progress.clear()
                LOG.error("%s: %s", one.name, error)
                failed.append(one.name)
        if parsed.format == "text" and any(one.steps for one in plans) and not failed:
            self.app.stdout.write("Applied.\n")
        if failed:
            raise errors.Failed(f"{len(failed)} of {len(plans)} could not be applied: {', '.join(failed)}.")
        return None

    def _carry_out(self, one: Plan, parsed: argparse.Namespace) -> None:
        def deadline() -> wait.Deadline:
            return wait.Deadline(parsed.timeout, self.progress if self.progress.is_shown else None)

        carry_out(self.services.api, one, deadline, self.progress.show)
        self.progress.clear()


class DiffLoadBalancer(_Declaring):
    """Show how load balancers differ from a file.

    The exit status is 0 where nothing differs, 2 where something does, and 1 after an error.
    """

    examples = ("lb.yaml", "--prune -f json lb.yaml")

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        super().add_arguments(parser)

        def leave(status: int = 0, message: str | None = None) -> Any:
            if message:
                sys.stderr.write(message)
            raise SystemExit(1 if status else 0)

        parser.exit = leave  # type: ignore[method-assign]  # argparse exits with 2, which means "different" here

    def take_action(self, parsed: argparse.Namespace) -> int:
        try:
            plans = self.plans(parsed)
        except errors.WrongUsage as error:  # its exit status 2 means "different" here
            raise errors.WrongInput(str(error)) from error
        self.show(plans, parsed)
        return DRIFT if any(one.steps for one in plans) else 0


def _format(word: str) -> str:
    if word not in FORMATS:
        raise argparse.ArgumentTypeError(f"'{word}' is not {' or '.join(FORMATS)}; a file stands by itself, without -f")
    return word


def _content(source: str) -> tuple[str, bytes]:
    """Return the name of a file for messages, and its content."""
    try:
        return ("stdin", sys.stdin.buffer.read()) if source == STDIN else (source, Path(source).read_bytes())
    except OSError as error:
        raise errors.WrongInput(f"{source} cannot be read: {error.strerror}.") from error
