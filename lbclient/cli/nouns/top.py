"""The command top, which shows live traffic of load balancers."""

from __future__ import annotations

import argparse
import gc
import sys
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from typing import Any

from ...client import errors
from ...client.rest import Json
from ...resources import LOADBALANCER
from .. import verbs
from ..command import positive_seconds
from ..output.watching import page
from ..output.watching.page import Order
from ..output.watching.rates import Watch

INTERVAL = 2.0  # seconds between two refreshes


class TopLoadBalancer(verbs.Verb):
    """Show the traffic, the errors and the health of load balancers, live.

    On a terminal it is a full screen: q ends it, s changes the order. In a pipe, and with --batch, it is plain lines.
    """

    resource = LOADBALANCER
    examples = ("", "lb1 --interval 1", "--batch --count 10")

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        self.add_target(parser, nargs="*", help="The load balancers (names or IDs; all), with their parts.")
        parser.add_argument(
            "--interval", metavar="<seconds>", type=positive_seconds, default=INTERVAL, help="How often to look (2)."
        )
        parser.add_argument("--count", metavar="<number>", type=_positive, help="End after so many looks.")
        parser.add_argument("--batch", action="store_true", help="Print lines, for a pipe or a file.")
        parser.add_argument("--sort", choices=page.SORTS, default=page.SORTS[0], help="The first order (connections).")

    def take_action(self, parsed: argparse.Namespace) -> None:
        gc.enable()  # the command may run for a long time
        watch = Watch(self.services.api, self._selection(parsed), is_detailed=bool(parsed.target))
        order = Order(parsed.sort)
        out: Any = self.app.stdout
        if parsed.batch or not (out.isatty() and sys.stdin.isatty()):
            return self._batch(watch, order, parsed)
        from ..output.watching import full

        full.run(watch, parsed.interval, order, parsed.count)

    def _selection(self, parsed: argparse.Namespace) -> Callable[[], Sequence[Json]]:
        """Return a function that returns the load balancers to show: the named ones, or all at that time."""
        api = self.services.api
        if not parsed.target:
            return lambda: list(api.list(LOADBALANCER))
        ids = [self.record(self.id(word, {}), {})["id"] for word in parsed.target]
        return lambda: [balancer for id_ in ids for balancer in api.list(LOADBALANCER, filters={"id": id_})]

    def _batch(self, watch: Watch, order: Order, parsed: argparse.Namespace) -> None:
        out: Any = self.app.stdout
        out.write(f"{page.batch_heading()}\n")
        watch.look()
        number = 0
        while parsed.count is None or number < parsed.count:
            out.flush()
            time.sleep(parsed.interval)
            try:
                lines = watch.look()
            except (errors.Unreachable, errors.ServerFailed) as error:
                self.app.LOG.error("%s", error)
                lines = []
            moment = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S")
            for line in page.flat(order.sorted(lines)):
                if line.rates:  # only objects that have counters
                    out.write(f"{page.batch_row(line, moment)}\n")
            number += 1


def _positive(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number above 0")
    return int(text)
