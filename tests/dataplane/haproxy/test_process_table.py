"""The processes that count as those of a directory."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lbclient.dataplane.haproxy import process_table

AS_ANOTHER_USER = ("setpriv", "--reuid=1", "--clear-groups")


@contextmanager
def with_words_of_haproxy(directory: Path, *before: str) -> Iterator[int]:
    """A process that says that it is an HAProxy of the directory; its ID."""
    command = [*before, "sh", "-c", "echo; read line", "haproxy", "-W", "-C", str(directory)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"\n"
        yield process.pid
        process.communicate()


def test_words_of_another_users_process_prove_nothing(tmp_path: Path) -> None:
    if subprocess.run([*AS_ANOTHER_USER, "true"], capture_output=True).returncode != 0:
        pytest.skip("there is no other user")
    with with_words_of_haproxy(tmp_path) as ours, with_words_of_haproxy(tmp_path, *AS_ANOTHER_USER) as foreign:
        (tmp_path / process_table.PIDFILE).write_text(str(foreign))
        assert process_table.family(tmp_path) == [ours]
        assert process_table.master(tmp_path) == ours
        assert not process_table.is_ours(foreign, tmp_path)
