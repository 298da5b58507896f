"""What an L7 rule means to HAProxy."""

from __future__ import annotations

from collections.abc import Iterator

from ...store.snapshot import Record
from . import cfg

COMPARISONS = {"EQUAL_TO": "str", "STARTS_WITH": "beg", "ENDS_WITH": "end", "CONTAINS": "sub", "REGEX": "reg"}
WITH_KEY = {"HEADER": "req.fhdr", "COOKIE": "req.cook", "SSL_DN_FIELD": "ssl_c_s_dn"}
HOST = "req.fhdr(host)"
HOST_WITHOUT_PORT = "req.fhdr(host),regsub(:[0-9]*$,)"
# The text after the last dot of the last segment; nothing where that has no dot.
EXTENSION = "path,field(-1,/),field(2,.,0),field(-1,.)"


def acls(rule: Record) -> Iterator[cfg.Line]:
    """The test under the rule's ID; several lines are alternatives."""
    if rule.type == "SSL_CONN_HAS_CERT":
        yield cfg.line("acl", rule.id, "ssl_c_used")
        return
    if rule.type == "SSL_VERIFY_RESULT":
        yield cfg.line("acl", rule.id, "ssl_c_verify", "-m", "int", "--", int(rule.value))
        return
    flags = ("-i",) if rule.type == "HOST_NAME" else ()
    for fetch in fetches(rule):
        # After "--" a value that starts with a dash is no option.
        value = cfg.clean(rule.value, "The value of an L7 rule")
        yield cfg.line("acl", rule.id, fetch, *flags, "-m", COMPARISONS[rule.compare_type], "--", value)


def fetches(rule: Record) -> tuple[str, ...]:
    """What the rule looks at.

    A header is taken whole (`fhdr`), since `hdr` would split it at commas. A host name is compared as it was sent and
    without its port.
    """
    if rule.type == "HOST_NAME":
        return HOST, HOST_WITHOUT_PORT
    if rule.type == "PATH":
        return ("path",)
    if rule.type == "FILE_TYPE":
        return (EXTENSION,)
    key = cfg.clean(rule.key or "", "The key of an L7 rule")
    return (cfg.call(WITH_KEY[rule.type], key),)


def condition(rules: list[Record]) -> list[str]:
    """All of the rules, each inverted where it says so."""
    return [f"!{rule.id}" if rule.invert else rule.id for rule in rules]
