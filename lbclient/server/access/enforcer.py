"""Enforce the policy rules: the defaults, and the overrides of an operator's policy.yaml."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from oslo_config import cfg
from oslo_policy import _checks
from oslo_policy import policy as oslo_policy

from .context import Context
from .defaults import API, RULES

LOG = logging.getLogger(__name__)
logging.getLogger("oslo_policy").setLevel(logging.CRITICAL)  # errors are reported in one line by InvalidPolicyFile
LOOK_AGAIN = 1.0  # seconds between checks whether the file has changed
REMEMBERED = 10_000  # size of the cache of decisions


class InvalidPolicyFile(Exception):
    """The policy file cannot be used; the message says why."""


class Enforcer:
    """Evaluates policy rules and caches the decisions, because evaluating a rule takes longer than reading a row."""

    def __init__(self, path: Path | None = None, is_required: bool = False) -> None:
        """Load the rules; `path` is the file with the overrides, which may be missing unless it is required.

        Raises InvalidPolicyFile.
        """
        self._path = path
        self._is_required = is_required
        self._state = _state(path)
        self._enforcer = _enforcer(path, is_required)
        self._decided: dict[tuple[str, Context, str], bool] = {}
        self._looked_at = time.monotonic()

    def allows(self, who: Context, action: str, project_id: str) -> bool:
        """Whether the sender may perform an action (such as loadbalancer:get_one) on objects of a project."""
        self._look_for_changes()
        decided = self._decided
        key = (action, who, project_id)
        found = decided.get(key)
        if found is None:
            if len(decided) >= REMEMBERED:
                decided.clear()
            found = decided[key] = self._decide(who, f"{API}:{action}", project_id)
        return found

    def _decide(self, who: Context, rule: str, project_id: str) -> bool:
        credentials: dict[str, Any] = {"user_id": who.user_id, "roles": sorted(who.roles), "domain_id": who.domain_id}
        if who.project_id:
            credentials["project_id"] = who.project_id
        target = {"project_id": project_id}
        credentials["is_admin"] = self._enforcer.enforce("context_is_admin", target, credentials)
        return bool(self._enforcer.enforce(rule, target, credentials))

    def _look_for_changes(self) -> None:
        now = time.monotonic()
        if self._path is None or now - self._looked_at < LOOK_AGAIN:
            return
        self._looked_at = now
        state = _state(self._path)
        if state == self._state:
            return
        self._state = state
        try:
            self._enforcer = _enforcer(self._path, self._is_required)
        except InvalidPolicyFile as error:
            LOG.error("%s The rules stay as they were.", error)
        else:
            self._decided = {}
            LOG.info("the rules of %s are in force", self._path)


def _state(path: Path | None) -> tuple[int, int, int] | None:
    """Return a value that differs after the file has changed; None if there is no file."""
    try:
        found = path.stat() if path else None
    except OSError:
        return None
    return (found.st_ino, found.st_size, found.st_mtime_ns) if found else None


def _enforcer(path: Path | None, is_required: bool) -> oslo_policy.Enforcer:
    """Build an enforcer from the defaults and the overrides in a file. Raises InvalidPolicyFile."""
    overrides = _overrides(path, is_required)
    words = {**RULES, **overrides}
    with nullcontext() if overrides else _without_extensions():
        rules = oslo_policy.Rules.from_dict(words)
    for name, text in words.items():
        if str(rules[name]).count("!") != text.count("!"):  # oslo.policy parses an invalid rule as "!", never
            raise InvalidPolicyFile(f"{path} cannot be used: {name} is not a rule: {text!r}.")
    enforcer = oslo_policy.Enforcer(cfg.ConfigOpts(), use_conf=False)
    enforcer.set_rules(rules, use_conf=False)
    try:
        enforcer.check_rules(raise_on_violation=True)
    except oslo_policy.InvalidDefinitionError as error:
        why = str(error).removesuffix(" Check logs for more details.")
        raise InvalidPolicyFile(f"{path} cannot be used: {why.removesuffix('.')}.") from None
    return enforcer


@contextmanager
def _without_extensions() -> Iterator[None]:
    """Parse rules in the block that use no checks of other packages, such as http:, which only a file can name.

    To find these, oslo.policy reads the metadata of every installed package: a quarter of the processor time that the
    server takes to start once its modules are imported.
    """
    found, _checks.extension_checks = _checks.extension_checks, {}
    try:
        yield
    finally:
        _checks.extension_checks = found


def _overrides(path: Path | None, is_required: bool) -> dict[str, str]:
    """Return the rules in the file; {} if there is none and none is required. Raises InvalidPolicyFile."""
    try:
        text = path.read_text() if path else ""
        found = oslo_policy.parse_file_contents(text) if text else {}
    except (OSError, ValueError) as error:
        if isinstance(error, FileNotFoundError) and not is_required:
            return {}
        why = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise InvalidPolicyFile(f"{path} cannot be used: {why}.") from None
    if not isinstance(found, dict):
        raise InvalidPolicyFile(f"{path} cannot be used: it is not a mapping of names to rules.")
    wrong = [name for name, rule in found.items() if not isinstance(rule, str)]
    if wrong:
        raise InvalidPolicyFile(f"{path} cannot be used: {wrong[0]} is not a rule in words.")
    return dict(found)
