"""The load-balancer API: five verbs for every resource, and what else it can be asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import quote, urlencode

from ..resources import AMPHORA, MEMBER, PROVIDER, Resource
from ..resources.provider import CAPABILITIES
from . import errors
from .rest import Json, Parameters, Rest

Parents = Mapping[str, str]  # {"pool_id": ...} for what lives inside a pool

NOT_OFFERED = (404, 405, 501)  # to a path that only some servers have


class Api:
    """A load-balancer API, spoken to by resource."""

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
        """Change what is given; None resets to the default."""
        return self._one(resource, self.rest.put(_path(resource, parents, id_), {resource.key: values}))

    def delete(
        self, resource: Resource, id_: str, parents: Parents | None = None, options: Parameters | None = None
    ) -> None:
        self.rest.delete(_path(resource, parents, id_), options)

    def statistics(self, resource: Resource, id_: str, parents: Parents | None = None) -> Json:
        """The counters of a load balancer or a listener; from our own server also those of a pool or a member."""
        stats: Json = self.rest.get(f"{_path(resource, parents, id_)}/stats")["stats"]
        return stats

    def connections(self, pool_id: str, member_id: str) -> int | None:
        """How many connections are open to a member; None where the server does not tell, as Octavia's do not."""
        try:
            stats = self.rest.get(f"{_path(MEMBER, {'pool_id': pool_id}, member_id)}/stats")["stats"]
        except errors.Refused as refusal:
            if refusal.status in NOT_OFFERED:
                return None
            raise
        return int(stats["active_connections"])

    def replace_members(self, pool_id: str, members: Sequence[Json], options: Parameters | None = None) -> None:
        """Make these the members of a pool, or add them to it with the option additive_only."""
        query = f"?{urlencode(options)}" if options else ""
        self.rest.put(f"{_path(MEMBER, {'pool_id': pool_id})}{query}", {MEMBER.collection: list(members)})

    def status(self, resource: Resource, id_: str) -> Json:
        """The tree of a load balancer's objects with their statuses."""
        statuses: Json = self.rest.get(f"{_path(resource, None, id_)}/status")["statuses"]
        return statuses

    def listener_statistics(self, amphora_id: str) -> Sequence[Json]:
        """The counters of each listener that an amphora serves."""
        stats: Sequence[Json] = self.rest.get(f"{_path(AMPHORA, None, amphora_id)}/stats")["amphora_stats"]
        return stats

    def configure(self, amphora_id: str) -> None:
        """Give an amphora its configuration once more."""
        self.rest.put(f"{_path(AMPHORA, None, amphora_id)}/config")

    def capabilities(self, provider: str, kind: str) -> Sequence[Json]:
        """What a flavor, or an availability_zone, can tell a provider."""
        collection = CAPABILITIES[kind]
        found: Sequence[Json] = self.rest.get(f"{_path(PROVIDER, None, provider)}/{collection}")[collection]
        return found

    def failover(self, resource: Resource, id_: str) -> None:
        self.rest.put(f"{_path(resource, None, id_)}/failover")

    @staticmethod
    def _one(resource: Resource, answer: Json) -> Json:
        # Octavia's answer to GET of some objects has no key around it.
        one: Json = answer.get(resource.key, answer)
        return one


def _path(resource: Resource, parents: Parents | None, id_: str | None = None) -> str:
    path = resource.path.format(**(parents or {}))
    return path if id_ is None else f"{path}/{quote(id_, safe='')}"
