"""The exceptions of the client, in one hierarchy. Each message is a single line that can be shown to users."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

from .safe_text import safe

R = TypeVar("R", bound="Refused")


class Error(Exception):
    """Base class of all errors that this client raises deliberately."""

    exit_status = 1  # of a command that ends with this error

    def __str__(self) -> str:
        return safe(super().__str__())  # it may contain names from a server


class WrongInput(Error):
    """A value is invalid, which is known without asking a server."""


class WrongUsage(WrongInput):
    """The command line is invalid."""

    exit_status = 2


class UnknownName(Error):
    """No object has the name."""


class Ambiguous(Error):
    """Several objects have the name."""


class NotConfigured(Error):
    """Credentials or a service's address are missing, or their files cannot be read."""


class Unreachable(Error):
    """A server does not answer."""


class TimedOut(Error):
    """The time for waiting is over; the change may still succeed."""

    exit_status = 3


class OutcomeUnknown(TimedOut):
    """The time for waiting is over, and the server cannot report the outcome."""

    exit_status = 4


class Failed(Error):
    """A change ended in ERROR."""


class Refused(Error):
    """An answer with a status of 400 or more; the message is the server's."""

    hint = ""

    def __init__(self, status: int, words: str, request_id: str | None = None, hint: str | None = None) -> None:
        hint = self.hint if hint is None else hint
        super().__init__(" ".join(filter(None, (f"{words} (HTTP {status})", hint))))
        self.status = status
        self.words = words
        self.request_id = request_id

    def hinting(self: R, hint: str) -> R:
        """Return a copy of this error with another hint."""
        return type(self)(self.status, self.words, self.request_id, hint)


class BadRequest(Refused):
    """400: the server does not accept a value."""


class Unauthorized(Refused):
    """401: the credentials are wrong, or the token has expired."""

    hint = "Are the user name, the password and the project right?"


class Forbidden(Refused):
    """403: the policy forbids it, or a quota is used up."""


class NotFound(Refused):
    """404: the object does not exist."""


class Conflict(Refused):
    """409: the load balancer is busy, or the object conflicts with an existing one."""


class Busy(Conflict):
    """409: another change is in progress."""

    advice = "give --retry-on-conflict to wait for its end, or --wait to the command before."
    hint = f"It is busy with another change: {advice}"
    holder: Mapping[str, Any] | None = None  # the change in progress, if the answer names it


class ServerFailed(Refused):
    """500 and above: the server failed."""

    hint = "The server failed: its log says more."


KINDS: dict[int, type[Refused]] = {400: BadRequest, 401: Unauthorized, 403: Forbidden, 404: NotFound, 409: Conflict}
BUSY_WORDS = ("immutable", "Invalid state PENDING_")


def refused(status: int, body: Any, request_id: str | None = None) -> Refused:
    """Return the error for an answer, whose body may be text or the JSON of any OpenStack service."""
    words = words_of(body) or "The server gives no reason."
    if status == 409 and any(busy in words for busy in BUSY_WORDS):
        busy = Busy(status, words, request_id)
        busy.holder = body.get("holder") if isinstance(body, dict) else None
        return busy
    kind = KINDS.get(status, ServerFailed if status >= 500 else Refused)
    return kind(status, words, request_id)


def words_of(body: Any) -> str:
    """Return the message in the body of an error: Octavia's faultstring, a message of Keystone or Neutron, a title."""
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
    """Translate the exceptions of keystoneauth1 into those of this module."""
    try:
        yield
    except Exception as error:
        ours = _translation(error) if "keystoneauth1.exceptions" in sys.modules else None
        if ours is None:
            raise
        raise ours from error


def _translation(error: Exception) -> Error | None:
    """Return the error for an exception of keystoneauth1; None for other exceptions."""
    from keystoneauth1 import exceptions as theirs

    if isinstance(error, theirs.HttpError):
        return refused(error.http_status, _answer(error), error.request_id)
    if isinstance(error, theirs.ConnectTimeout):
        return Unreachable(f"No answer in time: {_one_line(error)}")
    if isinstance(error, (theirs.ConnectionError, theirs.DiscoveryFailure)):
        from . import unreachable  # imported here, because it is needed only after a failure

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
