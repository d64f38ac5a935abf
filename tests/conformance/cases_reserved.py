"""Reserved bits and opcodes: the first byte of a frame is enough to fail."""

from .case import BINARY, CLOSE, CONTINUATION, KIND, PING, PONG, TEXT, bad, chopped, frame, ping

NAMES = {**KIND, CLOSE: "close", PING: "ping", PONG: "pong"}
OPCODES = (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)
FIRST = (frame(TEXT, b"before"),)
DELIVERED = [(TEXT, b"before")]


def cases():
    for rsv in range(1, 8):
        for opcode, name in NAMES.items():
            byte = frame(opcode, b"x", rsv=rsv)[:1]
            yield bad(f"rsv-{rsv}-{name}", (byte,))
            yield bad(f"rsv-{rsv}-{name}-after-text", FIRST + (byte,), delivers=DELIVERED)
        yield bad(f"rsv-{rsv}-continuation",
                  (frame(TEXT, b"x", fin=False), frame(CONTINUATION, b"x", rsv=rsv)[:1]))
        yield bad(f"rsv-{rsv}-bytewise", chopped(frame(TEXT, b"before") + frame(BINARY, rsv=rsv)[:1], 1),
                  delivers=DELIVERED)
        yield bad(f"rsv-{rsv}-after-ping", (ping(b"1"), frame(TEXT, b"x", rsv=rsv)), pongs=[b"1"])
    for opcode in OPCODES:
        yield bad(f"opcode-{opcode}", (frame(opcode, b"x")[:1],))
        yield bad(f"opcode-{opcode}-empty", (frame(opcode),))
        yield bad(f"opcode-{opcode}-without-fin", (frame(opcode, b"x", fin=False)[:1],))
        yield bad(f"opcode-{opcode}-after-text", FIRST + (frame(opcode, b"x")[:1],), delivers=DELIVERED)
        yield bad(f"opcode-{opcode}-in-message", (frame(TEXT, b"x", fin=False), frame(opcode, b"x")[:1]))
        yield bad(f"opcode-{opcode}-after-ping", (ping(b"1"), frame(opcode, b"x")), pongs=[b"1"])
