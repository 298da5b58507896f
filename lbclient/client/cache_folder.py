"""Where lbclient keeps what makes the next command faster. Imports nothing that Python's own start does not."""

from __future__ import annotations

import os

TYPE_CHECKING = False  # instead of typing's, which takes long to import
if TYPE_CHECKING:
    from collections.abc import Mapping


def cache_folder(name: str, environ: Mapping[str, str]) -> str | None:
    """Return the folder of one kind of files; None if no variable gives an absolute path."""
    for variable, below in (("LBCLIENT_CACHE_HOME", ""), ("XDG_CACHE_HOME", ""), ("HOME", ".cache")):
        named = environ.get(variable, "")
        if os.path.isabs(named):
            return os.path.join(named, below, "lbclient", name)
    return None
