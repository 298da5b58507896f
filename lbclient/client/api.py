"""The load-balancer API: five verbs for every resource, and the other requests that it supports."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import quote, urlencode

from ..resources import AMPHORA, HOST, LOADBALANCER, MEMBER, PROVIDER, Resource
from ..resources.provider import CAPABILITIES
from . import errors
from .rest import Json, Parameters, Rest

Parents = Mapping[str, str]  # {"pool_id": ...} for members of a pool

NOT_OFFERED = (404, 405, 501)  # statuses for a path that the server does not support


class Api:
    """A client of a load-balancer API, with methods that take a resource."""

    def __init__(self, rest: Rest) -> None:
        self.rest = rest

    def list(
        self, resource: Resource, parents: Parents | None = None, filters: Parameters | None = None
    ) -> Iterator[Json]:
        return self.rest.pages(_path(resource, parents), resource.collection, filters)

    def show(self, resource: Resource, id_: str, parents: Parents | None = None) -> Json:
        return self._one(resource, self.rest.get(_path(resource, parents, id_)))

    def create(self, resource: Resource, values: Json, parents: Parents | None = None) -> Json:
        return self._one(resource, self.rest.post(_path(resource, parents), {resource.key: values}))

    def update(self, resource: Resource, id_: str, values: Json, parents: Parents | None = None) -> Json:
        """Change the given attributes; None resets an attribute to its default."""
        return self._one(resource, self.rest.put(_path(resource, parents, id_), {resource.key: values}))

    def delete(
        self, resource: Resource, id_: str, parents: Parents | None = None, options: Parameters | None = None
    ) -> None:
        self.rest.delete(_path(resource, parents, id_), options)

    def statistics(self, resource: Resource, id_: str, parents: Parents | None = None) -> Json:
        """Return the counters of a load balancer or a listener; on lbclient's server also of a pool or a member."""
        stats: Json = self.rest.get(f"{_path(resource, parents, id_)}/stats")["stats"]
        return stats

    def performance(self, loadbalancer_id: str) -> Json:
        """Return requests and response_milliseconds by the ID of a part; {} if the server does not report them."""
        try:
            found: Json = self.rest.get(f"{_path(LOADBALANCER, None, loadbalancer_id)}/performance")["performance"]
        except errors.Refused as refusal:
            if refusal.status in NOT_OFFERED:
                return {}
            raise
        return found

    def connections(self, pool_id: str, member_id: str) -> int | None:
        """Return the number of open connections to a member; None if the server does not report it (Octavia)."""
        try:
            stats = self.rest.get(f"{_path(MEMBER, {'pool_id': pool_id}, member_id)}/stats")["stats"]
        except errors.Refused as refusal:
            if refusal.status in NOT_OFFERED:
                return None
            raise
        return int(stats["active_connections"])

    def replace_members(self, pool_id: str, members: Sequence[Json], options: Parameters | None = None) -> None:
        """Replace the members of a pool, or add to them with the option additive_only."""
        query = f"?{urlencode(options)}" if options else ""
        self.rest.put(f"{_path(MEMBER, {'pool_id': pool_id})}{query}", {MEMBER.collection: list(members)})

    def status(self, resource: Resource, id_: str) -> Json:
        """Return the status tree of a load balancer."""
        statuses: Json = self.rest.get(f"{_path(resource, None, id_)}/status")["statuses"]
        return statuses

    def listener_statistics(self, amphora_id: str) -> Sequence[Json]:
        """Return the counters of each listener that an amphora serves."""
        stats: Sequence[Json] = self.rest.get(f"{_path(AMPHORA, None, amphora_id)}/stats")["amphora_stats"]
        return stats

    def configure(self, amphora_id: str) -> None:
        """Send an amphora its configuration again."""
        self.rest.put(f"{_path(AMPHORA, None, amphora_id)}/config")

    def enroll(self, host_id: str) -> Json:
        """Return a new token with which the agent of a host gets its certificate, and when it expires."""
        made: Json = self.rest.post(f"{_path(HOST, None, host_id)}/enroll", {})["enrolment"]
        return made

    def capabilities(self, provider: str, kind: str) -> Sequence[Json]:
        """Return the provider's capabilities for flavors or availability zones; `kind` is a key of CAPABILITIES."""
        collection = CAPABILITIES[kind]
        found: Sequence[Json] = self.rest.get(f"{_path(PROVIDER, None, provider)}/{collection}")[collection]
        return found

    def failover(self, resource: Resource, id_: str) -> None:
        self.rest.put(f"{_path(resource, None, id_)}/failover")

    @staticmethod
    def _one(resource: Resource, answer: Json) -> Json:
        # Octavia does not wrap its answers for some objects in a key.
        one: Json = answer.get(resource.key, answer)
        return one


def _path(resource: Resource, parents: Parents | None, id_: str | None = None) -> str:
    path = resource.path.format(**(parents or {}))
    return path if id_ is None else f"{path}/{quote(id_, safe='')}"
