"""What counts as a sign of life: bytes that move, in either direction; and what does not."""

import ssl

import pytest

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
