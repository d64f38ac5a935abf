"""What a case is made of."""

import struct
from dataclasses import dataclass, field
from typing import Callable, Optional, Tuple, Union

from harness.frame import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, close_frame, frame

NO_STATUS = 1005  # what a close frame without a code stands for
REFUSED = "refused"  # as `close`: the opening handshake fails


@dataclass
class Case:
    """
    The server sends `send`, each of its items in a write of its own, and `close` tells what the
    client has to make of that:

      None   nothing bad: it goes on. When all that it has to send has come, the server closes
      code   it closes with this code: because it has to fail the connection (`fails`), or because
             that is what the server did, or because `disconnect` told it to
    """

    name: str
    send: Union[Tuple[bytes, ...], Callable]  # or a function that gives them
    delivers: Union[list, Callable] = field(default_factory=list)  # (TEXT or BINARY, payload), …
    pongs: list = field(default_factory=list)  # their payloads
    close: Union[int, str, None] = None
    fails: bool = False  # the client itself finds fault
    echo: bool = False  # the subscriber sends each message back
    settings: dict = field(default_factory=dict)  # of the connection
    disconnect: Optional[Tuple[int, str]] = None  # a user closes, once the messages are delivered
    reason: Optional[bytes] = None  # of the client's close frame; None: any
    keeps_open: bool = False  # the server never ends the stream: the client has to
    extension: Optional[str] = None  # the server's answer
    offer: Optional[str] = None  # what the client has to have asked for
    deflate: Optional[object] = None  # deflate.Agreement, for the messages that come back
    bombs: int = 0  # messages counted as such


def good(name, send, delivers, **more):
    """Everything arrives, and comes back."""
    return Case(name, send, delivers, echo=True, **more)


def bad(name, send, code=1002, delivers=(), **more):
    """What stands before the fault arrives, and the client fails the connection with the code."""
    return Case(name, send, list(delivers), close=code, fails=True, **more)


def closing(name, send, code, delivers=(), **more):
    """The server closes."""
    return Case(name, send, list(delivers), close=code, **more)


def chopped(data, size):
    """The bytes in pieces of that size."""
    return tuple(data[at : at + size] for at in range(0, len(data), size))


def fragments(opcode, payload, size, rsv=0, between=b""):
    """One message in frames of that many bytes, other frames between them."""
    pieces = chopped(payload, size) or (b"",)
    last = len(pieces) - 1
    return between.join(
        frame(
            CONTINUATION if number else opcode,
            piece,
            fin=number == last,
            rsv=0 if number else rsv,
        )
        for number, piece in enumerate(pieces)
    )


def text(length):
    """ASCII that does not repeat soon."""
    return "".join(f"{number:x} " for number in range(length // 2 + 1))[:length].encode()


def binary(length):
    """All values of a byte."""
    return bytes(range(256)) * (length // 256) + bytes(range(length % 256))


PAYLOAD = {TEXT: text, BINARY: binary}
KIND = {TEXT: "text", BINARY: "binary"}


def ping(payload=b"?"):
    return frame(PING, payload)


def close_payload(code, reason=b""):
    return struct.pack(">H", code) + reason


__all__ = [
    "BINARY", "CLOSE", "CONTINUATION", "Case", "KIND", "NO_STATUS", "PAYLOAD", "PING", "PONG",
    "REFUSED", "TEXT", "bad", "binary", "chopped", "close_frame", "close_payload", "closing",
    "fragments", "frame", "good", "ping", "text",
]
