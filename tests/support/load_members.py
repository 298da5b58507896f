"""Members for a load that lasts, in a process of their own: `python load_members.py COUNT` prints their ports as JSON.

{"http": [ports], "echo": [ports], "chat": port}. They end when their standard input does.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys

from websockets.asyncio.server import ServerConnection, serve

SLOW_PARTS, SLOW_PAUSE = 10, 0.1  # of an answer to /slow
ENDS = (OSError, asyncio.IncompleteReadError, asyncio.CancelledError)  # of a client, or of all
PART = b"%x\r\n%s\r\n" % (1000, b"." * 1000)


async def http(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Just enough of a web server, with connections that are kept alive."""
    with contextlib.suppress(*ENDS), contextlib.closing(writer):
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            _, length_follows, rest = head.partition("\r\ncontent-length:")
            body = await reader.readexactly(int(rest.split("\r\n")[0])) if length_follows else b"hello"
            if head.split()[1] == "/slow":
                await _slowly(writer)
            else:
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
            await writer.drain()


async def _slowly(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    for _ in range(SLOW_PARTS):
        writer.write(PART)
        await writer.drain()
        await asyncio.sleep(SLOW_PAUSE)
    writer.write(b"0\r\n\r\n")


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(*ENDS), contextlib.closing(writer):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()


async def chat(connection: ServerConnection) -> None:
    async for message in connection:
        await connection.send(message)


async def main(count: int) -> None:
    listening = {
        name: [await asyncio.start_server(handler, "127.0.0.1", 0) for _ in range(count)]
        for name, handler in (("http", http), ("echo", echo))
    }
    ports = {name: [each.sockets[0].getsockname()[1] for each in servers] for name, servers in listening.items()}
    async with serve(chat, "127.0.0.1", 0, ping_interval=None) as chatting:
        [socket] = chatting.sockets
        print(json.dumps({**ports, "chat": socket.getsockname()[1]}), flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
