"""libwsgate against the daemon: every mode, losses, resuming, event loops, sending, the end."""

import random
import select
import time

import pytest

from harness.feed import frames_feed
from harness.library import wsgate
from harness.wait import PATIENCE, wait_until

MODES = [wsgate.BYTES, wsgate.RING, wsgate.RING_SPIN]
RESULTS = {"connect": -3, "timeout": -4, "refused": -5}
every_mode = pytest.mark.parametrize("mode", MODES, ids=["bytes", "ring", "spin"])


@pytest.fixture
def join():
    gates = []

    def join(daemon, **options):
        gates.append(wsgate.Gate(daemon.path("out.sock"), **options))
        return gates[-1]

    yield join
    for gate in gates:
        gate.close()


def read(gate):
    record = gate.next(int(PATIENCE * 1000))
    assert record, "nothing came"
    return record


def read_message(gate):
    """The next message; the opening of the connection before it may still be to come."""
    record = read(gate)
    return record if record.type in (wsgate.TEXT, wsgate.BINARY) else read(gate)


def published(daemon):
    return daemon.call("outlets")[0]["messages"]


@every_mode
def test_reads_what_is_sent(open_frames, join, mode):
    daemon, peer = open_frames()
    gate = join(daemon, mode=mode)
    assert gate.info.mode == mode
    assert gate.info.outlet == b"out"
    before = time.time_ns()
    source = random.Random(5)
    for _ in range(20):
        sent = [source.randbytes(source.choice([0, 1, 7, 8, 100, 16000])) for _ in range(3)] + ["grün"]
        peer.send_all(sent)
        records = [read(gate) for _ in sent]
        assert [record.payload for record in records] == [*sent[:-1], "grün".encode()]
        assert [record.type for record in records] == [wsgate.BINARY] * 3 + [wsgate.TEXT]
        assert all(record.name == "feed" and before <= record.time <= time.time_ns() for record in records)
        assert gate.position == records[-1].seq
    assert gate.next(0) is None
    assert (gate.counts.records, gate.counts.lost) == (80, 0)


def test_automatic_takes_the_ring_where_it_may(open_frames, join):
    daemon, peer = open_frames()
    assert join(daemon).info.mode == wsgate.RING


def test_automatic_makes_do_without_the_ring(open_frames, join):
    daemon, peer = open_frames(on_lag="wait")
    gate = join(daemon)
    assert gate.info.mode == wsgate.BYTES
    peer.send("one")
    assert read_message(gate).payload == b"one"
    with pytest.raises(wsgate.Error, match="on_lag") as refusal:
        join(daemon, mode=wsgate.RING)
    assert refusal.value.result == RESULTS["refused"]


@every_mode
def test_a_slow_reader_knows_what_it_lost(open_frames, join, mode):
    daemon, peer = open_frames()
    gate = join(daemon, mode=mode)
    expected = gate.position + 1
    for turn in range(3):
        total = 3000
        last = published(daemon) + total
        peer.send_all(f"{number:>1000}" for number in range(total))
        wait_until(lambda: published(daemon) == last)
        while expected <= last:
            record = read(gate)
            if record.gap:
                assert record.gap[0] == expected <= record.gap[1]
                expected = record.gap[1]
            else:
                assert record.seq == expected
                assert int(record.payload) == total - 1 - (last - record.seq)
            expected += 1
        assert gate.next(0) is None
    assert gate.counts.gaps >= 3
    assert gate.counts.lost + gate.counts.records == gate.position - gate.info.next + 1


@every_mode
def test_resumes_without_a_hole_or_a_repeat(open_frames, join, mode):
    daemon, peer = open_frames()
    gate = join(daemon, mode=mode)
    peer.send_all(str(number) for number in range(20))
    assert [read_message(gate).payload for _ in range(7)] == [b"%d" % number for number in range(7)]
    position = gate.position
    gate.close()
    gate = join(daemon, mode=mode, start=wsgate.AFTER, after=position)
    assert (gate.info.missing, gate.info.anew, gate.position) == (0, 0, position)
    assert [read(gate).payload for _ in range(13)] == [b"%d" % number for number in range(7, 20)]
    gate.close()

    peer.send_all("x" * 10000 for _ in range(20))
    wait_until(lambda: published(daemon) == position + 33)
    gate = join(daemon, mode=mode, start=wsgate.AFTER, after=position)
    assert gate.info.missing > 13
    assert read(gate).gap == (position + 1, gate.info.next - 1)
    assert read(gate).seq == gate.info.next


@every_mode
def test_resumes_with_all_that_a_restarted_daemon_has(open_frames, server, join, mode):
    """Whether that has counted past the position by now, or not: then only `begun` can tell."""
    daemon, peer = open_frames()
    gate = join(daemon, mode=mode)
    peer.send_all(["one", "two", "three"])
    while gate.next(1000).payload != b"three":
        pass
    resume = {"mode": mode, "start": wsgate.AFTER, "after": gate.position, "begun": gate.info.begun}
    assert join(daemon, **resume).info.anew == 0
    daemon.kill()
    daemon.start()
    peer = server.accept()
    early = join(daemon, **resume)
    peer.send_all(str(number) for number in range(10))
    wait_until(lambda: published(daemon) == 11)
    late = join(daemon, **resume)
    for gate in early, late:
        assert (gate.info.anew, gate.info.mode, gate.info.missing) == (1, mode, 0)
        assert read_message(gate).payload == b"0"
        assert [read(gate).payload for _ in range(9)] == [b"%d" % number for number in range(1, 10)]


@every_mode
def test_in_an_event_loop(open_frames, join, mode):
    daemon, peer = open_frames()
    gate = join(daemon, mode=mode)
    poll = select.poll()
    poll.register(gate.fileno(), gate.events())
    for number in range(50):
        while gate.next(0):
            pass
        poll.modify(gate.fileno(), gate.events())
        assert poll.poll(0) == []
        peer.send(str(number))
        assert poll.poll(PATIENCE * 1000)
        assert read_message(gate).payload == str(number).encode()
    assert gate.next(0) is None
    daemon.kill()
    assert poll.poll(PATIENCE * 1000)
    with pytest.raises(EOFError):
        gate.next(0)


@every_mode
def test_sends_to_the_connections(start_daemon, make_server, join, mode):
    servers = {name: make_server() for name in "ab"}
    daemon = start_daemon({
        "connections": [{"name": name, "url": server.url()} for name, server in servers.items()],
        "outlets": [{"name": "out", "path": "out.sock", "from": ["*"], "format": "frames", "writable": True}],
    })
    peers = {name: server.accept() for name, server in servers.items()}
    for name in peers:
        daemon.wait_state(name, "open")
    gate = join(daemon, mode=mode)
    assert gate.send(b"\x00only b", gate.find("b"))
    assert gate.send("both")
    assert gate.flush()
    assert peers["a"].receive() == "both"
    assert [peers["b"].receive() for _ in range(2)] == [b"\x00only b", "both"]
    with pytest.raises(wsgate.Error, match="'c'"):
        gate.find("c")


@every_mode
def test_a_connection_that_is_added_later_has_its_name(open_frames, make_server, join, mode):
    daemon, peer = open_frames()
    other = make_server()
    gate = join(daemon, mode=mode)
    daemon.ctl("add", "later", other.url(), status=0)
    other.accept().send("from the other")
    opened, message = read(gate), read(gate)
    assert (opened.type, opened.name) == (wsgate.OPEN, "later")
    assert (message.payload, message.name) == (b"from the other", "later")


@every_mode
@pytest.mark.parametrize("how", ["stop", "kill"])
def test_the_end_comes_behind_the_last_record(open_frames, join, mode, how):
    daemon, peer = open_frames()
    gate = join(daemon, mode=mode)
    last = published(daemon) + 10
    peer.send_all(str(number) for number in range(10))
    wait_until(lambda: published(daemon) == last)
    getattr(daemon, how)()
    records = list(gate)
    assert [record.payload for record in records if record.type == wsgate.TEXT] == [b"%d" % n for n in range(10)]
    with pytest.raises(EOFError):
        gate.next()


def test_a_reload_that_ends_the_subscription(open_frames, server, join):
    daemon, peer = open_frames()
    gate = join(daemon)
    daemon.configure(frames_feed(server, on_lag="wait"))
    daemon.call("reload")
    with pytest.raises(wsgate.Error, match="now waits") as refusal:
        gate.next(int(PATIENCE * 1000))
    assert refusal.value.result == RESULTS["refused"]


@pytest.mark.parametrize("format_, result", [("lines", "timeout"), ("json", "timeout"), ("packets", "connect")])
def test_outlets_of_other_formats_are_refused(open_frames, join, format_, result):
    daemon, peer = open_frames(format=format_)
    with pytest.raises(wsgate.Error, match="format frames") as refusal:
        join(daemon, timeout_ms=100)
    assert refusal.value.result == RESULTS[result]


def test_no_outlet(tmp_path):
    with pytest.raises(wsgate.Error, match="No such file") as refusal:
        wsgate.Gate(tmp_path / "out.sock")
    assert refusal.value.result == RESULTS["connect"]
