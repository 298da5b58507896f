"""Hosts, which run load balancers: an addition to Octavia's API, for operators."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from typing import Any

import sqlalchemy as sa

from ....resources import HOST
from ....store import hosts
from ....store.records import HostRecord
from ...errors import Conflict, NotFound
from ...services import Services
from ...web.routing import Answer, Request
from .. import bodies, listing, policy, present

Values = dict[str, Any]


def list_all(services: Services, request: Request) -> Answer:
    """GET of all hosts."""
    policy.check(services, request.who, "host:get_all")
    with services.store.reading() as tx:
        return listing.answer(tx, request, HOST, hosts.HOSTS)


def show(services: Services, request: Request, id: str) -> Answer:
    """GET of one host."""
    policy.check(services, request.who, "host:get_one")
    with services.store.reading() as tx:
        return Answer({HOST.key: _shown(tx, id, listing.fields(request.query))})


def create(services: Services, request: Request) -> Answer:
    """POST of a host, whose agent can then be enrolled."""
    policy.check(services, request.who, "host:post")
    values = bodies.created(HOST, request.body)
    with _refusing(services) as tx:
        id_ = hosts.add(tx, values["name"], values["weight"], values["zone"])
        return Answer({HOST.key: _shown(tx, id_)}, 201)


def update(services: Services, request: Request, id: str) -> Answer:
    """PUT of the state, the weight or the zone of a host; its load balancers leave it unless the state is UP."""
    policy.check(services, request.who, "host:put")
    values = bodies.changed(HOST, request.body)
    with _refusing(services) as tx:
        hosts.change(tx, _found(tx, id), values)
        return Answer({HOST.key: _shown(tx, id)})


def delete(services: Services, request: Request, id: str) -> Answer:
    """DELETE of a host that has no load balancers; its agent is not served from then on."""
    policy.check(services, request.who, "host:delete")
    with _refusing(services) as tx:
        hosts.remove(tx, _found(tx, id))
    return Answer(None, 204)


def enroll(services: Services, request: Request, id: str) -> Answer:
    """POST: answer a token with which an agent gets a certificate for the host."""
    policy.check(services, request.who, "host:enroll")
    with _refusing(services) as tx:
        token, until = hosts.invite(tx, _found(tx, id))
    end = datetime.fromtimestamp(until // 1000, timezone.utc).replace(tzinfo=None)
    return Answer({"enrolment": {"token": token, "expires_at": end.isoformat()}}, 201)


def _found(tx: sa.Connection, id_: str) -> HostRecord:
    """Return a host and lock its row. Raises NotFound."""
    host = hosts.find(tx, id_)
    if host is None:
        raise NotFound.named(HOST.title, id_)
    return host


def _shown(tx: sa.Connection, id_: str, fields: tuple[str, ...] = ()) -> Values:
    """Return a host as answers show it. Raises NotFound."""
    row = tx.execute(sa.select(hosts.HOSTS).where(hosts.HOSTS.c.id == id_)).one_or_none()
    if row is None:
        raise NotFound.named(HOST.title, id_)
    return present.plain(HOST, row, fields)


@contextmanager
def _refusing(services: Services) -> Iterator[sa.Connection]:
    """Open a writing transaction. Raises Conflict for what the hosts' state does not allow."""
    try:
        with services.store.writing() as tx:
            yield tx
    except hosts.Refused as refusal:
        raise Conflict(str(refusal)) from None
