"""Files that are created together, or not at all."""

from __future__ import annotations

import io
import os
from contextlib import suppress
from pathlib import Path
from types import TracebackType


class Creation:
    """Removes what was created in its block if the block fails."""

    def __init__(self) -> None:
        self._created: list[Path] = []

    def __enter__(self) -> Creation:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if kind is None:
            return
        for path in reversed(self._created):
            with suppress(OSError):
                if path.is_dir():
                    path.rmdir()
                else:
                    path.unlink(missing_ok=True)

    def note(self, *paths: Path) -> None:
        """Note files and directories that others are about to create; those that exist stay in any case."""
        self._created += [path for path in paths if not path.exists()]

    def note_directory(self, path: Path) -> None:
        """Note a directory that another is about to create with its parents."""
        self.note(*reversed(path.parents), path)

    def directory(self, path: Path) -> None:
        """Create a directory that only this user can read, and its parents, unless they exist. Raises OSError."""
        self.note_directory(path)
        path.mkdir(mode=0o700, parents=True, exist_ok=True)

    def file(self, path: Path) -> io.BufferedWriter:
        """Create a file that only this user can read, and open it. Raises FileExistsError and other OSErrors."""
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        self._created.append(path)
        return open(descriptor, "wb")
