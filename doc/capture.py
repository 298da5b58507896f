"""Makes the pictures of terminals in the documentation: real commands in a lab, on a pseudo-terminal, as SVG.

Run it with everything installed (``pip install -e .[server,test]``) from the folder above: ``python doc/capture.py``.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from html import escape
from itertools import groupby
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "tests/support")]

from lbclient.lab.webserver import Machine  # noqa: E402  # found only now
from running import lbclient  # noqa: E402
from terminal import Terminal  # noqa: E402

CAPTURES = HERE / "source/_static/captures"
EXAMPLE = HERE / "source/examples/shop.yaml"
INSIDE = "--inside-the-lab"

CELL = (8.4, 18.0)  # pixels
BAR = 30.0
MARGIN = 12.0
PLAIN, BACK = "#e6e6e6", "#16191d"
COLOURS = {
    "default": PLAIN,
    "black": "#16191d",
    "red": "#ff6b68",
    "green": "#5fd38d",
    "brown": "#e5c07b",
    "blue": "#61afef",
    "magenta": "#c678dd",
    "cyan": "#56b6c2",
    "white": PLAIN,
    "brightblack": "#8a939c",
}
MACHINES = [
    Machine("shop 1", "10.0.0.4", (80,)),
    Machine("shop 2", "10.0.0.5", (80,)),
    Machine("login", "10.0.0.7", (80,)),
]  # 10.0.0.6, the third of the shop, is down


def picture(terminal: Terminal, title: str) -> Iterator[str]:
    """What the terminal shows, in a window with a title."""
    rows = _rows(terminal.screen)
    wide, high = terminal.screen.columns * CELL[0] + 2 * MARGIN, len(rows) * CELL[1] + BAR + 2 * MARGIN
    yield f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide:g} {high:g}" width="{wide:g}" height="{high:g}">'
    yield f"<title>{escape(title)}</title>"
    yield '<style>text { font: 14px "DejaVu Sans Mono", Menlo, Consolas, monospace; white-space: pre }</style>'
    yield f'<rect width="{wide:g}" height="{high:g}" rx="8" fill="{BACK}"/>'
    yield f'<text x="{MARGIN:g}" y="20" fill="#8a939c">$ {escape(title)}</text>'
    for number, row in enumerate(rows):
        y = BAR + MARGIN + number * CELL[1]
        x = 0
        for style, cells in groupby(row, key=_style):
            text = "".join(cell.data for cell in cells)
            yield from _run(text, MARGIN + x * CELL[0], y, style)
            x += len(text)
    yield "</svg>"


def _rows(screen: Any) -> list[list[Any]]:
    """The cells of the lines until the last one that is not empty."""
    rows = [[screen.buffer[y][x] for x in range(screen.columns)] for y in range(screen.lines)]
    while rows and not any(cell.data.strip() for cell in rows[-1]):
        rows.pop()
    return rows


def _style(cell: Any) -> tuple[str, str, bool]:
    front, back = COLOURS.get(cell.fg, f"#{cell.fg}"), COLOURS.get(cell.bg, f"#{cell.bg}")
    back = BACK if cell.bg == "default" else back
    return (BACK, PLAIN, cell.bold) if cell.reverse else (front, back, cell.bold)


def _run(text: str, x: float, y: float, style: tuple[str, str, bool]) -> Iterator[str]:
    front, back, is_bold = style
    wide = len(text) * CELL[0]
    if back != BACK:
        yield f'<rect x="{x:g}" y="{y:g}" width="{wide:g}" height="{CELL[1]:g}" fill="{back}"/>'
    if not text.strip():
        return
    start = len(text) - len(text.lstrip())
    text = text.strip()
    bold = ' font-weight="bold"' if is_bold else ""
    # The length holds the columns together whatever font a reader has.
    yield (
        f'<text x="{x + start * CELL[0]:g}" y="{y + 14:g}" fill="{front}"{bold} textLength="{len(text) * CELL[0]:g}"'
        f' lengthAdjust="spacingAndGlyphs">{escape(text)}</text>'
    )


def capture(name: str, *arguments: str, until: str = "", times: int = 1, keys: str = "", lines: int = 40) -> None:
    """Take a picture of a command: when it shows a text, and then keys end it; else at its end."""
    with Terminal(lbclient(*arguments), os.environ, lines=lines) as terminal:
        if until:
            terminal.wait_for(lambda text: text.count(until) >= times, 60)
            terminal.read(0.3)
        else:
            assert terminal.finish() in (0, 2), terminal.text
        lines_of_picture = list(picture(terminal, f"lbclient {' '.join(arguments)}"))
        if keys:
            terminal.press(keys)
            terminal.finish()
    CAPTURES.mkdir(parents=True, exist_ok=True)
    (CAPTURES / f"{name}.svg").write_text("\n".join(lines_of_picture) + "\n", encoding="utf-8")


def run(*arguments: str) -> str:
    result = subprocess.run(lbclient(*arguments), capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


@contextmanager
def traffic(urls: Sequence[str], pause: float) -> Iterator[None]:
    """Requests to all of these until the end."""
    is_over = threading.Event()

    def ask(url: str) -> None:
        while not is_over.wait(pause):
            try:
                urllib.request.urlopen(url, timeout=5).read()
            except (urllib.error.URLError, OSError):
                continue

    threads = [threading.Thread(target=ask, args=(url,)) for url in urls]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        is_over.set()
        for thread in threads:
            thread.join()


@contextmanager
def slow_answers(vip: str) -> Iterator[None]:
    """Four answers that do not end, two from each member."""

    def ask() -> None:
        urllib.request.urlopen(f"http://{vip}/slow", timeout=60).read()

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        for machine in MACHINES:
            urllib.request.urlopen(f"http://{machine.address}/finish", timeout=5).close()
        for thread in threads:
            thread.join()


def take_all() -> None:
    """Every picture, of one load balancer from its file on."""
    os.chdir(EXAMPLE.parent)
    file = EXAMPLE.name
    capture("diff-new", "loadbalancer", "diff", file)
    run("loadbalancer", "apply", file)
    for name in ("api", "blog"):
        run("loadbalancer", "create", "--name", name, "--vip-subnet-id", "private-subnet", "--wait")
    vip = run("loadbalancer", "show", "shop", "-f", "value", "-c", "vip_address")
    time.sleep(8)  # until the member that is down was checked often enough
    capture("status-show", "loadbalancer", "status", "show", "shop")
    capture("topology", "loadbalancer", "topology", "shop")
    run("loadbalancer", "topology", "shop", "--format", "svg", "--output", str(CAPTURES / "topology-drawn.svg"))
    with traffic([f"http://{vip}/", f"http://{vip}/", f"http://{vip}/login"], 0.01):
        capture("top", "loadbalancer", "top", "--interval", "2", until="kB", keys="q", lines=12)
        capture("top-details", "loadbalancer", "top", "shop", "--interval", "2", until=" kB", times=4, keys="q", lines=14)
    with slow_answers(vip):
        drain = ("loadbalancer", "member", "drain", "--wait", "--timeout", "60", "shop", "one")
        capture("progress", *drain, until=" open, 2 s", keys="\x03", lines=3)
    run("loadbalancer", "pool", "set", "--lb-algorithm", "SOURCE_IP", "--wait", "shop")
    member = ("--name", "four", "--address", "10.0.0.8", "--protocol-port", "80")
    run("loadbalancer", "member", "create", *member, "--wait", "shop")
    capture("diff", "loadbalancer", "diff", file)


def main() -> int:
    if INSIDE in sys.argv:
        processes = [machine.start() for machine in MACHINES]
        try:
            take_all()
        finally:
            for process in processes:
                process.terminate()
        return 0
    return subprocess.call([*lbclient("lab", "--", sys.executable, str(Path(__file__).resolve()), INSIDE)])


if __name__ == "__main__":
    sys.exit(main())
