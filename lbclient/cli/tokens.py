"""The commands of tokens and of the token cache."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from typing import Any

from ..client import errors, token_cache
from .command import Command, ShowOne


class IssueToken(ShowOne):
    """Show a new token, for other programs."""

    examples = ("-f value -c id",)

    def take_action(self, parsed: argparse.Namespace) -> tuple[Sequence[str], Sequence[Any]]:
        with errors.translated():
            access = self.services.access(is_new=True)
        if access is None:
            raise errors.NotConfigured("This way to authenticate knows no tokens.")
        shown = {
            "expires": access.expires.strftime("%Y-%m-%dT%H:%M:%S%z"),
            "id": access.auth_token,
            "project_id": access.project_id,
            "user_id": access.user_id,
            "domain_id": access.domain_id,
        }
        present = {name: value for name, value in sorted(shown.items()) if value}
        return tuple(present), tuple(present.values())


class Logout(Command):
    """Forget the logins that are kept on this machine, of all clouds.

    The next command logs in again. The server is not asked to end the tokens: they end at their time.
    """

    examples = ("",)

    def take_action(self, parsed: argparse.Namespace) -> None:
        forgotten = token_cache.clear(os.environ)
        plural = "login is" if forgotten == 1 else "logins are"
        self.app.stdout.write(f"{forgotten} {plural} forgotten.\n")
