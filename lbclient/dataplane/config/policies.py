"""Translation of the effective L7 policies of a listener into HAProxy's rules."""

from __future__ import annotations

from collections.abc import Iterator

from ...store.records import L7PolicyRecord, L7RuleRecord, ListenerRecord
from ...store.snapshot import Snapshot
from . import cfg, rules

TO_POOL = "REDIRECT_TO_POOL"
CHOSEN = "txn.pool"  # the variable with the pool that a policy has chosen
DEFAULT_REDIRECT = 302
RANKS = {"REJECT": 0, TO_POOL: 2}  # redirects to URLs and prefixes are in between, with rank 1


def active(listener: ListenerRecord, snapshot: Snapshot) -> list[L7PolicyRecord]:
    """Return the effective policies, by position: those with enabled rules whose pool, if any, is enabled."""
    return [
        policy
        for policy in snapshot.l7policies[listener.id]
        if policy.admin_state_up
        and enabled_rules(policy, snapshot)
        and (policy.action != TO_POOL or _is_enabled(policy.redirect_pool_id, snapshot))
    ]


def _is_enabled(pool_id: str | None, snapshot: Snapshot) -> bool:
    pool = snapshot.pools_by_id.get(pool_id) if pool_id else None
    return pool is not None and pool.admin_state_up


def enabled_rules(policy: L7PolicyRecord, snapshot: Snapshot) -> list[L7RuleRecord]:
    return [rule for rule in snapshot.l7rules[policy.id] if rule.admin_state_up]


def pools(listener: ListenerRecord, snapshot: Snapshot) -> list[str]:
    """Return the IDs of the pools that policies send requests to."""
    chosen = (policy.redirect_pool_id for policy in active(listener, snapshot) if policy.action == TO_POOL)
    return list(dict.fromkeys(filter(None, chosen)))


def lines(listener: ListenerRecord, snapshot: Snapshot) -> Iterator[cfg.Line]:
    """Yield ACLs and one rule for each policy: rejections, then redirects, then choices of a pool, each by position.

    The first matching policy decides. A rejection or redirect ends HAProxy's evaluation by itself. A choice of a pool
    does not, and is therefore stored in a variable that later choices test first.
    """
    guard: list[str] = []
    for policy in sorted(active(listener, snapshot), key=_rank):
        wanted = enabled_rules(policy, snapshot)
        for rule in wanted:
            yield from rules.acls(rule, is_strict=policy.action == "REJECT")
        if policy.action == TO_POOL and not guard:
            yield cfg.line("acl", "chosen", f"var({CHOSEN})", "-m", "found")
        yield cfg.line("http-request", *_action(policy), "if", *guard, *rules.condition(wanted))
        if policy.action == TO_POOL:
            guard = ["!chosen"]


def _rank(policy: L7PolicyRecord) -> int:
    """Return the rank of a policy's action, as in Octavia's amphorae; policies of one rank keep their positions."""
    return RANKS.get(policy.action, 1)


def choice(pool_id: str) -> tuple[str, ...]:
    """Return the condition that a policy has chosen this pool."""
    return ("{", f"var({CHOSEN})", "-m", "str", "--", pool_id, "}")


def _action(policy: L7PolicyRecord) -> Iterator[object]:
    if policy.action == "REJECT":
        yield "deny"
    elif policy.action == TO_POOL:
        yield from (f"set-var({CHOSEN})", f"str({policy.redirect_pool_id})")
    elif policy.action == "REDIRECT_TO_URL":
        yield from _redirect("location", policy.redirect_url or "", policy)
    else:
        yield from _redirect("prefix", policy.redirect_prefix or "", policy)


def _redirect(kind: str, url: str, policy: L7PolicyRecord) -> Iterator[object]:
    where = cfg.literal(cfg.clean(url, "The URL of an L7 policy"))
    yield from ("redirect", kind, where, "code", policy.redirect_http_code or DEFAULT_REDIRECT)
