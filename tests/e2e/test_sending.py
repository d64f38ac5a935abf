"""Messages to the server: at what rate, while the connection is not open, and after it has opened."""

import json
import random
import re
import time

import pytest

from harness.control import RpcError
from harness.frame import PING
from harness.misbehave import MisbehavingServer
from harness.subscriber import Subscriber
from harness.wait import wait_until


def feed(server, **settings):
    return {"connections": [{"name": "feed", "url": server.url(), **settings}]}


def receive(peer, count):
    return [peer.receive() for _ in range(count)]


def stat(daemon, name):
    return daemon.call("stats", name="feed")[name]


# --- send_rate


def test_messages_wait_for_their_turn_and_keep_their_order(start_daemon, server):
    daemon = start_daemon(feed(server, send_rate={"messages": 20, "burst": 5}))
    peer = server.accept()
    daemon.wait_state("feed", "open")
    started = time.monotonic()
    rpc = daemon.rpc()
    for number in range(15):
        assert rpc.call("send", name="feed", text=str(number)) is True
    assert receive(peer, 15) == [str(number) for number in range(15)]
    # Five at once, and ten more at 20 a second.
    assert time.monotonic() - started >= 0.5
    assert stat(daemon, "messages_sent") == 15
    assert daemon.status("feed")["send_queued"] == 0


def test_on_open_messages_keep_to_the_rate_too(start_daemon, server):
    started = time.monotonic()
    start_daemon(feed(server, on_open=list("abcde"), send_rate={"messages": 10, "burst": 2}))
    assert receive(server.accept(), 5) == list("abcde")
    assert time.monotonic() - started >= 0.3


def test_those_that_wait_count_into_the_queue(start_daemon, server):
    daemon = start_daemon(feed(server, send_queue="1K", send_rate={"messages": 0.001}))
    peer = server.accept()
    daemon.wait_state("feed", "open")
    daemon.call("send", name="feed", text="first")
    assert peer.receive() == "first"
    for _ in range(10):
        daemon.call("send", name="feed", text="x" * 84)
    assert daemon.status("feed")["send_queued"] == 1000
    with pytest.raises(RpcError, match="queue to the server is full: 1000 of 1024 bytes"):
        daemon.call("send", name="feed", text="x" * 84)
    assert stat(daemon, "send_refused") == 1
    # With the limit gone, all go at once.
    daemon.configure(feed(server, send_queue="1K"))
    daemon.call("reload")
    assert receive(peer, 10) == ["x" * 84] * 10


def test_control_frames_do_not_wait(start_daemon, bad_server):
    daemon = start_daemon({"connections": [{
        "name": "feed", "url": bad_server.url("/hold"), "send_rate": {"messages": 0.001},
    }]})
    exchange = bad_server.accept()
    daemon.wait_state("feed", "open")
    daemon.call("send", name="feed", text="now")
    daemon.call("send", name="feed", text="much later")
    daemon.call("ping", name="feed")
    assert [exchange.wait_frames(2)[0].payload, exchange.frames[1].opcode] == [b"now", PING]
    daemon.call("disconnect", name="feed", code=1000)
    assert exchange.wait_ended() == 1000
    assert len(exchange.frames) == 3
    daemon.wait_log("messages to the server lost: 1")


def test_a_writable_outlet_reads_on_when_there_is_room(start_daemon, server):
    daemon = start_daemon({
        "connections": [{
            "name": "feed", "url": server.url(), "send_queue": "1K", "send_rate": {"messages": 200},
        }],
        "outlets": [{"name": "out", "from": ["feed"], "writable": True}],
    })
    peer = server.accept()
    daemon.wait_state("feed", "open")
    lines = [f"{number:0100}" for number in range(100)]
    with Subscriber(daemon.path("out.sock")) as subscriber:
        subscriber.send("".join(line + "\n" for line in lines).encode())
        assert receive(peer, 100) == lines
    assert stat(daemon, "send_refused") == 0


def test_a_small_message_in_between_does_not_hold_up_an_outlet(start_daemon, server):
    daemon = start_daemon({
        "connections": [{
            "name": "feed", "url": server.url(), "send_queue": "1K", "send_rate": {"messages": 5},
        }],
        "outlets": [{"name": "out", "from": ["feed"], "writable": True}],
    })
    peer = server.accept()
    daemon.wait_state("feed", "open")
    lines = [f"{number:0400}" for number in range(8)]
    with Subscriber(daemon.path("out.sock")) as subscriber:
        subscriber.send("".join(line + "\n" for line in lines).encode())
        wait_until(lambda: daemon.status("feed")["send_queued"] > 800)
        daemon.call("send", name="feed", text="small")
        assert sorted(receive(peer, 9)) == [*lines, "small"]


@pytest.fixture
def full_server():
    """What it does not read stays with who sends it."""
    server = MisbehavingServer(receive_buffer=4096)
    yield server
    server.stop()


def deaf_and_reading(server, **settings):
    """Two connections, of which one soon has no room."""
    return {
        "connections": [
            {"name": "deaf", "url": server.url("/slow-reader"), "send_queue": "64K",
             "close_timeout": "300ms", **settings},
            {"name": "reads", "url": server.url("/slow-reader"), "when": "manual"},
        ],
        "outlets": [
            {"name": "out", "from": ["deaf", "reads"], "writable": True},
            {"name": "other", "from": ["deaf"]},
        ],
    }


def fill(subscriber):
    """Writes lines until no more are taken; returns what is left of the last one."""
    line = b"x" * 4095 + b"\n"
    left = b""
    idle = 0
    subscriber.socket.setblocking(False)
    while idle < 10:
        left = left or line
        try:
            left = left[subscriber.socket.send(left):]
            idle = 0
        except BlockingIOError:
            idle += 1
            time.sleep(0.02)
    subscriber.socket.setblocking(True)
    return left


def has(exchange, payload):
    return any(frame.payload == payload for frame in exchange.frames)


def test_subscribers_go_on_when_who_had_no_room_is_not_theirs_any_more(start_daemon, full_server):
    settings = deaf_and_reading(full_server)
    daemon = start_daemon(settings)
    deaf = full_server.accept()
    daemon.call("connect", name="reads")
    reads = full_server.accept()
    reads.go.set()
    with Subscriber(daemon.path("out.sock")) as subscriber:
        left = fill(subscriber)
        settings["outlets"][0]["from"] = ["reads"]
        daemon.configure(settings)
        daemon.ctl("reload", status=0)
        subscriber.send(left + b"the last\n")
        wait_until(lambda: has(reads, b"the last"))
    assert not deaf.frames and daemon.status("deaf")["state"] == "open"


def test_subscribers_go_on_when_the_session_without_room_is_renewed(start_daemon, full_server):
    settings = deaf_and_reading(
        full_server, max_age={"after": "2s", "jitter": 0, "overlap": True}
    )
    settings["outlets"][0]["from"] = ["deaf"]
    daemon = start_daemon(settings)
    first = full_server.accept()
    with Subscriber(daemon.path("out.sock")) as subscriber:
        left = fill(subscriber)
        second = full_server.accept()
        second.go.set()
        subscriber.send(left + b"the last\n")
        wait_until(lambda: has(second, b"the last"))
    assert not first.frames


# --- hold


def test_nothing_is_held_by_default(start_daemon, server):
    daemon = start_daemon(feed(server, when="manual"))
    with pytest.raises(RpcError) as refused:
        daemon.call("send", name="feed", text="too early")
    assert refused.value.err == "SOCKET-NOT-OPEN"
    assert stat(daemon, "send_refused") == 1


def test_messages_are_held_and_sent_in_order_after_on_open(start_daemon, server):
    daemon = start_daemon(feed(server, when="manual", on_open=["hello"], hold={"bytes": "1K"}))
    assert daemon.call("send", name="feed", text="one") is True
    assert daemon.call("send", name="feed", base64="dHdv") is True
    daemon.ctl("send", "feed", "three", status=0)
    status = daemon.status("feed")
    assert (status["held"], status["held_bytes"]) == (3, 3 * 16 + 11)
    daemon.call("connect", name="feed")
    assert receive(server.accept(), 4) == ["hello", "one", b"two", "three"]
    status = daemon.status("feed")
    assert (status["held"], status["held_bytes"]) == (0, 0)
    assert status["stats"]["send_refused"] == status["stats"]["send_expired"] == 0


def test_messages_are_held_across_a_loss(start_daemon, server):
    daemon = start_daemon(feed(server, hold={"bytes": "1K"}))
    peer = server.accept()
    daemon.wait_state("feed", "open")
    server.refuse_connections()
    peer.wait_closed()
    wait_until(lambda: not daemon.call("is-open", name="feed"))
    daemon.call("send", name="feed", text="in between")
    server.listen()
    assert server.accept().receive() == "in between"


def test_what_subscribers_send_is_held_too(start_daemon, server):
    daemon = start_daemon({
        "connections": [{"name": "feed", "url": server.url(), "when": "manual", "hold": {"bytes": "1K"}}],
        "outlets": [{"name": "out", "from": ["feed"], "writable": True}],
    })
    with Subscriber(daemon.path("out.sock")) as subscriber:
        subscriber.send(b"one\ntwo\n")
        wait_until(lambda: daemon.status("feed")["held"] == 2)
    daemon.call("connect", name="feed")
    assert receive(server.accept(), 2) == ["one", "two"]


def test_a_full_hold_refuses_with_a_clear_error(start_daemon, server):
    daemon = start_daemon(feed(server, when="manual", hold={"bytes": "100"}))
    daemon.call("send", name="feed", text="x" * 50)
    with pytest.raises(RpcError, match="no more can be held for it: 1 messages take 66 of 100 bytes"):
        daemon.call("send", name="feed", text="y" * 50)
    with pytest.raises(RpcError, match="larger than hold.bytes"):
        daemon.call("send", name="feed", text="z" * 100)
    with pytest.raises(RpcError, match="is not open"):
        daemon.call("ping", name="feed")
    assert stat(daemon, "send_refused") == 3
    daemon.call("connect", name="feed")
    assert server.accept().receive() == "x" * 50


def test_messages_that_are_too_old_are_dropped_and_counted(start_daemon, server):
    daemon = start_daemon(feed(server, when="manual", hold={"bytes": "1K", "age": "50ms"}))
    rpc = daemon.rpc()
    rpc.call("events")
    rpc.call("send", name="feed", text="one")
    assert rpc.event("expired")["messages"] == 1
    status = daemon.status("feed")
    assert status["held"] == 0 and status["stats"]["send_expired"] == 1
    daemon.wait_log("held for 50ms and are dropped: 1")
    rpc.call("connect", name="feed")
    rpc.call("send", name="feed", text="two")
    assert server.accept().receive() == "two"


def test_more_may_be_held_than_the_queue_takes(start_daemon, server):
    """The rest of the held, and what is sent meanwhile, follow as the queue empties."""
    daemon = start_daemon({
        "connections": [{
            "name": "feed", "url": server.url(), "when": "manual", "send_queue": "1K",
            "send_rate": {"messages": 100, "burst": 1}, "hold": {"bytes": "100K"},
        }],
        "outlets": [{"name": "out", "from": ["feed"], "writable": True}],
    })
    rpc = daemon.rpc()
    messages = [f"{number:0100}" for number in range(50)]
    for message in messages:
        rpc.call("send", name="feed", text=message)
    rpc.call("connect", name="feed")
    rpc.call("send", name="feed", text="behind them")
    with Subscriber(daemon.path("out.sock")) as subscriber:
        subscriber.send(b"and last\n")
        assert receive(server.accept(), 52) == [*messages, "behind them", "and last"]
    assert stat(daemon, "send_refused") == 0


# --- on_open


def test_placeholders_stand_for_name_and_environment(start_daemon, server):
    daemon = start_daemon(
        feed(server, on_open=["%n %{FEED_TOKEN} 100%%", "<%{FEED_UNSET}>"]),
        environment={"FEED_TOKEN": "t-0k€n"},
    )
    assert receive(server.accept(), 2) == ["feed t-0k€n 100%", "<>"]
    daemon.wait_log("on_open[1]: the environment variable FEED_UNSET is not set")
    assert "t-0k€n" not in daemon.log()


def test_the_file_is_read_at_each_open(start_daemon, server, tmp_path):
    file = tmp_path / "subscriptions"
    file.write_text("one %n\n\ntwo\n")
    daemon = start_daemon(feed(server, on_open=["zero"], on_open_file=str(file)))
    peer = server.accept()
    assert receive(peer, 3) == ["zero", "one feed", "two"]
    file.write_text("three")
    daemon.wait_state("feed", "open")
    peer.abort()
    assert receive(server.accept(), 2) == ["zero", "three"]


def broken_file(tmp_path, content):
    """The path of a file with that content; None: of one that is not there any more."""
    file = tmp_path / "subscriptions"
    file.write_bytes(content or b"")
    return file


@pytest.mark.parametrize("content, why", [
    (None, " cannot be read: No such file or directory"),
    (b"one\n\xff\nthree\n", ":2 cannot be sent: the text is not valid UTF-8"),
    (b"one\n50%\nthree\n", ":2: the message has a '%' that does not begin %n, %{VARIABLE} or %%"),
    (b"one\na\0b\nthree\n", ":2: the message has a NUL byte"),
])
def test_an_on_open_that_cannot_be_sent_is_a_failed_attempt(start_daemon, bad_server, tmp_path, content, why):
    """What comes after it is not sent; the connection closes and tries again, until the file is mended."""
    file = broken_file(tmp_path, content)
    daemon = start_daemon({"connections": [{
        "name": "feed", "url": bad_server.url("/hold"), "when": "manual", "on_open": ["zero"], "on_open_file": str(file),
        "reconnect": {"min": "50ms", "max": "50ms"}, "hold": {"bytes": "1K"},
    }]})
    if content is None:
        file.unlink()
    daemon.call("send", name="feed", text="held")
    rpc = daemon.rpc()
    rpc.call("events")
    with pytest.raises(RpcError) as failed:
        rpc.call("connect", name="feed")
    assert failed.value.message == f"on_open_file {file}{why}"
    event = rpc.event("on-open-error")
    assert (event["connection"], event["desc"]) == ("feed", failed.value.message)
    closed = rpc.event("close")
    assert (closed["code"], closed["remote"]) == (1011, False)
    assert rpc.event("retry")["attempt"] == 2
    assert daemon.status("feed")["last_error"]["desc"] == event["desc"]
    daemon.wait_log(event["desc"])
    for _ in range(2):
        exchange = bad_server.accept()
        assert exchange.wait_ended() == 1011
        assert [frame.payload for frame in exchange.frames[:-1]] == [b"zero", b"one"][:1 if content is None else 2]
    file.write_text("mended\n")
    wait_until(lambda: has(bad_server.exchanges[-1], b"held"))
    assert [frame.payload for frame in bad_server.exchanges[-1].frames] == [b"zero", b"mended", b"held"]
    wait_until(lambda: daemon.status("feed")["attempt"] == 0)


def test_waits_grow_while_on_open_fails(start_daemon, bad_server, tmp_path):
    """However long the connection was open, and until the attempts are used up."""
    file = broken_file(tmp_path, b"\xff")
    daemon = start_daemon({"connections": [{
        "name": "feed", "url": bad_server.url("/hold"), "when": "manual", "on_open_file": str(file),
        "reconnect": {"min": "10ms", "factor": 2, "jitter": "none", "stable": "0", "attempts": 4, "give_up": [1011]},
    }]})
    rpc = daemon.rpc()
    rpc.call("events")
    with pytest.raises(RpcError, match="not valid UTF-8"):
        rpc.call("connect", name="feed")
    waits = [rpc.event("retry") for _ in range(3)]
    assert [(wait["attempt"], wait["in_ms"]) for wait in waits] == [(2, 10), (3, 20), (4, 40)]
    assert rpc.event("gave-up")["reason"] == "4 attempts in a row failed"
    assert len(bad_server.exchanges) == 4


# Eight megabytes, which hardly get smaller.
SUBSCRIPTIONS = [f"{number:04} {random.Random(number).randbytes(1000).hex()}" for number in range(4000)]


def read_all(exchange, count):
    """The payloads of the first frames."""
    wait_until(lambda: len(exchange.frames) >= count)
    return [frame.payload.decode() for frame in exchange.frames[:count]]


@pytest.mark.parametrize("settings", [
    {},
    {"send_queue": "1K"},
    {"send_rate": {"messages": 100_000, "burst": 10}},
    {"heartbeat": {"every": "10ms", "message": "beat"}},
    {"compression": {"enabled": True}},
])
def test_all_of_on_open_is_sent_however_slow_the_server_reads(start_daemon, full_server, settings):
    """Far more than send_queue; nothing else comes before the last of them."""
    daemon = start_daemon({
        "connections": [{"name": "feed", "url": full_server.url("/slow-reader"), "on_open": SUBSCRIPTIONS, **settings}],
        "outlets": [{"name": "out", "from": ["feed"], "writable": True}],
    })
    exchange = full_server.accept()
    daemon.wait_state("feed", "open")
    daemon.call("on-open", name="feed", add="added")
    daemon.call("send", name="feed", text="sent")
    with Subscriber(daemon.path("out.sock")) as subscriber:
        subscriber.send(b"line\n")
        wait_until(lambda: daemon.status("feed")["send_queued"] > 0)
        exchange.go.set()
        wait_until(lambda: has(exchange, b"line"))
    payloads = [frame.payload.decode() for frame in exchange.frames]
    assert payloads[:4001] == [*SUBSCRIPTIONS, "added"]
    rest = [payload for payload in payloads[4001:] if payload != "beat"]
    assert sorted(rest) == ["line", "sent"]
    assert daemon.call("stats", name="feed")["send_refused"] == 0


def test_a_message_of_on_open_may_be_larger_than_the_queue(start_daemon, server):
    messages = ["small", "x" * 100_000, "y" * 5000, "last"]
    daemon = start_daemon(feed(server, on_open=messages, send_queue="1K", send_rate={"messages": 1000}))
    peer = server.accept()
    assert receive(peer, 4) == messages
    daemon.call("on-open", name="feed", add="z" * 3000)
    assert peer.receive() == "z" * 3000
    with pytest.raises(RpcError, match=r"a message of 1025 bytes is larger than send_queue \(1024 bytes\)"):
        daemon.call("send", name="feed", text="x" * 1025)


def test_a_held_message_is_sent_though_the_queue_has_become_smaller(start_daemon, server):
    daemon = start_daemon(feed(server, when="manual", hold={"bytes": "10K"}))
    daemon.call("send", name="feed", text="x" * 5000)
    daemon.call("send", name="feed", text="after")
    daemon.configure(feed(server, when="manual", hold={"bytes": "10K"}, send_queue="1K"))
    daemon.call("reload")
    daemon.call("connect", name="feed")
    assert receive(server.accept(), 2) == ["x" * 5000, "after"]
    with pytest.raises(RpcError, match="larger than send_queue"):
        daemon.call("send", name="feed", text="x" * 2000)


def test_a_reload_in_the_middle_of_on_open(start_daemon, full_server):
    """Those that the connection opened with are all sent; it keeps open."""
    daemon = start_daemon(one := {"connections": [{
        "name": "feed", "url": full_server.url("/slow-reader"), "on_open": SUBSCRIPTIONS,
    }]})
    exchange = full_server.accept()
    daemon.wait_state("feed", "open")
    wait_until(lambda: daemon.status("feed")["send_queued"] > 500_000)
    one["connections"][0].update(on_open=["other"], send_queue="64K", send_rate={"messages": 1_000_000, "burst": 100})
    daemon.configure(one)
    assert daemon.call("reload")["changed"] == 1
    daemon.call("send", name="feed", text="sent")
    exchange.go.set()
    assert read_all(exchange, 4001) == [*SUBSCRIPTIONS, "sent"]


# --- on-open at run time


def test_what_is_added_is_sent_now_and_after_each_reconnect(start_daemon, server):
    daemon = start_daemon(feed(server, on_open=["zero"]))
    peer = server.accept()
    assert peer.receive() == "zero"
    daemon.wait_state("feed", "open")
    assert daemon.call("on-open", name="feed") == []
    assert daemon.call("on-open", name="feed", add="sub %n") == ["sub %n"]
    assert daemon.call("on-open", name="feed", add="sub b") == ["sub %n", "sub b"]
    assert daemon.call("on-open", name="feed", add="sub %n") == ["sub %n", "sub b"]
    daemon.call("send", name="feed", text="end")
    assert receive(peer, 3) == ["sub feed", "sub b", "end"]
    peer.abort()
    peer = server.accept()
    assert receive(peer, 3) == ["zero", "sub feed", "sub b"]
    daemon.wait_state("feed", "open")
    assert daemon.call("on-open", name="feed", remove="sub %n") == ["sub b"]
    daemon.call("send", name="feed", text="end")
    assert peer.receive() == "end"
    peer.abort()
    assert receive(server.accept(), 2) == ["zero", "sub b"]


def test_what_is_added_while_not_open_is_sent_once(start_daemon, server):
    daemon = start_daemon(feed(server, when="manual", hold={"bytes": "1K"}))
    daemon.call("on-open", name="feed", add="sub a")
    daemon.call("send", name="feed", text="held")
    daemon.call("connect", name="feed")
    assert receive(server.accept(), 2) == ["sub a", "held"]
    assert daemon.status("feed")["stats"]["messages_sent"] == 2


def test_what_is_added_survives_a_reload_that_leaves_the_connection_open(start_daemon, server):
    daemon = start_daemon(feed(server))
    peer = server.accept()
    daemon.wait_state("feed", "open")
    daemon.call("on-open", name="feed", add="sub a")
    assert daemon.call("reload")["unchanged"] == 1
    daemon.configure(feed(server, close_timeout="1s"))
    assert daemon.call("reload")["changed"] == 1
    assert daemon.call("on-open", name="feed") == ["sub a"]
    assert peer.receive() == "sub a"
    peer.abort()
    assert server.accept().receive() == "sub a"


def test_on_open_refuses_what_cannot_be(start_daemon, server):
    daemon = start_daemon(feed(server), environment={"FEED_BROKEN": b"\xff"})
    server.accept()
    daemon.wait_state("feed", "open")
    for params, wanted in (
        ({"add": "50%"}, "SETTINGS-ERROR: the message has a '%' that does not begin"),
        ({"add": "%{FEED_BROKEN}"}, "WEBSOCKET-ERROR: the text is not valid UTF-8"),
        ({"remove": "nope"}, "NOT-FOUND: no such message has been added"),
        ({"add": "a", "remove": "b"}, "None: on-open: 'add' and 'remove' exclude each other"),
    ):
        with pytest.raises(RpcError) as refused:
            daemon.call("on-open", name="feed", **params)
        error = refused.value
        assert re.match(wanted, f"{error.err}: {error.message}"), error.message
    assert daemon.call("on-open", name="feed") == []
    with pytest.raises(RpcError, match="no connection named 'other'"):
        daemon.call("on-open", name="other")


def test_only_so_many_can_be_added(start_daemon, server):
    daemon = start_daemon(feed(server, when="manual"))
    rpc = daemon.rpc()
    for number in range(1000):
        rpc.call("on-open", name="feed", add=str(number))
    with pytest.raises(RpcError, match=r"1000 messages \(2890 bytes\) have been added already"):
        rpc.call("on-open", name="feed", add="one more")


def test_wsgatectl_on_open(start_daemon, server):
    daemon = start_daemon(feed(server, when="manual"))
    message = '{"op":"subscribe"}'
    assert daemon.ctl("on-open", "feed", "add", message, status=0).stdout == ""
    assert daemon.ctl_json("on-open", "feed", "add", "--", "-2-") == [message, "-2-"]
    assert daemon.ctl("on-open", "feed", "list", status=0).stdout == message + "\n-2-\n"
    daemon.ctl("on-open", "feed", "remove", message, status=0)
    assert json.loads(daemon.ctl("--json", "on-open", "feed", "list", status=0).stdout) == ["-2-"]
    assert "NOT-FOUND" in daemon.ctl("on-open", "feed", "remove", message, status=1).stderr
    for wrong in (("feed",), ("feed", "add"), ("feed", "list", "x"), ("feed", "drop", "x")):
        daemon.ctl("on-open", *wrong, status=2)
