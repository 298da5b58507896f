"""Constant load on a load balancer, in a process of its own: `python load.py PLAN`.

PLAN is JSON: {"addresses": [VIP, …], "http": port, "https": port, "tcp": port, "authority": PEM, "host": name}. The
load lasts until the standard input ends. Then {"done": {kind: number}, "failed": {kind: {text: number}}} is printed:
requests, and messages over sockets that stay open. A server that says "Connection: close" has not failed; one that just
closes has.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import shutil
import ssl
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Any

from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

PATIENCE = 20.0  # s for anything
PAUSE = 0.01  # s between two requests of a client
IDLE = 0.7  # s that some clients are silent on a connection that they keep
TALK = 0.1  # s between two messages on a socket
LIVES = (30, 200, 1_000_000)  # messages until a socket is closed, and another one is opened
BODY = b"b" * 20_000
STREAM = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def speaks_http2() -> bool:
    """Whether there is a curl that speaks HTTP/2."""
    if not shutil.which("curl"):
        return False
    version, options = (_said("curl", *words) for words in (["-V"], ["--help", "all"]))
    return "HTTP2" in version and "--rate" in options


def _said(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False).stdout


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address


class Load:
    """All clients, and what became of what they did."""

    def __init__(self, plan: dict[str, Any]) -> None:
        self.plan = plan
        self.host = plan["host"]
        self.addresses = itertools.cycle(plan["addresses"])  # connections go to each in turn
        self.tls = ssl.create_default_context(cadata=plan["authority"])
        self.done: Counter[str] = Counter()
        self.failed: dict[str, Counter[str]] = {}
        self.is_over = asyncio.Event()

    async def run(self) -> None:
        clients = [asyncio.create_task(self._repeat(kind, client)) for kind, client in self._clients()]
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
        self.is_over.set()
        await asyncio.gather(*clients)
        print(json.dumps({"done": self.done, "failed": self.failed}))

    def _clients(self) -> list[tuple[str, Callable[[], Awaitable[None]]]]:
        made: list[tuple[str, Callable[[], Awaitable[None]]]] = [("tcp new", self._new_tcp)] * 2
        for port in ("http", "https"):
            made += [(f"{port} new", partial(self._new, port))] * 2
            made += [(f"{port} kept", partial(self._kept, port, pause)) for pause in (PAUSE, PAUSE, IDLE)]
            made += [(f"{port} slow", partial(self._slow, port))]
            made += [(f"{port} websocket", partial(self._websocket, port, life)) for life in LIVES]
        made += [("tcp socket", partial(self._tcp_socket, life)) for life in LIVES]
        if speaks_http2():
            made += [("http/2", self._curl)]
        return made

    async def _repeat(self, kind: str, client: Callable[[], Awaitable[None]]) -> None:
        """The client again and again; it counts what it does under its kind."""
        asyncio.current_task().set_name(kind)
        while not self.is_over.is_set():
            try:
                await client()
            except (OSError, EOFError, ValueError, WebSocketException, asyncio.TimeoutError) as error:
                self.failed.setdefault(kind, Counter())[f"{type(error).__name__}: {error}"[:100]] += 1
                await asyncio.sleep(PAUSE)

    def _count(self, number: int = 1) -> None:
        self.done[asyncio.current_task().get_name()] += number

    @contextlib.asynccontextmanager
    async def _connected(self, port: str) -> AsyncIterator[STREAM]:
        secured = {"ssl": self.tls, "server_hostname": self.host} if port == "https" else {}
        opening = asyncio.open_connection(next(self.addresses), self.plan[port], **secured)
        reader, writer = await asyncio.wait_for(opening, PATIENCE)
        try:
            yield reader, writer
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _new(self, port: str) -> None:
        async with self._connected(port) as stream:
            await self._request(stream, "GET /new")
        self._count()
        await asyncio.sleep(PAUSE)

    async def _slow(self, port: str) -> None:
        async with self._connected(port) as stream:
            await self._request(stream, "GET /slow")
        self._count()

    async def _kept(self, port: str, pause: float) -> None:
        async with self._connected(port) as stream:
            is_kept = True
            while is_kept and not self.is_over.is_set():
                is_kept = await self._request(stream, "GET /kept")
                is_kept = is_kept and await self._request(stream, "POST /kept", BODY)
                self._count()
                await asyncio.sleep(pause)

    async def _request(self, stream: STREAM, what: str, body: bytes = b"") -> bool:
        """Whether the connection is kept."""
        return await asyncio.wait_for(self._exchange(stream, what, body), PATIENCE)

    async def _exchange(self, stream: STREAM, what: str, body: bytes) -> bool:
        reader, writer = stream
        length = f"Content-Length: {len(body)}\r\n" if body else ""
        writer.write(f"{what} HTTP/1.1\r\nHost: {self.host}\r\n{length}\r\n".encode() + body)
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        if head.split()[1] != "200":
            raise ValueError(f"{what}: {head[:80]}")
        if "transfer-encoding: chunked" in head:
            await reader.readuntil(b"0\r\n\r\n")
        else:
            await reader.readexactly(int(head.partition("content-length:")[2].split()[0]))
        return "connection: close" not in head

    async def _new_tcp(self) -> None:
        async with self._connected("tcp") as stream:
            await self._say(stream)
        self._count()
        await asyncio.sleep(PAUSE)

    async def _tcp_socket(self, life: int) -> None:
        async with self._connected("tcp") as stream:
            for _ in self._until_over(life):
                await self._say(stream)
                self._count()
                await asyncio.sleep(TALK)

    async def _say(self, stream: STREAM) -> None:
        reader, writer = stream
        writer.write(b"still there?")
        await asyncio.wait_for(reader.readexactly(12), PATIENCE)

    async def _websocket(self, port: str, life: int) -> None:
        scheme, secured = ("wss", {"ssl": self.tls, "server_hostname": self.host}) if port == "https" else ("ws", {})
        uri = f"{scheme}://{_bracketed(next(self.addresses))}:{self.plan[port]}/chat"
        limits: dict[str, Any] = {"open_timeout": PATIENCE, "close_timeout": PATIENCE, "ping_interval": None}
        async with connect(uri, proxy=None, **limits, **secured) as connection:
            for number in self._until_over(life):
                await connection.send(str(number))
                if await asyncio.wait_for(connection.recv(), PATIENCE) != str(number):
                    raise ValueError("another answer")
                self._count()
                await asyncio.sleep(TALK)

    def _until_over(self, life: int) -> Any:
        return (number for number in range(life) if not self.is_over.is_set())

    async def _curl(self) -> None:
        """Some requests over one connection; curl opens another one when it is told that this one ends."""
        url = f"https://{self.host}:{self.plan['https']}/two"
        place = f"{self.host}:{self.plan['https']}:{_bracketed(next(self.addresses))}"
        words = ("curl", "-skS", "--http2", "--resolve", place, "-m", str(PATIENCE), "--rate", "600/m")
        words += ("-w", "%{http_code} %{http_version}\n", "-o", "/dev/null", f"{url}/[1-20]")
        curl = await asyncio.create_subprocess_exec(*words, stdout=-1, stderr=-1)
        said, complaint = await curl.communicate()
        lines = said.decode().split("\n")[:-1]
        self._count(lines.count("200 2"))
        if lines != ["200 2"] * 20:
            raise ValueError(f"{complaint.decode()} {Counter(lines)}")


if __name__ == "__main__":
    asyncio.run(Load(json.loads(sys.argv[1])).run())
