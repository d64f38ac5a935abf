"""A subscriber of a `frames` outlet (src/outlet/frames.h)."""

import json
import struct
from typing import NamedTuple

from .subscriber import Subscriber
from .wait import PATIENCE

HEADER = struct.Struct("<IIQQIB3x")
HELLO = struct.Struct("<6sBBB7xQ")

TEXT, BINARY, OPEN, CLOSE, GAP, NAME, HELLO_TYPE, ERROR = range(1, 9)
NO_CONNECTION = 0xFFFFFFFF
DEFAULT, LIVE, OLDEST, AFTER = range(4)


class Record(NamedTuple):
    size: int
    length: int
    seq: int
    time: int
    connection: int
    type: int
    payload: bytes

    def json(self):
        return json.loads(self.payload)

    def gap(self):
        return struct.unpack("<QQ", self.payload)


def hello(start=DEFAULT, seq=0, magic=b"WSGATE", version=1, mode=0):
    return HELLO.pack(magic, version, start, mode, seq)


def record(type_, payload, connection=NO_CONNECTION, seq=0, time=0):
    """A record as a subscriber sends it."""
    padding = -len(payload) % 8
    size = HEADER.size + len(payload) + padding
    return HEADER.pack(size, len(payload), seq, time, connection, type_) + payload + bytes(padding)


class Frames(Subscriber):
    """`greeting` is what it begins with; `hello` is the daemon's answer, once greet() has read it."""

    def __init__(self, path, receive_buffer=None, greeting=None, **start):
        super().__init__(path, receive_buffer)
        self.names = {}
        self.send(hello(**start) if greeting is None else greeting)

    def greet(self):
        answer = self.read()
        assert answer.type == HELLO_TYPE, answer
        self.hello = answer.json()
        self.names = dict(enumerate(self.hello["connections"]))
        return self

    def read(self, timeout=PATIENCE):
        """The next record, checked as far as the format goes."""
        head = self.read_exactly(HEADER.size, timeout)
        size, length, seq, time, connection, type_ = HEADER.unpack(head)
        assert head[29:] == bytes(3)
        assert size % 8 == 0 and size == (HEADER.size + length + 7) // 8 * 8, (size, length)
        body = self.read_exactly(size - HEADER.size, timeout)
        assert body[length:] == bytes(size - HEADER.size - length), "padding"
        if type_ == NAME:
            self.names[connection] = body[:length].decode()
        return Record(size, length, seq, time, connection, type_, body[:length])

    def read_message(self, timeout=PATIENCE):
        """The next text or binary record; others before it are dropped."""
        while True:
            got = self.read(timeout)
            if got.type in (TEXT, BINARY):
                return got
