"""Closing handshakes begun by the server and by the user; codes, reasons, and what comes after."""

from .case import (BINARY, CLOSE, CONTINUATION, NO_STATUS, PONG, TEXT, bad, chopped, close_frame, close_payload,
                   closing, frame, ping)

VALID = (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3001, 3500, 3999,
         4000, 4001, 4500, 4999)
INVALID = (0, 1, 2, 125, 126, 255, 256, 500, 998, 999, 1004, 1005, 1006, 1015, 1016, 1017, 1099, 1100, 1500,
           1999, 2000, 2001, 2500, 2998, 2999, 5000, 5001, 9999, 10000, 32767, 32768, 65534, 65535)
REASONS = {
    "1": b"x", "122": b"x" * 122, "123": b"x" * 123, "utf8": "Auf Wiedersehen – 再见 👋".encode(),
    "123-of-2-bytes": ("ä" * 61 + "x").encode(), "123-of-3-bytes": ("€" * 41).encode(),
    "nul": b"a\0b", "control": b"\x01\x1b[2J\n",
}
BROKEN = {
    "ff": b"\xff", "after-ascii": b"all right \x80", "overlong": b"\xc0\xaf", "surrogate": b"\xed\xa0\x80",
    "beyond": b"\xf4\x90\x80\x80", "cut-2": b"\xc3", "cut-3": b"\xe2\x82", "cut-4": b"\xf0\x9f\x8c",
    "123": b"x" * 122 + b"\xe2",
}
AFTER = {
    "text": frame(TEXT, b"too late"), "binary": frame(BINARY, b"too late"), "ping": ping(b"too late"),
    "pong": frame(PONG, b"too late"), "close": close_frame(1000), "other-close": close_frame(1001),
    "garbage": b"\xff" * 1000, "reserved": frame(3, b"x"), "masked": frame(TEXT, b"x", mask=b"mask"),
    "half-a-frame": frame(TEXT, b"too late")[:4], "much": frame(BINARY, bytes(300000)),
}


def server_cases():
    yield closing("empty", (close_frame(),), NO_STATUS)
    yield closing("empty-bytewise", chopped(close_frame(), 1), NO_STATUS)
    yield closing("empty-client-ends-the-stream", (close_frame(),), NO_STATUS, keeps_open=True,
                  settings={"close_timeout": "50ms"})
    for code in VALID:
        yield closing(f"code-{code}", (close_frame(code),), code)
        yield closing(f"code-{code}-reason", (close_frame(code, b"because"),), code)
    for code in INVALID:
        yield bad(f"invalid-code-{code}", (close_frame(code),))
        yield bad(f"invalid-code-{code}-reason", (close_frame(code, b"because"),))
    yield bad("half-a-code", (frame(CLOSE, b"\x03"),))
    yield bad("half-a-code-bytewise", chopped(frame(CLOSE, b"\x03"), 1))
    for name, reason in REASONS.items():
        yield closing(f"reason-{name}", (close_frame(1000, reason),), 1000)
        yield closing(f"reason-{name}-bytewise", chopped(close_frame(4000, reason), 1), 4000)
    for name, reason in BROKEN.items():
        yield bad(f"invalid-reason-{name}", (close_frame(1000, reason),), 1007)
    for length in (124, 125, 1000, 65536):
        yield bad(f"reason-too-long-{length}", (close_frame(1000, b"x" * length)[:2],))
    yield bad("fragmented", (frame(CLOSE, close_payload(1000), fin=False)[:1],))
    yield bad("masked", (frame(CLOSE, close_payload(1000), mask=b"mask")[:2],))


def sequence_cases():
    before = frame(TEXT, b"before")
    for name, after in AFTER.items():
        yield closing(f"{name}-after-close", (before + close_frame(1000) + after,), 1000, [(TEXT, b"before")])
        yield closing(f"{name}-after-close-of-its-own", (before, close_frame(3000), after), 3000,
                      [(TEXT, b"before")])
    yield closing("between-fragments", (frame(TEXT, b"never", fin=False), close_frame(1000),
                  frame(CONTINUATION, b"finished")), 1000)
    yield closing("after-ping", (ping(b"1") + ping(b"2") + close_frame(1000),), 1000, pongs=[b"1", b"2"])
    yield closing("after-much", (frame(BINARY, bytes(1 << 20)) + close_frame(1001),), 1001,
                  [(BINARY, bytes(1 << 20))])
    yield closing("after-many", (frame(TEXT, b"message") * 5000 + close_frame(1000),), 1000,
                  [(TEXT, b"message")] * 5000)
    for name, after in AFTER.items():
        yield bad(f"{name}-after-fault", (before, frame(TEXT, b"\xff"), after), 1007, [(TEXT, b"before")])


def user_cases():
    for code in VALID:
        yield closing(f"user-{code}", (), code, disconnect=(code, ""), reason=b"")
    for name, reason in REASONS.items():
        if name != "nul":  # the user's reason is a string of C
            yield closing(f"user-reason-{name}", (), 4000, disconnect=(4000, reason.decode()), reason=reason)
    yield closing("user-after-messages", (frame(TEXT, b"a"), frame(BINARY, b"b")), 1000,
                  [(TEXT, b"a"), (BINARY, b"b")], disconnect=(1000, "enough"), reason=b"enough")
    yield closing("user-within-message", (frame(TEXT, b"a"), frame(TEXT, b"b", fin=False)), 1001,
                  [(TEXT, b"a")], disconnect=(1001, ""))
    yield closing("user-server-keeps-the-stream-open", (), 1000, disconnect=(1000, ""), keeps_open=True,
                  settings={"close_timeout": "50ms"})


def cases():
    yield from server_cases()
    yield from sequence_cases()
    yield from user_cases()
