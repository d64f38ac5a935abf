"""wsgatectl and a daemon that gives no sign of life."""

import json
import select
import signal
import socket
import subprocess
import time

import pytest

from harness.process import end, start
from harness.wait import wait_until

SILENT = "wsgatectl: the daemon has not responded for 0.4 s (--timeout)\n"
NO_HELLO = "wsgatectl: no answer in time; is it an outlet of the format frames?\n"


@pytest.fixture
def daemon(start_daemon, server):
    daemon = start_daemon({"connections": [{"name": "feed", "url": server.url()}]})
    daemon.wait_state("feed", "open")
    return daemon


@pytest.fixture
def stopped(daemon):
    daemon.signal(signal.SIGSTOP)
    yield daemon
    daemon.signal(signal.SIGCONT)


@pytest.mark.parametrize("command", [
    ["list"], ["connect", "feed"], ["events"], ["warnings", "--follow"], ["tail", "feed"], ["send", "feed", "x" * 100],
])
def test_a_daemon_that_is_stopped(stopped, command):
    done = stopped.ctl("--timeout=400ms", *command, status=3)
    assert done.stderr == SILENT and not done.stdout


def test_the_option_may_stand_behind_the_command(stopped):
    assert stopped.ctl("list", "--timeout", "400ms", status=3).stderr == SILENT


def test_more_than_the_socket_holds(stopped):
    """Not even the request can be sent."""
    done = stopped.ctl("--timeout=400ms", "send", "feed", "-", stdin=b"x" * (700 << 10), status=3)
    assert done.stderr == SILENT


def test_a_socket_that_accepts_nobody(daemon, tmp_path):
    """Its queue is full: a daemon that hangs has one soon."""
    path = str(daemon.folder / "full.sock")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(0)
        waiting = [socket.socket(socket.AF_UNIX) for _ in range(3)]
        for sock in waiting:
            sock.setblocking(False)
            sock.connect_ex(path)
        done = daemon.ctl("-s", path, "--timeout=400ms", "list", status=3)
        assert done.stderr == SILENT
        for sock in waiting:
            sock.close()


def test_a_follower_notices_it(daemon):
    command = [str(daemon.build / "wsgatectl"), "-s", daemon.path("control.sock"), "--timeout=400ms", "events"]
    follower = start(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        wait_until(lambda: daemon.call("connect", name="feed") and select.select([follower.stdout], [], [], 0.1)[0])
        before = time.monotonic()
        wait_until(lambda: time.monotonic() - before > 1)  # quiet, but alive
        assert follower.poll() is None
        daemon.signal(signal.SIGSTOP)
        assert follower.wait(20) == 3
        assert follower.stderr.read().decode() == SILENT
    finally:
        daemon.signal(signal.SIGCONT)
        end(follower, signal.SIGKILL)
        follower.stdout.close()
        follower.stderr.close()


@pytest.mark.parametrize("format", ["lines", "json", "packets", "frames"])
def test_a_daemon_that_stops_before_it_takes_the_subscriber(daemon, tmp_path, format):
    """It has said where the outlet is, and then accepts nobody, and answers nothing."""
    with socket.socket(socket.AF_UNIX) as control, \
            socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET if format == "packets" else socket.SOCK_STREAM) as outlet:
        control.bind(str(tmp_path / "control"))
        outlet.bind(str(tmp_path / "outlet"))
        control.listen()
        outlet.listen()
        command = [str(daemon.build / "wsgatectl"), "-s", str(tmp_path / "control"), "--timeout=400ms", "tail", "feed"]
        tail = start(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        try:
            client, _ = control.accept()
            request = json.loads(client.makefile().readline())
            found = [{"name": "feed", "format": format, "path": str(tmp_path / "outlet")}]
            client.sendall(json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": found}).encode() + b"\n")
            assert tail.wait(20) == 3
            assert tail.stderr.read().decode() == (SILENT if format != "frames" else NO_HELLO)
            client.close()
        finally:
            end(tail, signal.SIGKILL)


def test_a_slow_connect_is_waited_for(start_daemon, bad_server):
    """Several times the time limit: the daemon lives."""
    daemon = start_daemon({
        "connections": [{"name": "slow", "url": bad_server.url("/slow-head", ms=1500), "when": "manual"}],
    })
    done = daemon.ctl("--timeout=400ms", "connect", "slow", status=0)
    assert done.stdout.startswith("HTTP/1.1 101")


def test_zero_is_for_ever(stopped):
    command = [str(stopped.build / "wsgatectl"), "-s", stopped.path("control.sock"), "--timeout=0", "--json", "version"]
    waiting = start(command, stdout=subprocess.PIPE)
    try:
        with pytest.raises(subprocess.TimeoutExpired):
            waiting.wait(1)
        stopped.signal(signal.SIGCONT)
        assert waiting.wait(20) == 0
        assert b"version" in waiting.stdout.read()
    finally:
        end(waiting, signal.SIGKILL)
        waiting.stdout.close()


@pytest.mark.parametrize("time", ["", "10", "1h", "-1s", "1.5s", "s", "100000000s"])
def test_times_that_are_none(daemon, time):
    for arguments in (["--timeout", time, "list"], ["list", "--timeout", time]):
        assert "--timeout must be like 500ms, 10s or 2m" in daemon.ctl(*arguments, status=2).stderr
