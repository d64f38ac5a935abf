"""Pings and pongs: answered in order and with their payload, wherever they stand."""

from .case import BINARY, CONTINUATION, PING, PONG, TEXT, bad, binary, chopped, frame, fragments, good, ping

SIZES = (0, 1, 2, 7, 8, 9, 124, 125)


def cases():
    for size in SIZES:
        payload = binary(size)
        yield good(f"ping-{size}", (ping(payload),), [], pongs=[payload])
        yield good(f"ping-{size}-bytewise", chopped(ping(payload), 1), [], pongs=[payload])
        yield good(f"pong-{size}", (frame(PONG, payload), frame(TEXT, b"x")), [(TEXT, b"x")])
    for size in (126, 127, 1000, 65535, 65536):
        for opcode, name in ((PING, "ping"), (PONG, "pong")):
            yield bad(f"{name}-{size}", (frame(opcode, binary(size))[:2],))
    for opcode, name in ((PING, "ping"), (PONG, "pong")):
        yield bad(f"{name}-of-1-in-16-bits", (frame(opcode, b"x", form=16)[:2],))
        yield bad(f"{name}-of-1-in-64-bits", (frame(opcode, b"x", form=64)[:2],))
        yield bad(f"{name}-begins-fragments", (frame(opcode, b"x", fin=False)[:1],))
        yield bad(f"{name}-begins-fragments-in-message",
                  (frame(TEXT, b"x", fin=False), frame(opcode, b"x", fin=False)[:1]))
        yield bad(f"{name}-masked", (frame(opcode, b"x", mask=b"mask")[:2],))
    yield good("ping-not-utf8", (ping(b"\xff\xc0\x80"),), [], pongs=[b"\xff\xc0\x80"])
    for count in (2, 10, 100):
        payloads = [b"%d" % number for number in range(count)]
        data = b"".join(map(ping, payloads))
        yield good(f"pings-{count}", (data,), [], pongs=payloads)
        yield good(f"pings-{count}-by-3", chopped(data, 3), [], pongs=payloads)
        yield good(f"pongs-{count}", (b"".join(frame(PONG, p) for p in payloads), ping(b"still there")),
                   [], pongs=[b"still there"])
    yield good("pong-then-ping", (frame(PONG, b"nobody asked"), ping(b"1")), [], pongs=[b"1"])
    yield good("ping-between-messages", (frame(TEXT, b"a"), ping(b"1"), frame(BINARY, b"b"), ping(b"2")),
               [(TEXT, b"a"), (BINARY, b"b")], pongs=[b"1", b"2"])
    for opcode, name in ((TEXT, "text"), (BINARY, "binary")):
        whole = [(opcode, b"one two three")]
        yield good(f"ping-between-fragments-of-{name}",
                   (frame(opcode, b"one ", fin=False), ping(b"1"), frame(CONTINUATION, b"two ", fin=False),
                    ping(b"2"), frame(CONTINUATION, b"three")), whole, pongs=[b"1", b"2"])
        yield good(f"pings-and-pongs-between-bytes-of-{name}",
                   (fragments(opcode, b"one two three", 1, between=ping(b"!") + frame(PONG, b"?")),),
                   whole, pongs=[b"!"] * 12)
        yield good(f"ping-between-fragments-of-{name}-bytewise",
                   chopped(fragments(opcode, b"one two three", 4, between=ping(b"between")), 1),
                   whole, pongs=[b"between"] * 3)
    yield good("ping-with-the-rest-of-a-message-missing", (frame(TEXT, b"abc", fin=False) + ping(b"now"),),
               [], pongs=[b"now"])
