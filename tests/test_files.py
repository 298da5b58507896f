"""Atomic replacement of files, with a writer that is really killed."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lbclient import files

KILLED = """
import os, signal, sys
from lbclient import files

os.replace = lambda *arguments: os.kill(os.getpid(), signal.SIGKILL)
files.replace(sys.argv[1], "half")
"""


def names(directory: Path) -> list[str]:
    return sorted(os.listdir(directory))


@pytest.mark.parametrize("content", ["köln\n", "köln\n".encode()])
@pytest.mark.parametrize("is_durable", [True, False])
def test_a_file_is_replaced_and_private(tmp_path: Path, content: str | bytes, is_durable: bool) -> None:
    path = tmp_path / "a"
    path.write_text("old")
    path.chmod(0o644)
    files.replace(path, content, is_durable=is_durable)
    assert path.read_text(encoding="utf-8") == "köln\n"
    assert path.stat().st_mode & 0o777 == 0o600
    assert names(tmp_path) == ["a"]


def test_a_group_may_read_it_if_one_is_given(tmp_path: Path) -> None:
    files.replace(tmp_path / "a", "text", group=os.getegid())
    state = (tmp_path / "a").stat()
    assert (state.st_mode & 0o777, state.st_gid) == (0o640, os.getegid())


def test_a_failed_write_leaves_the_old_file_and_nothing_beside_it(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(OSError, match="directory"):
        files.replace(tmp_path / "a", "text")
    assert names(tmp_path) == ["a"]


def test_the_first_of_several_creators_wins(tmp_path: Path) -> None:
    contents = [bytes([number]) * 4096 for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(files.create, tmp_path / "a", content) for content in contents]:
            done.result()
    won = (tmp_path / "a").read_bytes()
    assert won in contents
    files.create(tmp_path / "a", b"late")
    assert (tmp_path / "a").read_bytes() == won
    assert names(tmp_path) == ["a"]


def test_a_link_replaces_a_file_and_stays_what_it_is_if_it_is_that_file_already(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("new")
    (tmp_path / "b").write_text("old")
    for _ in range(2):
        files.link(tmp_path / "a", tmp_path / "b")
        assert (tmp_path / "b").samefile(tmp_path / "a")
        assert names(tmp_path) == ["a", "b"]


def test_what_a_killed_writer_leaves_is_deleted(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("old")
    ended = subprocess.run([sys.executable, "-c", KILLED, str(path)], timeout=60)
    assert ended.returncode < 0
    assert path.read_text() == "old"
    assert len(names(tmp_path)) == 2
    own = tmp_path / f".b.{os.getpid()}-1{files.ASIDE}"
    own.write_text("still being written by another thread")
    files.delete_abandoned(tmp_path)
    assert names(tmp_path) == sorted(["a", own.name])
    files.delete_abandoned(tmp_path / "nonesuch")
