"""What listens here is forwarded into this process's own network: ``forward.py FD:PORT …``.

The listening sockets were made outside, so that they are reachable from there, on loopback alone.
"""

import asyncio
import contextlib
import socket
import sys


async def pipe(reader, writer):
    """All of ``reader`` is in ``writer``."""
    with contextlib.suppress(OSError):
        while block := await reader.read(65536):
            writer.write(block)
            await writer.drain()
    writer.close()


async def serve(fd, port):
    """Connections to ``fd`` go to ``port`` here."""

    async def one(reader, writer):
        try:
            there, back = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            writer.close()
            return
        await asyncio.gather(pipe(reader, back), pipe(there, writer))

    server = await asyncio.start_server(one, sock=socket.socket(fileno=fd))
    await server.serve_forever()


async def main():
    """All are served until this ends."""
    await asyncio.gather(*(serve(*map(int, word.split(":"))) for word in sys.argv[1:]))


asyncio.run(main())
