"""The `frames` format: hello, records, starts, gaps, and what a subscriber sends up in it."""

import time

import pytest

from harness import frames
from harness.frames import Frames, hello, record
from harness.wait import wait_until


@pytest.fixture
def open_feed(start_daemon, server):
    def open_feed(**settings):
        daemon = start_daemon({
            "connections": [{"name": "feed", "url": server.url()}],
            "outlets": [{"name": "out", "path": "out.sock", "from": ["feed"], "format": "frames", **settings}],
        })
        peer = server.accept()
        daemon.wait_state("feed", "open")
        return daemon, peer

    return open_feed


@pytest.fixture
def subscribe():
    subscribers = []

    def subscribe(daemon, **options):
        subscriber = Frames(daemon.path("out.sock"), **options)
        subscribers.append(subscriber)
        return subscriber

    yield subscribe
    for subscriber in subscribers:
        subscriber.close()


def messages(daemon):
    return daemon.call("outlets")[0]["messages"]


def test_hello_and_records(open_feed, subscribe):
    daemon, peer = open_feed()
    before = time.time_ns()
    subscriber = subscribe(daemon).greet()
    assert subscriber.hello["outlet"] == "out"
    assert subscriber.hello["connections"] == ["feed"]
    assert subscriber.hello["next"] == messages(daemon) + 1
    sent = ["", "grün", b"\x00\xff" * 5, b"", "x" * 70_000]
    peer.send_all(sent)
    records = [subscriber.read() for _ in sent]
    assert [r.payload for r in records] == [m.encode() if isinstance(m, str) else m for m in sent]
    assert [r.type for r in records] == [frames.TEXT if isinstance(m, str) else frames.BINARY for m in sent]
    first = subscriber.hello["next"]
    assert [r.seq for r in records] == list(range(first, first + len(sent)))
    assert all(before <= r.time <= time.time_ns() for r in records)
    assert {subscriber.names[r.connection] for r in records} == {"feed"}


def test_open_and_close_are_records(open_feed, subscribe, server):
    daemon, peer = open_feed()
    subscriber = subscribe(daemon).greet()
    peer.close(4002, "enough")
    server.accept().send("again")
    closed, opened, message = [subscriber.read() for _ in range(3)]
    assert closed.type == frames.CLOSE
    assert (closed.json()["code"], closed.json()["reason"]) == (4002, "enough")
    assert opened.type == frames.OPEN
    assert (message.type, message.payload) == (frames.TEXT, b"again")
    assert (opened.seq, message.seq) == (closed.seq + 1, closed.seq + 2)


def test_nothing_comes_before_the_hello(open_feed, subscribe):
    daemon, peer = open_feed(start="oldest")
    peer.send("early")
    wait_until(lambda: messages(daemon) >= 1)
    subscriber = subscribe(daemon, greeting=hello()[:10])
    daemon.call("list")
    subscriber.send(hello()[10:])
    assert subscriber.greet().read_message().payload == b"early"


def test_the_subscriber_chooses_where_it_starts(open_feed, subscribe):
    daemon, peer = open_feed(start="oldest")
    before = messages(daemon)
    peer.send_all(str(number) for number in range(10))
    wait_until(lambda: messages(daemon) == before + 10)
    live = subscribe(daemon, start=frames.LIVE).greet()
    oldest = subscribe(daemon, start=frames.OLDEST).greet()
    after = subscribe(daemon, start=frames.AFTER, seq=before + 4).greet()
    default = subscribe(daemon).greet()
    assert live.hello["next"] == before + 11
    assert after.hello["next"] == before + 5
    assert after.hello["missing"] == 0
    peer.send("live")
    assert live.read_message().payload == b"live"
    assert [oldest.read_message().payload for _ in range(10)] == [b"%d" % n for n in range(10)]
    assert [default.read_message().payload for _ in range(10)] == [b"%d" % n for n in range(10)]
    assert [after.read_message().payload for _ in range(7)] == [b"4", b"5", b"6", b"7", b"8", b"9", b"live"]


def test_after_a_number_that_is_gone_says_how_many_are_missing(open_feed, subscribe):
    daemon, peer = open_feed(start="oldest", ring="4K")
    peer.send_all("x" * 1000 for _ in range(20))
    wait_until(lambda: messages(daemon) >= 20)
    subscriber = subscribe(daemon, start=frames.AFTER, seq=2).greet()
    assert subscriber.hello["missing"] == subscriber.hello["next"] - 3 > 0
    assert subscriber.read_message().seq == subscriber.hello["next"]


def test_after_a_number_that_is_yet_to_come(open_feed, subscribe):
    daemon, peer = open_feed(start="oldest")
    subscriber = subscribe(daemon, start=frames.AFTER, seq=10**9).greet()
    assert subscriber.hello["ahead"] is True
    peer.send("live")
    assert subscriber.read_message().payload == b"live"


def test_a_restarted_daemon_counts_anew(open_feed, subscribe):
    daemon, peer = open_feed()
    begun = [subscribe(daemon).greet().hello["begun"] for _ in range(2)]
    assert begun[0] == begun[1] < time.time_ns() // 1000
    daemon.kill()
    daemon.start()
    assert subscribe(daemon).greet().hello["begun"] > begun[0]


def test_a_gap_says_which_records_are_missing(open_feed, subscribe):
    daemon, peer = open_feed(on_lag="skip", ring="16K")
    slow = subscribe(daemon, receive_buffer=4096).greet()
    first = slow.hello["next"]
    count = 3000
    peer.send_all(f"{number:08}".ljust(999, ".") for number in range(count))
    wait_until(lambda: messages(daemon) == first - 1 + count)
    expected, lost = first, 0
    while expected < first + count:
        got = slow.read()
        if got.type == frames.GAP:
            start, end = got.gap()
            assert start == expected and end >= start and got.seq == end
            lost += end - start + 1
            expected = end + 1
        elif got.type == frames.TEXT:
            assert got.seq == expected
            assert got.payload == f"{got.seq - first:08}".ljust(999, ".").encode()
            expected += 1
    assert lost > 0
    assert daemon.call("outlets")[0]["lost"] == lost


@pytest.mark.parametrize("greeting", [
    hello(magic=b"HELLO!"), hello(version=9), hello(start=77), hello(mode=99), b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
], ids=["magic", "version", "start", "mode", "http"])
def test_a_hello_that_is_none_is_refused(open_feed, subscribe, greeting):
    daemon, peer = open_feed()
    wrong = subscribe(daemon, greeting=greeting)
    refused = wrong.read()
    assert refused.type == frames.ERROR
    assert refused.payload.decode().strip()
    wrong.wait_end()
    right = subscribe(daemon).greet()
    peer.send("fine")
    assert right.read().payload == b"fine"


def test_records_of_a_writable_outlet_go_upstream(open_feed, subscribe):
    daemon, peer = open_feed(writable=True)
    subscriber = subscribe(daemon).greet()
    data = record(frames.TEXT, "grün".encode()) + record(frames.BINARY, b"\n\x00\xff", connection=0)
    for start in range(0, len(data), 7):
        subscriber.send(data[start : start + 7])
    assert [peer.receive(), peer.receive()] == ["grün", b"\n\x00\xff"]


def test_a_record_goes_to_the_connection_it_names(start_daemon, make_server, subscribe):
    servers = [make_server(), make_server()]
    daemon = start_daemon({
        "connections": [{"name": name, "url": server.url()} for name, server in zip("ab", servers)],
        "outlets": [{"name": "out", "path": "out.sock", "from": ["*"], "format": "frames", "writable": True}],
    })
    peers = dict(zip("ab", [server.accept() for server in servers]))
    for name in "ab":
        daemon.wait_state(name, "open")
    subscriber = subscribe(daemon).greet()
    numbers = {name: number for number, name in subscriber.names.items()}
    subscriber.send(record(frames.TEXT, b"only b", connection=numbers["b"]) + record(frames.TEXT, b"both"))
    assert peers["a"].receive() == "both"
    assert [peers["b"].receive(), peers["b"].receive()] == ["only b", "both"]


def header(size, length):
    return frames.HEADER.pack(size, length, 0, 0, frames.NO_CONNECTION, frames.TEXT)


@pytest.mark.parametrize("data, text", [
    (record(frames.CLOSE, b"{}"), "neither text nor binary"),
    (record(99, b""), "neither text nor binary"),
    (record(frames.TEXT, b"\xff"), "not UTF-8"),
    (record(frames.TEXT, b"x", connection=77), "connection"),
], ids=["type close", "unknown type", "not UTF-8", "unknown connection"])
def test_a_record_that_is_no_message_is_reported_and_passed_over(open_feed, subscribe, data, text):
    daemon, peer = open_feed(writable=True)
    events = daemon.rpc()
    events.call("events")
    subscriber = subscribe(daemon).greet()
    subscriber.send(data + record(frames.TEXT, b"after"))
    assert text in events.event("input-error")["error"]
    assert peer.receive() == "after"


@pytest.mark.parametrize("data", [
    header(33, 1) + bytes(8), header(0xFFFFFFF8, 0xFFFFFFD8), header(0, 0), header(32, 8), header(48, 0),
], ids=["odd size", "huge", "size 0", "length too large", "length too small"])
def test_records_out_of_step_end_the_subscriber_alone(open_feed, subscribe, data):
    daemon, peer = open_feed(writable=True)
    other = subscribe(daemon).greet()
    bad = subscribe(daemon).greet()
    bad.send(data + record(frames.TEXT, b"after"))
    error = bad.read()
    assert error.type == frames.ERROR
    assert error.payload.decode() in ("size and length of a record do not match",
                                      "a record is longer than send_queue permits (1048576 bytes)")
    bad.wait_end()
    other.send(record(frames.TEXT, b"unharmed"))
    assert peer.receive() == "unharmed"
    peer.send("down")
    assert other.read_message().payload == b"down"


def test_a_connection_that_is_added_later_is_named(start_daemon, make_server, subscribe):
    servers = [make_server(), make_server()]
    daemon = start_daemon({
        "connections": [{"name": "a", "url": servers[0].url()}],
        "outlets": [{"name": "out", "path": "out.sock", "from": ["*"], "format": "frames"}],
    })
    servers[0].accept()
    daemon.wait_state("a", "open")
    subscriber = subscribe(daemon).greet()
    daemon.ctl("add", "b", servers[1].url(), status=0)
    servers[1].accept().send("from b")
    message = subscriber.read_message()
    assert (subscriber.names[message.connection], message.payload) == ("b", b"from b")
