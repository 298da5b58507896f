"""The inside of a lab: the running reference server, and an environment in which commands find it."""

from __future__ import annotations

import os
import select
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from . import programs

PORT = 9876
USER_CLOUD = "lbclient"
START_SECONDS = 120


class NotStarted(Exception):
    """The server did not start; the text is its output."""


@dataclass(frozen=True)
class LabEnvironment:
    """A lab's server, with its state in a directory; `is_genuine` if openstack is the one that is installed, if any."""

    directory: Path
    attachment: str
    private_cidr: str
    public_cidr: str
    port: int = PORT
    is_genuine: bool = True
    more: Sequence[str] = ()  # options of the server

    @property
    def state(self) -> Path:
        return self.directory / "server"

    @property
    def clouds_file(self) -> Path:
        return self.state / "clouds.yaml"

    @property
    def log(self) -> Path:
        return self.directory / "server.log"

    @property
    def cache(self) -> Path:
        """Return the directory of the token cache and of stevedore's cache; it is removed with the lab."""
        return self.directory / "cache"

    def start(self, before: Mapping[str, str]) -> dict[str, str]:
        """Start the server and return the environment in which commands find it. Raises NotStarted."""
        self._start_server()
        commands = self.directory / "bin"
        commands.mkdir()
        after = environment(before, commands, self.clouds_file, self.cache)
        genuine = _genuine_openstack(before.get("PATH", os.defpath)) if self.is_genuine else None
        _write_commands(commands, genuine, after, self.cache)
        return after

    def _start_server(self) -> None:
        readable, writable = os.pipe()
        with self.log.open("w") as log:
            environment = {**os.environ, "XDG_CACHE_HOME": str(self.cache)}
            command = programs.command("lbclient.server.main", *self._options())
            start_orphan(command, environment, writable, log.fileno())
        os.close(writable)
        with open(readable) as said:
            is_heard = select.select([said], [], [], START_SECONDS)[0]
            line = said.readline() if is_heard else ""
        if not line:
            raise NotStarted(self.log.read_text().strip() or "the server did not start, and did not say why")

    def _options(self) -> Sequence[str]:
        return (
            f"--state-directory={self.state}",
            f"--attachment={self.attachment}",
            f"--bind-port={self.port}",
            f"--private-cidr={self.private_cidr}",
            f"--public-cidr={self.public_cidr}",
            "--demo",
            "--testing",
            *self.more,
        )


def environment(before: Mapping[str, str], commands: Path, clouds_file: Path, cache: Path) -> dict[str, str]:
    """Return the caller's environment with the lab's commands and cloud instead of other clouds and proxies."""
    kept = {name: value for name, value in before.items() if not (name.startswith("OS_") or _is_proxy(name))}
    return {
        **kept,
        "PATH": f"{commands}:{before.get('PATH', os.defpath)}",
        "OS_CLIENT_CONFIG_FILE": str(clouds_file),
        "OS_CLOUD": USER_CLOUD,  # OS_USERNAME and the like would take precedence over --os-cloud lbclient-admin
        "LBCLIENT_LAB": str(commands.parent),
        "LBCLIENT_CACHE_HOME": str(cache),  # for lbclient only; caches of other programs stay the user's
    }


def _is_proxy(name: str) -> bool:
    """Return whether a variable names a proxy, since none can be reached from inside."""
    return name.lower() in ("http_proxy", "https_proxy", "all_proxy", "ftp_proxy")


def start_orphan(command: Sequence[str], environment: Mapping[str, str], output: int, errors: int) -> None:
    """Start a process that is not our child: the lab's command replaces this process and must not see a child."""
    child = os.fork()
    if child == 0:
        nothing = subprocess.DEVNULL
        subprocess.Popen(command, env=environment, stdin=nothing, stdout=output, stderr=errors, start_new_session=True)
        os._exit(0)
    os.waitpid(child, 0)


def _write_commands(directory: Path, genuine: str | None, variables: Mapping[str, str], cache: Path) -> None:
    keeping = f"export XDG_CACHE_HOME={shlex.quote(str(cache))}\n"
    lbclient = f'{keeping}exec {shlex.join(programs.command("lbclient.cli.shell"))} "$@"'
    script(directory / "lbclient", lbclient)
    script(directory / "openstack", f'{keeping}exec {shlex.quote(genuine)} "$@"' if genuine else lbclient)
    script(directory / "guide-servers", f'exec {shlex.join(programs.command("lbclient.lab.webserver"))} "$@"')
    script(directory / "sudo", 'exec "$@"')  # users are root inside, which the system's sudo does not recognize
    cloud = [f"export {name}={shlex.quote(value)}" for name, value in variables.items() if name.startswith("OS_")]
    script(directory / "example-openrc.sh", "\n".join(cloud))


def _genuine_openstack(path: str) -> str | None:
    """Return the openstack of this Python's environment, which has our commands, else the one on the PATH."""
    return shutil.which("openstack", path=str(Path(sys.executable).parent)) or shutil.which("openstack", path=path)


def script(path: Path, body: str) -> None:
    """Write a shell script."""
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
