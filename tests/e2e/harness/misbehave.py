"""
A WebSocket server on raw sockets that misbehaves on command: the path of the URL chooses how, its
query says the details. Tests see what the client did in the Exchange of each connection.
"""

import base64
import hashlib
import io
import itertools
import queue
import select
import socket
import ssl
import struct
import threading
import urllib.parse

from .frame import BINARY, CLOSE, PING, PONG, TEXT, close_frame, frame, read_frame
from .wait import PATIENCE, Timeout, wait_until

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
BEHAVIOURS = {}


def behaviour(path):
    def add(function):
        BEHAVIOURS[path] = function
        return function

    return add


class Exchange:
    """One TCP connection of a client."""

    def __init__(self, server, sock):
        self.server = server
        self.sock = sock
        self.path = None
        self.query = {}
        self.headers = {}
        self.frames = []
        self.ahead = b""  # read, but not taken as frames yet
        self.close_code = None  # of the client's close frame; 1005: it had none
        self.close_reason = None
        self.go = threading.Event()
        self.ended = threading.Event()  # the client has closed the TCP connection, or we have
        self.answered = False  # by a behaviour that waits for the test
        self.ended_how = None  # "eof" or "reset", where the client did

    def option(self, name, default):
        return type(default)(self.query.get(name, default))

    def read_exactly(self, count):
        data, self.ahead = self.ahead[:count], self.ahead[count:]
        while len(data) < count:
            more = self.sock.recv(count - len(data))
            if not more:
                raise EOFError
            data += more
        return data

    def read_request(self):
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += self.read_exactly(1)
        lines = head.decode("latin-1").split("\r\n")
        self.request_line = lines[0]
        self.header_list = [tuple(line.split(": ", 1)) for line in lines[1:] if line]
        self.headers = {name.lower(): value for name, value in self.header_list}
        url = urllib.parse.urlsplit(lines[0].split(" ")[1])
        self.path = url.path
        self.query = dict(urllib.parse.parse_qsl(url.query, keep_blank_values=True))

    def send(self, data):
        self.sock.sendall(data)

    def accept_key(self):
        key = self.headers["sec-websocket-key"].encode()
        return base64.b64encode(hashlib.sha1(key + GUID).digest()).decode()

    def response(self, status="101 Switching Protocols", drop=(), **change):
        """To the handshake, without the headers in `drop` and with those in `change`."""
        headers = {
            "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Accept": self.accept_key(),
        }
        headers.update({name.replace("_", "-"): value for name, value in change.items()})
        lines = [f"{name}: {value}" for name, value in headers.items() if name not in drop]
        return "\r\n".join([f"HTTP/1.1 {status}", *lines, "", ""]).encode()

    def answer(self, *arguments, **options):
        """Answers the handshake with a response()."""
        self.send(self.response(*arguments, **options))

    def read_frames(self, until_close=True):
        """Collects the client's frames up to its close frame, answers that, and lets it go."""
        while True:
            received = read_frame(self.read_exactly)
            self.frames.append(received)
            if received.opcode == CLOSE and until_close:
                code = received.payload[:2]
                self.close_code = struct.unpack(">H", code)[0] if code else 1005
                self.close_reason = received.payload[2:].decode()
                return

    def read_bytes(self, count):
        """Collects the client's frames from so many bytes; the rest of the last one stays to be read."""
        while count:
            data = self.sock.recv(min(count, 1 << 16))
            if not data:
                raise EOFError
            count -= len(data)
            self.ahead += data
            while (received := self.next_frame_ahead()) is not None:
                self.frames.append(received)
                if received.opcode == CLOSE:
                    self.send(frame(CLOSE, received.payload))
                    raise EOFError

    def next_frame_ahead(self):
        """The next whole frame of what has been read ahead; None: there is none."""
        whole = io.BytesIO(self.ahead)

        def read_exactly(wanted):
            data = whole.read(wanted)
            if len(data) < wanted:
                raise EOFError
            return data

        try:
            received = read_frame(read_exactly)
        except EOFError:
            return None
        self.ahead = whole.read()
        return received

    def finish(self):
        """Reads until the client is gone; a client that failed us may go without a close frame."""
        self.read_frames()
        try:
            self.send(frame(CLOSE, self.frames[-1].payload))
        except OSError:
            pass

    def reset(self):
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def serve(self):
        try:
            if self.server.tls:
                self.sock = self.server.tls.wrap_socket(self.sock, server_side=True)
            self.read_request()
            self.server.accepted.put(self)
            BEHAVIOURS[self.path](self)
        except EOFError:
            self.ended_how = "eof"
        except OSError:
            self.ended_how = "reset"
        finally:
            self.sock.close()
            self.ended.set()

    # For the test.

    def wait_ended(self, timeout=PATIENCE):
        if not self.ended.wait(timeout):
            raise Timeout("the server waited for the client to go")
        return self.close_code

    def wait_frames(self, count, timeout=PATIENCE):
        wait_until(lambda: len(self.frames) >= count, timeout, f"{count} frames")
        return self.frames


class MisbehavingServer:
    """
    `receive_buffer`: of its sockets, for tests that want a client's queue to fill soon; `certificate`: its
    file and that of its key, for TLS.
    """

    def __init__(self, receive_buffer=None, certificate=None):
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER) if certificate else None
        if certificate:
            self.tls.load_cert_chain(*certificate)
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if receive_buffer:
            self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen(128)
        self.port = self.listener.getsockname()[1]
        self.exchanges = []
        self.heads = []
        self.scripts = []  # of the next connections to /scripted
        self.accepted = queue.Queue()
        self.stopping = threading.Event()
        self.threads = []
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()

    def _accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            exchange = Exchange(self, sock)
            self.exchanges.append(exchange)
            thread = threading.Thread(target=exchange.serve, daemon=True)
            self.threads.append(thread)
            thread.start()

    def url(self, path, **query):
        scheme = "wss" if self.tls else "ws"
        return f"{scheme}://127.0.0.1:{self.port}{path}" + (
            "?" + urllib.parse.urlencode(query) if query else ""
        )

    def raw_url(self, data, **query):
        """The URL at which the server sends just these bytes after a good handshake."""
        return self.url("/raw", hex=data.hex(), **query)

    def answer_url(self, data, **query):
        """The URL at which the server answers the handshake with just these bytes."""
        return self.url("/answer", hex=data.hex(), **query)

    def head_url(self, head):
        """The URL at which the server answers with this head, "{accept}" filled in, and a frame."""
        return self.url("/head", number=self.heads.append(head) or len(self.heads) - 1)

    def accept(self, timeout=PATIENCE):
        """The next client whose request has arrived."""
        try:
            return self.accepted.get(timeout=timeout)
        except queue.Empty:
            raise Timeout("the server waited for a connection") from None

    def stop(self):
        self.stopping.set()
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join()
        for exchange in self.exchanges:
            exchange.go.set()
            try:
                exchange.sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        for thread in self.threads:
            thread.join(10)


# The opening handshake.


@behaviour("/bad-accept")
def _bad_accept(client):
    client.answer(Sec_WebSocket_Accept=base64.b64encode(bytes(20)).decode())
    client.finish()


@behaviour("/missing")
def _missing(client):
    client.answer(drop=[client.query["header"]])
    client.finish()


@behaviour("/header")
def _header(client):
    client.answer(**{client.query["name"]: client.query["value"]})
    client.finish()


@behaviour("/status")
def _status(client):
    body = client.option("body", "")
    client.answer(client.query["line"], drop=["Upgrade", "Connection", "Sec-WebSocket-Accept"],
                  Content_Length=str(len(body)), X_Reason="because")
    client.send(body.encode())
    client.finish()


@behaviour("/answer")
def _answer(client):
    """Answers with the bytes in `hex`, then goes on by `end`: finish or eof."""
    client.send(bytes.fromhex(client.query["hex"]))
    if client.option("end", "finish") == "finish":
        client.finish()


@behaviour("/head")
def _head(client):
    """Answers with a head of its own making, and the first frame in the same segment."""
    head = client.server.heads[client.option("number", 0)].replace("{accept}", client.accept_key())
    client.send(head.encode("latin-1") + frame(TEXT, b"at once"))
    client.finish()


@behaviour("/not-http")
def _not_http(client):
    client.send(b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n")
    client.finish()


@behaviour("/silent")
def _silent(client):
    client.finish()


@behaviour("/half-head")
def _half_head(client):
    client.send(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: webso")
    client.finish()


@behaviour("/close-in-head")
def _close_in_head(client):
    client.send(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: webso")


@behaviour("/endless-headers")
def _endless_headers(client):
    client.send(b"HTTP/1.1 101 Switching Protocols\r\n")
    for number in itertools.count():
        client.send(b"X-%d: %s\r\n" % (number, b"v" * 1000))


@behaviour("/endless-header")
def _endless_header(client):
    client.send(b"HTTP/1.1 101 Switching Protocols\r\nX: ")
    while True:
        client.send(b"v" * 4096)


@behaviour("/slow-head")
def _slow_head(client):
    """Takes `ms` to answer."""
    client.server.stopping.wait(client.option("ms", 300) / 1000)
    client.answer()
    client.finish()


@behaviour("/late-head")
def _late_head(client):
    """Answers when the test says go; `pad` bytes of another header make the answer longer."""
    client.go.wait()
    client.answer(X_Pad="x" * client.option("pad", 0))
    client.answered = True
    client.finish()


# After it.


@behaviour("/hold")
def _hold(client):
    client.answer()
    client.finish()


@behaviour("/raw")
def _raw(client):
    """Sends the bytes in `hex`, `chunk` at a time; then goes on by `end`: finish, eof or rst."""
    data = bytes.fromhex(client.query["hex"])
    chunk = client.option("chunk", len(data) or 1)
    client.answer()
    for start in range(0, len(data), chunk):
        client.send(data[start : start + chunk])
    end = client.option("end", "finish")
    if end == "rst":
        client.reset()
    elif end == "finish":
        client.finish()


@behaviour("/handshake-and-frame")
def _handshake_and_frame(client):
    """The first frames come in the same segment as the handshake's end."""
    send = client.send
    parts = []
    client.send = parts.append
    client.answer()
    client.send = send
    client.send(b"".join(parts) + frame(TEXT, b"at once") + frame(TEXT, b"and again"))
    client.finish()


@behaviour("/bytewise")
def _bytewise(client):
    """The whole exchange one byte at a time."""
    send = client.send
    client.send = lambda data: [send(data[at : at + 1]) for at in range(len(data))]
    client.answer()
    client.send(frame(TEXT, b"one ", fin=False) + frame(PING, b"?"))
    client.send(frame(0, b"byte", fin=True) + frame(BINARY, bytes(300)))
    client.send = send
    client.finish()


@behaviour("/deaf")
def _deaf(client):
    """Never answers anything after the handshake, pings and close frames neither."""
    client.answer()
    client.read_frames(until_close=False)


@behaviour("/late-pong")
def _late_pong(client):
    """Answers no ping until the test says go."""
    client.answer()
    while True:
        client.frames.append(read_frame(client.read_exactly))
        client.go.wait()
        if client.frames[-1].opcode == PING:
            client.send(frame(PONG, client.frames[-1].payload))
            client.answered = True


@behaviour("/hang-up")
def _hang_up(client):
    """Ends the stream when the client begins to close, without a close frame of its own."""
    client.answer()
    client.read_frames()


@behaviour("/unread")
def _unread(client):
    """Never reads anything after the handshake."""
    client.answer()
    client.server.stopping.wait()


@behaviour("/ping-flood")
def _ping_flood(client):
    """Pings without end, and reads no pong, until the client takes no more for a second."""
    client.answer()
    burst = frame(PING, b"p" * 125) * 500
    while select.select([], [client.sock], [], 1.0)[1]:
        client.sock.send(burst, socket.MSG_DONTWAIT)
    client.flooded = True
    client.server.stopping.wait()


@behaviour("/pings")
def _pings(client):
    """`count` numbered pings, then a message."""
    client.answer()
    for number in range(client.option("count", 10)):
        client.send(frame(PING, b"%d" % number))
    client.send(frame(TEXT, b"done"))
    client.finish()


@behaviour("/close")
def _close(client):
    """Closes with `code` (0: none at all) and `reason`, in the RFC's way."""
    client.answer()
    code = client.option("code", 1000)
    client.send(close_frame(code or None, client.option("reason", "").encode()))
    client.read_frames()


@behaviour("/slow-message")
def _slow_message(client):
    """One message of `bytes` in `pieces`, a pause of `pause` ms between two of them."""
    client.answer()
    total, pieces = client.option("bytes", 1000), client.option("pieces", 5)
    message = frame(BINARY, b"s" * total)
    step = len(message) // pieces + 1
    for start in range(0, len(message), step):
        if start:
            client.server.stopping.wait(client.option("pause", 50) / 1000)
        client.send(message[start : start + step])
    client.finish()


@behaviour("/slow-reader")
def _slow_reader(client):
    """Reads nothing until the test says go, then everything."""
    client.answer()
    client.go.wait()
    client.finish()


@behaviour("/slow-reads")
def _slow_reads(client):
    """Reads `rate` bytes a second, and answers pings as it reads them."""
    client.answer()
    rate = client.option("rate", 10_000)
    arrived = bytearray()

    def read(count):
        while len(arrived) < count:
            client.server.stopping.wait(0.05)
            data = client.sock.recv(rate // 20)
            if not data:
                raise EOFError
            arrived.extend(data)
        taken = bytes(arrived[:count])
        del arrived[:count]
        return taken

    while True:
        received = read_frame(read)
        client.frames.append(received)
        if received.opcode == PING:
            client.send(frame(PONG, received.payload))


@behaviour("/scripted")
def _scripted(client):
    """Does what the test's next script says, a function of the Exchange; without one, reads to the end."""
    deflate = "permessage-deflate" in client.headers.get("sec-websocket-extensions", "")
    client.answer(**{"Sec_WebSocket_Extensions": "permessage-deflate"} if deflate else {})
    client.server.scripts.pop(0)(client) if client.server.scripts else client.finish()


@behaviour("/flood")
def _flood(client):
    """
    `count` numbered text messages of `size` bytes, filled up with `fill`, as fast as they are taken;
    then waits for the end, or with `end=rst` resets when the test says go.
    """
    client.answer()
    count, size = client.option("count", 1000), client.option("size", 100)
    fill = client.option("fill", ".").encode()
    batch = []
    for number in range(count):
        batch.append(frame(TEXT, b"%08d" % number + fill * (size - 8)))
        if len(batch) * size > 65536 or number == count - 1:
            client.send(b"".join(batch))
            batch.clear()
    if client.option("end", "finish") == "rst":
        client.go.wait()
        client.reset()
        return
    client.finish()


@behaviour("/repeat")
def _repeat(client):
    """The bytes `first`, then the bytes `hex` again and again, until the client is gone."""
    client.answer()
    client.send(bytes.fromhex(client.query.get("first", "")))
    data = bytes.fromhex(client.query["hex"])
    data *= (1 << 20) // len(data)
    while not client.server.stopping.is_set():
        client.send(data)


@behaviour("/last-words")
def _last_words(client):
    """Says nothing until the client closes; then `count` numbered messages of `size` bytes, and closes too."""
    client.answer()
    client.read_frames()
    size = client.option("size", 100)
    client.send(b"".join(frame(TEXT, b"%08d" % number + b"." * (size - 8))
                         for number in range(client.option("count", 1000))))
    client.send(frame(CLOSE, client.frames[-1].payload))


@behaviour("/plan")
def _plan(client):
    """The messages of a plan (plan.py), with pings between the fragments."""
    from .plan import Plan

    client.answer()
    plan = Plan.load(client.query["file"])
    batch = []
    size = 0
    for kind, pieces in plan.fragments():
        for number, piece in enumerate(pieces):
            opcode = 0 if number else (TEXT if kind == "t" else BINARY)
            batch.append(frame(opcode, piece, fin=number == len(pieces) - 1))
            size += len(piece) + 16
            if number < len(pieces) - 1:
                batch.append(frame(PING, b"between"))
        if size > 65536:
            client.send(b"".join(batch))
            batch.clear()
            size = 0
    client.send(b"".join(batch))
    client.finish()
