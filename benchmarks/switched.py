"""A server that has an application with the testing API and one without: `benchmarks/switched.py --testing ...`.

A request with the header "X-Way: plain" is handled by the one without, as by a server without --testing.
Takes the options of `lbclient server`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from lbclient.server import app, main
from lbclient.server.services import Services

build = app.build


class Switch:
    """The WSGI application of the server."""

    def __init__(self, services: Services) -> None:
        self._tested, self._plain = build(services), build(replace(services, testing=None))

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        application = self._plain if environ.get("HTTP_X_WAY") == "plain" else self._tested
        found: Iterable[bytes] = application(environ, start_response)
        return found


if __name__ == "__main__":
    app.build = Switch
    sys.exit(main.main())
