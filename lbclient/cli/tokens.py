"""The command of tokens."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from ..client import errors
from .command import ShowOne


class IssueToken(ShowOne):
    """Show a new token, for other programs."""

    examples = ("-f value -c id",)

    def take_action(self, parsed: argparse.Namespace) -> tuple[Sequence[str], Sequence[Any]]:
        session = self.services.session
        plugin: Any = session.auth
        with errors.translated():
            access = plugin.get_access(session)
        shown = {
            "expires": access.expires.strftime("%Y-%m-%dT%H:%M:%S%z"),
            "id": access.auth_token,
            "project_id": access.project_id,
            "user_id": access.user_id,
            "domain_id": access.domain_id,
        }
        present = {name: value for name, value in sorted(shown.items()) if value}
        return tuple(present), tuple(present.values())
