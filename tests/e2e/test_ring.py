"""Subscribers that map the ring: what they read, what they lose, and that they cannot hurt anybody."""

import os
import random
import signal
import subprocess
import sys
import threading

import pytest

from harness import frames
from harness import ring as ring_module
from harness.feed import frames_feed
from harness.frames import Frames
from harness.ring import QUIET, STATES, Ring
from harness.wait import wait_until


@pytest.fixture
def join():
    rings = []

    def join(daemon, **options):
        rings.append(Ring(daemon.path("out.sock"), **options))
        return rings[-1]

    yield join
    for ring in rings:
        ring.close()


def wait_published(daemon, count):
    wait_until(lambda: daemon.call("outlets")[0]["messages"] >= count)


def subscriber_count(daemon):
    return daemon.call("outlets")[0]["subscribers"]


@pytest.mark.parametrize("mode", [ring_module.SLEEPING, QUIET])
def test_reads_what_is_sent(open_frames, join, mode):
    daemon, peer = open_frames()
    ring = join(daemon, mode=mode)
    source = random.Random(4)
    for turn in range(40):
        sent = [source.randbytes(source.choice([0, 1, 7, 8, 100, 5000])) for _ in range(5)]
        peer.send_all(sent)
        wait_published(daemon, ring.expected + 4)
        got = [ring.read() for _ in sent]
        assert [(kind, payload) for _, kind, payload in got] == [(frames.BINARY, data) for data in sent]
        assert ring.read() is None
    assert ring.lost == []


def test_is_woken(open_frames, join):
    daemon, peer = open_frames()
    ring = join(daemon)
    for number in range(100):
        peer.send(str(number))
        assert ring.next()[2] == str(number).encode()


def test_is_told_by_socket(open_frames, join):
    daemon, peer = open_frames()
    ring = join(daemon, mode=QUIET)
    seq = ring.expected
    for number in range(20):
        ring.await_record(seq + number)
        peer.send(str(number))
        answer = ring.socket.recv(1000)
        assert frames.HEADER.unpack(answer)[2::3] == (seq + number, ring_module.ARRIVED)
        assert ring.read()[2] == str(number).encode()


def test_a_lapped_reader_knows_what_it_lost(open_frames, join):
    daemon, peer = open_frames()
    ring = join(daemon)
    first = ring.expected
    total = 0
    for turn in range(10):
        peer.send_all([f"{turn} {i}" * 10 for i in range(3000)])
        total += 3000
        wait_published(daemon, first + total - 1)
        seqs = []
        while record := ring.read():
            seqs.append(record[0])
        assert seqs == list(range(seqs[0], first + total))
    assert len(ring.lost) == 10
    assert all(start <= end for start, end in ring.lost)


def test_starts_and_resumes(open_frames, join):
    daemon, peer = open_frames()
    peer.send_all([f"early {i}" for i in range(10)])
    wait_published(daemon, 11)
    oldest = join(daemon, start=frames.OLDEST)
    assert [oldest.read()[1] for _ in range(2)] == [frames.OPEN, frames.TEXT]
    after = join(daemon, start=frames.AFTER, seq=oldest.expected + 2)
    assert after.hello["missing"] == 0
    assert after.read()[0] == oldest.expected + 3
    live = join(daemon, start=frames.LIVE)
    peer.send("late")
    assert live.next()[2] == b"late"


def read_some(path, after, count, mode):
    """Joins behind record `after`, and leaves after a while. What it has read: (seq, payload)."""
    if mode == ring_module.SLEEPING:
        ring = Ring(path, start=frames.AFTER, seq=after)
        hello, got = ring.hello, [ring.next() for _ in range(count)]
        assert ring.lost == []
        ring.close()
        records = [(seq, payload) for seq, _, payload in got]
    else:
        with Frames(path, start=frames.AFTER, seq=after) as subscriber:
            hello = subscriber.greet().hello
            records = [(record.seq, record.payload) for record in (subscriber.read() for _ in range(count))]
    assert (hello["missing"], hello["next"]) == (0, after + 1)
    return records


@pytest.mark.heavy
@pytest.mark.parametrize("mode", [0, ring_module.SLEEPING])
def test_the_seam_between_history_and_live(open_frames, mode):
    """Leaves and comes back behind what it had, again and again, while messages come."""
    daemon, peer = open_frames(ring="8M")
    first = daemon.call("outlets")[0]["messages"]
    total = 40_000
    sender = threading.Thread(target=lambda: [peer.send_all([f"{i + j}" for j in range(100)])
                                              for i in range(0, total, 100)])
    sender.start()
    source = random.Random(6)
    records = []
    while len(records) < total:
        count = min(source.randint(1, 2000), total - len(records))
        records += read_some(daemon.path("out.sock"), first + len(records), count, mode)
    sender.join()
    assert records == [(first + 1 + i, str(i).encode()) for i in range(total)]


def test_an_outlet_that_waits_refuses(open_frames):
    daemon, peer = open_frames(on_lag="wait")
    with Frames(daemon.path("out.sock"), mode=1) as subscriber:
        refusal = subscriber.read()
        assert refusal.type == frames.ERROR
        assert refusal.payload.decode() == (
            "mode ring is not available: this outlet waits for its subscribers (on_lag), "
            "and cannot see where one is that reads the ring")
        assert subscriber.read_to_end() == b""


def test_a_reload_to_wait_ends_them(open_frames, join, server):
    daemon, peer = open_frames()
    ring = join(daemon)
    daemon.configure(frames_feed(server, on_lag="wait"))
    daemon.call("reload")
    answer = ring.socket.recv(1000)
    assert b"the outlet now waits for its subscribers" in answer
    assert ring.socket.recv(1000) == b""
    wait_until(lambda: subscriber_count(daemon) == 0)


def test_is_shown(open_frames, join):
    daemon, peer = open_frames()
    join(daemon)
    shown, = daemon.call("subscribers")
    assert (shown["mode"], shown["behind"], shown["lost"], shown["lags"]) == ("ring", None, None, None)
    line = daemon.ctl("subscribers").stdout.splitlines()[1].split()
    assert "ring" in line and line.count("-") == 3


def test_the_ring_outlives_the_daemon(open_frames, join):
    daemon, peer = open_frames()
    ring = join(daemon)
    peer.send_all([f"{i}" for i in range(100)])
    wait_published(daemon, ring.expected + 99)
    daemon.kill()
    assert ring.socket.recv(1000) == b""
    assert [ring.read()[2] for _ in range(100)] == [str(i).encode() for i in range(100)]
    assert ring.read() is None


@pytest.mark.skipif(os.getuid() != 0, reason="only root may look at the daemon's descriptors")
@pytest.mark.parametrize("state", STATES)
def test_killed_readers_change_nothing(open_frames, state):
    daemon, peer = open_frames(ring="1M", writable=state == "half a record")
    witness = Frames(daemon.path("out.sock")).greet()
    descriptors = len(os.listdir(f"/proc/{daemon.process.pid}/fd"))
    for turn in range(3):
        command = [sys.executable, ring_module.__file__, state, daemon.path("out.sock")]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
            assert child.stdout.readline() == b"ready\n"
            peer.send_all([f"{turn} {i}" for i in range(2000)])
            child.send_signal(signal.SIGKILL)
        assert [witness.read_message().payload.decode() for _ in range(2000)] == [
            f"{turn} {i}" for i in range(2000)]
        wait_until(lambda: subscriber_count(daemon) == 1)
    wait_until(lambda: len(os.listdir(f"/proc/{daemon.process.pid}/fd")) <= descriptors + 3)  # the ring's own
    witness.close()
