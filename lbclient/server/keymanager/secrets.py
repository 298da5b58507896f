"""Secrets: create, list, read, upload and delete requests."""

from __future__ import annotations

import uuid
from typing import Any

import sqlalchemy as sa

from ...store import serials, tls_material
from ...store.keymanager_tables import ACL, CONSUMER, CONTENT, SECRET, is_current
from ...store.times import now
from .. import errors
from ..access.context import Context
from ..attributes import Attribute, Type, Values
from ..lists import bounds, keyset
from ..services import Services
from ..web.routing import Answer, Request
from . import access, consumers, pages, payloads, times, versions
from .access import SECRETS
from .bodies import checked, invalid

SCHEMA = "Secret"
VARY = {"Vary": "Accept"}
SECRET_TYPES = ("symmetric", "passphrase", "private", "public", "certificate", "opaque")
PROPERTIES = (
    Attribute("name", is_nullable=True),
    Attribute("algorithm"),
    Attribute("mode"),
    Attribute("bit_length", Type.INTEGER, minimum=1, maximum=32767),
    Attribute("expiration"),
    Attribute("secret_type", choices=SECRET_TYPES, length=None),
    Attribute("payload", length=None),
    Attribute("payload_content_type", is_nullable=True),
    Attribute("payload_content_encoding", choices=("base64",), length=None),
)
STORED = ("name", "algorithm", "mode", "bit_length", "secret_type")
FILTERS = {"name": "name", "alg": "algorithm", "mode": "mode", "secret_type": "secret_type"}
TIMES = ("created", "updated", "expiration")
SORTED = ("algorithm", "bit_length", "created", "expiration", "mode", "name", "secret_type", "updated")


def create(services: Services, request: Request) -> Answer:
    """Create a secret, with a payload or for one that is uploaded later."""
    project_id = access.project(request, "Secret creation")
    values = checked(SCHEMA, PROPERTIES, request.body)
    row = {name: values[name] for name in STORED if values.get(name) is not None}
    row |= {"expiration": _expiration(values), "content_type": None}
    payload = _payload(values, services.config.secret_bytes)
    owner = {"id": str(uuid.uuid4()), "project_id": project_id, "creator_id": request.who.user_id}
    with services.store.writing() as tx:
        access.check_quota(services, tx, access.SECRETS, project_id)
        if payload is not None:
            row |= {"sealed": tls_material.vault(tx).seal(payload[0]), "content_type": payload[1]}
        stamps = {"created": now(), "updated": now(), "serial": serials.of_row(tx)}
        tx.execute(sa.insert(SECRET).values(row | stamps | owner))
    reference = href(request, owner["id"])
    return Answer({"secret_ref": reference}, 201, {"Location": reference})


def _expiration(values: Values) -> str | None:
    given = values.get("expiration")
    if not given:
        return None
    try:
        expiration = times.read(given)
    except ValueError:
        raise invalid(SCHEMA, "Invalid date for 'expiration'", "expiration") from None
    if expiration <= now():
        raise invalid(SCHEMA, "'expiration' is before current time", "expiration")
    return expiration


def _payload(values: Values, maximum: int) -> tuple[bytes, str] | None:
    """Return the payload and content type in the body of a POST; None if it has no payload. Raises BadRequest."""
    if "payload" not in values:
        if values.get("payload_content_type") or values.get("payload_content_encoding"):
            why = "payload must be provided when payload_content_type is specified"
            raise invalid(SCHEMA, why, "payload")
        return None
    if not values["payload"]:
        raise invalid(SCHEMA, "If 'payload' specified, must be non empty", "payload")
    kind = payloads.content_type(values.get("payload_content_type"))
    if kind is None:
        name = "payload_content_type"
        raise invalid(SCHEMA, f"with a payload, {name} has to be one of {', '.join(payloads.TYPES)}", name)
    encoding = values.get("payload_content_encoding")
    if encoding != (None if kind == payloads.TEXT else "base64"):
        needed = "has to be left out" if kind == payloads.TEXT else "has to be base64"
        raise invalid(SCHEMA, f"for {kind} it {needed}", "payload_content_encoding")
    if encoding == "base64":
        return payloads.decoded(values["payload"], maximum), kind
    return payloads.sized(values["payload"].encode(), maximum), kind


def list_all(services: Services, request: Request) -> Answer:
    """List the metadata of the project's secrets, page by page."""
    project_id = access.project(request, "Secret(s) retrieval")
    query = dict(request.query)
    found = sa.select(SECRET).where(is_current(now()), *_filters(query))
    if query.get("acl_only", "").lower() == "true":
        found = found.where(SECRET.c.id.in_(_named_in(request.who)))
    else:
        found = found.where(SECRET.c.project_id == project_id)
    with services.store.reading() as tx:
        page = pages.of(tx, request, found.order_by(*_order(query.get("sort", "")), SECRET.c.serial))
        return Answer(pages.answer(request, "secrets", "secrets", page, _present(tx, request, page.rows)))


def _named_in(who: Context) -> sa.Select[Any]:
    """Select the IDs of the secrets whose ACL lets the user read them."""
    is_named = sa.cast(ACL.c.users, sa.Text).contains(f'"{who.user_id}"', autoescape=True)
    return sa.select(ACL.c.owner_id).where(ACL.c.operation == "read", is_named)


def _filters(query: dict[str, str]) -> list[sa.ColumnElement[bool]]:
    wanted: list[sa.ColumnElement[bool]] = []
    for name, column in FILTERS.items():
        if query.get(name):
            wanted.append(SECRET.c[column] == query[name] if "\0" not in query[name] else sa.false())
    bits = query.get("bits", "")
    if bits.isascii() and bits.isdigit() and int(bits[:9]) > 0:
        wanted.append(SECRET.c.bit_length == int(bits[:9]))
    try:
        wanted += [times.condition(SECRET.c[name], query[name]) for name in TIMES if query.get(name)]
    except ValueError:
        raise _bad_query() from None
    return wanted


def _order(sort: str) -> list[sa.ColumnElement[Any]]:
    order: list[sa.ColumnElement[Any]] = []
    given: list[str] = []
    for part in sort.split(",") if sort else []:
        key, _, direction = part.partition(":")
        given.append(key)
        if key not in (*SORTED, "status") or direction not in ("", keyset.ASCENDING, keyset.DESCENDING):
            raise _bad_query()
        if key != "status":  # the same for all secrets
            order.append(keyset.ordered(SECRET.c[key], direction == keyset.DESCENDING))
    bounds.order(given)
    return order


def _bad_query() -> errors.BadRequest:
    return errors.BadRequest("URI provided invalid query string parameters.")


def show(services: Services, request: Request, id_: str) -> Answer:
    """Show the metadata of a secret, or its payload if the Accept header asks for that, as older clients do."""
    if payloads.wants_payload(request.http):
        return show_payload(services, request, id_)
    with services.store.reading() as tx:
        row = access.visible(tx, SECRETS, id_, request.who, "Secret retrieval")
        return Answer(_present(tx, request, [row])[0], headers=VARY)


def show_payload(services: Services, request: Request, id_: str) -> Answer:
    with services.store.reading() as tx:
        row = access.readable(tx, SECRETS, id_, request.who, "Secret payload retrieval")
        if row.sealed is None:
            raise errors.NotFound("Not Found. Sorry but your secret has no payload.")
        payload = tls_material.vault(tx).unseal(row.sealed)
    return Answer(payload, 200, {"Content-Type": payloads.answered(request.http, payload, row.content_type), **VARY})


def put_payload(services: Services, request: Request, id_: str) -> Answer:
    """Store the payload of a secret that was created without one."""
    payload, kind = payloads.uploaded(request.http, request.body, services.config.secret_bytes)
    with services.store.writing() as tx:
        row = access.changeable(tx, SECRETS, id_, request.who, "Secret update")
        given = {"sealed": tls_material.vault(tx).seal(payload), "content_type": kind, "updated": now()}
        is_first = (SECRET.c.id == row.id) & SECRET.c.sealed.is_(None)
        if tx.execute(sa.update(SECRET).where(is_first).values(given)).rowcount == 0:
            raise errors.Conflict("Secret already has data, cannot modify it.")
        affected = _loadbalancers(tx, row.id)
    services.wake(affected)
    return Answer(status=204)


def delete(services: Services, request: Request, id_: str) -> Answer:
    """Delete a secret. Since microversion 1.2, one that has consumers is deleted only with force=true."""
    is_forced = dict(request.query).get("force", "false").lower()
    if is_forced not in ("true", "false", "1", "0"):
        raise _bad_query()
    is_free = is_forced in ("true", "1") or versions.minor(request) < 2
    with services.store.writing() as tx:
        row = access.deletable(tx, SECRETS, id_, request.who, "Secret deletion")
        if not is_free and consumers.of_secrets(tx, [row.id])[row.id]:
            raise errors.BadRequest("Secret cannot be deleted as it has consumers.")
        affected = _loadbalancers(tx, row.id)
        tx.execute(sa.delete(CONTENT).where(CONTENT.c.secret_id == row.id))
        for table in (ACL, CONSUMER):
            tx.execute(sa.delete(table).where(table.c.owner_id == row.id))
        tx.execute(sa.delete(SECRET).where(SECRET.c.id == row.id))
    services.wake(affected)
    return Answer(status=204)


def _loadbalancers(tx: sa.Connection, secret_id: str) -> list[str]:
    """Return the IDs of the load balancers that refer to a secret or to a container that holds it."""
    return tls_material.loadbalancers_with(tx, [secret_id, *tls_material.containers_with(tx, secret_id)])


def href(request: Request, id_: str) -> str:
    return f"{request.base}/v1/secrets/{id_}"


def one(tx: sa.Connection, request: Request, row: Any) -> Values:
    """Return the metadata of one secret."""
    return _present(tx, request, [row])[0]


def _present(tx: sa.Connection, request: Request, found: list[Any]) -> list[Values]:
    objects = [
        {
            "secret_ref": href(request, row.id),
            **{name: getattr(row, name) for name in (*STORED, *TIMES, "creator_id")},
            "status": "ACTIVE",
            **({"content_types": {"default": row.content_type}} if row.content_type else {}),
        }
        for row in found
    ]
    if versions.minor(request) >= 1:
        known = consumers.of_secrets(tx, [row.id for row in found])
        for row, each in zip(found, objects, strict=True):
            each["consumers"] = known[row.id]
    return objects
