"""The commands drain and undrain: take members out of service without breaking connections, and put them back."""

from __future__ import annotations

import argparse
import functools
import sys
from typing import Any

from ...client import drain_tags, errors, wait
from ...client.api import Parents
from ...client.rest import Json
from ...client.safe_text import safe
from ...resources import LOADBALANCER, MEMBER, POOL
from .. import verbs
from ..command import positive_seconds

LONGEST_PAUSE = 1.0  # seconds between two counts of connections
STALE = 15.0  # maximum age in seconds of a load balancer's statistics; Octavia collects them every 10


class DrainMember(verbs.Waiting):
    """Drain a member: it gets no new connections, and open ones may finish.

    Its weight becomes 0; the one before is kept in a tag of the member, for undrain. With --wait the command ends when
    no connection is open any more (exit status 0), or when the time is over with some still open (3).

    lbclient's server reports how many are open. With other servers, the command waits until the whole load balancer
    has no connection; if that does not happen in time, the state of this member is unknown (exit status 4).
    """

    resource = MEMBER
    examples = (
        "servers one two",
        "--wait --timeout 60 servers one",
        "--timeout 60 --then delete servers one",
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        self.add_target(parser, nargs="+", help="What to drain (names or IDs).")
        parser.add_argument("--wait", action="store_true", help="Wait until no connection is open any more.")
        parser.add_argument(
            "--timeout",
            dest="wait_timeout",
            metavar="<seconds>",
            type=positive_seconds,
            help="How long to wait at most (300); implies --wait.",
        )
        parser.add_argument(
            "--then", choices=("delete", "disable"), help="What to do with the drained member; implies --wait."
        )
        parser.add_argument(
            "--force", action="store_true", help="With --then: do it at the end of the time, whatever is still open."
        )
        parser.add_argument(
            "--retry-on-conflict",
            action="store_true",
            help="While the load balancer is busy with another change, wait for its end rather than fail.",
        )

    def take_action(self, parsed: argparse.Namespace) -> None:
        if parsed.force and not parsed.then:
            raise errors.WrongUsage("--force belongs to --then delete or --then disable.")
        is_awaited = parsed.wait or parsed.then or parsed.wait_timeout
        parsed.wait_timeout = parsed.wait_timeout or wait.TIMEOUT
        drained = [
            self.tried(functools.partial(self._begin, word, verbs.in_turn(parsed, number)))
            for number, word in enumerate(parsed.target)
        ]
        ends: list[errors.TimedOut] = []
        for parents, record in drained if is_awaited else ():
            try:
                self._end(parents, record, parsed)
            except errors.TimedOut as end:
                if len(drained) == 1:
                    raise
                self.progress.clear()
                verbs.LOG.error("%s", end)
                ends.append(end)
        if ends:
            kind = errors.TimedOut if any(type(end) is errors.TimedOut for end in ends) else type(ends[0])
            raise kind(f"{len(ends)} of {len(drained)} members are not known to be drained.")

    def _end(self, parents: Parents, record: Json, parsed: argparse.Namespace) -> None:
        """Wait until a member is drained, then carry out --then. Raises TimedOut."""
        member = safe(f"member {record.get('name') or record['id']}")
        is_idle = self._is_idle(parents, record, member, parsed)
        if parsed.then:
            self._finish(parents, record, parsed)
        if is_idle and self.progress.is_shown:
            self.progress.clear()
            sys.stderr.write(f"{member[0].upper()}{member[1:]} is drained.\n")

    def _is_idle(self, parents: Parents, record: Json, member: str, parsed: argparse.Namespace) -> bool:
        """Return whether no connection is open any more. Raises TimedOut or Untold, except with --force."""
        try:
            self._until_idle(parents, record, member, parsed)
        except errors.TimedOut as end:
            if parsed.force:
                self.progress.clear()
                verbs.LOG.warning("%s", end)
                return False
            undone = f" --then {parsed.then} was not done: give --force to do it nevertheless." if parsed.then else ""
            raise type(end)(f"{end}{undone}") from end
        return True

    def _begin(self, word: str, parsed: argparse.Namespace) -> tuple[Parents, Json]:
        """Set a member's weight to 0, with the earlier weight stored in a tag."""
        api, parents = self.services.api, self.parents(parsed)
        record = self.record(self.id(word, parents), parents)
        if record["weight"] == 0:
            return parents, record
        values: Json = {"weight": 0}
        if "tags" in record:
            values["tags"] = drain_tags.with_weight(record["tags"], record["weight"])
        else:
            verbs.LOG.warning(
                "This server keeps no tags, so undrain has to be told the weight: --weight %s.", record["weight"]
            )
        return parents, self.written(lambda: api.update(MEMBER, record["id"], values, parents), parsed)

    def _until_idle(self, parents: Parents, record: Json, member: str, parsed: argparse.Namespace) -> None:
        """Wait until a member has no connections. Raises TimedOut or Untold."""
        api, deadline = self.services.api, self.deadline(parsed)
        wait.until_settled(api, MEMBER, record, deadline, parents)
        kind: type[errors.TimedOut] = errors.OutcomeUnknown
        said = f"Whether connections to {member} are open is not known"
        for _ in deadline.pauses(LONGEST_PAUSE):
            try:
                count = api.connections(parents["pool_id"], record["id"])
            except errors.ServerFailed:
                continue  # its proxy does not answer; this may be temporary
            if count == 0:
                return
            if count is None:
                return self._until_all_are_idle(parents, record, member, deadline)
            deadline.tell(f"{member}: {_counted(count)} open")
            kind, said = errors.TimedOut, f"{_counted(count)} to {member} {'is' if count == 1 else 'are'} still open"
        raise kind(f"{said} after {deadline.seconds:g} seconds; its weight stays 0.{self._persistence(parents)}")

    def _until_all_are_idle(self, parents: Parents, record: Json, member: str, deadline: wait.Deadline) -> None:
        """Wait until the load balancer has no connections at all, if there are no statistics of members."""
        api = self.services.api
        id_ = wait.loadbalancer_id(api, MEMBER, record, parents)
        self.progress.clear()
        verbs.LOG.warning(
            "This server does not tell how many connections are open to a member: waiting until load balancer %s has"
            " none at all, %g seconds at most.",
            id_,
            deadline.seconds,
        )
        begin, count = deadline.elapsed, 0
        for _ in deadline.pauses():
            count = api.statistics(LOADBALANCER, id_)["active_connections"]
            if count == 0 and deadline.elapsed - begin >= STALE:
                return
            deadline.tell(f"{member}: unknown; load balancer: {_counted(count)} open")
        raise errors.OutcomeUnknown(
            f"Whether connections to {member} are open is not known after {deadline.seconds:g} seconds: its load"
            f" balancer has {_counted(count)} open in all. Its weight stays 0.{self._persistence(parents)}"
        )

    def _persistence(self, parents: Parents) -> str:
        """Return a sentence about session persistence, which may keep connections open; otherwise an empty text."""
        persistence = self.services.api.show(POOL, parents["pool_id"]).get("session_persistence")
        if not persistence:
            return ""
        return f" Clients that know it may come back by the pool's session persistence ({persistence['type']})."

    def _finish(self, parents: Parents, record: Json, parsed: argparse.Namespace) -> None:
        api = self.services.api
        deadline = wait.Deadline(wait.TIMEOUT, self.progress if self.progress.is_shown else None)
        if parsed.then == "delete":
            owner = wait.loadbalancer_id(api, MEMBER, record, parents)
            wait.while_busy(api, lambda: api.delete(MEMBER, record["id"], parents), deadline)
            wait.until_gone(api, MEMBER, record["id"], deadline, parents, owner)
            return
        values: dict[str, Any] = {"admin_state_up": False}
        if "tags" in record and record["admin_state_up"]:
            values["tags"] = [*record["tags"], drain_tags.DISABLED]
        wait.while_busy(api, lambda: api.update(MEMBER, record["id"], values, parents), deadline)
        wait.until_settled(api, MEMBER, record, deadline, parents)


class UndrainMember(verbs.Waiting):
    """Put a drained member back into service, with the weight that it had before."""

    resource = MEMBER
    examples = ("servers one", "--weight 5 --wait servers one")

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        self.add_target(parser, nargs="+", help="What to put back (names or IDs).")
        parser.add_argument("--weight", metavar="<weight>", type=int, help="The weight (the one before drain).")
        self.add_wait(parser)

    def take_action(self, parsed: argparse.Namespace) -> None:
        for number, word in enumerate(parsed.target):
            parents, record = self.tried(functools.partial(self._restore, word, verbs.in_turn(parsed, number)))
            self.settled(record, parsed, parents)

    def _restore(self, word: str, parsed: argparse.Namespace) -> tuple[Parents, Json]:
        api, parents = self.services.api, self.parents(parsed)
        record = self.record(self.id(word, parents), parents)
        tags = record.get("tags") or []
        values: dict[str, Any] = {"weight": self._weight(parsed, record, tags)}
        if drain_tags.without_drain_tags(tags) != tags:
            values["tags"] = drain_tags.without_drain_tags(tags)
        if drain_tags.DISABLED in tags:
            values["admin_state_up"] = True
        if values == {"weight": record["weight"]}:
            verbs.LOG.warning("It is not drained: its weight is %s.", record["weight"])
            return parents, record
        return parents, self.written(lambda: api.update(MEMBER, record["id"], values, parents), parsed, values)

    def _weight(self, parsed: argparse.Namespace, record: Json, tags: list[str]) -> int:
        """Return the weight to restore. Raises WrongInput if it is not known."""
        if parsed.weight is not None:
            return int(parsed.weight)
        if record["weight"] != 0:
            return int(record["weight"])  # the weight has been restored by other means
        before = drain_tags.weight_before(tags)
        if before is None:
            raise errors.WrongInput("No weight is remembered: it was not drained by lbclient. Give it with --weight.")
        return before


def _counted(count: int) -> str:
    return f"{count} connection{'s' * (count != 1)}"
