"""The log: nobody waits for who reads it, no peer fills it, and nothing in it is what it does not seem."""

import fcntl
import json
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import threading
import time
import tty

import pytest

from harness import process
from harness.control import RpcError
from harness.subscriber import Json, Lines
from harness.wait import wait_until

FLOOD = 12000  # lines: more than the log's queue, and a pipe, have room for
REFUSED = "a subscriber's message was not sent"
NASTY = "<\x1b[31m\x9b\u202e\u2066\u200f\u2028é\n>"
HARMLESS = "< [31m\ufffd\ufffd\ufffd\ufffd\ufffdé >"


def two_feeds(server, level="debug"):
    """One that works, and one that is never open, so that each message for it becomes a line of the log."""
    return {
        "gateway": {"log": {"level": level}},
        "connections": [{"name": "feed", "url": server.url()},
                        {"name": "closed", "url": server.url(), "when": "manual"}],
        "outlets": [{"name": "out", "path": "out.sock", "from": ["feed"]},
                    {"name": "in", "path": "in.sock", "from": ["closed"], "writable": True}],
    }


def flood(daemon, lines=FLOOD):
    """Has so many messages refused; the daemon answers all the time."""
    with Lines(daemon.path("in.sock")) as subscriber:
        subscriber.send(b"x\n" * lines)
        wait_until(lambda: daemon.call("outlets")[1]["inputs"] == lines)


def dropped_lines(line):
    """How many lines the line says are missing."""
    note = re.search(r"(?:^warning: |MESSAGE=)(\d+) log lines dropped: the log was not read$", line, re.MULTILINE)
    return int(note[1]) if note else 0


def check_all_is_well(daemon, peer):
    """Messages go through, and control answers."""
    with Lines(daemon.path("out.sock")) as subscriber:
        wait_until(lambda: [s for s in daemon.call("subscribers") if s["outlet"] == "out"])
        peer.send("hello")
        assert subscriber.read_line() == b"hello"


@pytest.fixture
def pipe():
    """A pipe for stderr: the reading end, and the writing one."""
    ends = os.pipe()
    yield ends
    for end in ends:
        try:
            os.close(end)
        except OSError:
            pass


def test_a_pipe_that_nobody_reads_stops_nothing(start_daemon, server, pipe):
    daemon = start_daemon(two_feeds(server), stderr=pipe[1])
    peer = server.accept()
    flood(daemon)
    check_all_is_well(daemon, peer)
    assert daemon.call("version")["log_dropped"] > 0
    assert not fcntl.fcntl(pipe[1], fcntl.F_GETFL) & os.O_NONBLOCK  # it is not the daemon's alone
    daemon.signal(signal.SIGTERM)
    assert peer.wait_closed()[0] == 1001
    assert daemon.process.wait(10) == 0
    assert not os.path.exists(daemon.path("control.sock"))


@pytest.mark.heavy  # of a sanitized build the end itself takes its time
def test_the_end_waits_for_nobody_beyond_drain_timeout(start_daemon, server, pipe):
    settings = two_feeds(server)
    settings["gateway"]["drain_timeout"] = "10ms"
    daemon = start_daemon(settings, stderr=pipe[1])
    flood(daemon)
    began = time.monotonic()
    daemon.signal(signal.SIGTERM)
    assert daemon.process.wait(10) == 0
    assert time.monotonic() - began < 1  # for that long it would wait otherwise


def test_who_reads_on_is_told_how_much_is_missing(start_daemon, server, pipe):
    daemon = start_daemon(two_feeds(server), stderr=pipe[1])
    peer = server.accept()
    flood(daemon)
    dropped = daemon.call("version")["log_dropped"]
    os.close(pipe[1])
    lines = []
    reader = threading.Thread(target=lambda: lines.extend(open(pipe[0], closefd=False)))
    reader.start()
    wait_until(lambda: sum(map(dropped_lines, lines)) == dropped, what=f"a note of {dropped} lines")
    check_all_is_well(daemon, peer)
    daemon.stop()
    reader.join()
    assert sum(REFUSED in line for line in lines) + dropped >= FLOOD
    assert lines[-1] == "notice: stopped\n"
    assert daemon.process.returncode == 0


def test_a_reader_that_has_gone_stops_nothing(start_daemon, server, pipe):
    daemon = start_daemon(two_feeds(server), stderr=pipe[1])
    peer = server.accept()
    os.close(pipe[0])
    flood(daemon, 100)
    check_all_is_well(daemon, peer)


def namespace(script):
    """A wrapper that runs the daemon after the script, in a mount namespace; skips where there is none."""
    wrapper = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-ec", f'{script}\nexec "$@"', "sh"]
    if not shutil.which("unshare") or subprocess.run([*wrapper, "true"], capture_output=True).returncode:
        pytest.skip("needs user and mount namespaces")
    return wrapper


@pytest.fixture
def journald(tmp_path):
    """journald's socket, and the wrapper for who is to see it."""
    wrapper = namespace(f"mount -t tmpfs none /run; mkdir /run/systemd; ln -s {tmp_path} /run/systemd/journal")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journald:
        journald.bind(str(tmp_path / "socket"))
        journald.settimeout(15)
        yield journald, wrapper


def test_a_journald_that_does_not_read_stops_nothing(start_daemon, server, journald):
    settings = two_feeds(server)
    settings["gateway"]["log"]["format"] = "journal"
    read_end, wrapper = journald
    daemon = start_daemon(settings, wrapper=wrapper)
    peer = server.accept()
    flood(daemon)
    check_all_is_well(daemon, peer)
    dropped = daemon.call("version")["log_dropped"]
    assert dropped > 0
    told = 0
    while told < dropped:
        told += dropped_lines(read_end.recv(65536).decode())
    assert told == dropped


def test_journal_fields(start_daemon, server, journald):
    settings = two_feeds(server)
    settings["gateway"]["log"]["format"] = "journal"
    read_end, wrapper = journald
    daemon = start_daemon(settings, wrapper=wrapper)
    server.accept()
    fields = b""
    while b"MESSAGE=connection feed: open" not in fields:
        fields = read_end.recv(65536)
    assert {b"CONNECTION=feed", b"PRIORITY=5", b"SYSLOG_IDENTIFIER=wsgated"} <= set(fields.splitlines())
    daemon.kill()


def test_a_peer_cannot_fill_the_log(start_daemon, server):
    daemon = start_daemon(two_feeds(server, level="info"))
    server.accept()
    flood(daemon, 1000)
    daemon.stop()
    lines = [line for line in daemon.log().splitlines() if REFUSED in line]
    assert len(lines) == 11
    assert all(line.startswith("warning: outlet in: ") for line in lines)
    assert lines[-1] == lines[0] + " (and 989 more like this)"


def test_a_flapping_server_cannot_fill_the_log(start_daemon, server):
    """Opens, closes and failures: a kind each."""
    settings = two_feeds(server, level="info")
    settings["defaults"] = {"reconnect": {"min": "10ms", "max": "10ms"}}
    daemon = start_daemon(settings)
    for _ in range(30):
        server.accept().close(1000)
    daemon.stop()
    opens = [line for line in daemon.log().splitlines() if "connection feed: open" in line]
    assert len(opens) == 11 and "more like this)" in opens[-1]
    assert sum("closed by the server: 1000" in line for line in daemon.log().splitlines()) <= 12


def check_text(text):
    assert text == HARMLESS.rstrip("\n"), ascii(text)


def test_what_a_server_says_is_made_harmless(start_daemon, server):
    settings = two_feeds(server)
    settings["outlets"].append({"name": "json", "path": "json.sock", "from": ["feed"], "format": "json"})
    daemon = start_daemon(settings)
    peer = server.accept()
    rpc = daemon.rpc()
    rpc.call("events")
    with Json(daemon.path("json.sock")) as subscriber:
        wait_until(lambda: [s for s in daemon.call("subscribers") if s["outlet"] == "json"])
        peer.send(NASTY)
        peer.close(4000, NASTY)
        message, closed = (json.loads(subscriber.read_line()) for _ in range(2))
    assert message["data"] == NASTY  # what it is about is not touched
    check_text(closed["reason"])
    check_text(rpc.event("close")["reason"])
    check_text(daemon.status("feed")["last_close"]["reason"])
    daemon.wait_log(f"connection feed: closed by the server: 4000: {HARMLESS}\n")


def test_a_refusal_is_made_harmless(start_daemon, bad_server):
    body = f"one\n\ttwo {NASTY}".encode() + b"\xff"
    head = b"HTTP/1.1 403 N\xe9in\r\nX-Why: " + NASTY.replace("\n", "").replace("\x1b", "").encode() + b"\r\n"
    data = head + b"Content-Length: %d\r\n\r\n" % len(body) + body
    daemon = start_daemon({"connections": [{"name": "feed", "url": bad_server.answer_url(data), "when": "manual"}]})
    with pytest.raises(RpcError) as error:
        daemon.call("connect", name="feed")
    response = error.value.data["response"]
    assert response["body"] == "one\n\ttwo " + HARMLESS.replace(" >", "\n>") + "\ufffd"
    assert response["reason"] == "N\ufffdin"
    assert not set("\x9b\u202e\u2066\u200f\u2028") & set(json.dumps(error.value.data, ensure_ascii=False))


def test_tail_on_a_terminal_shows_what_would_deceive(start_daemon, server):
    """Whole, and where the end of a read falls into the middle of a character."""
    count = 100_000
    daemon = start_daemon(two_feeds(server))
    peer = server.accept()
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    tail = process.start([str(daemon.build / "wsgatectl"), "-s", daemon.path("control.sock"), "tail", "out"], stdout=theirs)
    os.close(theirs)
    wait_until(lambda: [s for s in daemon.call("subscribers") if s["outlet"] == "out"])
    peer.send("\x1b\x9bé€\u2066" + "\u202e" * count)
    shown = b""
    while not shown.endswith(b"\n"):
        assert select.select([ours], [], [], 15)[0], shown[:100]
        shown += os.read(ours, 65536)
    process.end(tail)
    os.close(ours)
    assert shown.decode() == "\\x1b\\x9bé€\\u2066" + "\\u202e" * count + "\n"


@pytest.mark.parametrize("shift", range(4))
def test_long_texts_are_cut_between_characters(start_daemon, server, shift):
    """Each problem and error is there and whole, wherever its limit falls."""
    daemon = start_daemon(two_feeds(server))
    path = daemon.path("x" * shift + "é" * 700)
    settings = two_feeds(server)
    settings["outlets"][0]["path"] = path
    daemon.configure(settings)
    with pytest.raises(RpcError) as error:
        daemon.call("reload")
    assert error.value.message and "\ufffd" not in error.value.message
    assert daemon.call("version")
    good = two_feeds(server)
    good["connections"][0]["ping"] = {"interval": "y" * shift + "é" * 700}
    daemon.configure(good)
    with pytest.raises(RpcError) as error:
        daemon.call("reload")
    assert len(error.value.data["problems"]) >= 1
    assert "\ufffd" not in error.value.message + "".join(error.value.data["problems"])
    assert "\ufffd" not in daemon.log()


def test_a_configuration_that_is_not_utf8_is_told_of(start_daemon, server):
    daemon = start_daemon(two_feeds(server))
    text = daemon.file.read_bytes().replace(b"debug", b"de\xffbug")
    assert b"\xff" in text
    daemon.file.write_bytes(text)
    with pytest.raises(RpcError) as error:
        daemon.call("reload")
    assert any("\"de\ufffdbug\"" in problem for problem in error.value.data["problems"])
    daemon.wait_log("\"de\ufffdbug\"")
    assert "\"de\ufffdbug\"" in daemon.ctl("reload", status=1).stderr


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be somebody else")
def test_others_cannot_fill_the_log(start_daemon):
    """Neither with ever new connections, nor by having everything logged."""
    nobody, url = 65534, "ws://127.0.0.1:1/"
    daemon = start_daemon({"gateway": {"control": {"mode": "0666"}, "log": {"level": "info"},
                                       "connecting": {"per_second": 0, "at_once": 0}}})
    other = daemon.rpc_as(nobody)
    for level in ("debug", "err"):
        with pytest.raises(RpcError) as refused:
            other.call("log", level=level)
        assert refused.value.message == "log: only root and the daemon's user may change the level"
    assert other.call("log") == {"level": "info"}

    for number in range(300):
        other.call("add", name=f"theirs{number}", url=url)
        wait_until(lambda: daemon.status(f"theirs{number}")["last_error"])
        other.call("remove", name=f"theirs{number}")
    daemon.call("add", name="ours", url=url)
    daemon.wait_log("connection ours: ")
    lines = [line for line in daemon.log().splitlines() if "connection theirs" in line]
    assert "connection theirs0: " in daemon.log() and len(lines) <= 200, len(lines)
