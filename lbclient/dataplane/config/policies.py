"""Translation of the effective L7 policies of a listener into HAProxy's rules."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping

from ...store.records import L7PolicyRecord, L7RuleRecord, ListenerRecord
from ...store.snapshot import Snapshot
from . import cfg, maps, rules

TO_POOL = "REDIRECT_TO_POOL"
CHOSEN = "txn.pool"  # the variable with the pool that a policy has chosen
CHOICE = cfg.line("acl", "chosen", f"var({CHOSEN})", "-m", "found")
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
    does not, and is therefore stored in a variable that later choices test first. Policies that maps can decide about
    are looked up together before the others of their rank, and take effect after those that come before them.
    """
    guard: list[str] = []
    for group in _groups(listener, snapshot):
        yield from group.lines()
        for place, policy in enumerate(group.policies):
            if place in group.looked_up:
                continue
            wanted = enabled_rules(policy, snapshot)
            for rule in wanted:
                yield from rules.acls(rule, is_strict=policy.action == "REJECT")
            if policy.action == TO_POOL and not guard:
                yield CHOICE
            yield cfg.line(
                "http-request", *_action(policy), "if", *guard, *group.is_behind(place), *rules.condition(wanted)
            )
            if policy.action == TO_POOL:
                guard = ["!chosen"]
        if group.looked_up:
            yield from _looked_up(group, guard)


def _groups(listener: ListenerRecord, snapshot: Snapshot) -> Iterator[maps.Group]:
    """Yield the policies of each rank; if they are many, with those that maps decide about."""
    for rank, same in itertools.groupby(sorted(active(listener, snapshot), key=_rank), _rank):
        policies = list(same)
        looked_up = {}
        for place, policy in enumerate(policies):
            wanted = enabled_rules(policy, snapshot)
            how = maps.lookup(wanted)
            if how and _is_plain(policy):
                looked_up[place] = maps.Entry(how, wanted[0].value, _does(policy))
        yield maps.Group(listener.id, rank, policies, looked_up if len(looked_up) >= maps.LEAST else {})


def _is_plain(policy: L7PolicyRecord) -> bool:
    """Whether a map can hold the target of the policy."""
    if policy.action == "REDIRECT_TO_URL":
        return maps.is_plain(policy.redirect_url or "")
    if policy.action == "REDIRECT_PREFIX":  # HAProxy treats "/" in its own way
        return maps.is_plain(policy.redirect_prefix or "") and policy.redirect_prefix != "/"
    return True


def _does(policy: L7PolicyRecord) -> str:
    """Return the action of a policy, as the last words of an entry in a map."""
    if policy.action == "REJECT":
        return ""
    if policy.action == TO_POOL:
        return f"pool{maps.SEPARATOR}{policy.redirect_pool_id}"
    is_url = policy.action == "REDIRECT_TO_URL"
    kind = f"{'location' if is_url else 'prefix'}-{policy.redirect_http_code or DEFAULT_REDIRECT}"
    return f"{kind}{maps.SEPARATOR}{policy.redirect_url if is_url else policy.redirect_prefix}"


def _looked_up(group: maps.Group, guard: list[str]) -> Iterator[cfg.Line]:
    """Yield the rules for the policy that a map has found."""
    if group.rank == RANKS["REJECT"]:
        yield cfg.line("http-request", "deny", "if", *group.is_found)
    elif group.rank == RANKS[TO_POOL]:
        yield cfg.line("http-request", f"set-var({CHOSEN})", group.found(maps.LAST), "if", *guard, *group.is_found)
    else:
        kinds = {entry.does.partition(maps.SEPARATOR)[0] for entry in group.looked_up.values()}
        for kind in sorted(kinds):
            how, _, code = kind.partition("-")
            is_kind = ("{", group.found(2), "-m", "str", "--", kind, "}")
            where = f"%[{group.found(maps.LAST)}]"
            yield cfg.line("http-request", "redirect", how, where, "code", code, "if", *group.is_found, *is_kind)


def chosen_backends(listener: ListenerRecord, snapshot: Snapshot, names: Mapping[str, str]) -> Iterator[cfg.Line]:
    """Yield the rules that use the backend of the chosen pool; `names` are the backends' by the pools' IDs."""
    wanted = {pool_id: names[pool_id] for pool_id in pools(listener, snapshot)}
    if len(wanted) < maps.LEAST:
        for pool_id, name in wanted.items():
            yield cfg.line("use_backend", name, "if", "{", f"var({CHOSEN})", "-m", "str", "--", pool_id, "}")
        return
    named = cfg.map_of(sorted(wanted.items()))
    is_chosen = ("{", f"var({CHOSEN})", "-m", "found", "}")
    yield cfg.line("use_backend", f"%[var({CHOSEN}),map_str({named.name})]", "if", *is_chosen, maps=(named,))


def _rank(policy: L7PolicyRecord) -> int:
    """Return the rank of a policy's action, as in Octavia's amphorae; policies of one rank keep their positions."""
    return RANKS.get(policy.action, 1)


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
