"""The settings of a cloud that a command with a cached login needs, kept so that no YAML has to be read.

They are kept beside the login, in a file named by a keyed digest of everything that settings are read from: options,
variables, and the contents of clouds.yaml and secure.yaml. A changed byte means another file. Secrets are not kept.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from typing import Any

from . import clouds, token_cache
from .settings import Settings

FORM = 1  # version of the file format; files of other versions are ignored
KEPT = ("region_name", "interface", "cacert", "insecure", "verify", "api_timeout")
OVERRIDE = "_endpoint_override"
# Variables that decide where files are, beside OS_*.
PLACES = ("HOME", "XDG_CONFIG_HOME", "XDG_CONFIG_DIRS", "LBCLIENT_AUTH_CACHE")


class Known:
    """The file of the settings for these options and variables."""

    def __init__(self, options: Mapping[str, Any], environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._sources = list(_sources(options, environ))

    def read(self) -> tuple[Settings, token_cache.CacheEntry] | None:
        """Return the settings and the cache entry of the login; None if they are not known."""
        file = token_cache.beside(self._sources, self._environ)
        content = file.read() if file else None
        try:
            said = json.loads(content or b"null")
            if file and said and said["form"] == FORM:
                return dict(said["settings"]), file.login(said["login"])
        except (ValueError, TypeError, KeyError):
            pass
        return None

    def write(self, settings: Settings, login: token_cache.CacheEntry) -> None:
        """Keep the settings of a cached login, unless something else than these sources had a part in them."""
        file = token_cache.beside(self._sources, self._environ)
        if file is None or settings.get("cert") or clouds.READ_BY in settings:
            return
        kept = {name: value for name, value in settings.items() if name in KEPT or name.endswith(OVERRIDE)}
        if all(isinstance(value, (str, int, float)) for value in kept.values()):
            file.write(json.dumps({"form": FORM, "login": login.path.name, "settings": kept}).encode())


def _sources(options: Mapping[str, Any], environ: Mapping[str, str]) -> Iterator[object]:
    """Yield everything that the settings are read from."""
    yield sorted((name, repr(value)) for name, value in options.items())
    yield sorted((name, value) for name, value in environ.items() if name.startswith("OS_") or name in PLACES)
    for path in clouds.present(environ):
        try:
            yield os.fspath(path), path.read_bytes()
        except OSError as error:
            yield os.fspath(path), error.errno
