"""Frames of all lengths, whole and in pieces; encodings of a length that may not be."""

from .case import BINARY, KIND, PAYLOAD, TEXT, bad, chopped, frame, good

LENGTHS = (0, 1, 2, 124, 125, 126, 127, 128, 255, 256, 1000, 4095, 4096, 4097, 32768, 65534, 65535,
           65536, 65537, 131072, 262143, 262144, 262145, 524288, 1048575, 1048576)
CHOPS = {
    0: (1,), 1: (1, 2), 125: (1, 3, 64), 126: (1, 3, 64), 127: (1, 5), 128: (1, 7, 127),
    65535: (997, 1460, 65535), 65536: (997, 1460, 9000, 65536), 1048576: (64000, 262144, 300000),
}
MANY = (1, 2, 3, 10, 1000, 20000)

# (payload, bits of the length) that a shorter encoding would do for: RFC 6455, section 5.2.
LONG_WINDED = [(0, 16), (1, 16), (125, 16), (0, 64), (125, 64), (126, 64), (65535, 64)]


def cases():
    for kind, name in KIND.items():
        for length in LENGTHS:
            payload = PAYLOAD[kind](length)
            yield good(f"{name}-{length}", (frame(kind, payload),), [(kind, payload)])
        for length, sizes in CHOPS.items():
            payload = PAYLOAD[kind](length)
            for size in sizes:
                yield good(f"{name}-{length}-by-{size}", chopped(frame(kind, payload), size),
                           [(kind, payload)])
        for length, bits in LONG_WINDED:
            data = frame(kind, PAYLOAD[kind](length), form=bits)
            yield bad(f"{name}-{length}-in-{bits}-bits", (data[: 4 if bits == 16 else 10],))
        for count in MANY:
            messages = [(kind, PAYLOAD[kind](number % 300)) for number in range(count)]
            data = b"".join(frame(*message) for message in messages)
            yield good(f"{name}-{count}-in-one-write", (data,), messages)
            yield good(f"{name}-{count}-by-1461", chopped(data[:200000], 1461) + (data[200000:],),
                       messages)
        yield bad(f"{name}-highest-bit-of-length", (frame(kind, announced=1 << 63),))
        yield bad(f"{name}-all-bits-of-length", (frame(kind, announced=(1 << 64) - 1),))
        for length in (0, 1, 126, 65536):
            data = frame(kind, PAYLOAD[kind](length), mask=b"mask")
            yield bad(f"{name}-{length}-masked", (data[:2],))
        yield bad(f"{name}-good-then-masked", (frame(kind, b"first"), frame(kind, b"x", mask=bytes(4))),
                  delivers=[(kind, b"first")])
    yield good("texts-and-binaries", (b"".join(
        frame(kind, PAYLOAD[kind](length)) for length in (0, 125, 126, 65536) for kind in KIND),),
        [(kind, PAYLOAD[kind](length)) for length in (0, 125, 126, 65536) for kind in KIND])
    yield good("text-with-nul-and-newlines", (frame(TEXT, b"\0a\nb\r\n\0"),), [(TEXT, b"\0a\nb\r\n\0")])
    yield good("binary-not-utf8", (frame(BINARY, b"\xff\xfe\xc0\x80"),), [(BINARY, b"\xff\xfe\xc0\x80")])
