"""A client of the control socket: JSON-RPC 2.0, one object a line."""

import itertools
import json
import pathlib
import socket
import subprocess

from .wait import PATIENCE, Deadline, Timeout


class RpcError(Exception):
    def __init__(self, error):
        super().__init__(error.get("message"))
        self.code = error["code"]
        self.message = error["message"]
        self.data = error.get("data") or {}
        self.err = self.data.get("err")


# Connects so many times to the socket in the working directory, and hands the connections over.
CONNECT = """
import socket, sys
connections = [socket.socket(socket.AF_UNIX) for _ in range(int(sys.argv[3]))]
for connection in connections:
    connection.connect(sys.argv[1])
fds = [connection.fileno() for connection in connections]
socket.send_fds(socket.socket(fileno=int(sys.argv[2])), [b"!"], fds)
"""


def connect_as(uid, path, count=1):
    """Connections to a UNIX socket that a process of that user has made; only root can have that done."""
    path = pathlib.Path(path)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        subprocess.run(
            ["/usr/bin/python3", "-c", CONNECT, path.name, str(theirs.fileno()), str(count)], check=True, user=uid, group=uid,
            extra_groups=[], cwd=path.parent, pass_fds=[theirs.fileno()], timeout=PATIENCE,
        )
        _, descriptors, _, _ = socket.recv_fds(ours, 1, count)
    return [socket.socket(fileno=descriptor) for descriptor in descriptors]


class Rpc:
    """`path`: of the socket, or a connection to it."""

    def __init__(self, path):
        self.socket = path
        if not isinstance(path, socket.socket):
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.connect(path)
        self.pending = b""
        self.notifications = []  # that came while something else was waited for
        self.ids = itertools.count(1)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send_raw(self, data):
        self.socket.sendall(data)

    def send(self, message):
        self.send_raw(json.dumps(message).encode() + b"\n")

    def read(self, timeout=PATIENCE):
        """The next object; None at the end of the stream."""
        deadline = Deadline(timeout)
        while b"\n" not in self.pending:
            self.socket.settimeout(deadline.left("a line of the control socket"))
            try:
                data = self.socket.recv(1 << 16)
            except socket.timeout:
                continue
            except ConnectionResetError:
                data = b""
            if not data:
                return None
            self.pending += data
        line, self.pending = self.pending.split(b"\n", 1)
        return json.loads(line)

    def start(self, method, **params):
        """Sends a request without waiting for the answer; its id."""
        number = next(self.ids)
        request = {"jsonrpc": "2.0", "id": number, "method": method}
        if params:
            request["params"] = params
        self.send(request)
        return number

    def finish(self, number, timeout=PATIENCE):
        """The result of the request; raises RpcError if it was refused."""
        while True:
            answer = self.read(timeout)
            if answer is None:
                raise Timeout("the control socket was closed instead of an answer")
            if "method" in answer:
                self.notifications.append(answer)
                continue
            assert answer["jsonrpc"] == "2.0" and answer["id"] == number, answer
            if "error" in answer:
                raise RpcError(answer["error"])
            return answer["result"]

    def call(self, method, **params):
        return self.finish(self.start(method, **params))

    def event(self, wanted, timeout=PATIENCE):
        """
        The params of the next notification for which `wanted` holds: a function, or the event's
        type; those before it are dropped.
        """
        fits = wanted if callable(wanted) else lambda event: event.get("type") == wanted
        deadline = Deadline(timeout)
        seen = []
        while True:
            if self.notifications:
                notification = self.notifications.pop(0)
            else:
                try:
                    notification = self.read(deadline.left("an event"))
                except Timeout:
                    raise Timeout(f"no event {wanted!r}; there were {seen}") from None
                if notification is None:
                    raise Timeout(f"the control socket was closed; no event {wanted!r}: {seen}")
            if fits(notification["params"]):
                return notification["params"]
            seen.append(notification["params"])
