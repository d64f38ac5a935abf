#!/usr/bin/python3
"""
One reader of an outlet, as a program: its specification is the argument (JSON), "report" on standard
input ends it, and its sittings are its output. It comes back when it was cut off.
"""

import base64
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
from message import Fillers, make  # noqa: E402
from sitting import Sitting  # noqa: E402

# What a writer writes: bytes of filler. More than a socket takes at once, and as much as an outlet does.
UPWARD = [0, 1, 50, 1000] * 20 + [65_400, 65_536, 200_000, (1 << 20) - 200, 3 << 20]
LARGEST = {"packets": 200_000, "json": (1 << 20) - 200}  # parsing JSON takes 15 ms a MB, which the probe would notice
TOO_LONG = 5 << 20
PAUSE = 0.05  # seconds between two writes: there are many connections that each goes to


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
            self.sitting.message(record["data"].encode(), binary=False)
        elif kind == "binary":
            self.sitting.message(base64.b64decode(record["base64"], validate=True), binary=True)


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
                self.sitting.message(body, binary=kind == frames.BINARY)


PARSERS = {"lines": Lines, "json": Json, "frames": Frames}


class Writer:
    """What goes to a writable outlet, without waiting, as nobody may read it. `number`: of the sitting."""

    def __init__(self, spec, number):
        self.spec = spec
        self.number = number
        self.random = random.Random(f"{spec['seed']} {number}")
        self.fillers = None
        self.made = 0
        self.due = 0.0
        self.out = b""

    def write(self, sock):
        if not self.out and time.monotonic() >= self.due:
            self.due = time.monotonic() + PAUSE
            self.out = self.next()
        if not self.out:
            return
        try:
            sent = sock.send(self.out, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        except OSError:  # it is over, or a packet is too large
            sent = len(self.out)
        self.out = self.out[sent:]

    def next(self):
        if self.spec["write"] != "messages":
            garbage = self.spec["write"].encode("latin-1")
            return garbage or b"y" * TOO_LONG
        kind = self.spec["format"]
        binary = kind != "lines" and self.random.random() < 0.3
        payload = b"" if self.random.random() < 0.2 else self.message(binary)
        if kind == "json":
            object_ = {"base64": base64.b64encode(payload).decode()} if binary else {"data": payload.decode()}
            return json.dumps(object_).encode() + b"\n"
        if kind == "frames":
            return frames.record(frames.BINARY if binary else frames.TEXT, payload)
        return payload + b"\n" if kind == "lines" else payload

    def message(self, binary):
        if not self.fillers:
            self.fillers = Fillers([], self.spec["format"] != "lines", self.random.random())
        largest = LARGEST.get(self.spec["format"], UPWARD[-1])
        size = self.random.choice([size for size in UPWARD if size <= largest])
        filler = self.fillers.cut(size, binary)
        if self.spec["format"] == "packets" and filler.isascii():
            binary = False  # what can be text goes as text
        self.made += 1
        return make(b"up-" + self.spec["name"].encode(), self.number, self.made, 0, binary, filler)


class Reader:
    def __init__(self, spec):
        self.spec = spec
        self.orders = Orders()
        self.sittings = []
        self.pace = None
        self.writer = None

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

    def packets(self, sock, sitting):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        while True:
            payload, credentials, _, _ = sock.recvmsg(1 << 19, 64)
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
        if self.writer:
            self.writer.write(sock)
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
                        sitting.message(record.payload, binary=record.type == wsgate.BINARY)
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
        self.writer = Writer(self.spec, len(self.sittings)) if "write" in self.spec else None

    def run(self):
        while not self.orders.report:
            if not self.sit():
                self.orders.look(0.05)
        print(json.dumps([sitting.report() for sitting in self.sittings]), flush=True)


if __name__ == "__main__":
    Reader(json.loads(sys.argv[1])).run()
