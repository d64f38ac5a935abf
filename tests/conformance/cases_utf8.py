"""
Text: whole, split at every byte, and failed at the very byte that no continuation can mend, while
the frame and the message go on. How much of a text is good is judged by Python's decoder.
"""

from .case import BINARY, CONTINUATION, TEXT, bad, chopped, close_frame, frame, good, ping

VALID = {
    "empty": b"",
    "nul": b"\0",
    "ascii": b"Hello, world!",
    "ascii-last": b"\x7f",
    "2-bytes-first": "\u0080".encode(),
    "2-bytes-last": "\u07ff".encode(),
    "3-bytes-first": "\u0800".encode(),
    "3-bytes-last": "\uffff".encode(),
    "4-bytes-first": "\U00010000".encode(),
    "4-bytes-last": "\U0010ffff".encode(),
    "before-surrogates": "\ud7ff".encode(),
    "after-surrogates": "\ue000".encode(),
    "replacement": "\ufffd".encode(),
    "byte-order-mark": "\ufefftext".encode(),
    "noncharacters": "\ufffe\uffff\ufdd0\U0001fffe\U0010fffe".encode(),
    "greek": "κόσμε".encode(),
    "mixed": "Grüße – 你好, 🌍! \u07ff\u0800\U0010fffd".encode(),
    "combining": "e\u0301\u0323 ก็".encode(),
    "long": ("x" * 31 + "ä" + "y" * 30 + "€" + "z" * 29 + "🚀").encode() * 3,
}

INVALID = {
    **{f"byte-{byte:02x}": bytes([byte]) for byte in
       (0x80, 0xBF, 0xC0, 0xC1, 0xF5, 0xF6, 0xF7, 0xF8, 0xFB, 0xFC, 0xFD, 0xFE, 0xFF)},
    "continuations": b"\x80\xbf\x80\xbf",
    "2-bytes-cut-by-ascii": b"\xc3(",
    "3-bytes-cut-by-ascii-1": b"\xe2(\xa1",
    "3-bytes-cut-by-ascii-2": b"\xe2\x82(",
    "4-bytes-cut-by-ascii-1": b"\xf0(\x8c\xbc",
    "4-bytes-cut-by-ascii-2": b"\xf0\x90(\xbc",
    "4-bytes-cut-by-ascii-3": b"\xf0\x90\x8c(",
    "2-bytes-cut-by-2-bytes": b"\xc3\xc3\xa4",
    "3-bytes-cut-by-3-bytes": b"\xe2\x82\xe2\x82\xac",
    "4-bytes-cut-by-ff": b"\xf0\x9f\x8c\xff",
    "one-continuation-too-many": b"\xc3\xa4\xa4",
    "overlong-slash-2": b"\xc0\xaf",
    "overlong-slash-3": b"\xe0\x80\xaf",
    "overlong-slash-4": b"\xf0\x80\x80\xaf",
    "overlong-slash-5": b"\xf8\x80\x80\x80\xaf",
    "overlong-slash-6": b"\xfc\x80\x80\x80\x80\xaf",
    "overlong-nul-2": b"\xc0\x80",
    "overlong-nul-3": b"\xe0\x80\x80",
    "overlong-last-2": b"\xc1\xbf",
    "overlong-last-3": b"\xe0\x9f\xbf",
    "overlong-last-4": b"\xf0\x8f\xbf\xbf",
    "surrogate-first": b"\xed\xa0\x80",
    "surrogate-high-last": b"\xed\xaf\xbf",
    "surrogate-low-first": b"\xed\xb0\x80",
    "surrogate-last": b"\xed\xbf\xbf",
    "surrogate-pair": b"\xed\xa0\x80\xed\xb0\x80",
    "beyond-first": b"\xf4\x90\x80\x80",
    "beyond-far": b"\xf7\xbf\xbf\xbf",
    "beyond-5-bytes": b"\xf8\x88\x80\x80\x80",
    "beyond-6-bytes": b"\xfc\x84\x80\x80\x80\x80",
    "latin1": "Grüße".encode("latin-1"),
    "utf16": "text".encode("utf-16"),
}

CUT = ["\u0080".encode()[:1], "\u07ff".encode()[:1], "€".encode()[:1], "€".encode()[:2],
       "🌍".encode()[:1], "🌍".encode()[:2], "🌍".encode()[:3]]

PREFIXES = {"": b"", "after-ascii-": b"a" * 40, "after-greek-": "κόσμε".encode()}


def decodes(data):
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def fault(data):
    """The index of the byte behind which no continuation makes the text valid any more."""
    rests = [filler * count for count in range(4) for filler in (b"\x80", b"\xbf")]
    for index in range(len(data)):
        if not any(decodes(data[: index + 1] + rest) for rest in rests):
            return index
    raise AssertionError(f"{data!r} is not invalid")


def bytewise(data):
    """A message with each byte in a fragment of its own."""
    return (frame(TEXT, b"", fin=False), *(frame(CONTINUATION, bytes([byte]), fin=False) for byte in data))


def valid_cases():
    for name, data in VALID.items():
        whole = frame(TEXT, data)
        yield good(f"valid-{name}", (whole,), [(TEXT, data)])
        yield good(f"valid-{name}-chopped", chopped(whole, 1), [(TEXT, data)])
        yield good(f"valid-{name}-fragments", (*bytewise(data), frame(CONTINUATION)), [(TEXT, data)])
        yield good(f"valid-{name}-pings-between", (ping(b"").join(bytewise(data)) + frame(CONTINUATION),),
                   [(TEXT, data)], pongs=[b""] * len(data))
    every = "".join(map(chr, (*range(0xD800), *range(0xE000, 0x11000)))).encode()
    yield good("valid-all-of-the-first-plane", (frame(TEXT, every),), [(TEXT, every)])
    supplement = "".join(map(chr, range(0x10000, 0x110000, 17))).encode()
    yield good("valid-of-the-other-planes", (frame(TEXT, supplement),), [(TEXT, supplement)])


def invalid_cases():
    for name, sequence in INVALID.items():
        for before, prefix in PREFIXES.items():
            data = prefix + sequence
            at = fault(data) + 1
            head = frame(TEXT, announced=1000)
            label = f"invalid-{before}{name}"
            yield bad(label, (head + data[:at],), 1007)
            yield bad(f"{label}-chopped", chopped(head + data[:at], 1), 1007)
            yield bad(f"{label}-not-sooner", (frame(TEXT, data[: at - 1], fin=False), ping(b"fine so far"),
                      frame(CONTINUATION, data[at - 1 : at], announced=1000)), 1007, pongs=[b"fine so far"])
        yield bad(f"invalid-{name}-whole", (frame(TEXT, sequence + b"good again"),), 1007)
        yield bad(f"invalid-{name}-fragments", bytewise(sequence)[: fault(sequence) + 2], 1007)
        yield bad(f"invalid-{name}-in-second-message", (frame(TEXT, b"first") + frame(TEXT, sequence),),
                  1007, delivers=[(TEXT, b"first")])
        yield good(f"invalid-{name}-as-binary", (frame(BINARY, sequence),), [(BINARY, sequence)])


def cut_cases():
    for sequence in CUT:
        name = sequence.hex()
        yield bad(f"cut-{name}", (frame(TEXT, sequence),), 1007)
        yield bad(f"cut-{name}-after-text", (frame(TEXT, b"x" * 100 + sequence),), 1007)
        yield bad(f"cut-{name}-in-last-fragment", (frame(TEXT, b"ok ", fin=False),
                  frame(CONTINUATION, sequence)), 1007)
        yield bad(f"cut-{name}-before-empty-fragment", (frame(TEXT, sequence, fin=False), ping(b"wait"),
                  frame(CONTINUATION)), 1007, pongs=[b"wait"])
        yield bad(f"cut-{name}-then-next-message", (frame(TEXT, sequence) + frame(TEXT, b"next"),), 1007)
        yield bad(f"cut-{name}-then-close", (frame(TEXT, sequence) + close_frame(1000),), 1007)


def cases():
    yield from valid_cases()
    yield from invalid_cases()
    yield from cut_cases()
