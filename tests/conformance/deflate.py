"""permessage-deflate as the server has agreed on it: strict with what the client compresses."""

import zlib
from dataclasses import dataclass

TAIL = b"\0\0\xff\xff"


@dataclass(frozen=True)
class Agreement:
    """What the client offers and the server accepts, and the client's threshold."""

    client_bits: int = 15
    server_bits: int = 15
    client_no_context_takeover: bool = False
    server_no_context_takeover: bool = False
    level: int = 6  # of both
    threshold: int = 64

    @property
    def label(self):
        """The client's and the server's window bits, and who begins each message afresh."""
        takeover = ("-client-afresh" if self.client_no_context_takeover else "") + (
            "-server-afresh" if self.server_no_context_takeover else "")
        return f"{self.client_bits}-{self.server_bits}{takeover}"

    @property
    def flags(self):
        return "".join(
            f"; {name}" for name in ("server_no_context_takeover", "client_no_context_takeover")
            if getattr(self, name)
        )

    @property
    def offer(self):
        """The header that the client has to send: only what differs from the RFC's defaults."""
        server = f"; server_max_window_bits={self.server_bits}" if self.server_bits < 15 else ""
        client = f"={self.client_bits}" if self.client_bits < 15 else ""
        return f"permessage-deflate{self.flags}{server}; client_max_window_bits{client}"

    @property
    def answer(self):
        return (f"permessage-deflate{self.flags}; server_max_window_bits={self.server_bits}"
                f"; client_max_window_bits={self.client_bits}")

    @property
    def settings(self):
        return {"compression": {
            "enabled": True,
            "client_max_window_bits": self.client_bits,
            "server_max_window_bits": self.server_bits,
            "client_no_context_takeover": self.client_no_context_takeover,
            "server_no_context_takeover": self.server_no_context_takeover,
            "level": self.level,
            "threshold": str(self.threshold),
        }}

    def compresses(self, length):
        """Whether the client has to compress a message of that length."""
        most = 256 << 10 if self.level <= 6 else 16 << 10
        return max(self.threshold, 1) <= length <= most and self.client_bits > 8


class Deflater:
    def __init__(self, agreement):
        self.agreement = agreement
        self.stream = None

    def message(self, data):
        """The compressed payload."""
        agreement = self.agreement
        if self.stream is None or agreement.server_no_context_takeover:
            # zlib has no window of 8 bits: one of 9 for data that is no longer than 256 bytes.
            bits = max(agreement.server_bits, 9)
            self.stream = zlib.compressobj(agreement.level, zlib.DEFLATED, -bits, 8)
        return (self.stream.compress(data) + self.stream.flush(zlib.Z_SYNC_FLUSH))[:-4]


class Inflater:
    """A window no larger than agreed on: what reaches farther back is an error."""

    def __init__(self, agreement):
        self.agreement = agreement
        self.stream = None

    def message(self, data):
        agreement = self.agreement
        if self.stream is None or agreement.client_no_context_takeover:
            self.stream = zlib.decompressobj(-agreement.client_bits)
        out = self.stream.decompress(data + TAIL)
        if self.stream.unconsumed_tail or self.stream.unused_data:
            raise ValueError("the client's DEFLATE stream ends before the message")
        return out
