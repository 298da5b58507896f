"""The files of one HAProxy's configuration: the one it reads, the candidate, and the last good one."""

from __future__ import annotations

import os
import re
from pathlib import Path

from ... import files
from ..config.render import FINGERPRINT, FINGERPRINTS, STATES, Configuration
from . import map_files, pem, runtime

CONFIG = "haproxy.cfg"  # read by HAProxy at each start and reload
NEXT = "next.cfg"  # the candidate, checked before it replaces CONFIG
GOOD = "good.cfg"  # the last configuration that a worker has loaded
NO_STATES = "1\n"
LABEL = re.compile(rf"^    {FINGERPRINT} (\S+)$", re.MULTILINE)


class ConfigurationFiles:
    """The configuration of one directory, with the maps, certificates and keys that it names."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    @property
    def size(self) -> int:
        """The size of the configuration in bytes."""
        return (self._directory / CONFIG).stat().st_size

    @property
    def has_configuration(self) -> bool:
        """Whether there is a configuration that HAProxy would read."""
        return (self._directory / CONFIG).exists()

    @property
    def has_good(self) -> bool:
        """Whether there is a last good configuration."""
        return (self._directory / GOOD).exists()

    def write_candidate(self, wanted: Configuration) -> None:
        """Write the configuration aside, to be checked, and the files that it names."""
        pem.store(self._directory, wanted)
        map_files.store(self._directory, wanted)
        self._replace(NEXT, wanted.text)

    def take_candidate(self) -> None:
        """Make the candidate the configuration that HAProxy reads."""
        os.replace(self._directory / NEXT, self._directory / CONFIG)

    def is_written(self, text: str) -> bool:
        """Whether HAProxy would read this text."""
        path = self._directory / CONFIG
        return path.exists() and path.read_text() == text

    def write(self, wanted: Configuration) -> None:
        """Write the configuration that a worker runs already, and keep it as the last good one."""
        self._replace(CONFIG, wanted.text)
        self.remember()
        self.forget(wanted)

    def write_states(self, states: str = NO_STATES) -> None:
        """Write the states of servers that the next worker is to load."""
        self._replace(STATES, states)

    def keep_loaded(self, wanted: Configuration) -> None:
        """Keep the configuration and its maps, which a worker has loaded, as the last good ones; delete all others."""
        self.remember()
        map_files.remember(self._directory)
        self.forget(wanted)

    def remember(self) -> None:
        """Keep the configuration as the last good one."""
        files.link(self._directory / CONFIG, self._directory / GOOD)

    def remember_loaded(self, worker: runtime.Worker | None) -> None:
        """Keep the configuration as the last good one if the worker has loaded it.

        A server that was killed during a change may not have done so.
        """
        path = self._directory / CONFIG
        said = LABEL.search(path.read_text()) if path.exists() else None
        if said and worker and said[1] == FINGERPRINTS.join(filter(None, (worker.fingerprint, worker.generation))):
            self.remember()

    def restore(self) -> None:
        """Make the last good configuration, if there is one, the one that HAProxy reads."""
        if self.has_good:
            self._replace(CONFIG, (self._directory / GOOD).read_text())
            map_files.restore(self._directory)

    def drop_good(self) -> None:
        """Delete the last good configuration, so that nothing starts it again."""
        (self._directory / GOOD).unlink(missing_ok=True)

    def forget(self, wanted: Configuration) -> None:
        """Delete files that the configuration does not name, and unfinished files of a killed server."""
        pem.forget(self._directory, wanted)
        map_files.forget(self._directory, wanted)
        files.delete_abandoned(self._directory)

    def _replace(self, name: str, text: str) -> None:
        files.replace(self._directory / name, text, is_durable=False)  # it can be rendered again
