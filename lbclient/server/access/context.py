"""The sender of a request."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Context:
    """The sender of a request: a user, in a project, with roles."""

    user_id: str
    project_id: str | None  # None: a token without scope
    roles: frozenset[str]
    domain_id: str = "default"
    user_name: str = ""  # empty if only the ID is known

    @property
    def is_admin(self) -> bool:
        return "admin" in self.roles


ANONYMOUS = Context(user_id="", project_id=None, roles=frozenset())
