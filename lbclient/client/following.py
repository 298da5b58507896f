"""Follow a stream of server-sent events, across broken connections and restarts of the server."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from . import errors

if TYPE_CHECKING:
    from keystoneauth1.session import Session

SILENCE = 40.0  # seconds without a heartbeat until the connection is considered broken
PAUSE = 0.5  # seconds between two attempts to connect
PATIENCE = 60.0  # seconds during which to try


def follow(session: Session, url: str, params: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the JSON data of each message. Raises errors.Refused and keystoneauth1's errors of connections."""
    import requests
    from keystoneauth1 import exceptions

    last = ""
    heard_at = time.monotonic()
    while True:
        headers = {"Accept": "text/event-stream", **({"Last-Event-ID": last} if last else {})}
        try:
            answer = session.get(
                url, params={**params, "follow": "true"}, headers=headers, raise_exc=False, stream=True, timeout=SILENCE
            )
            if answer.status_code != 200:
                raise errors.refused(answer.status_code, _body(answer), answer.headers.get("x-openstack-request-id"))
            for id_, data in _messages(answer.iter_lines()):
                heard_at = time.monotonic()
                last = id_ or last
                if data:
                    yield json.loads(data)
        except (exceptions.ConnectFailure, exceptions.RetriableConnectionFailure, requests.RequestException) as error:
            if time.monotonic() - heard_at > PATIENCE:
                raise errors.Unreachable(f"{url} has not answered for {PATIENCE:g} seconds: {error}") from error
        time.sleep(PAUSE)


def _messages(lines: Iterator[bytes]) -> Iterator[tuple[str, str]]:
    """Yield the ID and the data of each message, and an empty pair for each heartbeat."""
    id_ = ""
    data: list[str] = []
    for raw in lines:
        line = raw.decode("utf-8", errors="replace")
        if not line:
            if id_ or data:
                yield id_, "\n".join(data)
            id_, data = "", []
        elif line.startswith(":"):
            yield "", ""
        else:
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if name == "id":
                id_ = value
            elif name == "data":
                data.append(value)


def _body(answer: Any) -> Any:
    try:
        return answer.json()
    except ValueError:
        return answer.reason
