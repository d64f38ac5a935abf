"""Messages that are small on the wire and over max_message once inflated."""

import zlib

from .case import BINARY, KIND, TEXT, bad, chopped, fragments, frame, good
from .cases_inflate import PLAIN, RSV1, agreed, compress, compressed

LIMITS = {"1": 1, "125": 125, "1000": 1000, "64K": 65536, "1M": 1 << 20}
BOMBS = {"2M": 1 << 21, "16M": 1 << 24, "128M": 1 << 27}


def bomb(size):
    """So many times the letter a: about a thousandth of it on the wire."""
    stream = zlib.compressobj(9, zlib.DEFLATED, -15)
    piece = b"a" * (1 << 20)
    out = b"".join(stream.compress(piece) for _ in range(size >> 20))
    return (out + stream.flush(zlib.Z_SYNC_FLUSH))[:-4]


def cases():
    for opcode, name in KIND.items():
        for limit, length in LIMITS.items():
            settings = {**PLAIN.settings, "max_message": limit}
            options = {"settings": settings, "extension": PLAIN.answer}
            payload = compress(b"a" * length)
            over = compress(b"a" * (length + 1))
            yield good(f"{name}-{limit}-exact", (compressed(opcode, payload),), [(opcode, b"a" * length)],
                       **options)
            yield good(f"{name}-{limit}-exact-bytewise", chopped(compressed(opcode, payload), 1),
                       [(opcode, b"a" * length)], **options)
            yield bad(f"{name}-{limit}-and-1", (frame(opcode, b"a") + compressed(opcode, over),), 1009,
                      delivers=[(opcode, b"a")], bombs=1, **options)
            yield bad(f"{name}-{limit}-and-1-in-fragments",
                      (fragments(opcode, over, 1, rsv=RSV1),), 1009, bombs=1, **options)
        for size, length in BOMBS.items():
            payload = bomb(length)
            options = {"settings": PLAIN.settings, "extension": PLAIN.answer, "bombs": 1}
            yield bad(f"{name}-{size}", (compressed(opcode, payload),), 1009, **options)
            yield bad(f"{name}-{size}-unfinished", (compressed(opcode, payload[:5000], fin=False),), 1009, **options)
            yield bad(f"{name}-{size}-bytewise", chopped(compressed(opcode, payload), 16), 1009, **options)
    empty = b"\0\0\0\xff\xff"
    yield good("nothing-but-empty-blocks", (compressed(BINARY, empty * 100000 + b"\0"),), [(BINARY, b"")],
               **agreed(PLAIN))
    yield bad("stored-over-the-limit", (compressed(TEXT, compress(b"a" * 1001, 0)),), 1009, bombs=1,
              settings={**PLAIN.settings, "max_message": "1000"}, extension=PLAIN.answer)
