"""
A plan of messages that several servers, in several languages, can send and that a subscriber can
check byte for byte. A message is [type, start, length, pieces]: that slice of the text ("t") or
binary ("b") pool, in so many fragments of about the same size.

As a program it is a python3-websockets server: `plan.py FILE` writes its port to standard output,
sends the plan to whoever connects, and ends with its standard input.
"""

import asyncio
import json
import pathlib
import random
import sys

POOL = 3 << 20
LARGEST = 1 << 20
EDGES = [0, 1, 125, 126, 127, 65535, 65536, LARGEST]


def _length(random_):
    dice = random_.random()
    if dice < 0.02:
        return 0
    if dice < 0.55:
        return random_.randint(1, 125)
    if dice < 0.95:
        return random_.randint(126, 4096)
    if dice < 0.999:
        return random_.randint(4097, 65536)
    return random_.randint(65537, LARGEST)


class Plan:
    def __init__(self, path, messages):
        self.path = pathlib.Path(path)
        self.messages = messages

    @property
    def pool_paths(self):
        return {"t": self.path.parent / "text.pool", "b": self.path.parent / "binary.pool"}

    @classmethod
    def make(cls, path, count, seed):
        """Writes a plan of `count` messages, and the pools beside it if they are not there yet."""
        random_ = random.Random(seed)
        lengths = EDGES + [_length(random_) for _ in range(count - len(EDGES))]
        random_.shuffle(lengths)
        messages = []
        for length in lengths:
            pieces = random_.choice([1, 1, 1, 2, 5]) if length > 5 else 1
            start = random_.randrange(POOL - length)
            messages.append((random_.choice("tb"), start, length, pieces))
        plan = cls(path, messages)
        plan.path.write_text(json.dumps(messages))
        plan._make_pools()
        return plan

    def _make_pools(self):
        paths = self.pool_paths
        if not paths["t"].exists():
            random_ = random.Random(0)
            printable = bytes(range(32, 127))
            paths["t"].write_bytes(bytes(random_.choices(printable, k=POOL)))
            paths["b"].write_bytes(random_.randbytes(POOL))

    @classmethod
    def load(cls, path):
        return cls(path, json.loads(pathlib.Path(path).read_text()))

    def pools(self):
        return {kind: path.read_bytes() for kind, path in self.pool_paths.items()}

    def expected(self):
        """(type, payload) of each message, in order."""
        pools = {kind: memoryview(pool) for kind, pool in self.pools().items()}
        for kind, start, length, _ in self.messages:
            yield kind, pools[kind][start : start + length]

    def fragments(self):
        """(type, [piece, …]) of each message, in order."""
        pools = self.pools()
        for kind, start, length, pieces in self.messages:
            cuts = [start + length * piece // pieces for piece in range(pieces + 1)]
            yield kind, [pools[kind][a:b] for a, b in zip(cuts, cuts[1:])]


async def _serve(plan):
    from websockets.legacy.server import serve

    async def handle(socket, path=None):
        for kind, pieces in plan.fragments():
            if kind == "t":
                pieces = [piece.decode() for piece in pieces]
            await socket.send(pieces if len(pieces) > 1 else pieces[0])
        await socket.wait_closed()

    async with serve(
        handle, "127.0.0.1", 0, compression=None, ping_interval=None, max_size=None
    ) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(_serve(Plan.load(sys.argv[1])))
