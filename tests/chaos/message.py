"""
What the servers send: messages that say whose they are, so that a reader can tell by itself what it
lost, got twice, or got broken. "CONNECTION SESSION NUMBER CRC FILLER", numbers in hexadecimal; one
line of text, so that every format can carry it.
"""

import random
import zlib

# Sizes of the filler in bytes: the mean traffic has many small messages and a few large ones.
SIZES = {
    "small": [0, 1, 60, 91, 120, 125, 126, 200],
    "kilobyte": [1000],
    "mixed": [0, 50, 125, 126, 500, 1000, 4000, 16_000],
    "large": [100, 65_400, 65_535, 65_536, 30_000],
}
LARGEST = 66_000  # with the words before the filler


class Fillers:
    """Fillers of the sizes, made once: a server that is to be fast cannot make one a message."""

    def __init__(self, sizes, seed):
        random_ = random.Random(seed)
        alphabet = bytes(c for c in range(33, 127))
        pool = bytes(random_.choices(alphabet, k=1 << 17))
        self.random = random_
        self.fillers = []
        for size in SIZES[sizes] * 4:
            start = random_.randrange(len(pool) - size)
            filler = pool[start : start + size]
            self.fillers.append(b"%x %s" % (zlib.crc32(filler), filler))

    def pick(self):
        return self.random.choice(self.fillers)


def make(connection, session, number, filler):
    return b"%s %x %x %s" % (connection, session, number, filler)


class Broken(Exception):
    """What came is no message."""


def parse(payload):
    """(connection, session, number)"""
    parts = bytes(payload).split(b" ", 4)
    if len(parts) != 5:
        raise Broken(f"no message: {bytes(payload[:80])!r}")
    try:
        session, number, crc = (int(part, 16) for part in parts[1:4])
    except ValueError:
        raise Broken(f"no message: {bytes(payload[:80])!r}") from None
    if zlib.crc32(parts[4]) != crc:
        raise Broken(f"checksum of {parts[0].decode()} {session:x} {number:x}, {len(parts[4])} bytes")
    return parts[0].decode(), session, number
