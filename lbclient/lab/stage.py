"""The stage of a demo: runs command lines in a shell, fetches pages, prints them, and counts checks."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import shutil
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from string import Template

from ..cli.output import printed
from .webserver import Machine

COMMAND_SECONDS = 150.0
FETCH_SECONDS = 10.0
POLL_SECONDS = 0.2
WIDTH = 114  # characters of a line of checked statements
CHECKED = "  ok: "
OBJECT = re.compile(r"^\| Field +\| Value", re.MULTILINE)  # the heading of the table of one object


class Failed(Exception):
    """A statement of the demo is false: the expected and the actual value."""

    def __init__(self, statement: str, expected: str, came: str) -> None:
        super().__init__(f"{statement}\n  expected: {expected}\n  came:     {came}")


@dataclass(frozen=True)
class Page:
    """The answer to a request."""

    status: int
    text: str


@dataclass
class Stage:
    """One run of the demo. translate replaces the guide's addresses and ports where they are not available."""

    environment: dict[str, str]
    machines: Mapping[str, Machine]
    translate: Callable[[str], str] = str
    may_edit_hosts: bool = True
    names: dict[str, str] = field(default_factory=dict)  # host name -> address, if /etc/hosts cannot be edited
    is_paused: bool = False
    is_full: bool = False  # whether the tables of objects are printed, and not only what is checked in them
    commands: int = 0
    checks: int = 0
    running: dict[str, subprocess.Popen[str]] = field(default_factory=dict)

    def heading(self, text: str) -> None:
        self._print(f"\n{text}\n{'=' * len(text)}", "1;36")

    def say(self, text: str) -> None:
        self.say_as_it_is(self.translate(text))

    def say_as_it_is(self, text: str) -> None:
        self._print(f"\n{text}")

    def fail(self, text: str) -> None:
        self._print(f"\nFAILED: {text}", "1;31")

    def run(
        self,
        line: str,
        accept: Callable[[str], bool] | None = None,
        seconds: float = 0.0,
        *,
        is_brief: bool = False,
    ) -> str:
        """Run a command line until its output is accepted or the time is over; show it with its last output.

        With is_brief the table of an object is left out, unless the whole demo is to be shown or the command fails.
        """
        line = self.translate(line)
        self._print(f"{self._gap}$ {line}", "1")
        self.commands += 1
        deadline = time.monotonic() + seconds
        while True:
            status, output = self._shell(line)
            if status == 0 and (accept is None or accept(output)):
                break
            if time.monotonic() >= deadline:
                break
            time.sleep(POLL_SECONDS)
        if self.is_full or status != 0 or not (is_brief and OBJECT.search(output)):
            self._show(output)
        if status != 0:
            raise Failed(f"$ {line}", "exit status 0", f"exit status {status}")
        return output

    def check(self, statement: str, expected: object, came: object) -> None:
        """Compare two values and print the statement. Raises Failed if they differ."""
        self.checks += 1
        if expected != came:
            raise Failed(statement, str(expected), str(came))
        self._print(f"{CHECKED}{self.translate(statement)}", "32")

    def check_all(self, statements: Sequence[tuple[str, object, object]]) -> None:
        """Check statements about one output and print them in one paragraph. Raises Failed for the first false one."""
        for statement, expected, came in statements:
            self.checks += 1
            if expected != came:
                raise Failed(statement, str(expected), str(came))
        words = [self.translate(statement) for statement, _, _ in statements]
        width = min(WIDTH, shutil.get_terminal_size().columns - len(CHECKED)) if sys.stdout.isatty() else WIDTH
        lines = words if self.is_full else textwrap.wrap("; ".join(words), width) if words else []
        for line in lines:
            self._print(f"{CHECKED}{line}", "32")

    def fetch(self, url: str) -> Page:
        """Fetch a page on a new connection, and show the request and the page."""
        with self.open(url) as answer:
            page = Page(answer.status, answer.read().decode())
        print(
            f"  GET {self.expand(url):<34} {page.text.splitlines()[-1].strip() if page.status == 200 else page.status}"
        )
        return page

    @contextlib.contextmanager
    def open(self, url: str) -> Iterator[http.client.HTTPResponse]:
        """Send a request and yield its open answer."""
        match = re.fullmatch(r"http://([^:/]+)(?::(\d+))?(/.*)", self.expand(url))
        assert match, url
        name, port, path = match[1], int(match[2] or 80), match[3]
        connection = http.client.HTTPConnection(self.names.get(name, name), port, timeout=FETCH_SECONDS)
        try:
            connection.request("GET", path, headers={"Host": name if port == 80 else f"{name}:{port}"})
            yield connection.getresponse()
        except OSError as error:
            raise Failed(f"GET {self.expand(url)}", "an answer", str(error)) from error
        finally:
            connection.close()

    def expand(self, text: str) -> str:
        """Return a text with the shell's variables and this stage's addresses substituted."""
        return Template(self.translate(text)).substitute(self.environment)

    def start(self, name: str) -> None:
        self.running[name] = self.machines[name].start()

    def kill(self, name: str) -> None:
        process = self.running.pop(name)
        process.kill()
        process.communicate()

    def pause(self) -> None:
        if self.is_paused:
            self._print("\n-- Enter goes on --", "2")
            sys.stdin.readline()

    @property
    def _gap(self) -> str:
        """The blank line before a command."""
        return "\n" if self.is_full else ""

    def _shell(self, line: str) -> tuple[int, str]:
        """Run a line as the user's shell would: exported variables stay for the next line."""
        with tempfile.TemporaryDirectory() as directory:
            exported = Path(directory) / "environment"
            script = f'{line}\nstatus=$?\nenv -0 > "{exported}"\nexit $status\n'
            result = subprocess.run(
                ["bash", "-c", script],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=COMMAND_SECONDS,
                check=False,
            )
            if line.startswith(("export ", "source ")):
                entries = exported.read_text().split("\0")
                self.environment = dict(entry.split("=", 1) for entry in entries if "=" in entry)
        return result.returncode, result.stdout

    def _show(self, output: str) -> None:
        """Print the output of a command as it would be on this terminal: the command itself writes into a pipe."""
        if sys.stdout.isatty():
            output = printed.fitted(output, shutil.get_terminal_size().columns)
        print(output, end="" if output.endswith("\n") or not output else "\n", flush=True)

    def _print(self, text: str, colour: str = "") -> None:
        if colour and sys.stdout.isatty() and not os.environ.get("NO_COLOR"):
            text = f"\033[{colour}m{text}\033[0m"
        print(text, flush=True)
