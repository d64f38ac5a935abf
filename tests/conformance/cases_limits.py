"""Messages up to max_message, and not a byte more: 1009 with the header that goes beyond."""

from .case import (BINARY, CONTINUATION, KIND, PAYLOAD, TEXT, bad, chopped, close_frame, closing, fragments, frame,
                   good, ping)

LIMITS = {"1": 1, "125": 125, "126": 126, "1K": 1024, "65535": 65535, "64K": 65536, "1M": 1 << 20}


def cases():
    for kind, name in KIND.items():
        for setting, limit in LIMITS.items():
            settings = {"max_message": setting}
            payload = PAYLOAD[kind](limit)
            begun = frame(kind, payload[: limit - 1], fin=False)
            yield good(f"{name}-{setting}-exact", (frame(kind, payload),), [(kind, payload)],
                       settings=settings)
            yield good(f"{name}-{setting}-exact-in-fragments",
                       (fragments(kind, payload, limit // 3 + 1, between=ping(b"more")),), [(kind, payload)],
                       pongs=[b"more"] * ((limit - 1) // (limit // 3 + 1)), settings=settings)
            yield good(f"{name}-{setting}-exact-twice", (frame(kind, payload) * 2,), [(kind, payload)] * 2,
                       settings=settings)
            yield bad(f"{name}-{setting}-and-1", (frame(kind, announced=limit + 1),), 1009, settings=settings)
            yield bad(f"{name}-{setting}-and-1-bytewise", chopped(frame(kind, announced=limit + 1), 1), 1009,
                      settings=settings)
            yield bad(f"{name}-{setting}-in-fragments",
                      (begun, ping(b"fine so far"), frame(CONTINUATION, announced=2)), 1009,
                      pongs=[b"fine so far"], settings=settings)
            yield bad(f"{name}-{setting}-in-endless-fragments",
                      (begun, frame(CONTINUATION, b"x", fin=False), frame(CONTINUATION, b"", fin=False),
                       frame(CONTINUATION, announced=1, fin=False)), 1009, settings=settings)
            yield bad(f"{name}-{setting}-after-exact", (frame(kind, payload), frame(kind, announced=limit + 1)),
                      1009, delivers=[(kind, payload)], settings=settings)
        for power in (21, 31, 32, 33, 62):
            yield bad(f"{name}-announces-2-to-the-{power}", (frame(kind, announced=1 << power),), 1009)
        yield bad(f"{name}-announces-the-most", (frame(kind, announced=(1 << 63) - 1),), 1009)
        yield bad(f"{name}-continuation-announces-the-most",
                  (frame(kind, b"x", fin=False), frame(CONTINUATION, announced=(1 << 63) - 1)), 1009)
    yield good("control-frames-are-not-limited", (ping(b"x" * 125), frame(TEXT, b"y")), [(TEXT, b"y")],
               pongs=[b"x" * 125], settings={"max_message": "1"})
    yield closing("larger-than-the-read-buffer", (frame(BINARY, bytes(4 << 20)) + close_frame(1000),), 1000,
                  [(BINARY, bytes(4 << 20))], settings={"max_message": "4M"})
