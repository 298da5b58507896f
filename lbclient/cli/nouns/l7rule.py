"""The commands of L7 rules."""

from __future__ import annotations

from ...resources import L7RULE
from .. import verbs


class CreateL7Rule(verbs.Create):
    """Add a rule to an L7 policy: one test of a request."""

    resource = L7RULE
    examples = ("--type HOST_NAME --compare-type EQUAL_TO --value shop.example.com shop",)


class ListL7Rule(verbs.List):
    """List the rules of an L7 policy."""

    resource = L7RULE
    examples = ("shop",)


class ShowL7Rule(verbs.Show):
    """Show a rule of an L7 policy."""

    resource = L7RULE
    examples = ("shop 4924fcf2-c508-47f1-a40a-afab0bca9e5f",)


class SetL7Rule(verbs.Set):
    """Change a rule of an L7 policy."""

    resource = L7RULE
    examples = ("--value www.example.com shop 4924fcf2-c508-47f1-a40a-afab0bca9e5f",)


class UnsetL7Rule(verbs.Unset):
    """Reset settings of a rule of an L7 policy to their defaults."""

    resource = L7RULE
    examples = ("--invert shop 4924fcf2-c508-47f1-a40a-afab0bca9e5f",)


class DeleteL7Rule(verbs.Delete):
    """Delete rules of an L7 policy."""

    resource = L7RULE
    examples = ("shop 4924fcf2-c508-47f1-a40a-afab0bca9e5f",)
    target = "rule_id"
