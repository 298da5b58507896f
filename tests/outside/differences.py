"""The same requests to two servers, and in what their answers differ: IDs, times and addresses of servers aside."""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")
PLACE = re.compile(r"<(\w+)>")
HEADERS = ("Content-Type", "Allow", "Location", "WWW-Authenticate", "Retry-After", "x-openstack-request-id")
EXACT = (401, 403, 404, 405, 406, 409, 415)  # statuses whose texts are compared word for word


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def body(self) -> Any:
        try:
            return json.loads(self.text)
        except ValueError:
            return self.text


@dataclass
class Side:
    """A server; `settle` waits until nothing is PENDING in it."""

    port: int
    settle: Callable[[], None]
    ids: dict[str, str] = field(default_factory=dict)  # <name> in paths and bodies -> what it is called here

    def ask(self, call: Call) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        body = self._here(call.text).encode("utf-8", "surrogatepass") if call.text is not None else call.raw
        connection.putrequest(call.method, self._here(call.path, quote))
        for name, value in {"Content-Type": "application/json", **call.headers}.items():
            if value is not None:
                connection.putheader(name, self._here(value))
        if body is not None:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        answer = connection.getresponse()
        text = answer.read().decode(errors="replace")
        connection.close()
        return Answer(answer.status, dict(answer.getheaders()), text)

    def _here(self, text: str, written: Callable[[str], str] = str) -> str:
        return PLACE.sub(lambda place: written(self.ids.get(place[1], place[0])), text)

    def elsewhere(self, text: str) -> str:
        """A text of this side as both sides have it."""
        for name, id_ in self.ids.items():
            text = text.replace(id_, f"<{name}>") if UUID.fullmatch(id_) else text
        text = text.replace(f"127.0.0.1:{self.port}", "<host>")
        text = text.replace("198.0.2.5", "<vip>").replace("198.51.100.1", "<vip>")  # of networks in which all exists
        return TIME.sub("<time>", UUID.sub("<uuid>", text))


@dataclass(frozen=True)
class Call:
    """A request to both sides; <name> in it is the ID that was kept under the name."""

    method: str
    path: str
    body: Any = None
    headers: Mapping[str, Any] = field(default_factory=dict)
    raw: bytes | None = None
    keep: str = ""  # the name for the ID in the answer

    @property
    def text(self) -> str | None:
        return None if self.body is None else json.dumps(self.body)

    def __str__(self) -> str:
        return f"{self.method} {self.path} {self.text or self.raw!r} {dict(self.headers) or ''}".strip()


@dataclass(frozen=True)
class Difference:
    """Where two answers to a call are not the same."""

    call: Call
    where: str  # status, header Allow, body.pool.name
    theirs: Any
    ours: Any
    why: str = ""  # what the answers say of themselves

    def __str__(self) -> str:
        return f"{self.where}: {self.theirs!r} there, {self.ours!r} here: {str(self.call)[:400]} {self.why}"


class Pair:
    """Two servers that are asked the same."""

    def __init__(self, theirs: Side, ours: Side) -> None:
        self.theirs = theirs
        self.ours = ours
        self.asked = 0
        self.found: list[Difference] = []

    def ask(self, call: Call) -> tuple[Answer, Answer]:
        """Compares, and keeps the ID."""
        theirs, ours = self.quietly(call)
        self.asked += 1
        self.found += self._differences(call, theirs, ours)
        return theirs, ours

    def quietly(self, call: Call) -> tuple[Answer, Answer]:
        """Without comparing."""
        theirs, ours = self._one(self.theirs, call), self._one(self.ours, call)
        return theirs, ours

    def _one(self, side: Side, call: Call) -> Answer:
        answer = side.ask(call)
        if call.method != "GET" and answer.status < 300:
            side.settle()
        if call.keep:
            side.ids.pop(call.keep, None)
            if answer.status == 201:
                [thing] = answer.body.values()
                side.ids[call.keep] = thing["id"] if "id" in thing else thing["name"]
        return answer

    def _differences(self, call: Call, theirs: Answer, ours: Answer) -> Iterator[Difference]:
        if theirs.status != ours.status:
            yield Difference(
                call, "status", theirs.status, ours.status, f"\n   {theirs.text[:300]}\n   {ours.text[:300]}"
            )
            return
        for name in HEADERS:
            there, here = (_header(each, name) for each in (theirs, ours))
            if there != here:
                yield Difference(call, f"header {name}", there, here)
        there, here = (_comparable(side, answer) for side, answer in ((self.theirs, theirs), (self.ours, ours)))
        for where, one, other in differing(there, here, "body"):
            if where.endswith(("faultstring", "description")) and ours.status in (400, 501):
                where = f"text {where}"
            yield Difference(call, where, one, other)


def differing(there: Any, here: Any, where: str) -> Iterator[tuple[str, Any, Any]]:
    """(where, what is there, what is here)"""
    if isinstance(there, dict) and isinstance(here, dict):
        for name in sorted({*there, *here}):
            yield from differing(there.get(name, "ABSENT"), here.get(name, "ABSENT"), f"{where}.{name}")
    elif isinstance(there, list) and isinstance(here, list) and len(there) == len(here):
        if there != here and sorted(map(repr, there)) == sorted(map(repr, here)):
            yield f"order of {where}", there, here
            return
        for number, (one, other) in enumerate(zip(there, here, strict=True)):
            yield from differing(one, other, f"{where}[{number}]")
    elif type(there) is not type(here) or there != here:
        yield where, there, here


def _header(answer: Answer, name: str) -> Any:
    found = {key.lower(): value for key, value in answer.headers.items()}.get(name.lower())
    if name == "Allow":
        return sorted(each.strip() for each in (found or "").split(","))
    return found is not None if name.startswith("x-") else found and found.replace("; charset=UTF-8", "")


def _comparable(side: Side, answer: Answer) -> Any:
    body = answer.body
    body = json.loads(side.elsewhere(json.dumps(body)))
    if isinstance(body, dict) and isinstance(body.get("loadbalancer"), dict):
        body["loadbalancer"].get("pools", []).sort(
            key=lambda pool: str(pool.get("name"))
        )  # Octavia does not order them
    _forget(body, NEVER if answer.status == 201 else NEVER + LATER)
    return body


NEVER = ("vip_network_id",)  # of networks in which everything exists
LATER = ("operating_status", "updated_at")  # what the data plane sees, and when


def _forget(value: Any, names: tuple[str, ...]) -> None:
    for each in value if isinstance(value, list) else [value]:
        if isinstance(each, dict):
            each.update({name: "*" for name in names if name in each})
            for part in each.values():
                _forget(part, names)
                if isinstance(part, list) and all(isinstance(one, dict) and set(one) == {"id"} for one in part):
                    part.sort(key=lambda one: str(one["id"]))  # Octavia does not order them
