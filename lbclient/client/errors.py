"""What can go wrong, as one tree; every message is one line that can be shown as it is."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

from .safe_text import safe

R = TypeVar("R", bound="Refused")


class Error(Exception):
    """The root of everything that this client raises on purpose."""

    exit_status = 1  # of a command that it ends

    def __str__(self) -> str:
        return safe(super().__str__())  # names that others gave are in it


class WrongInput(Error):
    """A value that no server has to be asked about."""


class WrongUsage(WrongInput):
    """A command line that means nothing, whatever there is."""

    exit_status = 2


class UnknownName(Error):
    """A name that nothing has."""


class Ambiguous(Error):
    """A name that several things have."""


class NotConfigured(Error):
    """Credentials or a service's address are missing, or their files cannot be read."""


class Unreachable(Error):
    """A server that does not answer."""


class TimedOut(Error):
    """The end of waiting; what was waited for may still come."""

    exit_status = 3


class OutcomeUnknown(TimedOut):
    """The end of waiting for something that the server does not tell."""

    exit_status = 4


class Failed(Error):
    """A change that ended in ERROR."""


class Refused(Error):
    """An answer of 400 or more; the server's own words are the message."""

    hint = ""

    def __init__(self, status: int, words: str, request_id: str | None = None, hint: str | None = None) -> None:
        hint = self.hint if hint is None else hint
        super().__init__(" ".join(filter(None, (f"{words} (HTTP {status})", hint))))
        self.status = status
        self.words = words
        self.request_id = request_id

    def hinting(self: R, hint: str) -> R:
        """The same refusal with another hint."""
        return type(self)(self.status, self.words, self.request_id, hint)


class BadRequest(Refused):
    """400: the server does not accept a value."""


class Unauthorized(Refused):
    """401: the credentials are wrong, or the token is too old."""

    hint = "Are the user name, the password and the project right?"


class Forbidden(Refused):
    """403: by policy, or a quota is used up."""


class NotFound(Refused):
    """404."""


class Conflict(Refused):
    """409: the load balancer is busy, or something like it exists."""


class Busy(Conflict):
    """409, because another change is under way."""

    advice = "give --retry-on-conflict to wait for its end, or --wait to the command before."
    hint = f"It is busy with another change: {advice}"
    holder: Mapping[str, Any] | None = None  # which change that is, if the answer tells


class ServerFailed(Refused):
    """500 and above."""

    hint = "The server failed: its log says more."


KINDS: dict[int, type[Refused]] = {400: BadRequest, 401: Unauthorized, 403: Forbidden, 404: NotFound, 409: Conflict}
BUSY_WORDS = ("immutable", "Invalid state PENDING_")


def refused(status: int, body: Any, request_id: str | None = None) -> Refused:
    """The error for an answer; its body may be JSON of any OpenStack service, or text."""
    words = words_of(body) or "The server gives no reason."
    if status == 409 and any(busy in words for busy in BUSY_WORDS):
        busy = Busy(status, words, request_id)
        busy.holder = body.get("holder") if isinstance(body, dict) else None
        return busy
    kind = KINDS.get(status, ServerFailed if status >= 500 else Refused)
    return kind(status, words, request_id)


def words_of(body: Any) -> str:
    """The one sentence of an error's body: Octavia's faultstring, Keystone's, Neutron's message, a title."""
    if isinstance(body, dict):
        inner = body.get("error") or body.get("NeutronError") or body
        if isinstance(inner, dict):
            body = next(
                (inner[key] for key in ("faultstring", "message", "description", "title") if inner.get(key)), ""
            )
        else:
            body = inner
    return " ".join(str(body).split()) if isinstance(body, str) else ""


@contextmanager
def translated() -> Iterator[None]:
    """The border to keystoneauth1: its exceptions become ours."""
    try:
        yield
    except Exception as error:
        ours = _translation(error) if "keystoneauth1.exceptions" in sys.modules else None
        if ours is None:
            raise
        raise ours from error


def _translation(error: Exception) -> Error | None:
    """Our error for one of keystoneauth1, which is loaded where it can have been raised."""
    from keystoneauth1 import exceptions as theirs

    if isinstance(error, theirs.HttpError):
        return refused(error.http_status, _answer(error), error.request_id)
    if isinstance(error, theirs.ConnectTimeout):
        return Unreachable(f"No answer in time: {_one_line(error)}")
    if isinstance(error, (theirs.ConnectionError, theirs.DiscoveryFailure)):
        from . import unreachable  # here, as it is needed after a failure only

        return Unreachable(unreachable.explained(error))
    if isinstance(error, theirs.MissingRequiredOptions):
        names = ", ".join(
            f"--os-{option.name} (OS_{option.name.upper().replace('-', '_')})" for option in error.options
        )
        return NotConfigured(f"Credentials are missing: give {names}, or --os-cloud with an entry of clouds.yaml.")
    return NotConfigured(_one_line(error)) if isinstance(error, theirs.ClientException) else None


def _answer(error: Any) -> Any:
    try:
        return error.response.json()
    except (AttributeError, ValueError):
        return str(error.message or "")


def _one_line(error: BaseException) -> str:
    line = " ".join(str(error).split()).rstrip(".")
    return f"{line}."
