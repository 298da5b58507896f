"""Traffic logs: show them, follow them, and set what is logged."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from typing import Any

from ...client.errors import UnknownName
from ...client.rest import Json
from ...resources import LISTENER, LOADBALANCER, Resource, Type
from ...resources.logging import LOGGING
from .. import verbs
from ..output import screen

FORMATS = ("text", "json", "combined")
SWITCH = {"on": True, "off": False}
COLOURS = {"2": "green", "3": "grey", "4": "yellow", "5": "red"}  # by the first digit of a status


class LogsLoadBalancer(verbs.Verb):
    """Show what was logged of the traffic of a load balancer or a listener, the oldest line first.

    Nothing is logged until `loadbalancer set --logging on` or `loadbalancer listener set --logging on`. Only lbclient's
    own server has traffic logs.
    """

    resource = LOADBALANCER
    examples = ("lb1 --since 10m --status 5xx", "web --follow", "lb1 -f json")

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        self.add_target(parser, help="The load balancer, or else the listener (name or ID).")
        parser.add_argument("--follow", action="store_true", help="Show lines as they are logged, until Ctrl-C.")
        parser.add_argument("--since", metavar="<time>", help="Since a time in UTC, or since 30s, 10m, 2h or 1d ago.")
        parser.add_argument("--status", metavar="<status>", help="Lines with this status, or these: 5xx.")
        parser.add_argument("--member", metavar="<member>", help="Lines of this member (name, address:port or ID).")
        parser.add_argument("--path", metavar="<pattern>", help="Lines whose path matches; * is any characters.")
        parser.add_argument("--limit", metavar="<number>", help="How many lines at most (100).")
        parser.add_argument(
            "-f", "--format", choices=FORMATS, default="text", help="How lines are written (text); json is complete."
        )

    def take_action(self, parsed: argparse.Namespace) -> None:
        out: Any = self.app.stdout
        is_coloured = screen.is_coloured(out)
        for line in self.tried(lambda: self._lines(parsed)):
            if parsed.member and parsed.member not in (line.get("member_id"), line.get("member_name")):
                continue
            out.write(f"{_written(line, parsed.format, is_coloured)}\n")
            out.flush()

    def _lines(self, parsed: argparse.Namespace) -> Iterator[Json]:
        resource, id_ = self._found(parsed.target)
        path = f"{resource.path}/{id_}/logs"
        wanted = {name: getattr(parsed, name) for name in ("since", "status", "path", "limit")}
        query = {name: value for name, value in wanted.items() if value is not None}
        rest = self.services.api.rest
        return rest.follow(path, query) if parsed.follow else iter(rest.get(path, query)["logs"])

    def _found(self, word: str) -> tuple[Resource, str]:
        try:
            return LOADBALANCER, self._checked(LOADBALANCER, word)
        except UnknownName:
            try:
                return LISTENER, self._checked(LISTENER, word)
            except UnknownName:
                raise UnknownName(f"No load balancer and no listener has the name or ID '{word}'.") from None

    def _checked(self, resource: Resource, word: str) -> str:
        """Return the ID of the object. Raises UnknownName, also if a word in the form of an ID is of another kind."""
        id_ = self.names.id(resource.name, word)
        if not any(True for _ in self.services.api.list(resource, None, {"id": id_, "fields": "id"})):
            raise UnknownName(f"No {resource.title.lower()} has the name or ID '{word}'.")
        return id_


def _written(line: Json, form: str, is_coloured: bool) -> str:
    """Return a line without characters that control a terminal."""
    if form == "json":
        return json.dumps(line)
    if "skipped" in line:
        return "… lines came faster than they could be shown"
    if form == "combined":
        return _combined(line)
    words = [line["time"].partition("T")[2], line.get("listener_name") or line["listener_id"], line["client"]]
    if line.get("error"):
        words.append(f"{line['error']} {line.get('tls_error') or ''}".rstrip())
    elif "status" in line:
        words.append(f"{line['method']} {line['path'] or '-'}" if "method" in line else "not an HTTP request")
    words += [f"-> {line['member_name']}"] if "member_name" in line else []
    if "status" not in line and "bytes_in" in line:
        words.append(f"{line['bytes_in']} B in, {line['bytes_out']} B out")
    found = screen.clean("  ".join(words))
    if "status" in line:
        status = str(line["status"])
        found = f"{found}  {screen.paint(status, COLOURS.get(status[0], 'red'), is_coloured)}"
    return f"{found}  {line['milliseconds']} ms" if "milliseconds" in line else found


def _combined(line: Json) -> str:
    """Return a line in the combined format of web servers; text in quotation marks is escaped as in JSON."""
    headers = line.get("headers", {})
    words = [json.dumps(each or "-") for each in (headers.get("referer"), headers.get("user-agent"))]
    asked = json.dumps(f"{line.get('method') or '-'} {line.get('path') or '-'} HTTP")
    begin = f"{line['client']} - - [{line['time']}Z] {asked}"
    return " ".join((begin, str(line.get("status", "-")), str(line.get("bytes_out", "-")), *words))


def add_setting(parser: argparse.ArgumentParser) -> None:
    """Add --logging to the command that changes a load balancer or a listener."""
    names = ", ".join(field.name for field in LOGGING.fields if field.name != "enabled")
    parser.add_argument(
        "--logging",
        metavar="on|off|<setting>=<value>[,…]",
        type=_setting,
        help=f"Log traffic, for `loadbalancer logs`: on, off, or on with settings: {names} (headers with + between).",
    )


def change(services: Any, resource: Resource, id_: str, setting: Json) -> None:
    """Change what is logged."""
    services.api.rest.put(f"{resource.path}/{id_}/logging", {LOGGING.key: setting})


def _setting(text: str) -> Json:
    """Parse the argument of --logging."""
    found: Json = {}
    for word in text.split(","):
        name, equals, value = word.strip().partition("=")
        if not equals and name in SWITCH:
            found["enabled"] = SWITCH[name]
        elif equals and name in LOGGING:
            found[name] = _value(name, value)
        else:
            raise argparse.ArgumentTypeError(f"'{word}' is not on, off or one of the settings with its value")
    return {"enabled": True, **found}


def _value(name: str, value: str) -> Any:
    kind = LOGGING[name].type
    if kind is Type.BOOLEAN:
        if value not in SWITCH:
            raise argparse.ArgumentTypeError(f"{name}: '{value}' is not on or off")
        return SWITCH[value]
    if kind is Type.STRINGS:
        return [each for each in value.split("+") if each]
    if not value.isdigit():
        raise argparse.ArgumentTypeError(f"{name}: '{value}' is not a number")
    return int(value)


class SetLogged(verbs.Set):
    """The command that changes an object whose traffic can be logged."""

    def add_changes(self, parser: argparse.ArgumentParser) -> None:
        super().add_changes(parser)
        add_setting(parser)

    def _change(self, parsed: argparse.Namespace) -> Any:
        if parsed.logging is None:
            return super()._change(parsed)
        if self.changes(parsed) or parsed.tags or parsed.no_tags:
            super()._change(parsed)
        id_ = self.id(parsed.target, {})
        self.written(lambda: change(self.services, self.resource, id_, parsed.logging), verbs.in_turn(parsed, 1))
        return {}, self.services.api.show(self.resource, id_)
