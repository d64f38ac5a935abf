"""A gateway as one writes it with Python and `websockets`.

Messages of all servers become lines for all subscribers of a UNIX socket. What arrives in one turn
of the loop goes out in one write each, and whoever is full stops the servers.

    python3 gateway.py SOCKET SUBSCRIBERS URL...

Prints "ready" when it listens; connects when all subscribers are there.
"""

import asyncio
import ssl
import sys

import websockets


class Fanout:
    """Gathers lines; one task writes them to everybody, and waits for whoever is full."""

    LIMIT = 1 << 20  # bytes gathered, then receiving waits

    def __init__(self):
        self.subscribers = []
        self.lines = bytearray()
        self.filled = asyncio.Event()
        self.emptied = asyncio.Event()

    async def publish(self, message):
        while len(self.lines) >= self.LIMIT:
            self.emptied.clear()
            await self.emptied.wait()
        self.lines += message.encode()
        self.lines += b"\n"
        self.filled.set()

    async def run(self):
        while True:
            await self.filled.wait()
            self.filled.clear()
            data, self.lines = bytes(self.lines), bytearray()
            self.emptied.set()
            for subscriber in self.subscribers:
                subscriber.write(data)
            for subscriber in self.subscribers:
                await subscriber.drain()


def without_checks():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def receive(url, fanout):
    tls = without_checks() if url.startswith("wss:") else None
    async with websockets.connect(url, ssl=tls, compression=None, ping_interval=None,
                                  max_size=None) as server:
        async for message in server:
            await fanout.publish(message)


async def main(path, count, *urls):
    fanout = Fanout()
    complete = asyncio.Event()

    def accept(_, writer):
        fanout.subscribers.append(writer)
        if len(fanout.subscribers) == int(count):
            complete.set()

    async with await asyncio.start_unix_server(accept, path, backlog=4096):
        print("ready", flush=True)
        await complete.wait()
        await asyncio.gather(fanout.run(), *(receive(url, fanout) for url in urls))


asyncio.run(main(*sys.argv[1:]))
