"""Subscribers of outlets, reading with deadlines."""

import json
import socket

from .wait import PATIENCE, Deadline


class Subscriber:
    """A UNIX stream socket. `receive_buffer` makes it fill up soon when it is not read."""

    def __init__(self, path, receive_buffer=None):
        self.socket = socket.socket(socket.AF_UNIX)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.connect(path)
        self.pending = bytearray()
        self.ended = False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def fill(self, deadline):
        """Reads more; False at the end of the stream."""
        while True:
            self.socket.settimeout(deadline.left(f"more than {bytes(self.pending[:200])!r}"))
            try:
                data = self.socket.recv(1 << 18)
            except socket.timeout:
                continue
            except ConnectionResetError:
                data = b""
            self.pending += data
            self.ended = not data
            return not self.ended

    def read_exactly(self, count, timeout=PATIENCE):
        deadline = Deadline(timeout)
        while len(self.pending) < count:
            if not self.fill(deadline):
                raise EOFError(f"{len(self.pending)} of {count} bytes")
        data = bytes(self.pending[:count])
        del self.pending[:count]
        return data

    def read_to_end(self, timeout=PATIENCE):
        deadline = Deadline(timeout)
        while self.fill(deadline):
            pass
        data = bytes(self.pending)
        self.pending.clear()
        return data

    def wait_end(self, timeout=PATIENCE):
        """Waits for the daemon to close the socket; whatever comes before is dropped."""
        self.read_to_end(timeout)


class Lines(Subscriber):
    def read_line(self, timeout=PATIENCE):
        """The next line without its newline."""
        deadline = Deadline(timeout)
        while b"\n" not in self.pending:
            if not self.fill(deadline):
                raise EOFError(bytes(self.pending[:200]))
        end = self.pending.index(b"\n")
        line = bytes(self.pending[:end])
        del self.pending[: end + 1]
        return line

    def read_lines(self, count, timeout=PATIENCE):
        return [self.read_line(timeout) for _ in range(count)]


class Json(Lines):
    def read(self, timeout=PATIENCE):
        return json.loads(self.read_line(timeout))

    def read_type(self, *types, timeout=PATIENCE):
        """The next object of one of these types; others before it are dropped."""
        while True:
            value = self.read(timeout)
            if value["type"] in types:
                return value

    def read_data(self, timeout=PATIENCE):
        """The next message's text."""
        return self.read_type("text", timeout=timeout)["data"]
