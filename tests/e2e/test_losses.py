"""What is lost, or held up, is in the log and in the counters."""

import socket

import pytest

from harness.subscriber import Lines
from harness.wait import wait_until

MESSAGE = "x" * 1000


@pytest.fixture
def open_feed(start_daemon, server):
    def open_feed(**outlet):
        daemon = start_daemon({
            "connections": [{"name": "feed", "url": server.url(), "max_message": "1M"}],
            "outlets": [{"name": "out", "path": "out.sock", "from": ["feed"], "ring": "64K", **outlet}],
        })
        peer = server.accept()
        daemon.wait_state("feed", "open")
        return daemon, peer

    return open_feed


def subscriber(daemon):
    client = Lines(daemon.path("out.sock"), receive_buffer=4096)
    wait_until(lambda: daemon.call("subscribers"))
    return client


def outlet(daemon):
    return daemon.call("outlets")[0]


@pytest.mark.parametrize("on_lag, text", [
    ("skip", " messages lost ("), ("close", " messages lost, and it is closed ("),
])
def test_a_subscriber_that_lags_is_in_the_log(open_feed, on_lag, text):
    daemon, peer = open_feed(on_lag=on_lag)
    with subscriber(daemon) as client:
        peer.send_all([MESSAGE] * 2000)
        if on_lag == "skip":
            wait_until(lambda: outlet(daemon)["lags"])
            assert daemon.call("subscribers")[0]["behind_since"] is not None
            while client.read_line() != b"end":
                if not client.pending:
                    peer.send("end")
        daemon.wait_log(text)
    line = next(line for line in daemon.log().splitlines() if text in line)
    assert "subscriber 1 (pid " in line and "out" in line


def test_a_subscriber_that_is_turned_away_is_in_the_log(open_feed):
    daemon, _ = open_feed(max_subscribers=1)
    with subscriber(daemon), socket.socket(socket.AF_UNIX) as other:
        other.connect(daemon.path("out.sock"))
        assert other.recv(1) == b""
        daemon.wait_log("there are 1 of at most 1 (max_subscribers); turned away in total: 1")
        assert outlet(daemon)["refused"] == 1


def test_an_outlet_that_holds_up_its_connections_is_in_the_log(open_feed):
    daemon, peer = open_feed(on_lag="wait", ring="2M")
    with subscriber(daemon) as client:
        sent = peer.send_later([MESSAGE] * 10000)
        daemon.wait_log("subscriber 1 (pid ")
        daemon.wait_log("holds up the outlet's connections: it has not read ")
        assert outlet(daemon)["held_up"] == 1
        for _ in range(10000):
            assert client.read_line() == MESSAGE.encode()
        sent.result(20)
        daemon.wait_log("no longer holds up its connections, after ")
        assert outlet(daemon)["held_up_us"] >= 1000000


def test_messages_larger_than_the_ring_are_in_the_log(open_feed):
    daemon, peer = open_feed()
    with subscriber(daemon):
        peer.send("y" * 100000)
        daemon.wait_log("messages larger than the ring (65536 bytes) are lost: 1, the last of 100000 bytes")
        assert outlet(daemon)["oversize"] == 1


def test_a_message_for_nobody_is_in_the_log(start_daemon):
    daemon = start_daemon({
        "outlets": [{"name": "out", "path": "out.sock", "from": ["none-*"], "writable": True}],
    })
    with subscriber(daemon) as client:
        client.send(b"hello\n")
        daemon.wait_log("a subscriber's message was not sent: the outlet has no connection")
