"""Messages in several frames: every legal and illegal sequence of up to four data frames."""

import itertools

from .case import BINARY, CONTINUATION, KIND, PAYLOAD, TEXT, bad, chopped, fragments, frame, good, ping

# The letters of a sequence: opcode and FIN.
FRAMES = {
    "t": (TEXT, False), "T": (TEXT, True), "b": (BINARY, False), "B": (BINARY, True),
    "c": (CONTINUATION, False), "C": (CONTINUATION, True),
}
SIZES = (1, 2, 125, 126, 1000, 65535, 65536)


def read(sequence):
    """What a receiver makes of a sequence: the messages, and the index of the first bad frame."""
    messages, kind, payload = [], None, b""
    for index, letter in enumerate(sequence):
        opcode, final = FRAMES[letter]
        if (opcode == CONTINUATION) != (kind is not None):
            return messages, index
        kind = opcode or kind
        payload += b"%d" % index
        if final:
            messages.append((kind, payload))
            kind, payload = None, b""
    return messages, None


def sequence_case(sequence):
    """Up to the first bad frame, of which its first byte is enough."""
    name = "sequence-" + "".join({"t": "t", "b": "b", "c": "c"}.get(x, x.lower() + ".") for x in sequence)
    frames = [frame(FRAMES[letter][0], b"%d" % index, fin=FRAMES[letter][1])
              for index, letter in enumerate(sequence)]
    messages, wrong = read(sequence)
    if wrong is None:
        return good(name, tuple(frames), messages)
    return bad(name, (*frames[:wrong], frames[wrong][:1]), delivers=messages)


def cases():
    for length in (1, 2, 3):
        for letters in itertools.product(FRAMES, repeat=length):
            wrong = read(letters)[1]
            if wrong is None or wrong == length - 1:  # the others have stood here, shorter
                yield sequence_case("".join(letters))
    for kind, name in KIND.items():
        for size in SIZES:
            payload = PAYLOAD[kind](max(size * 4 + 1, 20))
            yield good(f"{name}-by-{size}", (fragments(kind, payload, size),), [(kind, payload)])
        payload = PAYLOAD[kind](3000)
        yield good(f"{name}-by-1-of-3000", (fragments(kind, payload, 1),), [(kind, payload)])
        yield good(f"{name}-by-100-chopped", chopped(fragments(kind, payload, 100), 37), [(kind, payload)])
        yield good(f"{name}-by-64k-chopped", chopped(fragments(kind, PAYLOAD[kind](1 << 20), 65536), 100000),
                   [(kind, PAYLOAD[kind](1 << 20))])
        empty = frame(CONTINUATION, b"", fin=False)
        yield good(f"{name}-of-empty-fragments", (frame(kind, b"", fin=False), empty, empty,
                   frame(CONTINUATION)), [(kind, b"")])
        yield good(f"{name}-with-empty-fragments-around", (frame(kind, b"", fin=False), empty,
                   frame(CONTINUATION, b"middle", fin=False), empty, frame(CONTINUATION)),
                   [(kind, b"middle")])
        yield good(f"{name}-of-20000-empty-fragments", (frame(kind, b"", fin=False) + empty * 20000 +
                   frame(CONTINUATION, b"end"),), [(kind, b"end")])
        yield good(f"{name}-after-{name}", (fragments(kind, b"first", 2) + fragments(kind, b"second", 3),),
                   [(kind, b"first"), (kind, b"second")])
        yield good(f"{name}-fragments-and-whole", (fragments(kind, b"first", 2) + frame(kind, b"second") +
                   fragments(kind, b"third", 1),), [(kind, b"first"), (kind, b"second"), (kind, b"third")])
        yield bad(f"{name}-within-{name}-after-ping", (frame(kind, b"a", fin=False), ping(b"1"),
                  frame(kind, b"b")[:1]), pongs=[b"1"])
        yield bad(f"continuation-after-{name}-and-ping", (frame(kind, b"a"), ping(b"1"),
                  frame(CONTINUATION, b"b")[:1]), delivers=[(kind, b"a")], pongs=[b"1"])
