"""WebSocket frames, well-formed and otherwise: RFC 6455, section 5.2."""

import struct

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA


def frame(opcode, payload=b"", fin=True, rsv=0, mask=None, form=None, announced=None):
    """
    One frame of a server. `form` forces a length encoding (7, 16 or 64 bits), `announced` another
    length than the payload's.
    """
    length = len(payload) if announced is None else announced
    form = form or (7 if length < 126 else 16 if length < 65536 else 64)
    masked = 0x80 if mask else 0
    head = bytes([(0x80 if fin else 0) | (rsv << 4) | opcode])
    if form == 7:
        head += bytes([masked | length])
    elif form == 16:
        head += bytes([masked | 126]) + struct.pack(">H", length)
    else:
        head += bytes([masked | 127]) + struct.pack(">Q", length)
    if mask:
        payload = apply_mask(payload, mask)
        head += mask
    return head + payload


def close_frame(code=None, reason=b""):
    return frame(CLOSE, (struct.pack(">H", code) if code is not None else b"") + reason)


def apply_mask(payload, key):
    repeated = key * (len(payload) // 4 + 1)
    return (
        int.from_bytes(payload, "big") ^ int.from_bytes(repeated[: len(payload)], "big")
    ).to_bytes(len(payload), "big")


class ClientFrame:
    """A frame as the client sent it."""

    def __init__(self, first, mask, payload):
        self.fin = bool(first & 0x80)
        self.rsv = first >> 4 & 7
        self.opcode = first & 0xF
        self.mask = mask
        self.payload = payload

    def __repr__(self):
        return f"<frame {self.opcode:#x} fin={self.fin} {self.payload[:40]!r}>"


def read_frame(read_exactly):
    """Reads one frame; `read_exactly(n)` gives the next n bytes."""
    first, second = read_exactly(2)
    length = second & 0x7F
    if length == 126:
        (length,) = struct.unpack(">H", read_exactly(2))
    elif length == 127:
        (length,) = struct.unpack(">Q", read_exactly(8))
    mask = read_exactly(4) if second & 0x80 else None
    payload = read_exactly(length)
    return ClientFrame(first, mask, apply_mask(payload, mask) if mask else payload)
