"""What counts as a sign of life: bytes that move, in either direction; and what does not."""

import contextlib
import signal
import ssl
import time

import pytest

from harness.control import RpcError
from harness.frame import TEXT, frame
from harness.making import making
from harness.subscriber import Lines
from harness.throttle import Throttle
from harness.wait import wait_until

QUICK = {"interval": "500ms", "timeout": "1s"}


@pytest.fixture
def make_throttle():
    yield from making(Throttle)


@pytest.fixture
def line(make_throttle, make_server, authority):
    """Makes a slow line to a new server: returns it, the server, and settings of a connection over it."""

    def line(secure=False, down=None, up=None):
        if not secure:
            server = make_server()
            throttle = make_throttle(server.port, down=down, up=up)
            return throttle, server, {"name": "feed", "url": f"ws://127.0.0.1:{throttle.port}/"}
        certificate, key = authority.issue("localhost", "DNS:localhost")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        server = make_server(ssl=context)
        throttle = make_throttle(server.port, down=down, up=up)
        return throttle, server, {
            "name": "feed", "url": f"wss://localhost:{throttle.port}/", "tls": {"ca_file": str(authority.ca_file)},
        }

    return line


def read_message(daemon, send):
    with Lines(daemon.path("feed.sock")) as subscriber:
        wait_until(lambda: daemon.call("subscribers"))
        send()
        return subscriber.read_line()


@pytest.mark.parametrize("secure", [False, True], ids=["ws", "wss"])
def test_message_that_takes_longer_than_all_time_limits(start_daemon, line, secure):
    """Of 16 KiB records of TLS, none of which arrives within the idle timeout."""
    throttle, server, feed = line(secure, down=8000)
    daemon = start_daemon({"connections": [{**feed, "ping": QUICK, "idle_timeout": "1s", "close_timeout": "500ms"}]})
    peer = server.accept()
    text = "m" * 40_000
    assert read_message(daemon, lambda: peer.send(text)) == text.encode()
    assert len(server.requests) == 1


@pytest.mark.parametrize("secure", [False, True], ids=["ws", "wss"])
def test_upload_that_takes_longer_than_all_time_limits(start_daemon, line, secure):
    throttle, server, feed = line(secure, up=60_000)
    daemon = start_daemon({"connections": [{**feed, "ping": QUICK}]})
    peer = server.accept()
    daemon.wait_state("feed", "open")
    daemon.call("send", name="feed", text="u" * 500_000)
    assert peer.receive() == "u" * 500_000
    assert len(server.requests) == 1


def test_server_that_reads_slowly(start_daemon, bad_server):
    """Its kernel takes large pieces, and nothing in between."""
    daemon = start_daemon({"connections": [
        {"name": "feed", "url": bad_server.url("/slow-reads", rate=60_000), "ping": {"interval": "1s", "timeout": "3s"}},
    ]})
    exchange = bad_server.accept()
    daemon.wait_state("feed", "open")
    daemon.call("send", name="feed", text="u" * 400_000)
    daemon.call("send", name="feed", text="last")
    wait_until(lambda: [f for f in exchange.frames if f.payload == b"last"])
    assert len(bad_server.exchanges) == 1


@contextlib.contextmanager
def stopped(daemon, seconds):
    """Until what is inside, which begins after that time, has been done: deadlines pass first, and then input comes."""
    daemon.signal(signal.SIGSTOP)
    try:
        before = time.monotonic()
        wait_until(lambda: time.monotonic() - before > seconds)
        yield
    finally:
        daemon.signal(signal.SIGCONT)


@pytest.mark.parametrize("idle", [{}, {"idle_timeout": "2s"}], ids=["", "idle"])
def test_what_has_arrived_while_the_daemon_was_stopped(start_daemon, bad_server, idle):
    """It reads the pongs, and the messages, before it looks at the time."""
    names = [f"c{number}" for number in range(8)]
    daemon = start_daemon({"connections": [
        {"name": name, "url": bad_server.url("/late-pong"), "ping": {"interval": "100ms", "timeout": "3s"}, **idle}
        for name in names
    ]})
    exchanges = [bad_server.accept() for _ in names]
    for exchange in exchanges:
        wait_until(lambda: exchange.frames)
    with stopped(daemon, 3.5):
        for exchange in exchanges:
            exchange.send(frame(TEXT, b"meanwhile"))
            exchange.go.set()
        wait_until(lambda: all(exchange.answered for exchange in exchanges))
    for name in names:
        wait_until(lambda: (s := daemon.call("stats", name=name))["pongs_recv"] and s["messages_recv"])
    assert len(bad_server.exchanges) == len(names)


def test_server_that_hangs_though_its_kernel_acknowledges(start_daemon, bad_server):
    daemon = start_daemon({"connections": [{
        "name": "feed", "url": bad_server.url("/unread"), "ping": QUICK,
        "heartbeat": {"every": "50ms", "message": "still here"},
    }]})
    bad_server.accept()
    daemon.wait_state("feed", "open")

    def left():
        with contextlib.suppress(RpcError):  # it waits to connect again
            daemon.call("send", name="feed", text="order")
        return len(bad_server.exchanges) > 1

    wait_until(left)
    assert "no other sign of life, for 1s" in daemon.status("feed")["last_error"]["desc"]


@pytest.fixture
def connect(network, start_daemon, make_server):
    """A connection over a network: the daemon, the server and its peer."""

    def connect(**settings):
        server = make_server(namespace=network.server, host=network.SERVER)
        daemon = start_daemon({"connections": [{"name": "feed", "url": server.url(), **settings}]},
                              wrapper=network.host.command)
        peer = server.accept()
        daemon.wait_state("feed", "open")
        return daemon, server, peer

    return connect


def test_slow_network(network, connect):
    daemon, server, peer = connect(ping=QUICK)
    network.slow("160kbit")
    daemon.call("send", name="feed", text="u" * 80_000)
    assert read_message(daemon, lambda: peer.send("m" * 80_000)) == b"m" * 80_000
    assert peer.receive() == "u" * 80_000
    assert len(server.requests) == 1


@pytest.mark.parametrize("payload", ["", "u" * 1_000_000], ids=["idle", "upload"])
def test_network_that_dies(network, connect, payload):
    daemon, server, peer = connect(ping=QUICK)
    network.slow("400kbit", "server")
    if payload:
        daemon.call("send", name="feed", text=payload)
    wait_until(lambda: daemon.call("stats", name="feed")["pings_sent"])
    network.drop()
    daemon.wait_state("feed", "waiting")
    assert "no other sign of life, for 1s" in daemon.status("feed")["last_error"]["desc"]
    network.heal()
    server.accept()


@pytest.mark.parametrize("pad", [0, 7000], ids=["", "long"])
def test_answer_that_has_arrived_while_the_daemon_was_stopped(start_daemon, bad_server, pad):
    """Of the opening handshake; a long one takes more than one read."""
    daemon = start_daemon({"connections": [
        {"name": "feed", "url": bad_server.url("/late-head", pad=pad), "upgrade_timeout": "3s"},
    ]})
    exchange = bad_server.accept()
    with stopped(daemon, 3.5):
        exchange.go.set()
        wait_until(lambda: exchange.answered)
    daemon.wait_state("feed", "open")
    assert len(bad_server.exchanges) == 1
