"""Outlets with the format packets: each message is a packet of a SOCK_SEQPACKET socket."""

import os
import random
import select
import socket
import subprocess

import pytest

from harness.wait import PATIENCE, wait_until


class Packets:
    """A subscriber. Credentials tell an empty packet from the end."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self.socket.settimeout(PATIENCE)
        self.socket.connect(path)

    def read(self):
        """The next packet, or None at the end."""
        data, credentials, _, _ = self.socket.recvmsg(1 << 22, 64)
        return data if credentials else None

    def read_some(self, count):
        return [self.read() for _ in range(count)]

    def send(self, data):
        self.socket.send(data)

    def close(self):
        self.socket.close()


@pytest.fixture
def open_feed(start_daemon, server):
    """A daemon with an open connection and an outlet of packets: (daemon, peer)."""

    def open_feed(connection=None, **settings):
        daemon = start_daemon({
            "connections": [{"name": "feed", "url": server.url(), **(connection or {})}],
            "outlets": [{"name": "out", "path": "out.sock", "from": ["feed"], "format": "packets", **settings}],
        })
        peer = server.accept()
        daemon.wait_state("feed", "open")
        return daemon, peer

    return open_feed


@pytest.fixture
def subscribe():
    """Subscribers that are there, and are closed at the end of the test."""
    subscribers = []

    def subscribe(daemon):
        subscribers.append(Packets(daemon.path("out.sock")))
        wait_until(lambda: len(daemon.call("subscribers")) == len(subscribers), what="the subscriber")
        return subscribers[-1]

    yield subscribe
    for subscriber in subscribers:
        subscriber.close()


def outlet(daemon):
    return daemon.call("outlets")[0]


def test_each_message_is_a_packet(open_feed, subscribe):
    daemon, peer = open_feed()
    assert outlet(daemon)["format"] == "packets"
    subscribers = [subscribe(daemon) for _ in range(3)]
    messages = ["one", "", "two\nlines", b"\x00\xff", b"", ["in ", "", "pieces"], "grün €"]
    peer.send_all(messages)
    expected = [b"one", b"", b"two\nlines", b"\x00\xff", b"", b"in pieces", "grün €".encode()]
    for subscriber in subscribers:
        assert subscriber.read_some(len(expected)) == expected


def test_many_messages_of_all_sizes_in_order(open_feed, subscribe):
    daemon, peer = open_feed(on_lag="wait")
    subscribers = [subscribe(daemon) for _ in range(2)]
    numbers = random.Random(7)
    messages = [numbers.randbytes(numbers.choice([0, 1, 15, 16, 128, 4000, 100000])) for _ in range(1500)]
    sending = peer.send_later(messages)
    for message in messages:
        for subscriber in subscribers:
            assert subscriber.read() == message
    sending.result(PATIENCE)
    assert outlet(daemon)["lost"] == 0


def test_the_end_comes_after_the_last_message(open_feed, subscribe):
    daemon, peer = open_feed()
    subscriber = subscribe(daemon)
    peer.send_all(["last", ""])
    assert subscriber.read_some(2) == [b"last", b""]
    daemon.stop()
    assert subscriber.read() is None


def test_oldest_begins_with_history(open_feed, subscribe):
    daemon, peer = open_feed(start="oldest")
    peer.send_all(["", "kept", ""])
    wait_until(lambda: outlet(daemon)["messages"] == 3)
    subscriber = subscribe(daemon)
    peer.send("live")
    assert subscriber.read_some(4) == [b"", b"kept", b"", b"live"]


def test_a_slow_subscriber_loses_whole_messages(open_feed, subscribe):
    daemon, peer = open_feed(ring="64K")
    subscriber = subscribe(daemon)
    messages = [b"%d " % number * (number % 300) for number in range(20000)]
    peer.send_all(messages)
    wait_until(lambda: outlet(daemon)["messages"] == len(messages))
    peer.send("end")
    read = list(iter(subscriber.read, b"end"))
    lost = daemon.call("subscribers")[0]["lost"]
    assert lost > 0
    assert len(read) + lost == len(messages)
    following = iter(messages)
    assert all(packet in following for packet in read), "packets that were not sent, or not in this order"


@pytest.mark.parametrize("length", [200_000, 400_000])
def test_large_messages_need_no_setting(open_feed, subscribe, length):
    daemon, peer = open_feed()
    subscriber = subscribe(daemon)
    message = os.urandom(length)
    peer.send_all(["before", message, "after"])
    assert subscriber.read_some(3) == [b"before", message, b"after"]


def test_what_the_kernel_refuses_is_lost_alone(open_feed, subscribe):
    daemon, peer = open_feed({"max_message": "64M"}, ring="64M")
    subscriber = subscribe(daemon)
    events = daemon.rpc()
    events.call("events")
    peer.send_all(["before", bytes(40 << 20), "after"])
    assert subscriber.read_some(2) == [b"before", b"after"]
    event = events.event("oversize")
    assert (event["outlet"], event["subscriber"], event["messages"], event["length"]) == ("out", 1, 1, 40 << 20)
    assert daemon.call("subscribers")[0]["lost"] == 1
    assert outlet(daemon)["oversize"] == 0


def test_packets_go_to_the_server(open_feed, subscribe):
    daemon, peer = open_feed(writable=True)
    subscriber = subscribe(daemon)
    for data in (b"text", b"", b"two\nlines", b"\xff\x00", "grün".encode()):
        subscriber.send(data)
    assert [peer.receive() for _ in range(5)] == ["text", "", "two\nlines", b"\xff\x00", "grün"]
    subscriber.socket.shutdown(socket.SHUT_WR)
    peer.send("still read")
    assert subscriber.read() == b"still read"


def test_socat_reads_packets_and_sends_them(open_feed):
    daemon, peer = open_feed(writable=True)
    address = f"UNIX-CONNECT:{daemon.path('out.sock')},type={int(socket.SOCK_SEQPACKET)}"
    socat = subprocess.Popen(["socat", "-", address], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
    try:
        wait_until(lambda: len(daemon.call("subscribers")) == 1)
        peer.send("to socat")
        assert select.select([socat.stdout], [], [], PATIENCE)[0]
        assert socat.stdout.read(100) == b"to socat"
        socat.stdin.write(b"from socat")
        assert peer.receive() == "from socat"
    finally:
        socat.kill()
        socat.communicate()


def test_a_stream_socket_cannot_subscribe(open_feed):
    daemon, _ = open_feed()
    with socket.socket(socket.AF_UNIX) as stream, pytest.raises(OSError):
        stream.connect(daemon.path("out.sock"))


def test_tail_prints_a_line_for_each_packet(open_feed):
    daemon, peer = open_feed()
    tail = subprocess.Popen(
        [str(daemon.build / "wsgatectl"), "-s", daemon.path("control.sock"), "tail", "out"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
    )
    try:
        wait_until(lambda: len(daemon.call("subscribers")) == 1)
        peer.send_all(["one", "", "x" * 100_000])
        lines = [tail.stdout.readline() for _ in range(3)]
        assert lines == [b"one\n", b"\n", b"x" * 100_000 + b"\n"]
        daemon.stop()
        assert tail.wait(PATIENCE) == 0
    finally:
        tail.kill()
        tail.communicate()


def test_the_format_can_change(start_daemon, server, subscribe):
    def settings(format):
        return {"connections": [{"name": "feed", "url": server.url()}],
                "outlets": [{"name": "out", "path": "out.sock", "from": ["feed"], "format": format}]}

    daemon = start_daemon(settings("packets"))
    peer = server.accept()
    subscriber = subscribe(daemon)
    daemon.configure(settings("lines"))
    daemon.ctl("reload", status=0)
    assert subscriber.read() is None
    with socket.socket(socket.AF_UNIX) as stream:
        stream.settimeout(PATIENCE)
        stream.connect(daemon.path("out.sock"))
        wait_until(lambda: len(daemon.call("subscribers")) == 1)
        peer.send("a line")
        assert stream.recv(100) == b"a line\n"
