#!/usr/bin/python3
"""
One reader of an outlet, as a program: its specification is the argument (JSON), "report" on standard
input ends it, and its sittings are its output. It comes back when it was cut off.
"""

import json
import os
import random
import select
import socket
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../e2e")]

from harness import frames  # noqa: E402
from sitting import Sitting  # noqa: E402


class Left(Exception):
    """The reader goes by itself."""


class Orders:
    """What comes on standard input: "fast" ends all pausing, "report" (or its end) the reading."""

    def __init__(self):
        self.fast = False
        self.report = False

    def look(self, seconds=0.0):
        """Waits that long at most; no longer once an order has come."""
        if self.report:
            return
        if select.select([0], [], [], seconds)[0]:
            words = os.read(0, 4096).decode().split()
            self.fast = self.fast or "fast" in words
            self.report = not words or "report" in words


class Pace:
    """How a reader takes its time: `pause` = [bytes, seconds], now and then `stop` seconds."""

    def __init__(self, spec, orders):
        self.spec = spec
        self.orders = orders
        self.random = random.Random(spec["seed"])
        self.since_pause = 0
        self.next_stop = time.monotonic() + self.random.uniform(0.5, 3)
        self.leave_at = spec.get("leave") and time.monotonic() + self.random.uniform(*spec["leave"])

    def had(self, count):
        if self.orders.fast:
            return
        self.since_pause += count
        pause = self.spec.get("pause")
        if pause and self.since_pause >= pause[0]:
            self.since_pause = 0
            time.sleep(pause[1])
        if self.spec.get("stop") and time.monotonic() >= self.next_stop:
            self.orders.look(self.random.uniform(*self.spec["stop"]))
            self.next_stop = time.monotonic() + self.random.uniform(0.5, 3)
        if self.leave_at and time.monotonic() >= self.leave_at:
            raise Left


class Lines:
    """Splits what comes into records; gives them to the sitting."""

    def __init__(self, sitting):
        self.sitting = sitting
        self.pending = b""

    def take(self, data):
        *lines, self.pending = (self.pending + data).split(b"\n")
        for line in lines:
            self.line(line)

    def line(self, line):
        self.sitting.message(line)


class Json(Lines):
    def line(self, line):
        record = json.loads(line)
        kind = record["type"]
        if kind == "gap":
            self.sitting.gap(record["from"], record["to"])
            if record["lost"] != record["to"] - record["from"] + 1:
                self.sitting.error(f"a gap that does not add up: {record}")
            return
        self.sitting.record(record["seq"])
        if kind == "text":
            self.sitting.message(record["data"].encode())


class Frames(Lines):
    def take(self, data):
        self.pending += data
        at, header = 0, frames.HEADER
        while len(self.pending) - at >= header.size:
            size, length, seq, _, _, kind = header.unpack_from(self.pending, at)
            if len(self.pending) - at < size:
                break
            body = self.pending[at + header.size : at + header.size + length]
            at += size
            self.record(seq, kind, body)
        self.pending = self.pending[at:]

    def record(self, seq, kind, body):
        if kind == frames.HELLO_TYPE:
            self.sitting.next_seq = json.loads(body)["next"]
        elif kind == frames.GAP:
            self.sitting.gap(*frames.struct.unpack("<QQ", body))
        elif kind in (frames.TEXT, frames.BINARY, frames.OPEN, frames.CLOSE):
            self.sitting.record(seq)
            if kind in (frames.TEXT, frames.BINARY):
                self.sitting.message(body)


PARSERS = {"lines": Lines, "json": Json, "frames": Frames}


class Reader:
    def __init__(self, spec):
        self.spec = spec
        self.orders = Orders()
        self.sittings = []
        self.pace = None

    def connect(self):
        kind = socket.SOCK_SEQPACKET if self.spec["format"] == "packets" else socket.SOCK_STREAM
        sock = socket.socket(socket.AF_UNIX, kind)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.spec.get("buffer", 1 << 16))
        try:
            sock.connect(self.spec["path"])
            if self.spec["format"] == "frames":
                sock.sendall(frames.hello())
        except OSError:
            sock.close()
            return None
        return sock

    def write(self, sock):
        """On a writable outlet, or garbage on any: without waiting, as nobody may read it."""
        try:
            for text in self.spec.get("write", ()):
                sock.send(text.encode("latin-1"), socket.MSG_DONTWAIT)
        except OSError:
            pass

    def packets(self, sock, sitting):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        while True:
            payload, credentials, _, _ = sock.recvmsg(1 << 18, 64)
            if not credentials:
                return
            sitting.message(payload)
            self.after(sock, len(payload))

    def stream(self, sock, sitting):
        parser = PARSERS[self.spec["format"]](sitting)
        try:
            while data := sock.recv(self.spec.get("chunk", 1 << 16)):
                parser.take(data)
                self.after(sock, len(data))
        finally:
            sitting.torn = len(parser.pending)

    def after(self, sock, count):
        self.write(sock)
        self.orders.look()
        self.pace.had(count)

    def mapped(self, sitting):
        """Reads the ring itself, with libwsgate."""
        from harness.library import wsgate

        with wsgate.Gate(self.spec["path"], mode=wsgate.RING, timeout_ms=2000) as gate:
            sitting.next_seq = gate.info.next
            while True:
                record = gate.next(200)
                self.orders.look()
                if record and record.gap:
                    sitting.gap(*record.gap)
                elif record:
                    sitting.record(record.seq)
                    if record.type in (wsgate.TEXT, wsgate.BINARY):
                        sitting.message(record.payload)
                    self.pace.had(len(record.payload))
                elif self.orders.report:
                    raise Left

    def sit(self):
        """One sitting; False if there was nothing to sit at."""
        if self.spec.get("mapped"):
            return self.sit_mapped()
        sock = self.connect()
        if not sock:
            return False
        self.begin()
        try:
            (self.packets if self.spec["format"] == "packets" else self.stream)(sock, self.sittings[-1])
            self.sittings[-1].end("eof", self.sittings[-1].torn)
        except Left:
            self.sittings[-1].end("left")
        except OSError as error:
            self.sittings[-1].end(f"reset: {error}")
        finally:
            sock.close()
        return True

    def sit_mapped(self):
        from harness.library import wsgate

        self.begin()
        try:
            self.mapped(self.sittings[-1])
        except (EOFError, Left, wsgate.Error) as end:
            self.sittings[-1].end("eof" if isinstance(end, EOFError) else "left")
        return self.sittings[-1].delivered > 0

    def begin(self):
        self.sittings.append(Sitting(self.spec))
        self.pace = Pace(self.spec, self.orders)

    def run(self):
        while not self.orders.report:
            if not self.sit():
                self.orders.look(0.05)
        print(json.dumps([sitting.report() for sitting in self.sittings]), flush=True)


if __name__ == "__main__":
    Reader(json.loads(sys.argv[1])).run()
