"""A server for tests, which ends with the process that started it."""

from __future__ import annotations

import os
import select
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import requests

from ..lab import programs

START_SECONDS = 60.0
STOP_SECONDS = 20.0


class NotStarted(Exception):
    """The server did not start; the message is its output."""


class Testing:
    """The testing API of a server."""

    __test__ = False  # pytest would collect it as a class of tests for its name

    def __init__(self, url: str) -> None:
        self.url = f"{url}/testing/v1"
        self._session = requests.Session()
        self._session.trust_env = False  # otherwise requests to this machine would go to a proxy of the environment

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Send a request and return the JSON of the answer. Raises ValueError with the server's reason if refused."""
        answer = self._session.request(method, f"{self.url}{path}", json=body, timeout=60)
        if answer.status_code >= 400:
            raise ValueError(answer.json().get("description", answer.text))
        return answer.json() if answer.content else None

    def reset(self) -> None:
        """Restore the state that the server was started with."""
        self.ask("POST", "/reset")


class Server:
    """A running server with the testing API."""

    def __init__(self, url: str, process: subprocess.Popen[str] | None = None) -> None:
        self.url = url
        self.testing = Testing(url)
        self._process = process

    @classmethod
    def start(cls, options: Sequence[str] = (), seconds: float = START_SECONDS) -> Server:
        """Start a server that ends with this process. Raises NotStarted, also if it is not ready within `seconds`."""
        command = programs.command("lbclient.cli.shell", "server", "--ephemeral", "--testing", *options)
        with tempfile.TemporaryFile("w+") as log:  # a pipe that is not read fills up and blocks the server
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True)
            assert process.stdout is not None
            is_late = not select.select([process.stdout], [], [], seconds)[0]
            line = "" if is_late else process.stdout.readline()
            if not line:
                _end(process)
                log.seek(0)
                limit = f"The server was not ready within {seconds:g} seconds." if is_late else ""
                raise NotStarted("\n".join(filter(None, (limit, log.read().strip()))))
        return cls(line.split()[-1], process)

    def stop(self) -> None:
        """Stop the server, end its HAProxy processes and delete its directory."""
        if self._process is not None:
            _end(self._process)


def _end(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.communicate(timeout=STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()


def wait_until(condition: Any, seconds: float = 10.0, poll: float = 0.02) -> None:
    """Check a condition every `poll` seconds until it is true. Raises TimeoutError after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= deadline:
            raise TimeoutError(f"the condition did not come true within {seconds:g} seconds")
        time.sleep(poll)


def of_the_lab() -> Server:
    """Return the server of the lab that this process runs in. Raises NotStarted outside a lab."""
    lab = os.environ.get("LBCLIENT_LAB")
    if not lab:
        raise NotStarted("this is not a lab: run lbclient lab -- pytest")
    import yaml

    clouds = yaml.safe_load(Path(os.environ["OS_CLIENT_CONFIG_FILE"]).read_text())["clouds"]
    url = clouds[os.environ["OS_CLOUD"]]["auth"]["auth_url"]
    return Server(str(url).removesuffix("/identity"))
