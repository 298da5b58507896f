"""The commands of a load balancer's events."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from ...resources import EVENT
from .. import verbs

MORE_COLUMNS = ("attributes", "user_id", "id")


class ListEvent(verbs.List):
    """List what happened to a load balancer, the newest first: changes, how they were applied, changes of its status.

    Only lbclient's own server tells this.
    """

    resource = EVENT
    examples = ("lb1", "--action observe --long lb1")

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--long", action="store_true", help="Show more columns.")

    def columns(self, parsed: argparse.Namespace) -> Sequence[str]:
        return (*EVENT.columns, *MORE_COLUMNS) if parsed.long else EVENT.columns
