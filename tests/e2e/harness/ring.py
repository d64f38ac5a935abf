"""A subscriber that maps the ring of a `frames` outlet, by wsgated-protocol(7) alone.

Run as a program it goes into one of the STATES, says so, and stays there to be killed.
"""

import ctypes
import json
import mmap
import os
import socket
import struct
import sys

PAGE = mmap.PAGESIZE
HEADER = struct.Struct("<IIQQIB3x")
HELLO = struct.Struct("<6sBBB7xQ")
HELLO_TYPE, AWAIT, ARRIVED = 7, 9, 10
SLEEPING, QUIET = 1, 2
TAIL, HEAD, RESTART, WAKE = 16, 24, 32, 40
SYS_FUTEX = {"x86_64": 202, "aarch64": 98}
NO_CONNECTION = 0xFFFFFFFF

STATES = ("silent", "half a hello", "mapped", "asleep", "spinning", "awaiting", "half a record", "deaf")


class Lapped(Exception):
    """The record has been overwritten."""


class Ring:
    def __init__(self, path, mode=SLEEPING, start=0, seq=0):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(15)
        self.socket.connect(path)
        self.socket.sendall(HELLO.pack(b"WSGATE", 1, start, mode, seq))
        data, descriptors, _, _ = socket.recv_fds(self.socket, 1 << 16, 1)
        size, length, seq, _, _, kind = HEADER.unpack_from(data)
        assert kind == HELLO_TYPE, data
        self.hello = json.loads(data[HEADER.size : HEADER.size + length])
        self.descriptor = descriptors[0]
        self.size = self.hello["ring"]["size"]
        self.map = mmap.mmap(self.descriptor, PAGE + self.size, prot=mmap.PROT_READ)
        assert self.map[:8] == b"WSGRING1" and self.word(8) == self.size
        self.position = self.hello["ring"]["position"]
        self.expected = self.hello["next"]
        self.lost = []

    def close(self):
        self.map.close()
        os.close(self.descriptor)
        self.socket.close()

    def word(self, offset):
        return struct.unpack_from("<Q", self.map, offset)[0]

    def wake(self):
        return struct.unpack_from("<I", self.map, WAKE)[0]

    def bytes(self, position, length):
        at = position % self.size
        first = self.map[PAGE + at : PAGE + min(at + length, self.size)]
        return first + self.map[PAGE : PAGE + length - len(first)]

    def copy(self):
        """Header and payload at the position, or Lapped."""
        header = HEADER.unpack(self.bytes(self.position, HEADER.size))
        self.check()
        payload = self.bytes(self.position + HEADER.size, header[1])
        self.check()
        return header, payload

    def check(self):
        if self.position < self.word(TAIL):
            raise Lapped

    def read(self):
        """The next record as (seq, type, payload), or None when there is none. Notes losses."""
        while self.position < self.word(HEAD):
            try:
                (size, _, seq, _, _, kind), payload = self.copy()
            except Lapped:
                self.position = self.word(RESTART)
                continue
            if seq > self.expected:
                self.lost.append((self.expected, seq - 1))
            self.expected = seq + 1
            self.position += size
            return seq, kind, payload
        return None

    def sleep(self, seconds):
        """Until woken, at most that long. True if it may be worth looking."""
        wake = self.wake()
        if self.position < self.word(HEAD):
            return True
        libc = ctypes.CDLL(None, use_errno=True)
        # ctypes wants writable memory for an address; so the page is mapped once more, by mmap(2).
        libc.mmap.restype = ctypes.c_void_p
        libc.mmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t) + (ctypes.c_int,) * 3 + (ctypes.c_long,)
        page = libc.mmap(None, PAGE, mmap.PROT_READ, mmap.MAP_SHARED, self.descriptor, 0)
        limit = (ctypes.c_long * 2)(seconds, 0)
        status = libc.syscall(ctypes.c_long(SYS_FUTEX[os.uname().machine]), ctypes.c_void_p(page + WAKE),
                              0, ctypes.c_uint(wake), limit, None, 0)
        return status == 0 or ctypes.get_errno() == 11  # EAGAIN: it has changed meanwhile

    def next(self, seconds=15):
        while (record := self.read()) is None:
            assert self.sleep(seconds), "not woken"
        return record

    def await_record(self, seq):
        self.socket.sendall(HEADER.pack(HEADER.size, 0, seq, 0, NO_CONNECTION, AWAIT))


def say(text):
    print(text, flush=True)


def stay(state, path):
    """Goes into the state, says so, and waits for its end."""
    if state in ("silent", "half a hello"):
        waiting = socket.socket(socket.AF_UNIX)
        waiting.connect(path)
        if state != "silent":
            waiting.sendall(b"WSGATE\1\0\1")
    else:
        ring = Ring(path, QUIET if state in ("spinning", "awaiting") else SLEEPING)
    if state == "awaiting":
        ring.await_record(1 << 40)
    elif state == "half a record":
        ring.socket.sendall(HEADER.pack(64, 32, 0, 0, NO_CONNECTION, 1) + b"half")
    say("ready")
    if state == "asleep":
        while True:
            ring.sleep(60)
    while state == "spinning":
        ring.read()
    if state == "deaf":  # asks and asks, and never reads what it gets
        for _ in range(100_000):
            ring.await_record(1)
    sys.stdin.read()


if __name__ == "__main__":
    stay(*sys.argv[1:])
