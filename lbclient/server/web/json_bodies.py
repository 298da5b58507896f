"""Read the body of a request: check its size and content type, and parse its JSON."""

from __future__ import annotations

from typing import Any

import falcon
import orjson

from .. import errors
from .asgi import MAXIMUM
from .limits import BODY_MAXIMUM
from .routing import Body

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
NESTING = 32  # levels of lists and objects in a body; a load balancer with all of its parts has less than ten


def read(req: falcon.Request, wanted: Body) -> Any:
    """Return the parsed body, or its bytes; None if it is empty or the route reads none. Raises errors.Error."""
    if wanted is Body.USUAL and req.method not in ("POST", "PUT", "PATCH"):
        return None
    maximum = req.env.get(MAXIMUM, BODY_MAXIMUM)
    if (req.content_length or 0) > maximum:
        raise errors.TooLarge(f"The body is larger than {maximum} bytes.")
    raw = req.bounded_stream.read(BODY_MAXIMUM + 1)
    if not raw:
        return None
    if wanted is Body.BYTES:
        return raw
    _check_type(req)
    try:
        raw.decode()
        parsed = orjson.loads(raw)
    except UnicodeDecodeError:
        raise errors.Undecodable("The body is not valid UTF-8.") from None
    except ValueError:
        raise errors.BadRequest("Request is not in valid JSON format") from None
    if raw.count(b"{") + raw.count(b"[") > NESTING and _depth(parsed) > NESTING:
        raise errors.BadRequest(f"The body is nested more than {NESTING} levels deep.")
    return parsed


def _depth(parsed: Any) -> int:
    """Return how deep lists and objects are nested; stops counting one level above the maximum."""
    depth, level = 0, [parsed]
    while depth <= NESTING:
        level = [each for each in level if isinstance(each, dict | list)]
        if not level:
            break
        depth += 1
        level = [inner for each in level for inner in (each.values() if isinstance(each, dict) else each)]
    return depth


def _check_type(req: falcon.Request) -> None:
    """Check that the content type is JSON; without one, only the load-balancer API refuses the body.

    Raises BadRequest and UnsupportedMediaType.
    """
    mimetype = (req.content_type or "").split(";")[0].strip().lower()
    if mimetype == JSON or not (mimetype or is_load_balancing(req.path)):
        return
    if mimetype == FORM or (req.method == "POST" and req.content_type is None):  # the default of forms
        raise errors.BadRequest("Unknown argument: the body is a form; it has to be application/json.")
    raise errors.UnsupportedMediaType(f"Unknown mimetype: {mimetype}")


def is_load_balancing(path: str) -> bool:
    return not path.startswith(("/identity", "/networking", "/key-manager", "/testing"))
