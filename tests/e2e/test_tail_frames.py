"""wsgatectl tail of outlets with the format frames: where it begins, what it shows of losses and the end."""

import json
import os
import signal
import subprocess

import pytest

from harness import process
from harness.feed import frames_feed
from harness.wait import wait_until


@pytest.fixture
def tail():
    running = []

    def tail(daemon, *arguments):
        before = daemon.call("outlets")[0]["subscribers"]
        command = [str(daemon.build / "wsgatectl"), "-s", daemon.path("control.sock"), "tail", *arguments]
        running.append(process.start(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
        wait_until(lambda: daemon.call("outlets")[0]["subscribers"] > before)
        return running[-1]

    yield tail
    for each in running:
        process.end(each)


def published(daemon):
    return daemon.call("outlets")[0]["messages"]


def read_objects(tail, count):
    return [json.loads(tail.stdout.readline()) for _ in range(count)]


@pytest.mark.parametrize("on_lag, mode", [("skip", "ring"), ("wait", "bytes")])
def test_prints_messages_from_the_ring_or_the_socket(open_frames, tail, on_lag, mode):
    daemon, peer = open_frames(on_lag=on_lag)
    running = tail(daemon, "out")
    assert daemon.call("subscribers")[0]["mode"] == mode
    peer.send_all(["one", "zwölf", b"bytes"])
    assert [running.stdout.readline() for _ in range(3)] == ["one\n", "zwölf\n", "bytes\n"]
    daemon.stop()
    assert running.wait(10) == 0


def test_json_shows_every_record(open_frames, tail):
    daemon, peer = open_frames(start="oldest")
    running = tail(daemon, "--json", "out")
    peer.send_all(["text", b"\x00\xff"])
    peer.close(4001, "enough")
    hello, opened, text, binary, closed = read_objects(running, 5)
    assert (hello["type"], hello["data"]["outlet"]) == ("hello", "out")
    assert (opened["type"], opened["connection"]) == ("open", "feed")
    assert (text["type"], text["data"], text["seq"]) == ("text", "text", opened["seq"] + 1)
    assert (binary["type"], binary["base64"]) == ("binary", "AP8=")
    assert (closed["type"], closed["data"]["code"]) == ("close", 4001)
    assert text["time"].endswith("Z")


def test_begins_with_the_oldest_or_after_a_number(open_frames, tail):
    daemon, peer = open_frames()
    before = published(daemon)
    peer.send_all(str(number) for number in range(10))
    wait_until(lambda: published(daemon) == before + 10)
    oldest = tail(daemon, "--oldest", "out")
    assert [oldest.stdout.readline() for _ in range(10)] == [f"{number}\n" for number in range(10)]
    after = tail(daemon, f"--after={before + 7}", "out")
    assert [after.stdout.readline() for _ in range(3)] == ["7\n", "8\n", "9\n"]


def test_says_what_is_missing(open_frames, tail):
    daemon, peer = open_frames(ring="4K")
    before = published(daemon)
    peer.send_all("x" * 1000 for _ in range(20))
    wait_until(lambda: published(daemon) == before + 20)
    hello, gap, record = read_objects(tail(daemon, "--json", f"--after={before}", "out"), 3)
    assert (gap["type"], gap["from"], gap["to"]) == ("gap", before + 1, record["seq"] - 1)
    assert hello["data"]["missing"] == gap["to"] - gap["from"] + 1
    said = tail(daemon, f"--after={before}", "out").stderr.readline()
    assert said == f"wsgatectl: records {gap['from']} to {gap['to']} are missing here\n"
    assert "restarted its numbering" in tail(daemon, "--after", "1000000", "out").stderr.readline()


def test_says_why_the_daemon_ends_it(open_frames, tail, server):
    daemon, peer = open_frames()
    running = tail(daemon, "out")
    daemon.configure(frames_feed(server, on_lag="wait"))
    daemon.call("reload")
    assert "now waits for its subscribers" in running.stderr.readline()
    assert running.wait(10) == 1


@pytest.mark.parametrize("arguments, text", [
    (["--after", "x", "out"], "--after"), (["--after", "-1", "out"], "negative"),
    (["--oldest", "--after=1", "out"], "exclude each other"),
], ids=["no number", "negative", "both"])
def test_wrong_usage(open_frames, arguments, text):
    daemon, peer = open_frames()
    assert text in daemon.ctl("tail", *arguments, status=2).stderr


def test_other_formats_have_no_numbers(open_frames):
    daemon, peer = open_frames(format="lines")
    assert "format 'frames'" in daemon.ctl("tail", "--oldest", "out", status=2).stderr


def test_an_interrupt_ends_it(open_frames, tail):
    daemon, peer = open_frames()
    running = tail(daemon, "out")
    os.kill(running.pid, signal.SIGINT)
    assert running.wait(10) == -signal.SIGINT
