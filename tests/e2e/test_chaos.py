"""
Everything at once, in an order that nobody would think of: the daemon stays up, answers, and ends well,
which with the sanitizers also means that it has touched no memory that is not its own and leaked none.
"""

import random
import socket

import pytest

from harness import frames
from harness.frame import CONTINUATION, TEXT, frame
from harness.misbehave import BEHAVIOURS

STEPS = 1000
NAMES = ["steady", "python", "bad-0", "bad-1", "added-0", "added-1"]
ENDLESS = {"/endless-headers", "/endless-header", "/ping-flood", "/plan", "/slow-message"}


class Chaos:
    def __init__(self, daemon, server, bad_server, seed):
        self.daemon = daemon
        self.server = server
        self.bad_server = bad_server
        self.random = random.Random(seed)
        self.clients = []
        self.subscribers = []

    def bad_url(self):
        paths = sorted(set(BEHAVIOURS) - ENDLESS)
        data = frame(TEXT, b"a" * 300, fin=False) + frame(CONTINUATION, b"\xff" * self.random.randint(0, 1))
        return self.bad_server.url(
            self.random.choice(paths), hex=data.hex(), chunk=self.random.randint(1, 400), header="Upgrade",
            name="X-Any", value="1", line="404 Not Found", end=self.random.choice(["eof", "rst", "finish"]),
            code=self.random.choice([1000, 1005, 4000]), ms=20, count=500,
        )

    def settings(self):
        def connection(name, url):
            return {
                "name": name, "url": url, "close_timeout": "50ms", "upgrade_timeout": "100ms",
                "max_message": "8K", "send_queue": "64K",
                "idle_timeout": self.random.choice(["0", "100ms"]),
                "ping": {"interval": self.random.choice(["0", "20ms"]), "timeout": "50ms"},
                "warn": {"warning_ms": self.random.choice([0, 1]), "min_ms": 0, "warning_bs": 1, "queue": 3},
                "reconnect": {"min": "10ms", "max": "30ms"},
            }

        outlets = [
            {"name": name, "path": f"{name}.sock", "from": [self.random.choice(["[!s]*", "bad-*", "python"])],
             "format": name.split("-")[0], "ring": "16K", "start": self.random.choice(["live", "oldest"]),
             "on_lag": self.random.choice(["skip", "close", "wait"]), "writable": self.random.random() < 0.5}
            for name in ("lines-1", "json-1", "frames-1", "frames-2") if self.random.random() < 0.8
        ]
        return {
            "gateway": {"drain_timeout": "500ms", "log": {"level": "info"}},
            "connections": [{"name": "steady", "url": self.server.url("/steady")},
                            connection("python", self.server.url("/python")),
                            connection("bad-0", self.bad_url()), connection("bad-1", self.bad_url())],
            "outlets": [{"name": "steady", "from": ["steady"]}, *outlets],
        }

    def call(self, method, **params):
        if not self.clients or self.random.random() < 0.1:
            self.clients.append(self.daemon.rpc())
        self.random.choice(self.clients).start(method, **params)

    def step(self):
        getattr(self, self.random.choice(
            ["connection", "connection", "counts", "add", "remove", "reload", "follow", "subscribe", "subscribe",
             "unsubscribe", "write", "messages", "messages", "leave"]))()

    def name(self):
        return self.random.choice(NAMES[1:])

    def connection(self):
        method, params = self.random.choice([
            ("connect", {}), ("connect", {"headers": ["X-Chaos: 1"]}), ("disconnect", {}),
            ("disconnect", {"code": 4000, "reason": "chaos"}), ("ping", {}), ("send", {"text": "x" * 20_000}),
            ("send", {"base64": "AAECAw=="}), ("status", {}), ("is-open", {}),
        ])
        self.call(method, name=self.name(), **params)

    def counts(self):
        method, params = self.random.choice([
            ("stats", {}), ("clear", {"all": True}), ("warn", {"name": self.name(), "warning_ms": 1, "queue": 2}),
            ("unwarn", {"name": self.name()}), ("warnings", {}), ("list", {}), ("outlets", {}), ("subscribers", {}),
        ])
        self.call(method, **params)

    def add(self):
        self.call("add", name=self.random.choice(NAMES[4:]), url=self.bad_url(), reconnect={"min": "10ms", "max": "20ms"})

    def remove(self):
        self.call("remove", name=self.name())

    def reload(self):
        self.daemon.configure(self.settings())
        self.call("reload")

    def follow(self):
        self.call("events")

    def subscribe(self):
        sockets = [path for path in self.daemon.folder.glob("*.sock") if path.name not in ("control.sock", "steady.sock")]
        if not sockets:
            return
        path = self.random.choice(sorted(sockets))
        subscriber = socket.socket(socket.AF_UNIX)
        subscriber.setblocking(False)
        try:
            subscriber.connect(str(path))
            if path.name.startswith("frames"):
                subscriber.send(frames.hello(start=self.random.randint(0, 3), seq=self.random.randint(0, 50)))
        except OSError:
            subscriber.close()
            return
        self.subscribers.append(subscriber)

    def unsubscribe(self):
        if self.subscribers:
            self.subscribers.pop(self.random.randrange(len(self.subscribers))).close()

    def write(self):
        for subscriber in self.subscribers:
            try:
                subscriber.recv(self.random.choice([10, 1 << 16]))
            except OSError:
                pass
            try:
                subscriber.send(self.random.choice([
                    b"a line\n", b'{"data":"x"}\n', frames.record(frames.TEXT, b"up"), b"\xff" * 50, b"x" * 5000,
                ]))
            except OSError:
                pass

    def messages(self):
        for peer in self.server.peers[-4:]:
            if peer.path == "/python" and not peer.closed.is_set():
                peer.send_later(["t" * 3000, b"b" * 7000, "", ["frag", "mented"]] * 3)

    def leave(self):
        if self.clients:
            client = self.clients.pop(self.random.randrange(len(self.clients)))
            if self.random.random() < 0.5:
                client.send_raw(b'{"half')
            client.close()


@pytest.mark.parametrize("seed", range(6))
def test_chaos(make_daemon, server, bad_server, seed):
    daemon = make_daemon()
    chaos = Chaos(daemon, server, bad_server, seed)
    daemon.configure(chaos.settings())
    daemon.start()
    steady = server.accept()
    while steady.path != "/steady":
        steady = server.accept()
    for step in range(STEPS):
        try:
            chaos.step()
        except (BrokenPipeError, ConnectionResetError):
            chaos.clients.clear()
        assert daemon.process.poll() is None, daemon.log()
        if step % 3 == 0:
            daemon.call("version")  # lets the daemon keep up
    assert daemon.status("steady")["state"] == "open", daemon.log()
    assert not steady.closed.is_set(), daemon.log()
    for subscriber in chaos.subscribers:
        subscriber.close()
    daemon.stop()
