"""Run an agent: register at the server, run what it wants on this host, and report."""

from __future__ import annotations

import logging
import os
import ssl
import sys
import threading
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import orjson

from .. import __version__
from ..dataplane.haproxy.attachments import AttachmentFailed, attachment
from ..dataplane.haproxy.binary import NotFound, find_haproxy
from ..dataplane.haproxy.links import Assignment
from ..dataplane.local import LocalDataPlane
from ..files import replace
from ..server import logs, notify, state
from ..server.option_values import Network
from ..signals import ENDING, Flag
from ..store import documents
from . import identity
from .connection import Connection, Refused, Unreachable
from .contact import Contact
from .distant import DistantControlPlane, clock
from .sharing import Sharing

LOG = logging.getLogger("lbclient.agent.main")
LIST_SECONDS = 60.0  # between two looks at the whole list, whatever happens
RETRY_SECONDS = 1.0
ANSWER_THREADS = 4
INSTANCE = "agent.id"  # a file in the state directory
SHARED = "shared-addresses"  # keepalived's directory there
MOVABLE = ("anyip", "interface")  # attachments whose addresses two hosts can share


@dataclass(frozen=True)
class Settings:
    """The options of an agent."""

    host: str
    port: int
    bundle: Path
    state_directory: Path
    attachment: Literal["lab", "loopback", "anyip", "interface"]
    interfaces: tuple[tuple[str, Network], ...]
    haproxy: str | None
    is_announcing: bool = False  # whether BIRD announces the addresses; then keepalived cannot move them


class Agent:
    """The data plane of this host, and the threads that connect it with the server."""

    def __init__(self, server: Connection, settings: Settings, haproxy: str) -> None:
        self._server = server
        self._settings = settings
        self._instance = _instance(settings.state_directory)
        self._is_over = threading.Event()
        self._is_fenced = threading.Event()
        self._is_fenced.set()  # not registered yet
        self._control_plane = DistantControlPlane(server, self._fence)
        self._dataplane = LocalDataPlane(
            self._control_plane,
            settings.state_directory / state.INSTANCES,
            haproxy,
            attachment(
                settings.attachment, [Assignment(*each) for each in settings.interfaces], settings.is_announcing
            ),
            is_noop=lambda provider: False,
        )
        self._is_due = threading.Event()  # a beat, before its time
        self._sharing = Sharing(
            self._control_plane,
            self._instance,
            settings.state_directory / SHARED,
            [interface for interface, _ in settings.interfaces],
            settings.attachment in MOVABLE and not settings.is_announcing,
            self._is_due,
        )
        self._dataplane.on_reconciled(self._sharing.ran)
        self._answering = ThreadPoolExecutor(ANSWER_THREADS, thread_name_prefix="answers")
        self._threads = [threading.Thread(target=each, daemon=True) for each in (self._beat, self._listen)]
        self._beat_seconds = 2.0
        self._contact = Contact()
        self._means = (__version__, haproxy, settings.attachment)
        self._questions: dict[str, Callable[[Mapping[str, Any]], Any]] = {
            "observe": self._observe,
            "connections": self._connections,
            "kill": lambda said: self._dataplane.kill(said["id"]),
            "expect": self._sharing.expect,
        }

    def start(self, is_over: Flag) -> None:
        """Start once the server can be reached, unless it is over before; until then, what runs goes on.

        Raises Refused and AttachmentFailed.
        """
        at = f"{self._settings.host}:{self._settings.port}"
        LOG.info("version %s, HAProxy %s, attachment %s, for the server at %s", *self._means, at)
        while not is_over.is_set():
            try:
                self._register()
                self._renew()
                self._dataplane.take_over()
                self._sharing.start(self._control_plane.prepare())
                self._sharing.want()
                self._dataplane.start()
                for each in self._threads:
                    each.start()
                return
            except Unreachable as error:
                self._contact.lost(error)
                is_over.wait(RETRY_SECONDS)

    def stop(self) -> None:
        """Stop what was started; HAProxy and keepalived keep running."""
        self._is_over.set()
        self._is_due.set()
        self._answering.shutdown()
        if self._threads[0].ident is None:
            return
        for each in self._threads:
            each.join()
        self._dataplane.stop()
        self._sharing.stop()

    def _register(self) -> None:
        answer = self._server.post("/register", self._described())
        self._control_plane.epoch = answer["epoch"]
        self._beat_seconds = answer["beat"]
        self._is_fenced.clear()
        self._contact.heard()
        LOG.info("registered, epoch %s", answer["epoch"])

    def _fence(self) -> None:
        """Register again: the server takes no reports of this registration any more."""
        if not self._is_fenced.is_set():
            LOG.warning("fenced: the lease has ended, or another agent has registered for this host; registers again")
            self._is_fenced.set()

    def _described(self) -> dict[str, Any]:
        """Return what the server is told about this host."""
        networks = [str(network) for _, network in self._settings.interfaces]
        return {
            "version": __version__,
            "protocol": documents.PROTOCOL,
            "instance": self._instance,
            "networks": networks or None,
            "clock": clock(),
            **self._sharing.described(),
        }

    def _beat(self) -> None:
        while True:
            self._is_due.wait(0 if self._is_fenced.is_set() and self._contact.is_heard else self._beat_seconds)
            self._is_due.clear()
            if self._is_over.is_set():
                return
            try:
                if self._is_fenced.is_set():
                    self._register()
                    self._wake([id_ for id_, _, _ in self._control_plane.roster()])
                self._control_plane.beat()
                self._contact.heard()
            except (Unreachable, Refused) as error:
                if isinstance(error, Refused) and error.status == 409:
                    self._fence()
                else:
                    self._contact.lost(error)
            except Exception as error:  # this thread outlasts it: without beats, the host would be taken for dead
                LOG.exception("no beat could be sent, will try again")
                self._contact.lost(error)

    def _listen(self) -> None:
        """Follow the server's messages, and look at the whole list at each connect and every LIST_SECONDS."""
        lister = threading.Thread(target=self._list, daemon=True)
        lister.start()
        while not self._is_over.is_set():
            try:
                with self._server.stream("/changes") as lines:
                    for number, line in enumerate(lines):
                        if self._is_over.is_set():
                            return
                        if number == 0:
                            self._look()
                        if line.strip():
                            self._take(orjson.loads(line))
            except (Unreachable, Refused) as error:
                LOG.debug("the stream of changes has ended, will try again: %s", error)
            except Exception:
                LOG.exception("the stream of changes has ended, will try again")
            self._is_over.wait(RETRY_SECONDS)

    def _list(self) -> None:
        while not self._is_over.wait(LIST_SECONDS):
            try:
                self._renew()
                self._look()
                self._sharing.tidy()
            except (Unreachable, Refused) as error:
                LOG.debug("the whole list cannot be read, will try again: %s", error)
            except Exception:
                LOG.exception("the whole list cannot be read, will try again")

    def _renew(self) -> None:
        """Renew the certificate of this host once it is due."""
        try:
            if identity.renew(self._server, self._settings.bundle):
                LOG.info("the certificate of this host has been renewed")
        except (Unreachable, Refused, OSError, ValueError) as error:
            LOG.warning("the certificate of this host cannot be renewed, will try again: %s", error)

    def _look(self) -> None:
        """Look at the whole list: share its groups of addresses, and wake the load balancers that have changed."""
        ids = self._control_plane.changed()
        self._sharing.want()
        self._wake(ids)

    def _wake(self, ids: list[str]) -> None:
        for id_ in ids:
            self._dataplane.wake(id_)

    def _take(self, message: Mapping[str, Any]) -> None:
        if "wake" in message:
            self._dataplane.wake(message["wake"], message.get("project"))
        elif message.get("groups"):
            self._look()
        elif message.get("ask") in self._questions:
            self._answering.submit(self._answer, message)

    def _observe(self, said: Mapping[str, Any]) -> None:
        self._dataplane.observe(said["id"])
        self._control_plane.beat()  # it has the new totals

    def _connections(self, said: Mapping[str, Any]) -> int | None:
        return self._dataplane.active_connections(said["id"], said["pool_id"], said["member_id"])

    def _answer(self, message: Mapping[str, Any]) -> None:
        try:
            value = self._questions[message["ask"]](message)
            self._server.post("/answers", {"token": message["token"], "value": value})
        except (Unreachable, Refused, OSError) as error:
            LOG.warning("a question of the server cannot be answered: %s", error)
        except Exception:
            LOG.exception("a question of the server cannot be answered")


def _instance(directory: Path) -> str:
    """Return the ID of this state directory, which tells this machine from another with the same certificate."""
    path = directory / INSTANCE
    if not path.exists():
        replace(path, str(uuid.uuid4()))
    return path.read_text().strip()


def run(settings: Settings) -> int:
    """Run until SIGTERM or SIGINT and return the exit status. HAProxy processes keep running."""
    logs.configure("text", False)
    os.umask(0o077)
    is_over = Flag(*ENDING)
    try:
        identity.check(settings.bundle)
        server = Connection(settings.host, settings.port, settings.bundle)
        haproxy = find_haproxy(settings.haproxy)
        with state.held(settings.state_directory):
            agent = Agent(server, settings, haproxy)
            agent.start(is_over)
            print("lbclient agent is running", flush=True)
            notify.tell("READY=1")
            is_over.wait()
            agent.stop()
            server.close()
    except (AttachmentFailed, NotFound, Refused, identity.Unusable, state.StateError) as error:
        print(f"lbclient agent: {error}", file=sys.stderr)
        return 1
    except (ssl.SSLError, OSError) as error:
        print(f"lbclient agent: {settings.bundle} cannot be used: {error.strerror or error}.", file=sys.stderr)
        return 1
    return 0
