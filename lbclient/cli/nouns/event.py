"""The commands of load balancers' events."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from ...client.errors import WrongUsage
from ...client.rest import Json
from ...resources import EVENT, Cli
from ...resources.event import ALL_PATH
from .. import options, verbs
from ..output import screen

MORE_COLUMNS = ("loadbalancer_name", "loadbalancer_id", "attributes", "user_id", "id")
FOLLOWED_FORMATS = ("table", "json")


class ListEvent(verbs.List):
    """List what happened to load balancers, the newest first: changes, how they were applied, changes of statuses.

    Only lbclient's own server tells this. With --follow, each event is shown as it happens: a change when it was
    made, and again when it has been applied.
    """

    resource = EVENT
    examples = ("lb1", "--action observe --long lb1", "--follow")

    def add_parent(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "parent",
            metavar="<loadbalancer>",
            nargs="?",
            help="The load balancer (name or ID). Default: all that one may see.",
        )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--long", action="store_true", help="Show more columns.")
        parser.add_argument(
            "--follow", action="store_true", help="Show events as they happen, until Ctrl-C; -f json for JSON lines."
        )

    def columns(self, parsed: argparse.Namespace) -> Sequence[str]:
        return (*EVENT.columns, *MORE_COLUMNS) if parsed.long else EVENT.columns

    def take_action(self, parsed: argparse.Namespace) -> verbs.Shown:
        if not parsed.follow:
            return super().take_action(parsed)
        if parsed.formatter not in FOLLOWED_FORMATS:
            raise WrongUsage(f"-f {parsed.formatter} is not possible with --follow: table or json.")
        return EVENT.columns, self.tried(lambda: self._follow(parsed))

    def produce_output(self, parsed: argparse.Namespace, names: Sequence[str], data: Iterable[Sequence[Any]]) -> int:
        if not parsed.follow:
            return super().produce_output(parsed, names, data)
        out: Any = self.app.stdout
        is_coloured = screen.is_coloured(out)
        found: Iterable[Any] = data
        for event in found:
            line = json.dumps(event) if parsed.formatter == "json" else _line(event, is_coloured)
            out.write(f"{line}\n")
            out.flush()
        return 0

    def _list(self, parsed: argparse.Namespace) -> list[Json]:
        if parsed.parent:
            return super()._list(parsed)
        filters = options.values(EVENT, Cli.LIST, parsed, self.names)
        return list(self.services.api.rest.pages(ALL_PATH, EVENT.collection, filters))

    def _follow(self, parsed: argparse.Namespace) -> Iterator[Json]:
        path = EVENT.path.format(**self.parents(parsed)) if parsed.parent else ALL_PATH
        filters = options.values(EVENT, Cli.LIST, parsed, self.names)
        return self.services.api.rest.follow(path, filters)


def _line(event: Json, is_coloured: bool) -> str:
    """Return one event as one line, without characters that control a terminal."""
    words = [event["created_at"].partition("T")[2], event["loadbalancer_name"] or event["loadbalancer_id"]]
    words.append(f"{event['action']} {event['resource']}")
    if event["resource"] != "loadbalancer":
        words.append(event["resource_name"] or event["resource_id"])
    line = screen.clean("  ".join(words))
    return f"{line}  {_outcome(event, is_coloured)}".rstrip()


def _outcome(event: Json, is_coloured: bool) -> str:
    if event["status"]:
        found = screen.paint(event["status"], screen.colour_of(event["status"]), is_coloured)
    elif event["how"]:
        took = f" in {event['milliseconds']} ms" if event["milliseconds"] is not None else ""
        found = screen.paint(event["how"], "red" if event["how"] == "refused" else "green", is_coloured) + took
    else:
        found = screen.clean(f"by {event['user_name'] or event['user_id']}") if event["user_id"] else ""
    return f"{found}  {screen.clean(event['reason'])}" if event["reason"] else found
