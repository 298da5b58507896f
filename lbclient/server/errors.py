"""Every error that a request can be answered with, each with its status; only app.py renders them."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any


class Error(Exception):
    """A request that fails; the message is for the person who sent it."""

    status = 500
    title = "Internal Server Error"

    def __init__(self, message: str, kind: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.kind = kind or type(self).__name__  # the type of the error in answers of the network API


class BadRequest(Error):
    status = 400
    title = "Bad Request"


class InvalidInput(BadRequest):
    """The value of an attribute is invalid; the text is Octavia's."""

    def __init__(self, field: str, value: object, why: str) -> None:
        super().__init__(f"Invalid input for field/attribute {field}. Value: '{value}'. {why}")


class ValidationFailure(BadRequest):
    """Attributes that are valid by themselves contradict each other."""

    def __init__(self, why: str) -> None:
        super().__init__(f"Validation failure: {why}")


class InvalidPaging(BadRequest):
    """An invalid limit or sort direction, which Octavia answers in its second error format."""


class Undecodable(BadRequest):
    """Text that is not valid UTF-8, which Octavia answers in its second error format, too."""


class Unauthorized(Error):
    status = 401
    title = "Unauthorized"


class Forbidden(Error):
    status = 403
    title = "Forbidden"


class QuotaMet(Forbidden):
    """The project has reached its quota for a kind of object; the text is Octavia's."""

    def __init__(self, title: str) -> None:
        super().__init__(f"Quota has been met for resources: {title}")


class NotFound(Error):
    status = 404
    title = "Not Found"

    @classmethod
    def named(cls, what: str, name: str) -> NotFound:
        return cls(f"{what} {name} not found.")


class NoSuchPath(NotFound):
    """No route has this path."""


class NoSuchParent(NotFound):
    """The path names a parent that does not exist; the title is Octavia's, as is its second error format."""

    title = "Bad Request"


class MethodNotAllowed(Error):
    status = 405
    title = "Method Not Allowed"

    def __init__(self, message: str, allowed: str) -> None:
        super().__init__(message)
        self.allowed = allowed  # the allowed methods, separated by commas


class NotAcceptable(Error):
    """The client accepts none of the possible answers, as a header of the request says."""

    status = 406
    title = "Not Acceptable"

    def __init__(self, message: str, header: str = "Accept") -> None:
        super().__init__(message)
        self.header = header


class Conflict(Error):
    status = 409
    title = "Conflict"


class Busy(Conflict):
    """Another change is in progress, described by `holder`; the text is Octavia's."""

    def __init__(self, message: str, holder: Mapping[str, Any]) -> None:
        super().__init__(message)
        self.holder = holder


class TooLarge(Error):
    status = 413
    title = "Payload Too Large"


class TooManyRequests(Error):
    """The request can be repeated after retry_after seconds."""

    status = 429
    title = "Too Many Requests"

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class UnsupportedMediaType(Error):
    status = 415
    title = "Unsupported Media Type"


class Unavailable(Error):
    """The server cannot answer at present; the same request may succeed later."""

    status = 503
    title = "Service Unavailable"

    def __init__(self, message: str, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after  # seconds


class Faulted(Error):
    """The error answer of a fault that was set with the testing API."""

    def __init__(self, status: int, message: str | None) -> None:
        phrases = {each.value: each.phrase for each in HTTPStatus}
        super().__init__(message or f"A fault of the testing API answers {status}.")
        self.status = status
        self.title = phrases.get(status, "Error")


class UnsupportedOption(Error):
    """The provider does not support an option, which is refused rather than ignored."""

    status = 501
    title = "Not Implemented"
