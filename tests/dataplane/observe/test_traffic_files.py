"""The files of traffic logs leave room on the disk to the database."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from lbclient.dataplane.observe.traffic_files import MEGABYTE, SPARED, TrafficFiles, read

WEB = "3f1c1b9e-6ff0-4f4c-8dd3-6d1f6f9f7a02"


@pytest.mark.parametrize(
    ("free", "size", "is_written"),
    [
        (SPARED, 100 * SPARED, True),
        (SPARED - MEGABYTE, 100 * SPARED, False),
        (11 * MEGABYTE, 100 * MEGABYTE, True),
        (9 * MEGABYTE, 100 * MEGABYTE, False),
    ],
)
def test_a_rest_of_the_disk_is_left_to_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, size: int, is_written: bool
) -> None:
    disk = SimpleNamespace(f_bavail=free // 1000, f_blocks=size // 1000, f_frsize=1000)
    monkeypatch.setattr(os, "fstatvfs", lambda descriptor: disk)
    files = TrafficFiles(tmp_path)
    files.keep({WEB: 1})
    if is_written:
        files.write(WEB, b"{}\n")
    else:
        with pytest.raises(OSError, match="No space left") as full:
            files.write(WEB, b"{}\n")
        assert full.value.errno == errno.ENOSPC
    files.close()
    assert [line for _, line in read(tmp_path, [WEB])] == ([b"{}"] if is_written else [])
