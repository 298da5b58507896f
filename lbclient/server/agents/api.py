"""The API for agents, over TLS with certificates on both sides: each asks and reports only about what its host runs."""

from __future__ import annotations

import ipaddress
import logging
import re
import uuid
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from typing import Any, NoReturn

import orjson
import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from ... import __version__
from ...store import documents, faults, hosts, leases, placing, reading, vip_groups
from ...store.hosted import Hosted
from ...store.prepared import row
from ...store.records import AmphoraRecord, HostRecord
from ...store.snapshot import Snapshot
from ...store.store import Outcome, Store
from ...vault.authority import Authority
from .. import errors
from ..web.asgi import FAULT, MAXIMUM, PEER, STREAM, Environ
from ..web.limits import BODY_MAXIMUM
from . import views
from .cluster import Cluster
from .hub import Changes, Hub

LOG = logging.getLogger(__name__)
PREFIX = "/agent/v1"
UNKNOWN = "unknown host: it was removed, is declared dead, or has been enrolled again since"
ONE = re.compile(rf"{PREFIX}/loadbalancers/([0-9a-f-]{{36}})(?:/(settled|observed|released))?")

OBSERVED = ("statuses", "checks", "reasons", "revision", "portion")

Body = dict[str, Any]


class Refused(Exception):
    """A request that is not answered; `reason` is a word that agents understand."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class AgentApi:
    """A WSGI application for agents."""

    def __init__(
        self, store: Store, hub: Hub, cluster: Cluster, wake: Callable[[str], None], authority: Authority
    ) -> None:
        """wake(id) has the host of a load balancer reconcile it; the authority signs the certificates of agents."""
        self._store = store
        self._hub = hub
        self._cluster = cluster
        self._wake = wake
        self._authority = authority

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        status, answer = self._answer(environ)
        content = b"" if answer is None else orjson.dumps(answer)
        start_response(f"{status} ", [("Content-Type", "application/json"), ("Content-Length", str(len(content)))])
        return [content]

    def _answer(self, environ: Environ) -> tuple[int, Any]:
        try:
            if FAULT in environ:
                raise environ[FAULT]
            return 200, self._handle(environ)
        except Refused as refusal:
            return refusal.status, {"reason": refusal.reason}
        except leases.Fenced:
            return 409, {"reason": "fenced"}
        except leases.NotYours:
            return 403, {"reason": "elsewhere"}
        except (ArithmeticError, AttributeError, KeyError, TypeError, ValueError) as error:
            LOG.warning("a request of an agent cannot be read: %r", error)
            return 400, {"reason": "bad request"}
        except errors.Error as error:
            return error.status, {"reason": error.message}
        except SQLAlchemyError as error:
            return 503, {"reason": faults.explanation(error) or "the database cannot be used"}

    def _handle(self, environ: Environ) -> Any:
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        if (method, path) == ("GET", f"{PREFIX}/authority"):
            return {"certificate": self._authority.certificate}
        if (method, path) == ("POST", f"{PREFIX}/enroll"):
            return self._enroll(_body(environ), environ["REMOTE_ADDR"])
        host = self._sender(environ)
        body = _body(environ) if method == "POST" else {}
        found = ONE.fullmatch(path)
        if found:
            return self._about_one(method, host, body, *found.groups())
        hosted = Hosted(self._store, host.id)
        match method, path.removeprefix(PREFIX):
            case "POST", "/register":
                return self._register(host, body, environ["REMOTE_ADDR"])
            case "POST", "/renew":
                return {"certificate": self._authority.sign(str(body["request"]), host.id, host.certificate or "")}
            case "POST", "/beat":
                self._beat(host, body)
            case "POST", "/answers":
                self._hub.answer(body["token"], body["value"])
            case "GET", "/changes":
                environ[STREAM] = Changes(self._hub.tail(host.id), partial(self._check, environ))
            case "GET", "/wanted":
                return {"loadbalancers": hosted.wanted(), "groups": hosted.groups()}
            case "GET", "/addresses":
                return [[*key, addresses] for key, addresses in hosted.addresses().items()]
            case _:
                raise Refused(404, "unknown path")
        return None

    def _sender(self, environ: Environ) -> HostRecord:
        """Return the host that the certificate names. Raises Refused."""
        peer = environ.get(PEER)
        if not peer:
            raise Refused(401, "no certificate")
        names = dict(pair for part in peer["subject"] for pair in part)
        with self._store.reading() as tx:
            host = leases.by_certificate(tx, names.get("commonName", ""), names.get("serialNumber", ""))
        if host is None or host.state == placing.DEAD:
            raise Refused(403, UNKNOWN)
        return host

    def _check(self, environ: Environ) -> None:
        """Check that the agent may go on listening. Raises errors.Forbidden."""
        try:
            self._sender(environ)
        except Refused as refusal:
            raise errors.Forbidden(refusal.reason) from None

    def _enroll(self, body: Body, address: str) -> Body:
        """Answer a certificate for a request with a token, which is used up. Raises Refused.

        A token that is not valid is only looked up: many of them must not occupy the database's one writer.
        """
        token, request = str(body["token"]), str(body["request"])
        with self._store.reading() as tx:
            is_valid = hosts.is_valid(tx, token)
        if not is_valid:
            self._refuse_token(address)
        with self._store.writing() as tx:
            found = hosts.redeem(tx, token)
            if found is None:
                self._refuse_token(address)
            host, name = found
            certificate = self._authority.sign(request, host.id, name)
        LOG.info("host %s: enrolled from %s", host.name, address)
        return {"host": host.name, "certificate": certificate}

    @staticmethod
    def _refuse_token(address: str) -> NoReturn:
        """Raise Refused for a token that is not valid."""
        LOG.warning("an agent at %s has no valid token", address)
        raise Refused(403, "the token is not valid, was used, or has expired; lbclient host enroll makes another")

    def _register(self, host: HostRecord, body: Body, address: str) -> Body:
        version = str(body["version"])[:64]
        if body.get("protocol") != documents.PROTOCOL:
            reason = f"The agent, version {version}, does not speak the protocol of this server"
            self._refuse(host, 426, f"{reason}: install {__version__}.", is_passing=False)
        networks = body["networks"]
        if networks is not None:
            networks = tuple(str(ipaddress.ip_network(each)) for each in networks)
        instance, clock = str(uuid.UUID(body["instance"])), int(body["clock"])
        agent = leases.Agent(version, instance, address, clock, networks, *_abilities(body))
        try:
            with self._store.writing() as tx:
                epoch = leases.register(tx, host.id, agent)
        except leases.Taken:
            reason = f"An agent on another machine, at {address}, has the certificate of this host, too"
            self._refuse(host, 503, f"{reason}: enrol each by itself.")
        LOG.info("host %s: registered, epoch %s", host.name, epoch)
        return {"epoch": epoch, "beat": leases.BEAT}

    def _refuse(self, host: HostRecord, status: int, fault: str, is_passing: bool = True) -> NoReturn:
        """Refuse a registration and show why. Raises Refused."""
        with self._store.writing() as tx:
            leases.note_fault(tx, host.id, fault, is_passing)
        LOG.warning("host %s: %s", host.name, fault)
        raise Refused(status, fault)

    def _beat(self, host: HostRecord, body: Body) -> None:
        """Extend the lease and store new totals of the load balancers that are on the host."""
        with self._store.writing(is_durable=False) as tx:
            leases.extend(tx, host.id, body["epoch"], int(body["clock"]))
            moved = vip_groups.note_states(tx, host.id, body.get("groups", {}))
        for group_id in moved:
            views.show_holder(self._store, group_id)
        if body["totals"]:
            mine = {id_ for id_, _, _ in Hosted(self._store, host.id).roster()}
            with self._store.reading() as tx:
                totals = {id_: _own_parts(tx, id_, parts) for id_, parts in body["totals"].items() if id_ in mine}
            self._store.all_counted(totals, host.id)

    def _about_one(self, method: str, host: HostRecord, body: Body, id_: str, verb: str | None) -> Any:
        with self._store.reading() as tx:
            amphorae = placing.amphorae(tx, id_)
        if not amphorae:
            raise Refused(404, "gone")
        amphora = next((each for each in amphorae if each.host_id == host.id), None)
        if amphora is None:
            raise leases.NotYours
        hosted = Hosted(self._store, host.id, self._wake)
        if method == "GET" and verb is None:
            return self._snapshot(hosted, id_)
        if method != "POST" or verb is None:
            raise Refused(405, "unknown method")
        check = partial(leases.check_owner, host_id=host.id, epoch=body["epoch"], loadbalancer_id=id_)
        if verb == "settled":
            return self._settled(host, id_, body, check)
        if verb == "observed":
            return self._observed(amphora, body, check)
        with self._store.reading() as tx:
            check(tx)
        hosted.released(id_)
        return None

    def _snapshot(self, hosted: Hosted, id_: str) -> Body:
        snapshot = hosted.snapshot(id_)
        if snapshot is None:
            raise leases.NotYours
        with self._store.reading() as tx:
            known = reading.operating_statuses(tx, id_)
        return {**documents.document(snapshot), "statuses": [[*key, status] for key, status in known.items()]}

    def _settled(self, host: HostRecord, id_: str, body: Body, check: Callable[[sa.Connection], None]) -> Body:
        """Settle what the agent has applied, as far as it belongs to the load balancer."""
        with self._store.reading() as tx:
            known = reading.operating_statuses(tx, id_)
            current = reading.snapshot(tx, id_, with_members=False, host_id=host.id)
            seen = reading.seen_until(tx, id_, int(body["revision"]))
        if current is None:
            raise Refused(404, "gone")
        unbound = {(part, address): reason for part, address, reason in body["unbound"] if ("listener", part) in known}
        statuses = {(name, part): status for name, part, status in body["statuses"]}
        told = {**current.loadbalancer._mapping, "revision": body["revision"]}
        snapshot: Snapshot = replace(current, loadbalancer=row(told), seen=seen, unbound=unbound)
        outcome = Outcome(**body["outcome"]) if body["outcome"] else None
        is_pending = self._store.settle(snapshot, body["error"], outcome, lambda now: {**now, **statuses}, check=check)
        self._cluster.reconciled(id_)
        return {"is_pending": is_pending}

    def _observed(self, amphora: AmphoraRecord, body: Body, check: Callable[[sa.Connection], None]) -> None:
        """Store what a host has observed; of two hosts, that of the one without the addresses is kept for later."""
        if amphora.vip_group_id is not None:
            with self._store.writing(is_durable=False) as tx:
                check(tx)
                vip_groups.keep_view(tx, amphora.id, {key: body.get(key) for key in OBSERVED})
                if not vip_groups.is_holder(tx, amphora):
                    return
        views.keep(self._store, amphora.loadbalancer_id, body, check)


def _abilities(body: Body) -> tuple[tuple[str, ...], dict[str, list[str]]]:
    """Return the features and the own addresses of a host, by interface, from its registration. Raises ValueError."""
    found = {
        str(interface): [str(ipaddress.ip_interface(each)) for each in addresses]
        for interface, addresses in body.get("addresses", {}).items()
    }
    return tuple(map(str, body.get("features", ()))), found


def _body(environ: Environ) -> Any:
    """Return the body of a request. Raises Refused if it is too large, and ValueError if it is no JSON."""
    if int(environ.get("CONTENT_LENGTH", 0)) > environ.get(MAXIMUM, BODY_MAXIMUM):
        raise Refused(413, "the body is too large")
    return orjson.loads(environ["wsgi.input"].read())


def _own_parts(tx: sa.Connection, id_: str, totals: Body) -> Body:
    known = {part for _, part in reading.operating_statuses(tx, id_)}
    return {part: counted for part, counted in totals.items() if part in known}
