"""The files of traffic logs: two for each listener, the current one and the one before."""

from __future__ import annotations

import errno
import os
from collections.abc import Collection, Iterator, Mapping
from io import FileIO
from pathlib import Path
from typing import BinaryIO

DIRECTORY = "traffic"
MEGABYTE = 1_000_000
BLOCK = 65536  # bytes
SPARED = 256 * MEGABYTE  # of the disk, or a tenth of a small one, that is left to others, such as the database


class TrafficFiles:
    """The lines of one load balancer's listeners. Written by one thread; may be read by others."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory / DIRECTORY
        self._most: dict[str, int] = {}  # bytes of each listener's two files together
        self._open: dict[str, FileIO] = {}

    def keep(self, retention: Mapping[str, int]) -> None:
        """Set how many megabytes to keep for each listener; the files of other listeners are deleted."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._most = {id_: megabytes * MEGABYTE for id_, megabytes in retention.items()}
        for path in self._directory.iterdir():
            if path.name.partition(".")[0] not in self._most:
                self._close(path.name.partition(".")[0])
                path.unlink(missing_ok=True)

    def write(self, id_: str, lines: bytes) -> None:
        """Append complete lines of a listener, unless too little of the disk would be left. Raises OSError."""
        if id_ not in self._most:
            return
        file = self._open.get(id_)
        if file is None:
            file = self._open[id_] = FileIO(self._path(id_), "ab")
        disk = os.fstatvfs(file.fileno())
        if disk.f_bavail * disk.f_frsize < min(SPARED, disk.f_blocks * disk.f_frsize // 10):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        file.write(lines)
        if file.tell() > self._most[id_] // 2:
            self._close(id_)
            self._path(id_).replace(self._path(id_, ".1"))

    def close(self) -> None:
        for id_ in list(self._open):
            self._close(id_)

    def _close(self, id_: str) -> None:
        file = self._open.pop(id_, None)
        if file is not None:
            file.close()

    def _path(self, id_: str, suffix: str = "") -> Path:
        return self._directory / f"{id_}.log{suffix}"


def read(directory: Path, listener_ids: Collection[str]) -> Iterator[tuple[str, bytes]]:
    """Yield (listener ID, line) of all kept lines, newest first for each listener.

    Files are read in blocks from their ends, so that the last lines of a large file come at once.
    """
    for id_ in listener_ids:
        for suffix in (".log", ".log.1"):
            try:
                with open(directory / DIRECTORY / f"{id_}{suffix}", "rb") as file:
                    for line in _backwards(file):
                        yield id_, line
            except FileNotFoundError:
                continue


def _backwards(file: BinaryIO) -> Iterator[bytes]:
    """Yield the lines of a file from the last to the first, without the one that is not complete."""
    place = file.seek(0, os.SEEK_END)
    begin: list[bytes] = []  # the line whose beginning has not been read, in parts from its end
    while place > 0:
        size = min(BLOCK, place)
        place = file.seek(place - size)
        first, *others = file.read(size).split(b"\n")
        if others:
            others[-1] += b"".join(reversed(begin))
            yield from filter(None, reversed(others))
            begin = []
        begin.append(first)
    yield from filter(None, [b"".join(reversed(begin))])
