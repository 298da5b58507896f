"""Every error that a request can end with; each knows its status. app.py alone renders them."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any


class Error(Exception):
    """A request that cannot be answered as asked; its text is for the person who sent it."""

    status = 500
    title = "Internal Server Error"

    def __init__(self, message: str, kind: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.kind = kind or type(self).__name__  # the network API names the kind of an error


class BadRequest(Error):
    status = 400
    title = "Bad Request"


class InvalidInput(BadRequest):
    """One attribute's value does not fit; the text is Octavia's."""

    def __init__(self, field: str, value: object, why: str) -> None:
        super().__init__(f"Invalid input for field/attribute {field}. Value: '{value}'. {why}")


class ValidationFailure(BadRequest):
    """Attributes that each fit do not fit together."""

    def __init__(self, why: str) -> None:
        super().__init__(f"Validation failure: {why}")


class InvalidPaging(BadRequest):
    """A bad limit or sort direction: Octavia answers it in its second error format."""


class Undecodable(BadRequest):
    """Text that is not in UTF-8; in the second format, too."""


class Unauthorized(Error):
    status = 401
    title = "Unauthorized"


class Forbidden(Error):
    status = 403
    title = "Forbidden"


class QuotaMet(Forbidden):
    """The project has as many objects of a kind as it may; the text is Octavia's."""

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
    """The path is inside something that does not exist; the title is Octavia's, as is the second error format."""

    title = "Bad Request"


class MethodNotAllowed(Error):
    status = 405
    title = "Method Not Allowed"

    def __init__(self, message: str, allowed: str) -> None:
        super().__init__(message)
        self.allowed = allowed  # the methods that are, with commas


class NotAcceptable(Error):
    status = 406
    title = "Not Acceptable"


class Conflict(Error):
    status = 409
    title = "Conflict"


class Busy(Conflict):
    """Another change is under way; which one is told beside the text, which is Octavia's."""

    def __init__(self, message: str, holder: Mapping[str, Any]) -> None:
        super().__init__(message)
        self.holder = holder


class TooLarge(Error):
    status = 413
    title = "Payload Too Large"


class TooManyRequests(Error):
    """Something that may be asked again after some seconds."""

    status = 429
    title = "Too Many Requests"

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class UnsupportedMediaType(Error):
    status = 415
    title = "Unsupported Media Type"


class Unavailable(Error):
    """Something that could be asked at another time."""

    status = 503
    title = "Service Unavailable"

    def __init__(self, message: str, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after  # seconds


class Faulted(Error):
    """A fault of the testing API struck: an answer that a test asked for."""

    def __init__(self, status: int, message: str | None) -> None:
        phrases = {each.value: each.phrase for each in HTTPStatus}
        super().__init__(message or f"A fault of the testing API answers {status}.")
        self.status = status
        self.title = phrases.get(status, "Error")


class UnsupportedOption(Error):
    """The provider cannot do it: refused, rather than accepted and dropped."""

    status = 501
    title = "Not Implemented"
