"""
What the servers send: messages that say whose they are, so that a reader can tell by itself what it
lost, got twice, or got broken. "SOURCE SESSION NUMBER BLANKS KIND CRC FILLER", numbers in hexadecimal.
A blank says nothing: it is empty. The message after it says how many the session has had by then.
"""

import functools
import json
import random
import zlib
from typing import NamedTuple

# Sizes of the filler in bytes: the mean traffic has many small messages and a few large ones.
SIZES = {
    "tiny": [0, 1],
    "small": [0, 1, 60, 91, 120, 125, 126, 200],
    "kilobyte": [1000],
    "mixed": [0, 50, 125, 126, 500, 1000, 4000, 16_000],
    "large": [100, 65_400, 65_535, 65_536, 30_000],
}
HEAD = 60  # bytes before the filler, at most
BROKEN = b"\xed\xa0\x80 \xc3( \xf0\x9f\x98 \xff"  # no UTF-8, in some of the ways there are
BROKEN_MORE = 32  # bytes by which it grows when it is replaced
PATTERN = 65_521  # bytes of what fillers are cut from, again and again: a prime, so that they differ
POOL = 49 * PATTERN  # more than any message has

# How much less than a ring a message takes that just fits, in one of the formats, or just does not.
NEAR = [-1, 0, 1, 2, 31, 32, 33, 39, 40, 72, 80, 200]


def largest(sizes):
    return max(SIZES[sizes]) + HEAD


def lengths_near(rings, most):
    """Lengths of messages that are about as large as a ring, or the part of it that counts; `most` is the largest."""
    near = [ring - less for ring in rings for less in NEAR]
    near += [(ring - 110) * 3 // 4 + more for ring in rings for more in range(-16, 17, 4)]  # Base64
    near += [ring * part // 16 for ring in rings for part in (8, 15)]
    return sorted({length for length in near if HEAD < length < most} | {most})


@functools.lru_cache
def pool(binary, newlines):
    random_ = random.Random(f"{binary} {newlines}")
    if binary:
        data = random_.randbytes(PATTERN)
    else:
        letters = [chr(c) for c in range(32, 127)] * 4 + list('""\\\\\t\r\x00\x1f\x7f\x80é漢😀\n')
        data = "".join(random_.choices(letters, k=PATTERN)).encode()[:PATTERN]
    return POOL // PATTERN * (data if newlines else data.replace(b"\n", b" "))


class Fillers:
    """
    Fillers of the sizes, made once: a server that is to be fast cannot make one for each message.
    `broken`: some of the text is no UTF-8.
    """

    def __init__(self, sizes, newlines, seed, broken=False):
        self.random = random.Random(seed)
        self.newlines = newlines
        self.broken = broken
        self.made = {binary: [self.cut(size, binary) for size in sizes * 4] for binary in (False, True)}

    def cut(self, size, binary):
        start = self.random.randrange(POOL - size)
        filler = pool(binary, self.newlines)[start : start + size]
        if not binary:  # no half characters
            filler = filler.decode(errors="ignore").encode().ljust(size, b"~")
            if self.broken and size > len(BROKEN) and self.random.random() < 0.5:
                at = self.random.randrange(size - len(BROKEN))
                filler = (filler[:at] + BROKEN + filler[at + len(BROKEN):])[:size]
            return b"%08x %s" % (zlib.crc32(mended(filler)), filler)
        return b"%08x %s" % (zlib.crc32(filler), filler)

    def pick(self, binary):
        return self.random.choice(self.made[binary])


def mended(text):
    """What is no UTF-8 may be replaced on the way: the checksum is that of the result."""
    return text.decode(errors="replace").encode()


def make(source, session, number, blanks, binary, filler):
    return b"%s %x %x %x %c %s" % (source, session, number, blanks, b"tb"[binary], filler)


def make_long(length, fillers, source, session, number, blanks, binary):
    """One of that length."""
    head = len(make(source, session, number, blanks, binary, b"%08x " % 0))
    return make(source, session, number, blanks, binary, fillers.cut(length - head, binary))


def json_length(payload, binary):
    """What it takes as a string of the format json."""
    if binary:
        return (len(payload) + 2) // 3 * 4
    return len(json.dumps(payload.decode(), ensure_ascii=False).encode()) - 2


class Broken(Exception):
    """What came is no message."""


class Message(NamedTuple):
    source: str
    session: int
    number: int
    blanks: int
    binary: bool


def parse(payload):
    parts = bytes(payload).split(b" ", 6)
    if len(parts) != 7 or parts[4] not in (b"t", b"b"):
        raise Broken(f"no message: {bytes(payload[:80])!r}")
    try:
        session, number, blanks = (int(part, 16) for part in parts[1:4])
        crc = int(parts[5], 16)
    except ValueError:
        raise Broken(f"no message: {bytes(payload[:80])!r}") from None
    if zlib.crc32(parts[6]) != crc and (parts[4] == b"b" or zlib.crc32(mended(parts[6])) != crc):
        raise Broken(f"checksum of {parts[0].decode()} {session:x} {number:x}, {len(parts[6])} bytes")
    return Message(parts[0].decode(), session, number, blanks, parts[4] == b"b")
