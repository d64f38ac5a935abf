"""Messages to be compressed: JSON as feeds send it, and binary data that hardly shrinks."""

import functools
import os
import random

from .case import BINARY, TEXT, frame

POOL = 1 << 21
RSV1 = 4


def full():
    """Whether a thousand messages of each size were asked for, or as many as a minute allows."""
    return bool(os.environ.get("WSGATED_CONFORMANCE_FULL"))


@functools.lru_cache(maxsize=None)
def pools():
    source = random.Random(7692)
    lines = []
    length = 0
    while length < POOL:
        line = '{"symbol":"%s","price":%.2f,"size":%d,"side":"%s","venue":"Zürich"}\n' % (
            source.choice(["BTC-EUR", "ETH-EUR", "SOL-USD"]), source.uniform(10, 70000),
            source.randrange(1, 9999), source.choice(["buy", "sell"]))
        lines.append(line)
        length += len(line)
    mixed = b"".join(
        source.randbytes(64) if source.random() < 0.5 else bytes([source.randrange(256)]) * 64
        for _ in range(POOL // 64))
    return {TEXT: "".join(lines).replace("ü", "u").encode()[:POOL], BINARY: mixed}


class Messages:
    """One message of each size, text and binary in turn: a sequence that holds none of them."""

    def __init__(self, sizes, seed):
        source = random.Random(seed)
        self.slices = [(source.randrange(POOL - size), size) for size in sizes]

    def __len__(self):
        return len(self.slices)

    def __getitem__(self, number):
        start, size = self.slices[number]
        opcode = BINARY if number % 2 else TEXT
        return opcode, pools()[opcode][start : start + size]


def stream(messages, deflater, pieces=lambda payload: (payload,)):
    """The messages as the server sends them: compressed, `pieces` a message's fragments; in batches."""
    batch, length = [], 0
    for opcode, message in messages:
        parts = pieces(deflater.message(message))
        last = len(parts) - 1
        for number, part in enumerate(parts):
            batch.append(frame(0 if number else opcode, part, fin=number == last, rsv=0 if number else RSV1))
            length += len(part)
        if length > 65536:
            yield b"".join(batch)
            batch, length = [], 0
    yield b"".join(batch)
