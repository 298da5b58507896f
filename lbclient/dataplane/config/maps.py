"""Decisions among many L7 policies by look-ups in HAProxy's maps, instead of one comparison for each policy. Pure.

A map gives the lowest place of all policies that match.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ...store.records import L7PolicyRecord, L7RuleRecord
from . import cfg

LEAST = 8  # fewer policies are compared one by one, which is as fast and easier to read
# Words that need no escape in a map: HAProxy has none. What has blanks, control characters or letters beyond ASCII, or
# begins like a comment, stays outside.
PLAIN = re.compile(r"[!\"$-~][!-~]*")
HOST = "req.fhdr(host),lower"
HOST_WITHOUT_PORT = "req.fhdr(host),lower,regsub(:[0-9]*$,)"
HAS_PORT = ("{", "req.fhdr(host)", "-m", "sub", "--", ":", "}")
METHODS = {"EQUAL_TO": "str", "STARTS_WITH": "beg", "ENDS_WITH": "end", "CONTAINS": "sub"}
FETCHES = {"HOST_NAME": HOST, "PATH": "path", "FILE_TYPE": "path"}
WITHOUT_PORT = ("str", "end")  # what begins with a text or contains it does so with its port, too

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
class Group:
    """The policies of one rank: by their place, those that maps decide about, with their rule; and all others."""

    rank: int
    policies: Sequence[L7PolicyRecord]
    looked_up: Mapping[int, tuple[Lookup, str]]  # place -> how and by which value

    @property
    def variable(self) -> str:
        """The variable with the lowest place that matches; `none` if no policy does."""
        return f"txn.first{self.rank}"

    @property
    def none(self) -> int:
        return len(self.policies)

    @property
    def is_found(self) -> tuple[str, ...]:
        """The condition that a map has found a policy."""
        return ("{", f"var({self.variable})", "-m", "int", "lt", str(self.none), "}")

    def is_behind(self, place: int) -> tuple[str, ...]:
        """Return the condition that no policy in a map comes before this place."""
        return ("{", f"var({self.variable})", "-m", "int", "gt", str(place), "}") if self.looked_up else ()

    def places(self) -> dict[Lookup, cfg.Map]:
        """Return the map of each way to look up."""
        found: dict[Lookup, dict[str, int]] = defaultdict(dict)
        for place, (how, value) in sorted(self.looked_up.items()):
            found[how].setdefault(value.lower() if how[0] == HOST else value, place)
        return {how: cfg.map_of((_lowest(keys) if how[1] == "beg" else keys).items()) for how, keys in found.items()}

    def values(self, value: Mapping[int, str]) -> cfg.Map:
        """Return a map from places to values."""
        return cfg.map_of((place, value[place]) for place in sorted(self.looked_up))

    def lines(self) -> Iterator[cfg.Line]:
        """Yield the rules that look up the lowest place."""
        if not self.looked_up:
            return
        yield cfg.line("http-request", f"set-var({self.variable})", f"int({self.none})")
        for number, ((fetch, method), found) in enumerate(sorted(self.places().items(), key=lambda item: item[0])):
            wanted: list[tuple[str, tuple[str, ...]]] = [(fetch, ())]
            if fetch == HOST and method in WITHOUT_PORT:
                wanted.append((HOST_WITHOUT_PORT, HAS_PORT))
            for second, (each, condition) in enumerate(wanted):
                if number == second == 0:  # there is nothing to compare it with yet
                    expression = f"{each},map_{method}_int({found.name},{self.none})"
                    yield cfg.line("http-request", f"set-var({self.variable})", expression, maps=(found,))
                    continue
                yield from self._lookup(f"txn.place{self.rank}_{number}_{second}", each, method, found, condition)

    def _lookup(
        self, variable: str, fetch: str, method: str, found: cfg.Map, condition: tuple[str, ...]
    ) -> Iterator[cfg.Line]:
        given = ("if", *condition) if condition else ()
        expression = f"{fetch},map_{method}_int({found.name},{self.none})"
        yield cfg.line("http-request", f"set-var({variable})", expression, *given, maps=(found,))
        lower = ("{", f"var({variable}),sub({self.variable})", "-m", "int", "lt", "0", "}")
        yield cfg.line("http-request", f"set-var({self.variable})", f"var({variable})", "if", *lower)


def _lowest(keys: Mapping[str, int]) -> dict[str, int]:
    """Return for each key the lowest place of all keys that it begins with: HAProxy finds the longest one."""
    return {key: min(keys[key[:end]] for end in range(1, len(key) + 1) if key[:end] in keys) for key in keys}
