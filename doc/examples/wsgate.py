#!/usr/bin/python3
"""
Outlets of wsgated for Python, through libwsgate and ctypes. As a program it prints one:

    wsgate.py /run/wsgated/trades.sock

As a module:

    with wsgate.Gate("/run/wsgated/trades.sock") as gate:
        for record in gate:
            print(record.name, record.payload)

$WSGATE_LIBRARY names the library, if the system does not find it.
"""

import ctypes
import os
import sys
from ctypes import POINTER, byref, c_char_p, c_int, c_short, c_size_t, c_uint32, c_uint64, c_void_p
from typing import NamedTuple, Optional

OK, AGAIN, END = 0, 1, 2
DEFAULT, LIVE, OLDEST, AFTER = range(4)  # start
AUTO, BYTES, RING, RING_SPIN = range(4)  # mode
TEXT, BINARY, OPEN, CLOSE, GAP = range(1, 6)  # type
NO_CONNECTION = 0xFFFFFFFF


class _Options(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("path", c_char_p), ("start", c_int), ("mode", c_int), ("after", c_uint64),
                ("begun", c_uint64), ("timeout_ms", c_int), ("in_place", c_int)]


class _Record(ctypes.Structure):
    _fields_ = [("seq", c_uint64), ("time", c_uint64), ("connection", c_uint32), ("type", c_uint32),
                ("name", c_char_p), ("payload", c_void_p), ("length", c_size_t), ("from_", c_uint64),
                ("to", c_uint64)]


class _Info(ctypes.Structure):
    _fields_ = [("outlet", c_char_p), ("hello", c_char_p), ("begun", c_uint64), ("next", c_uint64),
                ("missing", c_uint64), ("anew", c_int), ("mode", c_int)]


class _Counts(ctypes.Structure):
    _fields_ = [(name, c_uint64) for name in ("records", "bytes", "gaps", "lost", "sent")]


def _load():
    library = ctypes.CDLL(os.environ.get("WSGATE_LIBRARY", "libwsgate.so.0"))
    prototypes = {
        "wsgate_open": (c_int, POINTER(c_void_p), POINTER(_Options)),
        "wsgate_close": (None, c_void_p),
        "wsgate_next": (c_int, c_void_p, POINTER(POINTER(_Record)), c_int),
        "wsgate_position": (c_uint64, c_void_p),
        "wsgate_fd": (c_int, c_void_p),
        "wsgate_events": (c_short, c_void_p),
        "wsgate_send": (c_int, c_void_p, c_int, c_uint32, c_char_p, c_size_t),
        "wsgate_flush": (c_int, c_void_p, c_int),
        "wsgate_find": (c_int, c_void_p, c_char_p, POINTER(c_uint32)),
        "wsgate_info": (POINTER(_Info), c_void_p),
        "wsgate_counts": (POINTER(_Counts), c_void_p),
        "wsgate_error": (c_char_p, c_void_p),
    }
    for name, (result, *arguments) in prototypes.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


_library = _load()


class Error(Exception):
    """`result` is that of the call: one of WSGATE_ERROR_…, a negative number."""

    def __init__(self, result, text):
        super().__init__(text)
        self.result = result


class Record(NamedTuple):
    seq: int
    time: int
    connection: int
    type: int
    name: Optional[str]
    payload: bytes
    gap: Optional[tuple]  # the numbers of the first and the last missing record


def _text(value):
    return None if value is None else value.decode()


class Gate:
    """A subscriber. Payloads are copies."""

    def __init__(self, path, mode=AUTO, start=DEFAULT, after=0, begun=0, timeout_ms=10000):
        self._gate = c_void_p()
        options = _Options(ctypes.sizeof(_Options), os.fsencode(path), start, mode, after, begun, timeout_ms, 0)
        result = _library.wsgate_open(byref(self._gate), byref(options))
        if result != OK:
            text = self._error()
            self.close()
            raise Error(result, text)
        self.info = _library.wsgate_info(self._gate).contents

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        gate, self._gate = self._gate, c_void_p()
        _library.wsgate_close(gate)

    def _error(self):
        return _library.wsgate_error(self._gate).decode(errors="replace")

    def _check(self, result):
        if result < 0:
            raise Error(result, self._error())
        return result

    def next(self, timeout_ms=-1):
        """The next record, or None if none comes in that time. Raises EOFError at the end."""
        record = POINTER(_Record)()
        result = self._check(_library.wsgate_next(self._gate, byref(record), timeout_ms))
        if result == END:
            raise EOFError("the outlet has ended")
        if result == AGAIN:
            return None
        got = record.contents
        payload = ctypes.string_at(got.payload, got.length) if got.payload else b""
        gap = (got.from_, got.to) if got.type == GAP else None
        return Record(got.seq, got.time, got.connection, got.type, _text(got.name), payload, gap)

    def __iter__(self):
        try:
            while True:
                record = self.next()
                if record:
                    yield record
        except EOFError:
            return

    @property
    def position(self):
        return _library.wsgate_position(self._gate)

    @property
    def counts(self):
        return _library.wsgate_counts(self._gate).contents

    def fileno(self):
        return _library.wsgate_fd(self._gate)

    def events(self):
        return _library.wsgate_events(self._gate)

    def find(self, name):
        connection = c_uint32()
        self._check(_library.wsgate_find(self._gate, name.encode(), byref(connection)))
        return connection.value

    def send(self, message, connection=NO_CONNECTION):
        """False: there was no room. A str is sent as text, bytes as a binary message."""
        data, kind = (message.encode(), TEXT) if isinstance(message, str) else (message, BINARY)
        return self._check(_library.wsgate_send(self._gate, kind, connection, data, len(data))) == OK

    def flush(self, timeout_ms=-1):
        return self._check(_library.wsgate_flush(self._gate, timeout_ms)) == OK


def main():
    with Gate(sys.argv[1]) as gate:
        for record in gate:
            if record.gap:
                print("lost: %d to %d" % record.gap, file=sys.stderr)
            elif record.type in (TEXT, BINARY):
                print(record.name, record.payload.decode(errors="replace"), flush=True)


if __name__ == "__main__":
    try:
        main()
    except Error as error:
        sys.exit(f"wsgate.py: {error}")
