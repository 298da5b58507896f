"""Accept the HTTP server's connections, limit their number, and close those that keep the server waiting too long."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import time
from collections.abc import Callable
from functools import partial

from .connection import BUSY, Connection
from .limits import Limits, origin

LOG = logging.getLogger(__name__)
PAUSE = 0.1  # seconds to wait after accept has failed, usually for lack of descriptors

Make = Callable[[], Connection]


class Visit:
    """One connection from its accept to its end, including the TLS handshake."""

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.connection: Connection | None = None
        self._accepted_at = time.monotonic()
        self.handshake: asyncio.Task[None] | None = None

    def waits_since(self) -> float | None:
        """Return since when (monotonic seconds) the server waits for this client; None if the client waits for it."""
        return self._accepted_at if self.connection is None else self.connection.waits_since()

    def end(self) -> None:
        """Close the connection to make room for another client."""
        if self.connection is not None:
            self.connection.give_up(BUSY)
        elif self.handshake is not None:
            self.handshake.cancel()


class Door:
    """Accepts connections; if there are too many, closes the one that has kept the server waiting longest.

    The request of an honest client arrives at once, and from then on its connection is not closed. A flood of
    connections that send nothing, or send slowly, only displaces itself.
    """

    def __init__(self, limits: Limits, tls: Callable[[], ssl.SSLContext | None] = lambda: None) -> None:
        self._limits = limits
        self._tls = tls
        self._visits: dict[str, dict[Visit, None]] = {}  # by origin
        self._count = 0
        self._listening: socket.socket | None = None
        self._make: Make

    def open(self, listening: socket.socket, make: Make) -> None:
        """Start to accept connections on a listening socket; `make` creates the protocol of each."""
        listening.setblocking(False)
        self._listening = listening
        self._make = make
        self._resume()

    def close(self) -> None:
        """Stop accepting. uvicorn calls this and wait_closed() as it would with an asyncio server."""
        if self._listening is not None:
            asyncio.get_running_loop().remove_reader(self._listening)
            self._listening = None
        for visit in [visit for visits in self._visits.values() for visit in visits if visit.connection is None]:
            visit.end()

    async def wait_closed(self) -> None:
        """Return at once: close() leaves nothing to wait for."""

    @property
    def count(self) -> int:
        """The number of open connections."""
        return self._count

    def sweep(self) -> None:
        """Close connections that are past a deadline."""
        now = time.monotonic()
        for visits in list(self._visits.values()):
            for visit in list(visits):
                if visit.connection is not None:
                    visit.connection.check_deadlines(now)

    def _resume(self) -> None:
        if self._listening is not None:
            asyncio.get_running_loop().add_reader(self._listening, self._accept, self._listening)

    def _accept(self, listening: socket.socket) -> None:
        """Accept one connection; the event loop calls this again for further ones, after its other callbacks."""
        loop = asyncio.get_running_loop()
        try:
            client, address = listening.accept()
        except (BlockingIOError, ConnectionError):
            return
        except OSError as error:
            LOG.warning("cannot accept a connection: %s", error.strerror)
            loop.remove_reader(listening)
            loop.call_later(PAUSE, self._resume)
            return
        client.setblocking(False)
        visit = Visit(origin(str(address[0])))
        if self._make_room(visit.origin):
            self._enter(visit)
            visit.handshake = loop.create_task(self._begin(visit, client))
            visit.handshake.add_done_callback(partial(self._close_unbegun, visit, client))
        else:
            _refuse(client, is_plain=self._tls() is None)

    async def _begin(self, visit: Visit, client: socket.socket) -> None:
        """Hand the connection to the HTTP protocol, after the TLS handshake if there is one."""

        connection = self._make()
        connection.on_lost = lambda: self._leave(visit)
        context = self._tls()
        patience = {"ssl_handshake_timeout": self._limits.handshake_seconds} if context else {}
        try:
            loop = asyncio.get_running_loop()
            await loop.connect_accepted_socket(lambda: connection, client, ssl=context, **patience)
            visit.connection = connection
        except (OSError, asyncio.CancelledError):  # ssl.SSLError is an OSError
            client.close()
            self._leave(visit)
        except Exception:  # it would otherwise count as open for ever
            LOG.exception("a connection could not be begun")
            client.close()
            self._leave(visit)

    def _close_unbegun(self, visit: Visit, client: socket.socket, handshake: asyncio.Task[None]) -> None:
        """Close a connection whose handshake was cancelled before it began: _begin() has not run then."""
        if handshake.cancelled():
            client.close()
            self._leave(visit)

    def _make_room(self, origin: str) -> bool:
        """Return whether a new connection is admitted; closes a waiting one first if the limits require it."""
        mine = self._visits.get(origin, {})
        if len(mine) >= self._limits.connections_per_address:
            return _end_one_of(mine)
        if self._count >= self._limits.connections:
            largest = max(self._visits.values(), key=len)
            everybody = {visit: None for visits in self._visits.values() for visit in visits}
            return _end_one_of(largest) or _end_one_of(everybody)
        return True

    def _enter(self, visit: Visit) -> None:
        self._visits.setdefault(visit.origin, {})[visit] = None
        self._count += 1

    def _leave(self, visit: Visit) -> None:
        visits = self._visits.get(visit.origin, {})
        if visit not in visits:
            return
        del visits[visit]
        self._count -= 1
        if not visits:
            del self._visits[visit.origin]


def _end_one_of(visits: dict[Visit, None]) -> bool:
    """Close the connection that has kept the server waiting longest; return False if the server waits for none."""
    waiting = [(since, visit) for visit in visits if (since := visit.waits_since()) is not None]
    if not waiting:
        return False
    min(waiting, key=lambda each: each[0])[1].end()
    return True


def _refuse(client: socket.socket, is_plain: bool) -> None:
    try:
        if is_plain:
            client.send(BUSY)
    except OSError as error:
        LOG.debug("cannot refuse a connection: %s", error)
    finally:
        client.close()
