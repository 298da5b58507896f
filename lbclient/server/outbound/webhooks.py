"""Webhooks: events as CloudEvents, signed as the Standard Webhooks say, and sent again until they are accepted."""

from __future__ import annotations

import base64
import hashlib
import hmac
import logging
import random
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import orjson
import requests

from ... import files
from ...resources import EVENT
from ...store.feed import Feed, Missed, Told
from .webhook_file import Webhook

LOG = logging.getLogger(__name__)
CONTENT_TYPE = "application/cloudevents+json"
TYPE = "lbclient.{resource}.{action}"
SOURCE = "/load-balancer/v2.0/lbaas/loadbalancers/{id}"
ANSWER_SECONDS = 10.0
STOP_SECONDS = 2.0
GONE = 410  # the receiver wants no more
READ_AGAIN = 1000  # events that are read from the database after a restart, at most

Count = Callable[[str, str], None]  # called with the webhook's name and what became of an attempt
Stored = Callable[[int, Mapping[str, str], int], list[Told]]  # the events after a serial, from the database


@dataclass(frozen=True)
class Retries:
    """When an event that was not accepted is sent again: pauses in seconds, which double, and for how long."""

    first: float = 1.0
    longest: float = 60.0
    patience: float = 3600.0


class Webhooks:
    """A thread for each webhook, so that one receiver that does not answer delays no other."""

    def __init__(
        self,
        wanted: Iterable[Webhook],
        feed: Feed,
        stored: Stored,
        directory: Path,
        count: Count,
        retries: Retries | None = None,
    ) -> None:
        self._senders = [Sender(each, feed, stored, directory, count, retries or Retries()) for each in wanted]

    def start(self) -> None:
        for each in self._senders:
            each.start()

    def stop(self) -> None:
        """Stop sending; what has not been accepted is sent after the next start."""
        for each in self._senders:
            each.end()
        for each in self._senders:
            each.join(STOP_SECONDS)


class Sender(threading.Thread):
    """Sends the events that one webhook wants, one after the other, in the order of their commits.

    A file has the serial of the last event that was accepted or given up, so that nothing is lost in a restart. Events
    wait in the feed and in the database, whose sizes are bounded, and not here.
    """

    def __init__(
        self, wanted: Webhook, feed: Feed, stored: Stored, directory: Path, count: Count, retries: Retries
    ) -> None:
        super().__init__(name=f"webhook {wanted.name}", daemon=True)
        self._wanted = wanted
        self._feed = feed
        self._stored = stored
        self._file = directory / wanted.name
        self._count = count
        self._retries = retries
        self._position = feed.position
        self._last: int | None = None
        self._is_behind = False  # whether events have to be read from the database
        self._is_over = threading.Event()
        self._is_due = threading.Event()
        self._session = requests.Session()
        self._session.trust_env = False  # neither a proxy nor .netrc: only what the operator's file says
        self._session.verify = wanted.ca or True

    def run(self) -> None:
        self._feed.watch(self, self._is_due.set)
        self._last = _serial(self._file)
        self._is_behind = self._last is not None
        while not self._is_over.is_set():
            try:
                pending = self._next()
            except Exception:  # such as a database that does not answer: this thread outlasts it
                LOG.exception("webhook %s: events could not be read", self._wanted.name)
                self._is_over.wait(self._retries.first)
                continue
            for told in pending:
                if not self._deliver_or_drop(told):
                    return
            self._is_due.wait()
            self._is_due.clear()

    def end(self) -> None:
        self._feed.unwatch(self)
        self._is_over.set()
        self._is_due.set()

    def _next(self) -> list[Told]:
        """Return the events since the last call; from the database those that have left the feed meanwhile."""
        if not self._is_behind:
            try:
                found, self._position = self._feed.after(self._position)
                return found
            except Missed:
                LOG.warning(
                    "webhook %s: it is far behind; events of deleted load balancers may be missing", self._wanted.name
                )
                self._is_behind = True
                self._position = self._feed.position
        found = self._again()
        self._is_behind = False
        return found

    def _again(self) -> list[Told]:
        scope = {"project_id": self._wanted.project_id} if self._wanted.project_id else {}
        return self._stored(self._last or 0, scope, READ_AGAIN)

    def _deliver_or_drop(self, told: Told) -> bool:
        """Deliver an event like _deliver(); one that cannot be sent at all is dropped."""
        try:
            return self._deliver(told)
        except Exception:
            LOG.exception("webhook %s: event %s cannot be sent", self._wanted.name, told.serial)
            self._count(self._wanted.name, "dropped")
            return True

    def _deliver(self, told: Told) -> bool:
        """Send an event until it is accepted or given up; return whether to go on with the next."""
        if self._is_wanted(told):
            body = message(told)
            began, pause = time.monotonic(), self._retries.first
            while not self._post(str(told.serial), body):
                if time.monotonic() - began + pause > self._retries.patience:
                    LOG.warning("webhook %s: event %s was given up", self._wanted.name, told.serial)
                    self._count(self._wanted.name, "dropped")
                    break
                if self._is_over.wait(pause * random.uniform(0.75, 1.25)):
                    return False
                pause = min(pause * 2, self._retries.longest)
        if self._is_over.is_set():
            return False
        self._keep(told.serial)
        return True

    def _is_wanted(self, told: Told) -> bool:
        wanted = self._wanted
        is_mine = wanted.project_id is None or told.project_id == wanted.project_id
        return is_mine and told.values["action"] in wanted.actions

    def _post(self, id_: str, body: bytes) -> bool:
        """Send an event once; return whether it was accepted. Redirects are not followed."""
        headers = {"Content-Type": CONTENT_TYPE, "User-Agent": "lbclient", **signed(self._wanted.key, id_, body)}
        try:
            with self._session.post(
                self._wanted.url, body, headers=headers, timeout=ANSWER_SECONDS, allow_redirects=False, stream=True
            ) as answer:
                status = answer.status_code
        except (OSError, ValueError) as error:  # requests' errors, and those of an address that cannot be parsed
            return self._failed(type(error).__name__)
        if status == GONE:
            LOG.warning("webhook %s: the receiver answers 410 Gone; no more events until a restart", self._wanted.name)
            self.end()
            return True
        if not 200 <= status < 300:
            return self._failed(f"it answers {status}")
        self._count(self._wanted.name, "delivered")
        return True

    def _failed(self, why: str) -> bool:
        LOG.info("webhook %s: an event was not accepted: %s", self._wanted.name, why)
        self._count(self._wanted.name, "failed")
        return False

    def _keep(self, serial: int) -> None:
        self._last = serial
        try:
            self._file.parent.mkdir(mode=0o700, exist_ok=True)
            files.replace(self._file, f"{serial}\n", is_durable=False)
        except OSError as error:
            LOG.warning("webhook %s: its position cannot be written: %s", self._wanted.name, error.strerror)


def message(told: Told) -> bytes:
    """Return an event as a CloudEvent of version 1.0 in JSON."""
    values = told.values
    found = {
        "specversion": "1.0",
        "id": str(told.serial),  # as in the stream of events: the same event comes again once it is applied
        "source": SOURCE.format(id=told.loadbalancer_id),
        "type": TYPE.format(resource=values["resource"], action=values["action"]),
        "subject": f"{values['resource']}/{values['resource_id']}",
        "time": _time(str(values["created_at"])),
        "datacontenttype": "application/json",
        "data": {**{each.name: values[each.name] for each in EVENT.fields}, "project_id": told.project_id},
    }
    return orjson.dumps(found)


def signed(key: bytes, id_: str, body: bytes) -> dict[str, str]:
    """Return the headers of the Standard Webhooks: an ID, the time in seconds, and an HMAC of both and the body."""
    now = str(int(time.time()))
    digest = hmac.new(key, f"{id_}.{now}.".encode() + body, hashlib.sha256).digest()
    signature = f"v1,{base64.b64encode(digest).decode()}"
    return {"webhook-id": id_, "webhook-timestamp": now, "webhook-signature": signature}


def _time(text: str) -> str:
    """Return a time of the database as RFC 3339 has it: with the time zone."""
    return text if text.endswith("Z") else f"{text}Z"


def _serial(path: Path) -> int | None:
    """Return the serial of the last event that was sent; None if nothing has been sent, or the file is damaged."""
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None
