"""Translation of L7 rules into HAProxy's ACLs."""

from __future__ import annotations

from collections.abc import Iterator

from ...store.records import L7RuleRecord
from . import cfg, regexes

COMPARISONS = {"EQUAL_TO": "str", "STARTS_WITH": "beg", "ENDS_WITH": "end", "CONTAINS": "sub", "REGEX": "reg"}
WITH_KEY = {"HEADER": "req.hdr", "COOKIE": "req.cook", "SSL_DN_FIELD": "ssl_c_s_dn"}
HOST = "req.fhdr(host)"
HOST_WITHOUT_PORT = "req.fhdr(host),regsub(:[0-9]*$,)"


def acls(rule: L7RuleRecord, is_strict: bool = False) -> Iterator[cfg.Line]:
    """Yield the ACL of a rule, named by its ID; several lines are alternatives.

    With is_strict, a regular expression counts as matched if PCRE gives up on it. Inverted rules need no extra line for
    that: HAProxy treats giving up as no match, which the inversion turns into a match.
    """
    if rule.type == "SSL_CONN_HAS_CERT":
        yield cfg.line("acl", rule.id, "ssl_c_used")
        return
    if rule.type == "SSL_VERIFY_RESULT":
        yield cfg.line("acl", rule.id, "ssl_c_verify", "-m", "int", "--", int(rule.value))
        return
    flags = ("-i",) if rule.type == "HOST_NAME" else ()
    for fetch in fetches(rule):
        # After "--" a value that starts with a dash is not taken for an option.
        value = cfg.clean(rule.value, "The value of an L7 rule")
        yield cfg.line("acl", rule.id, fetch, *flags, "-m", _comparison(rule), "--", value)
        if is_strict and rule.compare_type == "REGEX" and not rule.invert and regexes.may_give_up(value):
            without = f"regsub({cfg.quoted(regexes.unmatched(value))},{',i' if flags else ''})"
            yield cfg.line("acl", rule.id, f"{fetch},{without}", "-m", "len", "--", "1:2147483647")


def _comparison(rule: L7RuleRecord) -> str:
    """Return HAProxy's match method. As in Octavia, EQUAL_TO of a file type tests the path's end: css matches /css."""
    is_end = rule.type == "FILE_TYPE" and rule.compare_type == "EQUAL_TO"
    return COMPARISONS["ENDS_WITH" if is_end else rule.compare_type]


def fetches(rule: L7RuleRecord) -> tuple[str, ...]:
    """Return the sample fetches that the rule tests.

    Each comma-separated value of a header is tested (`hdr`), and any of them may match. A host name is tested as a
    whole (`fhdr`), once as it was sent and once without its port.
    """
    if rule.type == "HOST_NAME":
        return HOST, HOST_WITHOUT_PORT
    if rule.type in ("PATH", "FILE_TYPE"):
        return ("path",)
    key = cfg.clean(rule.key or "", "The key of an L7 rule")
    return (cfg.call(WITH_KEY[rule.type], key),)


def condition(rules: list[L7RuleRecord]) -> list[str]:
    """Return the condition that all of the rules hold; inverted ones are negated."""
    return [f"!{rule.id}" if rule.invert else rule.id for rule in rules]
