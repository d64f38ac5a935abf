#!/usr/bin/python3
"""
The servers of a round, as one program: the path of a URL names the connection, its specification (the
argument, JSON) says how it is served. Says its ports first; "go" and "hold" on standard input let all talk
and be quiet, "hurry" makes slow lines fast, "open" asks which sessions are open, "report" what became of
each, and ends it.
"""

import itertools
import json
import os
import random
import select
import socket
import ssl
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../e2e")]

from harness.frame import BINARY, CONTINUATION, PING, PONG, TEXT, apply_mask, close_frame, frame  # noqa: E402
from harness.misbehave import Exchange  # noqa: E402
from topology import opening  # noqa: E402
from message import SIZES, Broken, Fillers, json_length, make, make_long, parse  # noqa: E402

MOST_QUEUED = 1 << 17  # bytes that a session has made and the client has not taken
TICK = 0.02  # seconds: a slow line moves some bytes in each

# What stands before the response, and among its headers, that does not concern a client.
ODD = {
    "hints": (b"HTTP/1.1 103 Early Hints\r\nLink: </style>; rel=preload\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n", b""),
    "empty": (b"", b"Sec-WebSocket-Extensions:\r\nSec-WebSocket-Protocol: \r\n"),
    "headers": (b"", b"".join(b"X-Header-%d: %d\r\n" % (number, number) for number in range(200))),
    "folded": (b"", b"X-Folded: one\r\n two\r\n\tthree\r\n"),
    "bare": (b"", b"X-Bare: line feed\nno colon in this one\r\n"),
}


class Hall:
    """What the sessions have in common."""

    def __init__(self, spec):
        self.spec = spec
        self.talking = threading.Event()
        self.hurrying = threading.Event()
        self.stopping = threading.Event()
        self.numbers = itertools.count(1)
        self.sessions = []

    def server(self, name):
        """How it is served; what comes and goes has no specification of its own."""
        return self.spec["servers"].get(name) or self.spec["servers"]["x0"]


class Session:
    """An open WebSocket: one thread, one socket that never blocks it."""

    def __init__(self, hall, sock, name):
        self.hall = hall
        self.spec = hall.server(name)
        self.sock = sock
        self.name = name.encode()
        self.line = Line(self.spec.get("line"))
        self.stall = 0.0  # seconds for which it was away, at most: the machine's fault
        self.opening = 0  # messages of on_open that have come
        self.number = next(hall.numbers)
        self.random = random.Random(f"{hall.spec['seed']} {name} {self.number}")
        sizes = SIZES.get(self.spec["sizes"], [])
        self.fillers = Fillers(sizes, self.spec.get("newlines", False), self.number, "utf8" in self.spec)
        self.out = bytearray()
        self.received = bytearray()
        self.made = 0  # messages, beside those that are empty
        self.blanks = 0
        self.long = []  # [number, length, length as JSON] of those that a ring may not hold
        self.upward = {}  # (reader, its sitting): number of the last message from there
        self.errors = []
        self.opened = time.monotonic()
        self.close_received = self.close_sent = self.ended = None
        self.ending = self.broken = False
        self.how = "open"  # closed: in the RFC's way, to the end; cut: by the client; reset: by us
        self.due = time.monotonic()
        self.last = self.random.randint(*self.spec["messages"]) if self.spec.get("messages") else None
        hall.sessions.append(self)

    # What it says.

    def quiet(self):
        return self.close_sent or self.close_received or self.broken or not self.hall.talking.is_set()

    def talk(self):
        """Makes the messages that are due, as far as there is room."""
        rate = self.spec.get("rate")
        while not self.quiet() and len(self.out) < MOST_QUEUED:
            if self.last is not None and self.made >= self.last:
                return self.finish_early()
            if rate:
                if self.due > time.monotonic():
                    return None
                self.due = max(self.due + 1 / rate, time.monotonic() - 0.1)
            self.say()
        return None

    def say(self):
        binary = self.random.random() < self.spec.get("binary", 0)
        opcode = BINARY if binary else TEXT
        if self.random.random() < self.spec.get("blank", 0):
            self.say_blanks(opcode)
        payload = self.payload(binary)
        if len(payload) >= self.hall.spec["long"]:
            self.long.append([self.made, len(payload), json_length(payload, binary)])
        self.made += 1
        if self.made % 50 == 0 and self.spec.get("fragments"):
            half = len(payload) // 2
            self.out += frame(opcode, payload[:half], fin=False) + frame(PING, b"between")
            self.out += frame(CONTINUATION, payload[half:])
        else:
            self.out += frame(opcode, payload)
        if self.spec.get("pings"):
            self.out += frame(PING, b"x" * 100) * self.spec["pings"]

    def say_blanks(self, opcode):
        """Never the last: the message that follows counts them."""
        count = self.random.choice([1, 1, 1, 2, self.spec.get("burst", 1)])
        self.out += frame(opcode) * count
        self.blanks += count

    def payload(self, binary):
        about = self.name, self.number, self.made, self.blanks, binary
        if "lengths" in self.spec:
            return make_long(self.random.choice(self.spec["lengths"]), self.fillers, *about)
        return make(*about, self.fillers.pick(binary))

    def finish_early(self):
        """The end that the specification wants after so many messages."""
        if self.spec["end"] == "reset":
            self.how = "reset"
            Exchange.reset(self)
            raise ConnectionError
        if self.spec["end"] == "close":
            self.close(self.spec["code"])
        if self.spec["end"] == "broken" and not self.broken:
            self.broken = True  # the client is the one to close
            self.out += frame(TEXT, b"\xff")

    def close(self, code):
        self.out += close_frame(code)
        self.close_sent = time.monotonic()

    # What it hears.

    def hear(self, data):
        self.received += data
        while (got := self.take_frame()) is not None:
            opcode, payload = got
            if opcode in (TEXT, BINARY):
                self.hear_message(opcode == BINARY, payload)
            elif opcode == PING:
                self.out += frame(PONG, payload)
            elif opcode == 8:
                self.close_received = time.monotonic()
                if not self.close_sent:
                    self.close(1000)

    def hear_message(self, binary, payload):
        """What a reader has written comes whole and in order; nobody else's says who it is."""
        if payload.startswith(b"open-"):
            self.hear_opening(payload)
            return
        if self.opening < self.spec.get("opening", 0):
            self.errors.append(f"{payload[:40]!r} came after {self.opening} messages of on_open")
        if not payload.startswith(b"up-"):
            return
        try:
            message = parse(payload)
        except Broken as broken:
            self.errors.append(f"sent upwards: {broken}")
            return
        writer = message.source, message.session
        if message.binary != binary or message.number <= self.upward.get(writer, 0):
            self.errors.append(f"sent upwards: {message} after {self.upward.get(writer)}, opcode {1 + binary}")
        self.upward[writer] = message.number

    def hear_opening(self, payload):
        """They come before all others, each once and in their order."""
        if payload != opening(self.opening).encode():
            self.errors.append(f"on_open: {payload[:40]!r} came as number {self.opening}")
        self.opening += 1

    def take_frame(self):
        """(opcode, payload) of the next whole frame of the client."""
        received = self.received
        if len(received) < 2:
            return None
        length, head = received[1] & 0x7F, 6
        if length >= 126:
            head += 2 if length == 126 else 8
            length = int.from_bytes(received[2 : head - 4], "big")
        if len(received) < head + length:
            return None
        opcode, mask = received[0] & 0xF, received[head - 4 : head]
        payload = apply_mask(bytes(received[head : head + length]), bytes(mask))
        del received[: head + length]
        return opcode, payload

    # The socket.

    def run(self):
        self.sock.setblocking(False)
        try:
            before = time.monotonic()
            while self.turn():
                now = time.monotonic()
                self.stall, before = max(self.stall, now - before), now
        except (ConnectionError, ssl.SSLError, OSError) as error:
            if self.how == "open":
                self.how = "cut"
                self.why = str(error)
        finally:
            self.ended = time.monotonic()
            self.sock.close()

    def turn(self):
        self.talk()
        wait = 0.05
        if self.spec.get("rate") and not self.quiet():
            wait = min(wait, max(0.0, self.due - time.monotonic()))
        if self.hall.hurrying.is_set():
            self.line.speed = None
        pending = isinstance(self.sock, ssl.SSLSocket) and self.sock.pending()
        intake = self.line.may("in")
        reading = [self.sock] if intake else []
        writing = [self.sock] if self.out and self.line.may("out") else []
        if self.line.speed:
            wait = min(wait, TICK)
        readable, writable, _ = select.select(reading, writing, [], 0 if pending else wait)
        if readable or pending and reading:
            try:
                data = self.sock.recv(intake)
                self.line.moved("in", len(data))
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                data = None
            if data == b"":
                self.how = "closed" if self.ending else "cut"
                return False
            self.hear(data or b"")
        if writable:
            self.write()
        if self.close_received and self.close_sent and not self.out and not self.ending:
            self.ending = True  # the server is the first to end TCP: RFC 6455, section 7.1.1
            self.sock.shutdown(socket.SHUT_WR)
        return not self.hall.stopping.is_set()

    def write(self):
        try:
            sent = self.sock.send(self.out[: self.line.may("out")])
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return
        self.line.moved("out", sent)
        del self.out[:sent]

    def describe(self):
        return (f"{self.name.decode()} session {self.number:x}: close received {self.close_received}, sent {self.close_sent}, "
                f"{len(self.out)} bytes to go, {len(self.received)} come, {self.sock}")

    def report(self):
        names = ("number", "made", "blanks", "long", "errors", "opened", "close_received", "close_sent", "ended", "how",
                 "stall", "opening")
        return {"name": self.name.decode(), **{name: getattr(self, name) for name in names}}


class Line:
    """How much may move either way: `speed`, in bytes a second; None: as much as there is."""

    def __init__(self, speed):
        self.speed = speed
        self.credit = {"in": 0.0, "out": 0.0}
        self.seen = dict.fromkeys(self.credit, time.monotonic())

    def may(self, way):
        """Bytes that may move now: what a tick brings may pile up to a packet."""
        if not self.speed:
            return 1 << 16
        now = time.monotonic()
        most = max(self.speed * TICK, 1500)
        self.credit[way] = min(self.credit[way] + (now - self.seen[way]) * self.speed, most)
        self.seen[way] = now
        return int(self.credit[way])

    def moved(self, way, count):
        self.credit[way] -= count


class Client(Exchange):
    """A TCP connection up to the opening handshake."""

    def __init__(self, hall, sock):
        super().__init__(None, sock)
        self.hall = hall

    def read_exactly(self, count):
        """The same over TLS, where a socket has no MSG_WAITALL."""
        data = b""
        while len(data) < count:
            if not (more := self.sock.recv(count - len(data))):
                raise EOFError
            data += more
        return data

    def serve(self):
        try:
            self.sock.settimeout(30)
            self.read_request()
            name = self.path[1:]
            getattr(self, self.hall.server(name)["kind"])(name)
        except (EOFError, OSError, ssl.SSLError):
            self.sock.close()

    def talk(self, name):
        if "SNDBUF" in self.query:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, int(self.query["SNDBUF"]))
        if "line" in self.hall.server(name):
            # Little is on its way to us; but more than a packet of loopback, or nothing moves at all.
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 17)
        self.answer()
        Session(self.hall, self.sock, name).run()

    def answer(self):
        """With what is odd about this server, but no concern of a client."""
        before, among = ODD.get(self.hall.server(self.path[1:]).get("odd"), (b"", b""))
        self.send(before + self.response().replace(b"\r\n", b"\r\n" + among, 1))

    def redirect(self, name):
        if "hop" in self.query:
            return self.talk(name)
        self.send(f"HTTP/1.1 302 Found\r\nLocation: /{name}?hop=1\r\nContent-Length: 0\r\n\r\n".encode())
        self.sock.close()
        return None

    def refuse(self, _name):
        self.send(b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 0\r\nContent-Length: 4\r\n\r\nbusy")
        self.sock.close()

    def silent(self, _name):
        self.hall.stopping.wait(60)
        self.sock.close()

    def flood(self, _name):
        """Pings without end, and never a message."""
        self.answer()
        burst = frame(PING, b"p" * 125) * 100
        while not self.hall.stopping.is_set():
            self.sock.sendall(burst)
            readable, _, _ = select.select([self.sock], [], [], 0)
            if readable and not self.sock.recv(1 << 16):
                break
        self.sock.close()


def listen(hall, context=None, void=False):
    """A listener; its port. `void`: accepts, and never says anything."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(128)
    kept = []

    def serve(sock):
        try:
            sock.settimeout(30)
            client = Client(hall, context.wrap_socket(sock, server_side=True) if context else sock)
        except (OSError, ssl.SSLError):
            sock.close()
            return
        client.serve()

    def accept():
        while True:
            sock, _ = listener.accept()
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if void:
                kept.append(sock)
            else:
                threading.Thread(target=serve, args=[sock], daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return listener.getsockname()[1]


def main():
    hall = Hall(json.loads(sys.argv[1]))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(hall.spec["certificate"], hall.spec["key"])
    print(json.dumps({"plain": listen(hall), "tls": listen(hall, context), "void": listen(hall, void=True)}), flush=True)
    for line in sys.stdin:
        if line.strip() == "go":
            hall.talking.set()
        elif line.strip() == "hold":
            hall.talking.clear()
        elif line.strip() == "hurry":
            hall.hurrying.set()
        elif line.strip() == "open":
            print(json.dumps([session.describe() for session in list(hall.sessions) if session.ended is None]), flush=True)
        elif line.strip() == "report":
            break
    hall.stopping.set()
    print(json.dumps([session.report() for session in list(hall.sessions)]), flush=True)
    os._exit(0)


if __name__ == "__main__":
    main()
