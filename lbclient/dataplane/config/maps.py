"""Decisions among many L7 policies by look-ups in HAProxy's maps, instead of one comparison for each policy. Pure.

A map gives the lowest place of all policies that match, and what that policy does: `12|location-302|http://example.com`.
A policy is one entry, so that a single command replaces it in a running HAProxy.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ...store.records import L7PolicyRecord, L7RuleRecord
from . import cfg

NONE = 1000000  # the place that is found if no policy matches, behind all others
SEPARATOR = "|"
LAST = 3  # the number of the last word of an entry
LEAST = 8  # fewer policies are compared one by one, which is as fast and easier to read
# Words that need no escape in a map: HAProxy has none. What has blanks, control characters or letters beyond ASCII, or
# begins like a comment, stays outside.
PLAIN = re.compile(r"[!\"$-~][!-~]*")
HOST = "req.fhdr(host),lower"
HOST_WITHOUT_PORT = "req.fhdr(host),lower,regsub(:[0-9]*$,)"
HAS_PORT = ("{", "req.fhdr(host)", "-m", "sub", "--", ":", "}")
# Keys that a host name with a port may equal or end in. All other keys need only be compared with it without its port.
PORT = re.compile(r"(.*:)?[0-9]*")
METHODS = {"EQUAL_TO": "str", "STARTS_WITH": "beg", "ENDS_WITH": "end", "CONTAINS": "sub"}
FETCHES = {"HOST_NAME": HOST, "PATH": "path", "FILE_TYPE": "path"}
WITHOUT_PORT = ("str", "end")  # a host name that begins with a text or contains it does so with its port, too

Lookup = tuple[str, str]  # the sample fetch and the match method


def is_plain(text: str) -> bool:
    """Whether a map can hold the text as a key or a value."""
    return PLAIN.fullmatch(text) is not None


def lookup(rules: Sequence[L7RuleRecord]) -> Lookup | None:
    """Return how a map decides about a policy with these rules; None if it cannot."""
    if len(rules) != 1:
        return None
    [rule] = rules
    is_known = rule.type in FETCHES and rule.compare_type in METHODS and not rule.invert
    if not is_known or not is_plain(rule.value):
        return None
    # As in Octavia, EQUAL_TO of a file type tests the end of the path.
    method = "end" if rule.type == "FILE_TYPE" and rule.compare_type == "EQUAL_TO" else METHODS[rule.compare_type]
    return FETCHES[rule.type], method


@dataclass(frozen=True)
class Entry:
    """A policy that a map decides about: how it is looked up, by which value, and what it does."""

    how: Lookup
    value: str
    does: str = ""  # one or two words for the rules that take effect, such as location-302|http://example.com


@dataclass(frozen=True)
class Group:
    """The policies of one rank of a listener, and by their place those that maps decide about."""

    listener_id: str
    rank: int
    policies: Sequence[L7PolicyRecord]
    looked_up: Mapping[int, Entry]

    @property
    def variable(self) -> str:
        """The variable with the entry of the lowest place that matches; NONE if no policy does."""
        return f"txn.first{self.rank}"

    @property
    def is_found(self) -> tuple[str, ...]:
        """The condition that a map has found a policy."""
        return ("{", f"var({self.variable})", "-m", "int", "lt", str(NONE), "}")

    def is_behind(self, place: int) -> tuple[str, ...]:
        """Return the condition that no policy in a map comes before this place."""
        return ("{", f"var({self.variable})", "-m", "int", "gt", str(place), "}") if self.looked_up else ()

    def found(self, number: int) -> str:
        """Return an expression for a word of the entry that was found; the last one may contain the separator."""
        return f"var({self.variable}),field({number},{SEPARATOR},{0 if number == LAST else 1})"

    def maps(self) -> dict[Lookup, cfg.Map]:
        """Return the map of each way to look up."""
        found: dict[Lookup, dict[str, int]] = defaultdict(dict)
        for place, entry in sorted(self.looked_up.items()):
            value = entry.value.lower() if entry.how[0] == HOST else entry.value
            found[entry.how].setdefault(value, place)
        return {how: self._map(how, _lowest(keys) if how[1] == "beg" else keys) for how, keys in found.items()}

    def _map(self, how: Lookup, keys: Mapping[str, int]) -> cfg.Map:
        label = f"{self.listener_id}-{self.rank}-{'host' if how[0] == HOST else how[0]}-{how[1]}"
        return cfg.map_of(((key, self._entry(place)) for key, place in keys.items()), label)

    def _entry(self, place: int) -> str:
        does = self.looked_up[place].does
        return f"{place}{SEPARATOR}{does}" if does else str(place)

    def lines(self) -> Iterator[cfg.Line]:
        """Yield the rules that look up the lowest place."""
        if not self.looked_up:
            return
        yield cfg.line("http-request", f"set-var({self.variable})", f"int({NONE})")
        for number, ((fetch, method), found) in enumerate(sorted(self.maps().items(), key=lambda item: item[0])):
            for second, (each, condition) in enumerate(fetches(fetch, method, found)):
                if number == second == 0:  # there is nothing to compare it with yet
                    expression = f"{each},map_{method}({found.name},{NONE})"
                    yield cfg.line("http-request", f"set-var({self.variable})", expression, maps=(found,))
                    continue
                yield from self._lookup(f"txn.place{self.rank}_{number}_{second}", each, method, found, condition)

    def _lookup(
        self, variable: str, fetch: str, method: str, found: cfg.Map, condition: tuple[str, ...]
    ) -> Iterator[cfg.Line]:
        given = ("if", *condition) if condition else ()
        expression = f"{fetch},map_{method}({found.name},{NONE})"
        yield cfg.line("http-request", f"set-var({variable})", expression, *given, maps=(found,))
        lower = ("{", f"var({variable}),sub({self.variable})", "-m", "int", "lt", "0", "}")
        yield cfg.line("http-request", f"set-var({self.variable})", f"var({variable})", "if", *lower)


def fetches(fetch: str, method: str, found: cfg.Map) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return the sample fetches to look up in a map, each with the condition under which it is needed; () for always.

    The beginning and the parts of a host name are looked up as it was sent. Whole names and ends of names are looked up
    without the port, and as they were sent only if a key of the map may have a port itself.
    """
    if fetch != HOST or method not in WITHOUT_PORT:
        return ((fetch, ()),)
    if any(PORT.fullmatch(key) for key in found.keys):
        return (HOST, ()), (HOST_WITHOUT_PORT, HAS_PORT)
    return ((HOST_WITHOUT_PORT, ()),)


def _lowest(keys: Mapping[str, int]) -> dict[str, int]:
    """Return for each key the lowest place of all keys that it begins with: HAProxy finds the longest one."""
    return {key: min(keys[key[:end]] for end in range(1, len(key) + 1) if key[:end] in keys) for key in keys}
