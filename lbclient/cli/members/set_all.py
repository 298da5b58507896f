"""The command set-all: replace all members of a pool in one request, and show the difference."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from typing import Any

from ...client import batch, errors, wait
from ...client.rest import Json
from ...resources import MEMBER, POOL
from .. import confirm, verbs
from . import rows as member_rows


class SetAllMembers(verbs.Waiting):
    """Change all members of a pool at once: what is given is added or changed, and what is not given is removed.

    A member is known by its address and port; what is not said of one that exists stays as it is. The difference is
    shown, and on a terminal you are asked before anything is removed. A pipe is not asked: there --dry-run shows first
    what would happen. A file is YAML or JSON (a list of members) or CSV (with headings): what `member list -f json` or
    `-f csv` has written will do.
    """

    resource = MEMBER
    examples = (
        "--file servers.yaml servers",
        "--member address=10.0.0.4,protocol-port=80,weight=5 --member address=10.0.0.5,protocol-port=80 servers",
        "--file more.csv --additive-only --dry-run servers",
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        self.add_parent(parser)
        source = parser.add_mutually_exclusive_group(required=True)
        source.add_argument("--file", metavar="<file>", help="A file with the members; - is standard input.")
        source.add_argument(
            "--member",
            dest="members",
            action="append",
            metavar="address=<IP>,protocol-port=<port>[,<key>=<value>,...]",
            help="A member; can be repeated. The keys are those of a file: the attributes of the API.",
        )
        parser.add_argument("--additive-only", action="store_true", help="Remove nothing.")
        parser.add_argument("--dry-run", action="store_true", help="Show the difference, and change nothing.")
        parser.add_argument("-y", "--yes", action="store_true", help="Do not ask before members are removed.")
        self.add_wait(parser)

    def take_action(self, parsed: argparse.Namespace) -> int | None:
        rows = self._rows(parsed)
        parents, current = self.tried(lambda: self._current(parsed))
        wanted = [self._looked_up(row) for row in rows]
        found = batch.difference(current, wanted, is_additive=parsed.additive_only)
        self._check(rows, found)
        self._show(found)
        if parsed.dry_run or not found:
            return None
        if not self._is_confirmed(found, wanted, parsed):
            return confirm.DECLINED
        self._send(parents["pool_id"], current, wanted, parsed)
        return None

    def _rows(self, parsed: argparse.Namespace) -> list[member_rows.Row]:
        if parsed.file:
            return member_rows.of_file(parsed.file)
        return member_rows.checked(member_rows.of_option(*each) for each in enumerate(parsed.members, 1))

    def _current(self, parsed: argparse.Namespace) -> tuple[Mapping[str, str], list[Json]]:
        parents = self.parents(parsed)
        found = self.services.api.list(MEMBER, parents)
        return parents, list(self.progress.counted(found, "member", "members"))

    def _looked_up(self, row: member_rows.Row) -> Json:
        """Return a row's values with the subnet's ID in place of its name."""
        subnet = row.values.get("subnet_id")
        return {**row.values, "subnet_id": self.names.id("subnet", subnet)} if subnet else dict(row.values)

    def _check(self, rows: list[member_rows.Row], found: batch.Difference) -> None:
        """Raise WrongInput for changes that no server can make."""
        places = {batch.key(dict(row.values)): row.place for row in rows}
        for record, changes in found.changed:
            for name in batch.fixed(changes):
                raise errors.WrongInput(
                    f"{places[batch.key(record)]}: the {name} of a member cannot be changed"
                    f" (it is {changes[name][0]}): remove the member first."
                )

    def _show(self, found: batch.Difference) -> None:
        for line in lines(found):
            self.app.stdout.write(f"{line}\n")

    def _is_confirmed(self, found: batch.Difference, wanted: list[Json], parsed: argparse.Namespace) -> bool:
        """Return whether to continue. Raises WrongInput if all members would be removed and stdin is no terminal."""
        if parsed.yes or not found.removed:
            return True
        count = f"{len(found.removed)} member{'s' * (len(found.removed) > 1)}"
        answer = confirm.asked(f"Remove {count}?")
        if answer is not None:
            return answer
        if not wanted:
            raise errors.WrongInput(f"No member is given: removing all of the pool ({count}) needs --yes.")
        return True

    def _send(self, pool_id: str, current: list[Json], wanted: list[Json], parsed: argparse.Namespace) -> None:
        api = self.services.api
        self.written(lambda: batch.send(api, pool_id, current, wanted, is_additive=parsed.additive_only), parsed)
        if parsed.wait:
            wait.until_settled(api, POOL, {"id": pool_id}, self.deadline(parsed))


def lines(found: batch.Difference) -> Iterator[str]:
    """Yield the lines of a difference: + added, ~ changed, - removed, and a summary."""
    for member in found.added:
        rest = {name: value for name, value in member.items() if name not in batch.KEY}
        yield " ".join(("+", _endpoint(member), *(f"{name}={_shown(value)}" for name, value in rest.items())))
    for record, changes in found.changed:
        words = (f"{name} {_shown(before)} -> {_shown(after)}" for name, (before, after) in changes.items())
        yield f"~ {_called(record)} {', '.join(words)}"
    for record in found.removed:
        yield f"- {_called(record)}"
    counts = (len(found.added), "added"), (len(found.changed), "changed"), (len(found.removed), "removed")
    yield ", ".join([*(f"{number} {word}" for number, word in counts), f"{found.unchanged} unchanged"])


def _endpoint(member: Json) -> str:
    address, port = batch.key(member)
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _called(record: Json) -> str:
    return f"{_endpoint(record)} ({_shown(record['name'])})" if record.get("name") else _endpoint(record)


def _shown(value: Any) -> str:
    """Return a value as one word, quoted if necessary."""
    if isinstance(value, list):
        return member_rows.BETWEEN_TAGS.join(map(str, value)) or "''"
    text = "none" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    return text if text and text.isprintable() and not set(text) & set(" '\"=,") else repr(text)
