"""The commands of health monitors."""

from __future__ import annotations

from ...resources import HEALTHMONITOR
from .. import verbs


class CreateHealthMonitor(verbs.Create):
    """Create a health monitor: how the members of a pool are checked."""

    resource = HEALTHMONITOR
    examples = ("--type HTTP --url-path /health --delay 5 --timeout 2 --max-retries 2 servers",)


class ListHealthMonitor(verbs.List):
    """List health monitors."""

    resource = HEALTHMONITOR
    examples = ("", "--tags production")


class ShowHealthMonitor(verbs.Show):
    """Show a health monitor."""

    resource = HEALTHMONITOR
    examples = ("check",)


class SetHealthMonitor(verbs.Set):
    """Change a health monitor."""

    resource = HEALTHMONITOR
    examples = ("--delay 10 --expected-codes 200-204 check",)


class UnsetHealthMonitor(verbs.Unset):
    """Reset settings of a health monitor to their defaults."""

    resource = HEALTHMONITOR
    examples = ("--expected-codes check",)


class DeleteHealthMonitor(verbs.Delete):
    """Delete health monitors."""

    resource = HEALTHMONITOR
    examples = ("check",)
