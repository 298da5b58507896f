"""The lower bounds of setup.cfg as constraints for pip: `python tests/support/lowest.py FILE`."""

from __future__ import annotations

import configparser
import re
import sys
from collections.abc import Iterator
from pathlib import Path

SETUP = Path(__file__).parents[2] / "setup.cfg"
EXTRAS = ("server", "postgresql")  # those of users


def requirements(path: Path = SETUP) -> Iterator[str]:
    """Yield the requirements of the package and its extras."""
    setup = configparser.ConfigParser(interpolation=None)
    setup.read(path, encoding="utf-8")
    texts = [setup["options"]["install_requires"], *(setup["options.extras_require"][extra] for extra in EXTRAS)]
    for text in texts:
        yield from filter(None, (line.strip() for line in text.splitlines()))


def constraints(path: Path = SETUP) -> Iterator[str]:
    """Each requirement pinned to its lower bound: `cliff==4.9`. Raises ValueError where there is none."""
    for requirement in requirements(path):
        found = re.match(r"([A-Za-z0-9._-]+)(?:\[[^]]*\])?>=([0-9.]+)", requirement)
        if found is None:
            raise ValueError(f"{requirement} has no lower bound")
        yield f"{found[1]}=={found[2]}"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text("".join(f"{each}\n" for each in constraints()), encoding="utf-8")
