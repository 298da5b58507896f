"""The kinds of steps in a demo. Each shows what it does and checks its statements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from .stage import Stage

PATIENCE = 30.0  # seconds to wait for a condition


class Step(Protocol):
    """A step of the demo."""

    def play(self, stage: Stage) -> None:
        """Play the step. Raises stage.Failed if a statement is false."""


@dataclass(frozen=True)
class Heading:
    text: str

    def play(self, stage: Stage) -> None:
        stage.heading(self.text)


@dataclass(frozen=True)
class Say:
    text: str

    def play(self, stage: Stage) -> None:
        stage.say(self.text)


@dataclass(frozen=True)
class Run:
    """Runs a command whose table must have these values, in its fields or in its columns from top to bottom."""

    line: str
    shows: Sequence[tuple[str, str]] = ()

    def play(self, stage: Stage) -> None:
        output = stage.run(self.line, is_brief=bool(self.shows))
        stage.check_all(
            [(f"{name} is {value}", stage.translate(value), cell(output, name)) for name, value in self.shows]
        )
        stage.pause()


@dataclass(frozen=True)
class Until:
    """Runs a command until its output contains a word."""

    line: str
    word: str

    def play(self, stage: Stage) -> None:
        output = stage.run(self.line, lambda output: self.word in output.split(), PATIENCE)
        stage.check(f"it says {self.word}", True, self.word in output.split())
        stage.pause()


@dataclass(frozen=True)
class Export:
    """Runs a line that sets a shell variable to one word."""

    line: str

    def play(self, stage: Stage) -> None:
        name = self.line.split()[1].partition("=")[0]
        stage.run(self.line)
        value = stage.environment[name]
        stage.check(f"{name} is {value or 'empty'}", 1, len(value.split()))
        stage.pause()


@dataclass(frozen=True)
class Prints:
    """Runs a line that must print exactly the value of an expression of shell variables."""

    line: str
    value: str

    def play(self, stage: Stage) -> None:
        output = stage.run(self.line)
        stage.check(f"it prints {stage.expand(self.value)}", stage.expand(self.value), output.strip())
        stage.pause()


@dataclass(frozen=True)
class Names:
    """Maps host names to an address, as the guide does in /etc/hosts."""

    names: Sequence[str]
    address: str

    def play(self, stage: Stage) -> None:
        for name in self.names:
            if stage.may_edit_hosts:
                stage.run(f'echo "{self.address} {name}" | sudo tee -a /etc/hosts')
            else:
                stage.names[name] = stage.expand(self.address)
                stage.say(f"({name} is taken for {stage.names[name]}; the guide writes that to /etc/hosts.)")
        stage.pause()


@dataclass(frozen=True)
class Start:
    """Starts the web servers of these names."""

    names: Sequence[str]

    def play(self, stage: Stage) -> None:
        for name in self.names:
            stage.start(name)
            machine = stage.machines[name]
            for port in machine.ports:
                page = stage.fetch(f"http://{machine.address}:{port}/")
                stage.check(f"{name} answers on port {port}", machine.answer, page.text)
        stage.pause()


@dataclass(frozen=True)
class Kill:
    """Kills a web server."""

    name: str

    def play(self, stage: Stage) -> None:
        stage.kill(self.name)


@dataclass(frozen=True)
class Gets:
    """Fetches a page, which must have this text; the status must be 200 unless given."""

    url: str
    text: str | None
    status: int = 200

    def play(self, stage: Stage) -> None:
        page = stage.fetch(self.url)
        stage.check(f"the answer's status is {self.status}", self.status, page.status)
        if self.text is not None:
            stage.check(f"the answer is {self.text!r}", stage.translate(self.text), page.text)
        stage.pause()


@dataclass(frozen=True)
class Shares:
    """Sends requests, two for each of these web servers, which must answer them in turn."""

    url: str
    names: Sequence[str]

    def play(self, stage: Stage) -> None:
        count = len(self.names)
        texts = [stage.fetch(self.url).text for _ in range(2 * count)]
        stage.check(
            f"{' and '.join(self.names)} {'answers all' if count == 1 else 'answer in turn'}",
            (sorted(stage.machines[name].answer for name in self.names), True),
            (sorted(texts[:count]), texts[:count] == texts[count:]),
        )
        stage.pause()


@dataclass(frozen=True)
class While:
    """Plays steps while a web server sends a slow answer, which must still complete."""

    url: str
    name: str
    steps: Sequence[Step]

    def play(self, stage: Stage) -> None:
        machine = stage.machines[self.name]
        with stage.open(self.url) as answer:
            first = answer.readline().decode().strip()
            stage.say(f"GET {stage.expand(self.url)} has begun, and goes on: {first!r}")
            for step in self.steps:
                step.play(stage)
            stage.fetch(f"http://{machine.address}:{machine.ports[0]}/finish")
            last = answer.read().decode().splitlines()[-1]
        stage.check(f"the open connection came to its end: {last!r}", machine.answer, last)
        stage.pause()


def cell(table: str, name: str) -> str | None:
    """Return the value of a field of a `show` table or of a list's column; several rows are joined by newlines."""
    rows = [[each.strip() for each in line.strip("|").split("|")] for line in table.splitlines() if line[:1] == "|"]
    if not rows:
        return None
    if rows[0] == ["Field", "Value"]:
        return dict(([*row, ""])[:2] for row in rows[1:]).get(name)
    if name not in rows[0]:
        return None
    column = rows[0].index(name)
    return ", ".join(row[column] for row in rows[1:])
