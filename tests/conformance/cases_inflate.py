"""Compressed messages made by hand: RFC 7692, sections 6.2 and 7.2, and what is wrong with others."""

import random
import zlib

from .case import BINARY, CONTINUATION, PING, TEXT, bad, chopped, fragments, frame, good, ping, text
from .deflate import TAIL, Agreement, Deflater

RSV1 = 4
PLAIN = Agreement(threshold=1 << 21)  # nothing comes back compressed: that is tested elsewhere
HELLO = bytes.fromhex("f248cdc9c90700")  # section 7.2.3.1


def compress(data, level=6, bits=15, strategy=zlib.Z_DEFAULT_STRATEGY, flush=zlib.Z_SYNC_FLUSH):
    stream = zlib.compressobj(level, zlib.DEFLATED, -bits, 8, strategy)
    out = stream.compress(data) + stream.flush(flush)
    return out[: -len(TAIL)] if flush == zlib.Z_SYNC_FLUSH else out


def compressed(opcode, payload, **more):
    return frame(opcode, payload, rsv=RSV1, **more)


def finished(data):
    """A final block, and the byte that section 7.2.3.4 puts behind it."""
    return compress(data, flush=zlib.Z_FINISH) + b"\0"


def agreed(agreement):
    return {"settings": agreement.settings, "extension": agreement.answer, "deflate": agreement}


BLOCKS = {
    "rfc-hello": (HELLO, b"Hello"),
    "rfc-stored": (bytes.fromhex("000500faff48656c6c6f00"), b"Hello"),
    "rfc-final": (bytes.fromhex("f348cdc9c9070000"), b"Hello"),
    "rfc-two-blocks": (bytes.fromhex("f248050000 00ffffcac9c90700".replace(" ", "")), b"Hello"),
    "empty": (b"\0", b""),
    "empty-fixed": (b"\x02\0", b""),
    "no-payload": (b"", b""),
    "huffman-only": (compress(text(3000), strategy=zlib.Z_HUFFMAN_ONLY), text(3000)),
    "fixed": (compress(text(3000), strategy=zlib.Z_FIXED), text(3000)),
    "run-lengths": (compress(b"a" * 3000 + b"b" * 3000, strategy=zlib.Z_RLE), b"a" * 3000 + b"b" * 3000),
    "dynamic": (compress(text(30000), 9), text(30000)),
    "stored-long": (compress(text(200000), 0), text(200000)),
    "many-blocks": (b"".join(b"\0\1\0\xfe\xff" + bytes([c]) for c in text(500)) + b"\0", text(500)),
    "final-then-more": (finished(b"Hello, ")[:-1] + compress(b"world"), b"Hello, world"),
    "final-alone": (finished(text(500))[:-1], text(500)),
}

BROKEN = {
    "block-type-3": b"\x07",
    "stored-length": b"\0\5\0\5\0Hello\0",
    "dynamic-lengths": b"\xfc\xff\xff\xff\xff\xff",
    "distance-before-the-beginning": bytes.fromhex("4b4c030a00"),
    "random": bytes.fromhex("ffd8ffe000104a464946"),
    "cut-in-stored": b"\0\5\0\xfa\xffHel",
    "cut-in-dynamic": compress(text(3000))[:200],
}


def block_cases():
    for name, (payload, message) in BLOCKS.items():
        for opcode, kind in ((TEXT, "text"), (BINARY, "binary")):
            delivers = [(opcode, message)]
            whole = compressed(opcode, payload)
            yield good(f"{name}-{kind}", (whole,), delivers, **agreed(PLAIN))
            yield good(f"{name}-{kind}-twice", (whole, whole), delivers * 2,
                       **agreed(Agreement(server_no_context_takeover=True, threshold=1 << 21)))
            size = max(len(payload) // 150, 1)
            yield good(f"{name}-{kind}-chopped", chopped(whole, size), delivers, **agreed(PLAIN))
            yield good(f"{name}-{kind}-fragments",
                       (fragments(opcode, payload, size, rsv=RSV1, between=ping(b"!")),), delivers,
                       pongs=[b"!"] * (max(-(-len(payload) // size), 1) - 1), **agreed(PLAIN))
    yield good("fragments-with-empty-ones",
               (compressed(TEXT, b"", fin=False), frame(CONTINUATION, HELLO[:3], fin=False),
                frame(CONTINUATION, b"", fin=False), frame(CONTINUATION, HELLO[3:], fin=False),
                frame(CONTINUATION)), [(TEXT, b"Hello")], **agreed(PLAIN))


def context_cases():
    yield good("window-shared", (compressed(TEXT, HELLO) + compressed(TEXT, bytes.fromhex("f200110000")),),
               [(TEXT, b"Hello")] * 2, **agreed(PLAIN))
    afresh = Agreement(server_no_context_takeover=True, threshold=1 << 21)
    yield bad("window-shared-though-agreed-otherwise",
              (compressed(TEXT, HELLO) + compressed(TEXT, bytes.fromhex("f200110000")),), 1007,
              delivers=[(TEXT, b"Hello")], settings=afresh.settings, extension=afresh.answer)
    small = Agreement(server_bits=9, threshold=1 << 21)
    far = Deflater(PLAIN)  # whose window is larger than the one that was agreed on
    messages = [random.Random(9).randbytes(4096)] * 2
    yield bad("window-larger-than-agreed",
              tuple(compressed(BINARY, far.message(message)) for message in messages), 1007,
              delivers=[(BINARY, messages[0])], settings=small.settings, extension=small.answer)
    deflater = Deflater(PLAIN)
    messages = [b"the same again and again" for _ in range(50)]
    mixed = b"".join(
        frame(TEXT, message) if number % 3 == 0 else compressed(TEXT, deflater.message(message))
        for number, message in enumerate(messages))
    yield good("plain-ones-between", (mixed,), [(TEXT, message) for message in messages], **agreed(PLAIN))
    yield good("plain-only", (frame(TEXT, b"plain") * 3,), [(TEXT, b"plain")] * 3, **agreed(PLAIN))
    for bits in range(9, 15):
        small = Agreement(server_bits=bits, threshold=1 << 21)
        message = text(1 << 17)
        yield good(f"window-of-{bits}-bits", (compressed(TEXT, compress(message, bits=bits)),), [(TEXT, message)],
                   **agreed(small))


def fault_cases():
    settings = {"settings": PLAIN.settings, "extension": PLAIN.answer}
    for name, payload in BROKEN.items():
        if not name.startswith("cut"):
            yield bad(f"broken-{name}", (frame(TEXT, b"first") + frame(TEXT, payload, rsv=RSV1, announced=1000),),
                      1007, delivers=[(TEXT, b"first")], **settings)
        yield bad(f"broken-{name}-whole", (compressed(BINARY, payload),), 1007, **settings)
    yield bad("rsv1-on-continuation", (compressed(TEXT, HELLO[:3], fin=False),
              frame(CONTINUATION, HELLO[3:], rsv=RSV1)), **settings)
    yield bad("rsv1-on-continuation-of-plain", (frame(TEXT, b"x", fin=False), frame(CONTINUATION, HELLO, rsv=RSV1)),
              **settings)
    yield bad("rsv1-on-ping", (frame(PING, b"x", rsv=RSV1),), **settings)
    yield bad("rsv1-on-close", (frame(8, b"\x03\xe8", rsv=RSV1),), **settings)
    yield bad("rsv1-and-2", (frame(TEXT, HELLO, rsv=6),), **settings)
    yield bad("rsv1-and-3", (frame(TEXT, HELLO, rsv=5),), **settings)
    yield bad("rsv1-without-agreement", (compressed(TEXT, HELLO),), settings=PLAIN.settings)
    yield bad("not-utf8", (compressed(TEXT, compress(b"abc\xff")),), 1007, **settings)
    yield bad("not-utf8-before-the-end", (compressed(TEXT, compress(b"abc\xff" + text(100)), fin=False),), 1007,
              **settings)
    yield bad("cut-character", (compressed(TEXT, compress(b"abc\xe2\x82")),), 1007, **settings)
    yield good("not-utf8-as-binary", (compressed(BINARY, compress(b"abc\xff")),), [(BINARY, b"abc\xff")],
               **agreed(PLAIN))
    euro = compress("€🌍".encode() * 10)
    yield good("utf8-bytewise", chopped(compressed(TEXT, euro), 1), [(TEXT, "€🌍".encode() * 10)], **agreed(PLAIN))


def cases():
    yield from block_cases()
    yield from context_cases()
    yield from fault_cases()
