"""wsgatectl: usage, exit statuses, tables for people, JSON for programs."""

import json
import os
import re
import subprocess

import pytest

from harness.daemon import ROOT, build_folder
from harness.subscriber import Lines
from harness.wait import wait_until

COMMANDS = [
    "list", "status", "connect", "disconnect", "is-open", "send", "ping", "on-open", "add", "remove", "stats",
    "clear", "warn", "unwarn", "warnings", "outlets", "subscribers", "tail", "config", "events", "reload", "log",
    "version",
]


@pytest.fixture
def daemon(start_daemon, server):
    daemon = start_daemon({
        "connections": [{"name": "feed", "url": server.url()},
                        {"name": "manual", "url": "ws://127.0.0.1:1/x", "when": "manual"}],
        "outlets": [{"name": "out", "path": "out.sock", "from": ["feed"]}],
    })
    daemon.wait_state("feed", "open")
    return daemon


def ctl(*arguments, **environment):
    """Without a daemon."""
    return subprocess.run(
        [str(build_folder() / "wsgatectl"), *arguments], capture_output=True, text=True, timeout=20,
        stdin=subprocess.DEVNULL, env={**os.environ, **environment},
    )


def test_help_lists_every_command():
    done = ctl("--help")
    assert done.returncode == 0
    for command in COMMANDS:
        assert re.search(rf"^\s+{command}\s", done.stdout, re.M), command


def test_the_manual_has_every_command():
    manual = (ROOT / "doc/wsgatectl.1.scd").read_text()
    listed = re.findall(r"^  ([a-z-]+) +\S", ctl("--help").stdout.partition(":\n  list ")[2], re.M)
    assert set(listed) | {"list"} == set(COMMANDS)
    for command in COMMANDS:
        assert re.search(rf"^\*{command}\*( |$)", manual, re.M), command


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_help(command):
    done = ctl(command, "--help")
    assert done.returncode == 0
    assert done.stdout.startswith("Usage: wsgatectl")
    assert command in done.stdout.splitlines()[0]
    assert done.stderr == ""


def test_version():
    assert re.fullmatch(r"wsgatectl \d+\.\d+\.\d+\n", ctl("--version").stdout)


@pytest.mark.parametrize("arguments", [
    [], ["frobnicate"], ["--frobnicate"], ["list", "too", "many"], ["status"], ["disconnect"],
    ["disconnect", "feed", "x"],
    ["disconnect", "feed", "1000", "a", "b"], ["send", "feed"], ["connect", "feed", "-H", "no colon"], ["clear"],
    ["warn", "feed", "--warning-ms", "soon"], ["warn", "feed", "--arg", "{"], ["list", "--frobnicate"],
], ids=" ".join)
def test_wrong_usage_is_2(arguments):
    done = ctl(*arguments)
    assert done.returncode == 2
    assert done.stderr
    assert done.stdout == ""


def test_no_daemon_is_3(tmp_path):
    done = ctl("-s", str(tmp_path / "none.sock"), "list")
    assert done.returncode == 3
    assert str(tmp_path / "none.sock") in done.stderr


def test_the_socket_from_the_environment(daemon):
    assert ctl("is-open", "feed", WSGATED_SOCKET=daemon.path("control.sock")).returncode == 0
    assert ctl("is-open", "feed", WSGATED_SOCKET=daemon.path("none.sock")).returncode == 3


def test_what_the_daemon_refuses_is_1(daemon):
    done = daemon.ctl("status", "nobody", status=1)
    assert "nobody" in done.stderr and done.stdout == ""


def test_a_table_of_connections(daemon):
    lines = daemon.ctl("list", status=0).stdout.splitlines()
    assert lines[0].split()[:2] == ["NAME", "STATE"]
    rows = {line.split()[0]: line.split() for line in lines[1:]}
    assert rows["feed"][1] == "open" and rows["manual"][1] == "idle"
    assert "ws://127.0.0.1:1/x" in rows["manual"]


@pytest.mark.parametrize("command", [
    ["list"], ["status", "feed"], ["outlets"], ["subscribers"], ["stats"], ["stats", "feed"], ["warnings"], ["version"],
], ids=" ".join)
def test_json_is_what_the_socket_answers(daemon, command):
    params = {"name": command[1]} if len(command) > 1 else {}
    by_socket = daemon.call(command[0], **params)
    for arguments in (["--json", *command], [*command, "--json"]):
        got = json.loads(daemon.ctl(*arguments, status=0).stdout)
        assert got == by_socket if command != ["version"] else got["pid"] == by_socket["pid"]
    text = daemon.ctl(*command, status=0).stdout
    assert not text.startswith(("{", "["))
    assert "\x1b" not in text


def test_json_errors_are_json(daemon):
    for command, err in ((["status", "nope"], "NOT-FOUND"), (["tail", "nope"], "NOT-FOUND")):
        error = json.loads(daemon.ctl("--json", *command, status=1).stderr)
        assert (error["code"], error["data"]["err"]) == (-32000, err)
        assert daemon.ctl(*command, status=1).stderr == f"wsgatectl: {error['message']} ({err})\n"


def test_a_nul_is_refused_in_plain_words(daemon):
    said = daemon.ctl("warn", "--warning-ms=1", '--arg="\\u0000"', "feed", status=2).stderr
    assert "--arg is not JSON: the character U+0000 is not allowed" in said


def test_is_open(daemon):
    assert daemon.ctl("is-open", "feed", status=0).stdout == "true\n"
    assert daemon.ctl("is-open", "manual", status=1).stdout == "false\n"
    assert json.loads(daemon.ctl("--json", "is-open", "feed", status=0).stdout) is True


def test_connect_prints_the_response(daemon):
    text = daemon.ctl("connect", "feed", status=0).stdout
    assert "101" in text and "Switching Protocols" in text
    assert re.search("sec-websocket-accept", text, re.I)
    answer = json.loads(daemon.ctl("--json", "connect", "feed", status=0).stdout)
    assert answer["response"]["status"] == 101


def test_a_connect_that_fails_shows_how_far_it_came(daemon, server):
    server.refuse = (403, [("X-Reason", "not you")], b"")
    done = daemon.ctl("connect", "feed", status=1)
    assert "403" in done.stdout and "not you" in done.stdout
    assert "403" in done.stderr


def on_terminal(command, **environment):
    """Its output on a terminal."""
    line = " ".join(command)
    done = subprocess.run(
        ["socat", "-", f"EXEC:{line},pty,rawer,stderr"], capture_output=True, text=True, timeout=20,
        stdin=subprocess.DEVNULL,
        env={**{k: v for k, v in os.environ.items() if k != "NO_COLOR"}, "TERM": "xterm", **environment},
    )
    return done.stdout


def test_colours_only_on_a_terminal_and_never_with_no_color(daemon):
    command = [str(daemon.build / "wsgatectl"), "-s", daemon.path("control.sock"), "list"]
    assert "\x1b[" in on_terminal(command)
    plain = on_terminal(command, NO_COLOR="1")
    assert "feed" in plain and "\x1b[" not in plain
    plain = on_terminal([*command, "--no-color"])
    assert "feed" in plain and "\x1b[" not in plain


def test_send_from_arguments_and_standard_input(daemon, server):
    peer = server.accept()
    daemon.ctl("send", "feed", "grün", status=0)
    daemon.ctl("send", "feed", "-", stdin=b"two\nlines\n", status=0)
    daemon.ctl("send", "--binary", "feed", "-", stdin=b"\x00\xff\n", status=0)
    daemon.ctl("send", "--binary", "feed", "text as bytes", status=0)
    assert [peer.receive() for _ in range(4)] == ["grün", "two\nlines\n", b"\x00\xff\n", b"text as bytes"]
    daemon.ctl("send", "feed", "-", stdin=b"\xff", status=2)
    daemon.ctl("send", "manual", "x", status=1)


@pytest.fixture
def follow(daemon):
    """Starts a command that goes on until it is ended."""
    running = []

    def follow(*arguments):
        process = subprocess.Popen(
            [str(daemon.build / "wsgatectl"), "-s", daemon.path("control.sock"), *arguments],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
        )
        running.append(process)
        return process

    yield follow
    for process in running:
        process.terminate()
        process.communicate(timeout=10)


def test_tail_follows_an_outlet(daemon, server, follow):
    tail = follow("tail", "out")
    wait_until(lambda: daemon.call("subscribers"))
    server.accept().send_all(["one", "zwölf"])
    assert "one" in tail.stdout.readline()
    assert "zwölf" in tail.stdout.readline()


def test_tail_of_an_unknown_outlet(daemon):
    assert "nothing" in daemon.ctl("tail", "nothing", status=1).stderr


def test_events_follow_what_happens(daemon, follow):
    events = follow("--json", "events")
    wait_until(lambda: daemon.call("connect", name="feed") and _ready(events), what="an event")
    event = json.loads(events.stdout.readline())
    assert event["connection"] == "feed" and event["type"] in ("close", "open", "connecting")


def _ready(process):
    import select

    return select.select([process.stdout], [], [], 0)[0]


def test_following_ends_with_the_daemon(daemon, follow):
    events = follow("events")
    tail = follow("tail", "out")
    wait_until(lambda: daemon.call("subscribers"))
    daemon.stop()
    assert events.wait(10) in (0, 3)
    assert tail.wait(10) in (0, 3)


def test_warnings_can_be_followed(start_daemon, bad_server):
    daemon = start_daemon({
        "connections": [{
            "name": "slow", "url": bad_server.url("/slow-head", ms=30), "when": "manual",
            "warn": {"warning_ms": 5, "arg": "a-1"},
        }],
    })
    process = subprocess.Popen(
        [str(daemon.build / "wsgatectl"), "-s", daemon.path("control.sock"), "--json", "warnings", "slow", "--follow"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
    )
    try:
        wait_until(lambda: daemon.call("connect", name="slow") and _ready(process), what="a warning")
        warning = json.loads(process.stdout.readline())
        while warning["operation"] != "upgrade":  # another was slow, too
            warning = json.loads(process.stdout.readline())
        assert warning["type"] == "SOCKET-OPERATION-WARNING"
        assert warning["arg"] == "a-1"
    finally:
        process.terminate()
        process.communicate(timeout=10)


def test_a_reader_that_goes_away_ends_tail(daemon, server):
    pipe = subprocess.Popen(
        f"{daemon.build}/wsgatectl -s {daemon.path('control.sock')} tail out | head -n 1",
        shell=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
    )
    wait_until(lambda: daemon.call("subscribers"))
    peer = server.accept()
    peer.send("first")
    wait_until(lambda: peer.send("more") or not daemon.call("subscribers"))
    assert "first" in pipe.communicate(timeout=10)[0]


def test_add_and_remove(daemon, make_server):
    other = make_server()
    daemon.ctl("add", "second", other.url(), "reconnect.max=10s", 'headers={"X-Added":"yes"}', status=0)
    assert other.accept().headers["X-Added"] == "yes"
    with Lines(daemon.path("second.sock")) as subscriber:
        wait_until(lambda: daemon.call("subscribers", outlet="second"))
        other.peers[0].send("hello")
        assert subscriber.read_line() == b"hello"
    assert "colour" in daemon.ctl("add", "third", other.url(), "colour=red", status=1).stderr
    daemon.ctl("remove", "second", status=0)
    daemon.ctl("remove", "second", status=1)
